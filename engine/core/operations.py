"""The flat program: leaves over stored fields, and the logic that joins them.

A plan is what an expression means for one snapshot and one instant: names have become field
numbers, strings dictionary codes, `now` a number. Equal parts are one node, so a plan is a
graph without cycles whose nodes stand after the nodes they read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from engine.core.where_plan import WhereNode

__all__ = [
    "FEW_MOST",
    "AverageNumber",
    "BucketLeaf",
    "BucketNumber",
    "CodePairLeaf",
    "CodesLeaf",
    "Column",
    "ColumnNumber",
    "DayNumber",
    "EventColumn",
    "EventSource",
    "FloatInLeaf",
    "FloatLeaf",
    "FloatNumber",
    "FloatRangeLeaf",
    "FloatSummand",
    "IntInLeaf",
    "IntRangeLeaf",
    "Leaf",
    "LeafLogic",
    "LinearInLeaf",
    "LinearLeaf",
    "LinearSummand",
    "Node",
    "Number",
    "PairColumn",
    "Plan",
    "PresentLeaf",
    "RowsLeaf",
    "ScaledNumber",
    "ScoreColumn",
    "ScoreEach",
    "ScoreWhen",
    "SequenceColumn",
    "SequenceStep",
    "SetLeaf",
    "Side",
    "SumNumber",
    "TextLeaf",
]

Compare = Literal["=", "!=", "<", "<=", ">", ">="]

# Where the counts of an `EventColumn` of few stop.
FEW_MOST = 255


# ------------------------------------------------------------------------ aggregates


@dataclass(frozen=True, slots=True)
class EventSource:
    """Events of one type that count: those that `where` holds for, nodes in postfix order.

    `field` is that of the events, `property` the number of the property that is read of them: only
    those that have it count; 0 where none is read. Events before `kept_from_us` are dropped. A
    decimal that other sources have with more digits counts `factor` times its stored integer.
    """

    field: int
    property: int
    where: tuple[WhereNode, ...] = ()
    kept_from_us: int = -(2**63)
    factor: int = 1


@dataclass(frozen=True, slots=True)
class EventColumn:
    """What is made of the events in [from_us, to_us) of a profile, as a field that leaves read.

    `mark`: the set of those that have any; `few`: a count that stops at FEW_MOST. `worth`: the sum
    of what they are worth at `now_us`, by whole hours of age, thousandths as little-endian int64,
    all of one sign. `latest`: what the last event has, which may be nothing. `kind` is what the
    property is. `zone` is that of `days`. `dictionary`, of a category, has the strings that are
    ordered where times are equal.
    """

    function: Literal[
        "mark", "few", "count", "days", "first", "last", "worth",
        "sum", "min", "max", "distinct", "first_value", "last_value", "latest",
    ]  # fmt: skip
    sources: tuple[EventSource, ...]
    from_us: int
    to_us: int
    kind: Literal["int", "float", "category", "bool", "text"] = "int"
    zone: ZoneInfo | None = None
    dictionary: int = 0
    worth: bytes = b""
    now_us: int = 0


@dataclass(frozen=True, slots=True)
class PairColumn:
    """Who has `least` events or more in [from_us, to_us), and a sum of their property from `low` to
    `high`: a set that leaves read, as a mark is. Events without the property count.

    `least` is 1 to FEW_MOST.
    """

    sources: tuple[EventSource, ...]
    from_us: int
    to_us: int
    least: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class SequenceStep:
    """Events of one set of a sequence, at most `within_us` after the last step that happened;
    `absent`: none of them in that time. The first step has neither."""

    events: int
    within_us: int = 0
    absent: bool = False


@dataclass(frozen=True, slots=True)
class SequenceColumn:
    """Who has events that follow each other as `steps` say: a set that leaves read, as a mark is.

    `sets` are the events that steps name by place. The first step happens in [from_us, to_us), and
    nothing after `now_us` counts.
    """

    sets: tuple[tuple[EventSource, ...], ...]
    steps: tuple[SequenceStep, ...]
    from_us: int
    to_us: int
    now_us: int


@dataclass(frozen=True, slots=True)
class ScoreWhen:
    """`points` thousandths to those that a node of the plan holds for."""

    node: int
    points: int


@dataclass(frozen=True, slots=True)
class ScoreEach:
    """`points` thousandths for each that column `column` counts; in size no more than `at_most`."""

    column: int
    points: int
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class ScoreColumn:
    """The sum of some rules, not below `floor` and not above `ceiling`, in thousandths."""

    rules: tuple[ScoreWhen | ScoreEach, ...]
    floor: int | None = None
    ceiling: int | None = None


Column = EventColumn | PairColumn | SequenceColumn | ScoreColumn


# ------------------------------------------------------------------ numbers of a row
# Field -1 - i is column i of the plan.


@dataclass(frozen=True, slots=True)
class ColumnNumber:
    """An int, decimal, date or time column; its value is stored / `denominator`."""

    field: int
    denominator: int = 1


@dataclass(frozen=True, slots=True)
class FloatNumber:
    """A float column."""

    field: int


@dataclass(frozen=True, slots=True)
class DayNumber:
    """First instant (microseconds) of a date column's day.

    `starts` holds little-endian int64 instants of `first_day` and the days after it, and
    covers every day in the column.
    """

    field: int
    first_day: int
    starts: bytes


@dataclass(frozen=True, slots=True)
class BucketNumber:
    """The profile's bucket, 0..9999, for a salt hashed to `seed`."""

    seed: int


@dataclass(frozen=True, slots=True)
class SumNumber:
    """A sum over events, in up to 128 bits; its value is that / `denominator`. Never missing."""

    field: int
    denominator: int = 1


@dataclass(frozen=True, slots=True)
class AverageNumber:
    """The sum in one column by the count in another, / `denominator`; missing where that is 0."""

    field: int
    count_field: int
    denominator: int = 1


@dataclass(frozen=True, slots=True)
class ScaledNumber:
    """A value of decimals of several scales, in up to 128 bits: that / `denominator`."""

    field: int
    denominator: int = 1


Number = (
    ColumnNumber | FloatNumber | DayNumber | BucketNumber | SumNumber | AverageNumber | ScaledNumber
)


@dataclass(frozen=True, slots=True)
class LinearSummand:
    """`factor * (stored integer of number)`, factor an integer."""

    number: Number
    factor: int


@dataclass(frozen=True, slots=True)
class FloatSummand:
    """`sign * (factor * number)` in doubles; a plain number where `number` is a float, an exact sum
    where it is a side."""

    number: Number | Side | float
    sign: float = 1.0
    factor: float | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """One side in doubles: `floats` left to right, or (sum of `exact` + constant) / denominator."""

    floats: tuple[FloatSummand, ...] = ()
    exact: tuple[LinearSummand, ...] = ()
    constant: int = 0
    denominator: int = 1


# ----------------------------------------------------------------------------- leaves
# `negated` everywhere means: the value is present, and the rest does not hold.


@dataclass(frozen=True, slots=True)
class SetLeaf:
    """Any of `codes` (sorted) in a set, bool or live field."""

    field: int
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CodesLeaf:
    """A category code whose bit is set in `members` (little-endian 64-bit words)."""

    field: int
    members: bytes
    lowest: int
    highest: int
    contiguous: bool


@dataclass(frozen=True, slots=True)
class CodePairLeaf:
    """Equal strings in two category columns; `codes` maps left codes (uint32) to right ones."""

    left: int
    right: int
    codes: bytes
    negated: bool


@dataclass(frozen=True, slots=True)
class PresentLeaf:
    """A column or text that is there."""

    field: int
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class IntRangeLeaf:
    """`low <= stored integer <= high`."""

    field: int
    low: int
    high: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IntInLeaf:
    """A stored integer among `values` (sorted)."""

    field: int
    values: tuple[int, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class FloatRangeLeaf:
    """`low <= value <= high` in doubles."""

    field: int
    low: float
    high: float
    negated: bool = False


@dataclass(frozen=True, slots=True)
class LinearLeaf:
    """`sum of summands + constant  compare  0`, exact."""

    summands: tuple[LinearSummand, ...]
    constant: int
    compare: Compare


@dataclass(frozen=True, slots=True)
class LinearInLeaf:
    """`sum of summands` among `targets` (sorted integers), exact."""

    summands: tuple[LinearSummand, ...]
    targets: tuple[int, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class FloatLeaf:
    """`left compare right` in doubles; a side that is not a number makes it false."""

    left: Side
    compare: Compare
    right: Side


@dataclass(frozen=True, slots=True)
class FloatInLeaf:
    """A side in doubles among `values` (sorted)."""

    left: Side
    values: tuple[float, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class TextLeaf:
    """A text that contains, starts with or ends with `needle` (UTF-8)."""

    field: int
    how: Literal["contains", "starts with", "ends with"]
    needle: bytes
    negated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RowsLeaf:
    """Profiles by row number: sorted uint32, without repeats. Equal only to itself."""

    rows: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class BucketLeaf:
    """`low <= bucket <= high`."""

    seed: int
    low: int
    high: int
    negated: bool = False


Leaf = (
    SetLeaf
    | CodesLeaf
    | CodePairLeaf
    | PresentLeaf
    | IntRangeLeaf
    | IntInLeaf
    | FloatRangeLeaf
    | LinearLeaf
    | LinearInLeaf
    | FloatLeaf
    | FloatInLeaf
    | TextLeaf
    | RowsLeaf
    | BucketLeaf
)


# What one predicate comes down to: a leaf; true or false; or several of these joined, or the
# complement of one.
LeafLogic = Leaf | bool | tuple[Literal["and", "or", "not"], tuple["LeafLogic", ...]]


# ------------------------------------------------------------------------------ logic


@dataclass(frozen=True, slots=True)
class Node:
    """`leaf` set: that leaf. Otherwise logic over earlier nodes; true and false have none."""

    kind: Literal["leaf", "and", "or", "not", "true", "false"]
    children: tuple[int, ...] = ()
    leaf: Leaf | None = None


@dataclass(slots=True)
class Plan:
    """Nodes in an order where children come first; node ids are positions.

    `columns` are what leaves read beside stored fields: column i is field -1 - i.
    """

    nodes: list[Node] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
