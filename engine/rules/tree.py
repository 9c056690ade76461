"""The expression tree: what a rule says, before anything knows what its names mean.

The tree maps 1:1 to the canonical text and to the structured form (the `Expr` message and
its JSON). Nodes are immutable and compare by what they say; where they stood in the text
(`span`) takes no part in comparison. Chains are flat: `a and b and c` is one `And` of three.

Four readings of the language meet here and nowhere else, so this module imports nothing
of the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal as OneOf

__all__ = [
    "Aggregate",
    "AggregateFunction",
    "And",
    "AnyEvent",
    "Atom",
    "Between",
    "Bool",
    "Call",
    "Compare",
    "Consent",
    "Date",
    "Duration",
    "Expr",
    "HasAll",
    "In",
    "Instant",
    "Link",
    "ListOf",
    "Literal",
    "Match",
    "Name",
    "Not",
    "Now",
    "Number",
    "Or",
    "Presence",
    "Property",
    "Segment",
    "Selector",
    "Sequence",
    "Span",
    "Step",
    "Sum",
    "Term",
    "Text",
    "Time",
    "Truth",
    "Value",
    "Window",
]


@dataclass(frozen=True, slots=True)
class Span:
    """Where a node stood in its text: code points `[start, end)`, counted from 0."""

    start: int
    end: int


def _span() -> Span | None:
    return field(default=None, compare=False, repr=False, kw_only=True)


# ---------------------------------------------------------------------------- literals


@dataclass(frozen=True, slots=True)
class Text:
    """A string literal, quotes and doubling removed."""

    value: str
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Number:
    """A number literal with its sign; `1_000` and `1e3` are both `Decimal(1000)`.

    `value` is finite and normalised: no trailing zeros after the point, exponent <= 0,
    at most 38 significant digits, and zero has no sign.
    """

    value: Decimal
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Bool:
    """`true` or `false`."""

    value: bool
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Date:
    """`date '2026-11-01'`: a calendar day of the proleptic Gregorian calendar, years 1..9999.

    `days` counts from 1970-01-01.
    """

    days: int
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Time:
    """`time '2026-11-01T08:00:00+08:00'`, to the microsecond.

    `local_us` is the wall clock as written, in microseconds from 1970-01-01T00:00 of that
    clock. `offset_s` is the written offset east of Greenwich in whole seconds, or None where
    the text gives none: the model's time zone then decides at binding.
    """

    local_us: int
    offset_s: int | None
    span: Span | None = _span()


Unit = OneOf["second", "minute", "hour", "day", "week"]


@dataclass(frozen=True, slots=True)
class Duration:
    """`30 days`: a positive whole number of a unit; a day is 24 hours, a week 7 days."""

    amount: int
    unit: Unit
    span: Span | None = _span()


# A string, number, boolean, date or time, as it may stand in an `in` list.
Literal = Text | Number | Bool | Date | Time


# ------------------------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class Name:
    """An attribute; inside a `where`, a property of the selected events."""

    name: str
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Now:
    """`now`: the instant that the expression is asked for."""

    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Call:
    """`score('x')`, `band('x')`, `tier('x')` or `bucket('salt')`."""

    function: OneOf["score", "band", "tier", "bucket"]
    argument: str
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class AnyEvent:
    """`any`: every type of event."""

    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Selector:
    """Names of event types or event groups, in the order written."""

    names: tuple[str, ...]
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Property:
    """`order.amount`, `content.page` or `any.amount`: a property of the selected events."""

    events: Selector | AnyEvent
    property: str
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Step:
    """Events of a selector that satisfy `where` (an expression over their properties)."""

    selector: Selector | AnyEvent
    where: Expr | None = None
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Instant:
    """A date, a time, or `now` with an optional signed duration, as a window's border.

    Exactly one of: `at` is a Date or a Time and `shift` is None; or `at` is Now, `sign` is
    +1 or -1 and `shift` a Duration, or None for `now` alone (sign +1).
    """

    at: Date | Time | Now
    sign: int = 1
    shift: Duration | None = None
    span: Span | None = _span()


CalendarUnit = OneOf["day", "week", "month", "quarter", "year"]


@dataclass(frozen=True, slots=True)
class Window:
    """Which instants count. `kind` decides which other fields are set.

    in_last             length                  (t - length, t]
    between_ago         start, end (durations)  (t - start, t - end]
    since               from_                   [from_, t]
    before              to                      (-inf, to)
    from_to             from_, to               [from_, to)
    in_last_calendar    count, unit             the current unit and the count - 1 before it
    calendar_ago        count, unit             the whole unit that lies `count` units back
    today, yesterday    nothing
    this                unit                    the current unit up to t
    """

    kind: OneOf[
        "in_last",
        "between_ago",
        "since",
        "before",
        "from_to",
        "in_last_calendar",
        "calendar_ago",
        "today",
        "yesterday",
        "this",
    ]
    length: Duration | None = None
    start: Duration | None = None
    end: Duration | None = None
    from_: Instant | None = None
    to: Instant | None = None
    count: int | None = None
    unit: CalendarUnit | None = None
    span: Span | None = _span()


AggregateFunction = OneOf[
    "count",
    "days",
    "first",
    "last",
    "sum",
    "avg",
    "min",
    "max",
    "distinct",
    "first_value",
    "last_value",
]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A value computed from one profile's events.

    `count`, `days`, `first` and `last` take a Step; the others take a Property with an
    optional `where`. Exactly one of `step` and `property` is set; `where` belongs to
    `property` (a Step carries its own).
    """

    function: AggregateFunction
    step: Step | None = None
    property: Property | None = None
    where: Expr | None = None
    window: Window | None = None
    span: Span | None = _span()


Atom = Name | Literal | Duration | Now | Call | Aggregate


@dataclass(frozen=True, slots=True)
class Term:
    """One signed summand, `[factor *] atom`; `factor` is None where none is written.

    The first term of a sum may carry sign -1 only in front of a number literal, and that
    sign is folded into the literal: there `sign` is +1.
    """

    sign: int
    factor: Number | None
    atom: Atom
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Sum:
    """A value of two or more terms, or of one term with a factor. Left to right."""

    terms: tuple[Term, ...]
    span: Span | None = _span()


# A single unsigned, unscaled atom stands for itself.
Value = Atom | Sum


# -------------------------------------------------------------------------- predicates


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`; `<>` is read as `!=`."""

    left: Value
    op: OneOf["=", "!=", "<", "<=", ">", ">="]
    right: Value
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Between:
    """`value [not] between low and high`, both ends included."""

    value: Value
    low: Value
    high: Value
    negated: bool = False
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class In:
    """`value [not] in (literal, ...)`, literals in the order written, repeats kept."""

    value: Value
    literals: tuple[Literal, ...]
    negated: bool = False
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Presence:
    """`value is present` or `value is missing`; `is not missing` is read as `is present`."""

    value: Value
    present: bool
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Match:
    """`value [not] contains | starts with | ends with 'text'`."""

    value: Value
    how: OneOf["contains", "starts with", "ends with"]
    text: str
    negated: bool = False
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class HasAll:
    """`set has all (literal, ...)`."""

    value: Value
    literals: tuple[Literal, ...]
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Truth:
    """A boolean value standing as a predicate: an attribute, a property, true or false."""

    value: Name | Bool
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Segment:
    """`segment('x')`: the definition of that segment at the same instant."""

    name: str
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class ListOf:
    """`list('x')`: the profile owns one of the identifiers uploaded under that name."""

    name: str
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Consent:
    """`consent('purpose'[, 'channel'])`."""

    purpose: str
    channel: str | None = None
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Link:
    """`then [no] step within duration`."""

    step: Step
    within: Duration
    absent: bool = False
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Sequence:
    """`sequence(first then ... within ... [window])`; the window restricts the first step."""

    first: Step
    links: tuple[Link, ...]
    window: Window | None = None
    span: Span | None = _span()


# ------------------------------------------------------------------------------- logic


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more items; no item is itself an `And` unless it stood in brackets
    that the canonical text keeps, which it never does: nested chains are flattened."""

    items: tuple[Expr, ...]
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more items, flattened like `And`."""

    items: tuple[Expr, ...]
    span: Span | None = _span()


@dataclass(frozen=True, slots=True)
class Not:
    """Plain negation over today's live profiles."""

    item: Expr
    span: Span | None = _span()


Predicate = (
    Compare
    | Between
    | In
    | Presence
    | Match
    | HasAll
    | Truth
    | Segment
    | ListOf
    | Consent
    | Sequence
)
Expr = And | Or | Not | Predicate
