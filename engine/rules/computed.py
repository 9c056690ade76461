"""Whether a value is of the kind that its place in the model asks for."""

from __future__ import annotations

from typing import Literal

from engine.model.definitions import Attribute
from engine.rules.bound import AggregateSource, AttributeSource, BucketSource, Linear, Source
from engine.rules.names import ModelScope
from engine.rules.types import KIND_WORDS, Operand, Quantity

__all__ = ["check_fits"]

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
    if not fits:
        word = KIND_WORDS[operand.kind]
        message = f"expected {expected}, and this is {word}"
        raise scope.faults.at(operand.node, message)


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
