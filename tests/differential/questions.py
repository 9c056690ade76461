"""Expressions as a small tree of their own: asked in our language and in SQL.

Nothing here is the engine's. A generator makes these trees once; `in_rules` writes them as
rules and `in_sql` as SQL conditions, each from the meaning that docs/language.md gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

__all__ = [
    "KINDS", "All", "Any", "Between", "Bucket", "Column", "Compare", "Constant", "Day", "Fact",
    "Flag", "HasAll", "In", "Instant", "Listed", "Literal", "Match", "Mean", "Named", "Not", "Now",
    "Number", "Predicate", "Present", "Question", "Span", "Sum", "Term", "Truth", "Value", "Word",
    "pre_order",
]  # fmt: skip

# The type of every attribute; `tag` is built in.
KINDS = {
    "country": "category",
    "first_country": "category",
    "行业": "category",
    "countries": "set",
    "months": "set",
    "tag": "set",
    "invoices": "int",
    "quantity": "int",
    "returned_units": "int",
    "revenue": "decimal",
    "refunds": "decimal",
    "bonus points": "decimal",
    "mean_price": "float",
    "return_share": "float",
    "returned": "bool",
    "abroad": "bool",
    "first_day": "date",
    "return_day": "date",
    "first_seen": "time",
    "last_seen": "time",
    "last_return": "time",
    "favourite": "text",
    "remark": "text",
}


@dataclass(frozen=True)
class Column:
    """An attribute."""

    name: str

    @property
    def kind(self) -> str:
        """Its type."""
        return KINDS[self.name]

    @property
    def written(self) -> str:
        """How a rule names it."""
        return f'"{self.name}"' if " " in self.name else self.name


@dataclass(frozen=True)
class Fact(Column):
    """Another column of SQL, and how a rule says what is in it: a property of an event, or an
    aggregate."""

    own_kind: str
    own_text: str

    @property
    def kind(self) -> str:
        """Its type."""
        return self.own_kind

    @property
    def written(self) -> str:
        """How a rule says it."""
        return self.own_text


@dataclass(frozen=True)
class Number:
    """A number and how it is written, such as 1_000 or 1e3."""

    value: Decimal
    written: str


@dataclass(frozen=True)
class Word:
    """A string."""

    text: str


@dataclass(frozen=True)
class Truth:
    """true or false."""

    value: bool


@dataclass(frozen=True)
class Day:
    """A date."""

    day: date


@dataclass(frozen=True)
class Instant:
    """A time: microseconds from 1970-01-01T00:00Z, and how it is written."""

    us: int
    written: str


@dataclass(frozen=True)
class Span:
    """A duration."""

    amount: int
    unit: str


@dataclass(frozen=True)
class Now:
    """The instant asked for."""


@dataclass(frozen=True)
class Bucket:
    """`bucket` of a salt."""

    salt: str


Literal = Number | Word | Truth | Day | Instant
Atom = Column | Literal | Span | Now | Bucket


@dataclass(frozen=True)
class Term:
    """`sign factor * atom`; the factor of the first term may be negative."""

    sign: int
    factor: Number | None
    atom: Atom


@dataclass(frozen=True)
class Sum:
    """Terms from left to right."""

    terms: tuple[Term, ...]


Value = Atom | Sum


@dataclass(frozen=True)
class Compare:
    """`left op right`."""

    left: Value
    op: str
    right: Value


@dataclass(frozen=True)
class Between:
    """`value [not] between low and high`."""

    value: Value
    low: Value
    high: Value
    negated: bool


@dataclass(frozen=True)
class In:
    """`value [not] in (...)`."""

    value: Value
    choices: tuple[Atom, ...]
    negated: bool


@dataclass(frozen=True)
class HasAll:
    """`set has all (...)`."""

    column: Column
    words: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """`value [not] contains | starts with | ends with 'part'`."""

    column: Column
    how: str
    part: str
    negated: bool


@dataclass(frozen=True)
class Present:
    """`value is present`, or missing."""

    value: Value
    present: bool


@dataclass(frozen=True)
class Flag:
    """A boolean attribute as a condition."""

    column: Column


@dataclass(frozen=True)
class Constant:
    """true or false as a condition."""

    value: bool


@dataclass(frozen=True)
class Mean:
    """`avg(...) op right`, where the sum and how many there are have columns of their own."""

    written: str
    total: Column
    many: Column
    op: str
    right: Value


@dataclass(frozen=True)
class Named:
    """`segment('name')`."""

    name: str


@dataclass(frozen=True)
class Listed:
    """`list('name')`."""

    name: str


@dataclass(frozen=True)
class Not:
    """Everybody else."""

    item: Question


@dataclass(frozen=True)
class All:
    """Two or more conditions; none of them is itself an All."""

    items: tuple[Question, ...]


@dataclass(frozen=True)
class Any:
    """Two or more conditions; none of them is itself an Any."""

    items: tuple[Question, ...]


Predicate = (
    Compare | Between | In | HasAll | Match | Present | Flag | Constant | Mean | Named | Listed
)
Question = Predicate | Not | All | Any


def pre_order(question: Question, depth: int = 0) -> Iterator[tuple[Question, int]]:
    """Every condition with its depth, each before those inside it."""
    yield question, depth
    match question:
        case Not(item):
            yield from pre_order(item, depth + 1)
        case All(items) | Any(items):
            for item in items:
                yield from pre_order(item, depth + 1)
