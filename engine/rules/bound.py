"""The bound tree: an expression whose names, types and units are settled.

Binding decides everything that does not depend on data: which field a name means, what
the types are, whether a comparison is exact or in doubles. Comparisons are brought into one
shape, a linear form against zero, because a value of the language is always a linear
combination of atoms. What depends on stored data (category codes, list members) and on the
instant asked (`now`) is settled when the bound tree becomes a program.

Units of linear forms: int and decimal their value; date days from 1970-01-01; time
microseconds from 1970-01-01T00:00Z; duration microseconds; bucket 0..9999.
A predicate is false where any source it reads is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

from engine.model.definitions import Attribute
from engine.rules import tree
from engine.rules.bound_events import BoundAggregate, BoundSequence
from engine.rules.bound_scores import BoundScore

__all__ = [
    "AggregateSource",
    "AttributeSource",
    "BoundAnd",
    "BoundBool",
    "BoundCategory",
    "BoundCategoryPair",
    "BoundCompare",
    "BoundConstant",
    "BoundExpr",
    "BoundFloatCompare",
    "BoundFloatIn",
    "BoundIn",
    "BoundLater",
    "BoundList",
    "BoundNot",
    "BoundOr",
    "BoundPresence",
    "BoundSegment",
    "BoundSet",
    "BoundText",
    "BucketSource",
    "DateStartSource",
    "FloatTerm",
    "FloatValue",
    "Linear",
    "LinearTerm",
    "Read",
    "ScoreSource",
    "Source",
    "StringTest",
    "aggregates_of",
    "attributes_of",
    "parts_of",
    "predicates_of",
    "scores_of",
    "sources_of",
    "with_scores",
]

Op = Literal["=", "!=", "<", "<=", ">", ">="]


# ------------------------------------------------------------------------------ sources


@dataclass(frozen=True, slots=True)
class AttributeSource:
    """An int, decimal, date, time or float attribute, in the unit of its type."""

    attribute: Attribute


@dataclass(frozen=True, slots=True)
class DateStartSource:
    """The first instant of a date attribute's day in the model's time zone, microseconds."""

    attribute: Attribute


@dataclass(frozen=True, slots=True)
class BucketSource:
    """`bucket('salt')`; never missing."""

    salt: str


@dataclass(frozen=True, slots=True)
class ScoreSource:
    """`score('x')`, in points; never missing. Equal names are equal: a model has one of each."""

    name: str
    score: BoundScore = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AggregateSource:
    """An int, decimal, date, time or float aggregate, in the unit of its type.

    `day_start`: of a date, its first instant in the model's time zone, microseconds.
    """

    aggregate: BoundAggregate
    day_start: bool = False


# A string, a boolean or something that may be missing: an attribute, or what events make.
Read = Attribute | BoundAggregate

Source = AttributeSource | DateStartSource | BucketSource | ScoreSource | AggregateSource


@dataclass(frozen=True, slots=True)
class LinearTerm:
    """`factor * source`. A factor of 0 stays: the source must be present all the same."""

    factor: Fraction
    source: Source


@dataclass(frozen=True, slots=True)
class Linear:
    """Exact: sum of terms + now_factor * now (microseconds) + constant.

    Each source appears once.
    """

    terms: tuple[LinearTerm, ...]
    constant: Fraction = Fraction(0)
    now_factor: int = 0


@dataclass(frozen=True, slots=True)
class FloatTerm:
    """One summand of a value in doubles: `sign * (factor * source)`.

    `source` is a Source (its exact value rounded to the nearest double) or a literal already
    rounded to the nearest double. `factor` is None where none is written. The product is one
    IEEE double multiplication.
    """

    sign: int
    factor: float | None
    source: Source | float


@dataclass(frozen=True, slots=True)
class FloatValue:
    """One side of a comparison with a float in it.

    Either `terms`, added left to right in doubles, or, for a side that has no float of its
    own, `exact`: computed exactly and rounded once to the nearest double. A result that is
    not a number makes the comparison false.
    """

    terms: tuple[FloatTerm, ...] = ()
    exact: Linear | None = None


@dataclass(frozen=True, slots=True)
class StringTest:
    """Which strings pass: those in `values` (how='in'), or by one needle in `values`."""

    how: Literal["in", "contains", "starts with", "ends with"]
    values: frozenset[str]

    def passes(self, text: str) -> bool:
        """Whether a string passes."""
        match self.how:
            case "in":
                return text in self.values
            case "contains":
                return any(needle in text for needle in self.values)
            case "starts with":
                return text.startswith(tuple(self.values))
            case "ends with":
                return text.endswith(tuple(self.values))


# --------------------------------------------------------------------------- predicates
# `node` is the tree node that this came from (for counts per node and explanations).
# One tree node may become several bound nodes; only the outermost carries its `node`,
# inner ones carry None.


@dataclass(frozen=True, slots=True)
class BoundConstant:
    """true or false for every live profile."""

    value: bool
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundCompare:
    """`form op 0`, exact."""

    form: Linear
    op: Op
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundIn:
    """`form` equals (negated: differs from) every/any of `values`, exact.

    Not negated: equal to one of the values. Negated: present, and equal to none.
    """

    form: Linear
    values: frozenset[Fraction]
    negated: bool
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundFloatCompare:
    """`left op right` in doubles."""

    left: FloatValue
    op: Op
    right: FloatValue
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundFloatIn:
    """A value in doubles against literals rounded to the nearest double."""

    value: FloatValue
    values: frozenset[float]
    negated: bool
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundCategory:
    """A category whose string passes (negated: is present and does not pass)."""

    read: Read
    test: StringTest
    negated: bool
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundCategoryPair:
    """Two categories with equal (negated: different) strings; both present."""

    left: Read
    right: Read
    negated: bool
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundBool:
    """A bool that is present and equals `wanted`."""

    read: Read
    wanted: bool
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundSet:
    """A set attribute with some element that passes."""

    attribute: Attribute
    test: StringTest
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundText:
    """A text that contains, starts with or ends with `needle` (negated: present, and does not)."""

    read: Read
    how: Literal["contains", "starts with", "ends with"]
    needle: str
    negated: bool
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundPresence:
    """An attribute of any type that is present (a set: not empty), or an aggregate that has a
    value."""

    read: Read
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundList:
    """`list('name')`."""

    name: str
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundSegment:
    """`segment('name')`, with its definition bound in place."""

    name: str
    body: BoundExpr
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundLater:
    """Valid and typed, and without an evaluator so far: `construct` is what to call it."""

    construct: str
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundNot:
    """All live profiles but those of `item`."""

    item: BoundExpr
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundAnd:
    """All of the items (at least one)."""

    items: tuple[BoundExpr, ...]
    node: tree.Expr | None


@dataclass(frozen=True, slots=True)
class BoundOr:
    """Any of the items (at least one)."""

    items: tuple[BoundExpr, ...]
    node: tree.Expr | None


BoundExpr = (
    BoundConstant
    | BoundCompare
    | BoundIn
    | BoundFloatCompare
    | BoundFloatIn
    | BoundCategory
    | BoundCategoryPair
    | BoundBool
    | BoundSet
    | BoundText
    | BoundPresence
    | BoundList
    | BoundSegment
    | BoundSequence
    | BoundLater
    | BoundNot
    | BoundAnd
    | BoundOr
)


def parts_of(item: BoundExpr) -> tuple[BoundExpr, ...]:
    """What logic joins, the definition of a segment, and what `when` rules ask of the scores that a
    predicate reads; nothing for other predicates."""
    # First what most parts are.
    if isinstance(item, BoundCategory | BoundSet):
        return ()
    match item:
        case BoundAnd(items=items) | BoundOr(items=items):
            return items
        case BoundNot(item=inner):
            return (inner,)
        case BoundSegment(body=body):
            return (body,)
        case BoundCompare() | BoundIn() | BoundFloatCompare() | BoundFloatIn():
            scores = scores_of(item)
            return tuple(part for score in scores for part in score.conditions) if scores else ()
        case _:
            return ()


def predicates_of(expression: BoundExpr) -> Iterator[BoundExpr]:
    """The predicates and constants of an expression, through segments and scores, in the order
    written; a part that stands in several places once."""
    waiting = [expression]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if id(item) not in seen:
            seen.add(id(item))
            waiting.extend(reversed(parts_of(item)))
            if not isinstance(item, BoundAnd | BoundOr | BoundNot | BoundSegment):
                yield item


def attributes_of(predicate: BoundExpr) -> tuple[Attribute, ...]:
    """The attributes that one predicate reads of the profile itself; none for logic."""
    match predicate:
        case BoundSet(attribute=attribute):
            return (attribute,)
        case BoundCategoryPair(left=left_read, right=right_read):
            return tuple(read for read in (left_read, right_read) if isinstance(read, Attribute))
        case (
            BoundCategory(read=Attribute() as attribute)
            | BoundBool(read=Attribute() as attribute)
            | BoundText(read=Attribute() as attribute)
            | BoundPresence(read=Attribute() as attribute)
        ):
            return (attribute,)
        case _:
            return tuple(
                source.attribute
                for source in sources_of(predicate)
                if isinstance(source, AttributeSource | DateStartSource)
            )


def sources_of(predicate: BoundExpr) -> Sequence[Source]:
    """The numbers, dates and times that one predicate compares; none for logic."""
    match predicate:
        case BoundCompare(form=form) | BoundIn(form=form):
            return [term.source for term in form.terms]
        case BoundFloatCompare(left=left, right=right):
            return [*_in_float(left), *_in_float(right)]
        case BoundFloatIn(value=value):
            return [*_in_float(value)]
        case _:
            return ()


def scores_of(predicate: BoundExpr) -> tuple[BoundScore, ...]:
    """The scores that one predicate reads, each once; none for logic."""
    found = [one.score for one in sources_of(predicate) if isinstance(one, ScoreSource)]
    return tuple(dict.fromkeys(found)) if found else ()


def with_scores(predicate: BoundExpr, made: Callable[[BoundScore], BoundScore]) -> BoundExpr:
    """A predicate that reads other scores in place of its own."""

    def source(one: Source) -> Source:
        return ScoreSource(one.name, made(one.score)) if isinstance(one, ScoreSource) else one

    def form_of(form: Linear) -> Linear:
        terms = (LinearTerm(term.factor, source(term.source)) for term in form.terms)
        return replace(form, terms=tuple(terms))

    def side(value: FloatValue) -> FloatValue:
        terms = (
            term if isinstance(term.source, float) else replace(term, source=source(term.source))
            for term in value.terms
        )
        exact = None if value.exact is None else form_of(value.exact)
        return FloatValue(tuple(terms), exact)

    match predicate:
        case BoundCompare(form=form) | BoundIn(form=form):
            return replace(predicate, form=form_of(form))
        case BoundFloatCompare(left=left, right=right):
            return replace(predicate, left=side(left), right=side(right))
        case BoundFloatIn(value=value):
            return replace(predicate, value=side(value))
        case _:
            return predicate


def aggregates_of(predicate: BoundExpr) -> tuple[BoundAggregate, ...]:
    """The aggregates that one predicate reads itself; none for logic, a sequence and a score."""
    reads: tuple[Read, ...]
    match predicate:
        case BoundCategoryPair(left=left_read, right=right_read):
            reads = (left_read, right_read)
        case (
            BoundCategory(read=read)
            | BoundBool(read=read)
            | BoundText(read=read)
            | BoundPresence(read=read)
        ):
            reads = (read,)
        case _:
            found = sources_of(predicate)
            return tuple(one.aggregate for one in found if isinstance(one, AggregateSource))
    return tuple(read for read in reads if isinstance(read, BoundAggregate))


def _in_float(value: FloatValue) -> Iterator[Source]:
    if value.exact is not None:
        yield from (term.source for term in value.exact.terms)
    yield from (term.source for term in value.terms if not isinstance(term.source, float))
