"""What a value of the language is, once its names are known: its kind, and what it reads.

Values that can be added are quantities: numbers, floats, dates, times and durations. The
rest are strings in some form (a category, a set, a text, a band, a tier, a literal) and
booleans.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from engine.rules import tree
from engine.rules.bound import (
    AggregateSource,
    AttributeSource,
    BucketSource,
    DateStartSource,
    FloatTerm,
    FloatValue,
    Linear,
    LinearTerm,
    Read,
    ScoreSource,
    Source,
)
from engine.rules.derived import Derived

__all__ = [
    "KIND_WORDS",
    "NOTHING",
    "Flag",
    "Operand",
    "Quantity",
    "QuantityKind",
    "Strings",
    "Word",
    "add",
    "constant",
    "scaled",
    "sources",
    "subtract",
]

QuantityKind = Literal["number", "float", "date", "time", "duration"]
StringKind = Literal["category", "set", "text", "band", "tier"]

# How each kind is called in messages.
KIND_WORDS = {
    "number": "a number",
    "int": "an int",
    "decimal": "a decimal",
    "float": "a float",
    "date": "a date",
    "time": "a time",
    "duration": "a duration",
    "category": "a category",
    "set": "a set",
    "text": "a text",
    "band": "a band",
    "tier": "a tier",
    "string": "a string",
    "bool": "a boolean",
}


# The form of nothing: zero, reading nothing.
NOTHING = Linear(())


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value that can be added. `form` holds the exact kinds, `floats` the kind float.

    A float without `floats` is `form`, computed exactly and rounded once to the nearest double.
    Numbers are ints and decimals as their value; units of the rest are those of bound.py.
    """

    kind: QuantityKind
    node: tree.Value
    form: Linear = NOTHING
    floats: tuple[FloatTerm, ...] = ()

    @property
    def literal(self) -> bool:
        """Whether it is the same for every profile at every instant."""
        return not sources(self) and not self.form.now_factor

    def in_doubles(self) -> FloatValue:
        """This value as one side of a comparison in doubles."""
        if self.floats:
            return FloatValue(terms=self.floats)
        return FloatValue(exact=self.form)


@dataclass(frozen=True, slots=True)
class Strings:
    """A value that is a string, or for a set several.

    One of `read` and `construct` is set. `choices` are the names that a band (lowest first) or a
    tier can have, and `derived` says who has which; a construct without has no evaluator so far.
    """

    kind: StringKind
    node: tree.Value
    read: Read | None = None
    construct: str = ""
    choices: tuple[str, ...] = ()
    derived: Derived | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Word:
    """A string literal."""

    value: str
    node: tree.Value
    kind: Literal["string"] = "string"


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean: what is read, or `value` itself."""

    node: tree.Value
    read: Read | None = None
    value: bool = False
    kind: Literal["bool"] = "bool"


Operand = Quantity | Strings | Word | Flag


def constant(value: Fraction | int) -> Linear:
    """A form that reads nothing."""
    return Linear((), Fraction(value))


def scaled(form: Linear, factor: Fraction) -> Linear:
    """`factor * form`; a term scaled by 0 stays. A form with `now` takes whole factors only."""
    now_factor = form.now_factor * factor
    assert now_factor.denominator == 1, "now is never multiplied by a fraction"
    terms = tuple(LinearTerm(term.factor * factor, term.source) for term in form.terms)
    return Linear(terms, form.constant * factor, int(now_factor))


def add(left: Linear, right: Linear) -> Linear:
    """The sum of two forms; each source appears once, in the order of its first appearance."""
    factors: dict[Source, Fraction] = {}
    for term in left.terms + right.terms:
        factors[term.source] = factors.get(term.source, Fraction(0)) + term.factor
    return Linear(
        tuple(LinearTerm(factor, source) for source, factor in factors.items()),
        left.constant + right.constant,
        left.now_factor + right.now_factor,
    )


def subtract(left: Linear, right: Linear) -> Linear:
    """`left - right`."""
    return add(left, scaled(right, Fraction(-1)))


def sources(quantity: Quantity) -> tuple[Source, ...]:
    """What a quantity reads from the profile."""
    if not quantity.floats:
        return tuple(term.source for term in quantity.form.terms)
    read = (AttributeSource, DateStartSource, BucketSource, ScoreSource, AggregateSource)
    found = [term.source for term in quantity.floats if isinstance(term.source, read)]
    return tuple(dict.fromkeys(found))
