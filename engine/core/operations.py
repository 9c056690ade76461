"""The flat program: leaves over stored fields, and the logic that joins them.

A plan is what an expression means for one snapshot and one instant: names have become field
numbers, strings dictionary codes, `now` a number. Equal parts are one node, so a plan is a
graph without cycles whose nodes stand after the nodes they read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BucketLeaf",
    "BucketNumber",
    "CodePairLeaf",
    "CodesLeaf",
    "ColumnNumber",
    "DayNumber",
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
    "Plan",
    "PresentLeaf",
    "RowsLeaf",
    "SetLeaf",
    "Side",
    "TextLeaf",
]

Compare = Literal["=", "!=", "<", "<=", ">", ">="]


# ------------------------------------------------------------------ numbers of a row


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


Number = ColumnNumber | FloatNumber | DayNumber | BucketNumber


@dataclass(frozen=True, slots=True)
class LinearSummand:
    """`factor * (stored integer of number)`, factor an integer."""

    number: Number
    factor: int


@dataclass(frozen=True, slots=True)
class FloatSummand:
    """`sign * (factor * number)` in doubles; a plain number where `number` is a float."""

    number: Number | float
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


# What one predicate comes down to: a leaf; true or false; or several of these joined.
LeafLogic = Leaf | bool | tuple[Literal["and", "or"], tuple["LeafLogic", ...]]


# ------------------------------------------------------------------------------ logic


@dataclass(frozen=True, slots=True)
class Node:
    """`leaf` set: that leaf. Otherwise logic over earlier nodes; true and false have none."""

    kind: Literal["leaf", "and", "or", "not", "true", "false"]
    children: tuple[int, ...] = ()
    leaf: Leaf | None = None


@dataclass(slots=True)
class Plan:
    """Nodes in an order where children come first; node ids are positions."""

    nodes: list[Node] = field(default_factory=list)
