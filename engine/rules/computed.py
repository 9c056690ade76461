"""Whether a value is of the kind that its place in the model asks for, and what it is there.

A computed attribute stands for the value that computes it: nothing is stored, and no digit of it
is rounded away, but that a float is a double.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Literal

from engine.model.definitions import Attribute
from engine.rules.bound import (
    AggregateSource,
    AttributeSource,
    BucketSource,
    FloatTerm,
    Linear,
    LinearTerm,
    Source,
)
from engine.rules.names import ModelScope, Scope
from engine.rules.types import (
    KIND_WORDS,
    NOTHING,
    Flag,
    Operand,
    Quantity,
    Strings,
    Word,
    sources,
)
from engine.rules.values import as_instant

__all__ = ["as_declared", "check_fits"]

# Which kinds of value can stand for a type. A date is taken as its first instant, as
# wherever an instant is wanted.
_FITTING = {
    "category": ("category", "band", "tier", "string"),
    "text": ("text", "category", "band", "tier", "string"),
    "int": ("number",),
    "decimal": ("number",),
    "float": ("float", "number"),
    "bool": ("bool",),
    "date": ("date",),
    "time": ("time", "date"),
}


def check_fits(
    operand: Operand,
    wanted: Attribute | Literal["instant", "number", "quantity"],
    scope: ModelScope,
) -> None:
    """Raises ExpressionInvalid unless a value computes the attribute, or is such a metric."""
    match wanted:
        case "instant":
            fits, expected = operand.kind in ("time", "date"), "a time, such as last(...)"
        case "number":
            fits, expected = operand.kind == "number", "an exact number"
        case "quantity":
            fits, expected = isinstance(operand, Quantity), "a value with an order"
        case Attribute(type=type_):
            fits, expected = operand.kind in _FITTING[type_], KIND_WORDS[type_]
            if fits and type_ == "int":
                assert isinstance(operand, Quantity), "numbers are quantities"
                fits, expected = _is_whole(operand.form), "a whole number"
            if fits and _is_literal(operand):
                message = "this is the same for every profile"
                hint = "compute it from events or from other attributes"
                raise scope.faults.at(operand.node, message, hint)
    if fits and not isinstance(wanted, Attribute):
        assert isinstance(operand, Quantity), "a metric has an order"
        if not sources(operand):
            message = "this is the same for every profile, so nobody stands above another by it"
            hint = "compare something of the profile, such as count(...)"
            raise scope.faults.at(operand.node, message, hint)
    if not fits:
        word = KIND_WORDS[operand.kind]
        message = f"expected {expected}, and this is {word}"
        raise scope.faults.at(operand.node, message)


def as_declared(operand: Operand, attribute: Attribute, scope: Scope) -> Operand:
    """A value that fits as what stands for the attribute that it computes."""
    match operand:
        case Strings():
            assert attribute.type in ("category", "text"), "strings are one of these"
            return replace(operand, kind=attribute.type)
        case Quantity(kind="date") if attribute.type == "time":
            return as_instant(operand, scope)
        case Quantity(kind="number", form=form) if attribute.type == "float":
            # One source is a float as any other; of more the exact sum is rounded, once.
            if form.terms and form == Linear((LinearTerm(Fraction(1), form.terms[0].source),)):
                floats = (FloatTerm(1, None, form.terms[0].source),)
                return replace(operand, kind="float", form=NOTHING, floats=floats)
            return replace(operand, kind="float")
        case _:
            return operand


def _is_literal(operand: Operand) -> bool:
    match operand:
        case Quantity():
            return operand.literal
        case Flag(read=None) | Word():
            return True
        case _:
            return False


def _is_whole(form: Linear) -> bool:
    """Whether a form is a whole number for every profile."""
    return form.constant.denominator == 1 and all(
        term.factor.denominator == 1 and _is_int(term.source) for term in form.terms
    )


def _is_int(source: Source) -> bool:
    match source:
        case AttributeSource(attribute):
            return attribute.type == "int"
        case AggregateSource(aggregate):
            return aggregate.type == "int"
        case BucketSource():
            return True
        case _:
            return False
