"""A value to measure: read, bound, and planned for one snapshot and instant.

An exact value is a whole number of 1 / `scale` for each profile; one with a float in it is a
double. Whole numbers and doubles both have integer *keys* in their own order, so that all that
is counted between borders is counted between keys: a border b becomes the least key that is at
least b, or above it. Values with averages in them have fractions for keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

import numpy as np

from engine.core import operations as ops
from engine.core.number_plan import NumberPlanner
from engine.core.values import double_keys
from engine.errors import ExpressionInvalid
from engine.model.definitions import Attribute
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.bound_events import BoundAggregate
from engine.rules.canonical import format_value
from engine.rules.faults import Faults
from engine.rules.parse import parse_value
from engine.rules.types import KIND_WORDS, Flag, Operand, Quantity, Strings, sources
from engine.rules.values import as_instant, nearest_double

__all__ = [
    "Key",
    "Kind",
    "Measure",
    "Value",
    "double_of_key",
    "key_of_double",
    "number_value",
    "read_border",
    "read_value",
]

Kind = Literal["number", "float", "date", "time", "duration", "category", "set", "bool"]

# An exact number, days or microseconds as the kind has them; a double of the kind float.
Measure = Fraction | float

# What values are compared by; a fraction only of values that have averages in them.
Key = Fraction | int


@dataclass(frozen=True, slots=True)
class Value:
    """A value of one kind. `text` is canonical, `node` what was written.

    Numbers: `leaf` reads them (None: no profile has the value), as whole numbers of 1 / `scale`
    unless the kind is float, or fractions of that where averages are in it (`is_ratio`).
    Categories, sets and booleans: `attribute` or `aggregate` is what is read, or `call` the band
    or tier whose names they are. `attributes` are
    all that it reads of the profile itself, `aggregates` all that it makes of events.
    """

    text: str
    kind: Kind
    node: tree.Value
    leaf: ops.LinearLeaf | ops.FloatLeaf | None = None
    scale: int = 1
    attribute: Attribute | None = None
    aggregate: BoundAggregate | None = None
    call: tree.Call | None = None
    attributes: tuple[Attribute, ...] = field(default=())
    aggregates: tuple[BoundAggregate, ...] = field(default=())

    @property
    def is_number(self) -> bool:
        """Whether it can be compared and cut into bins."""
        return self.attribute is None and self.aggregate is None and self.call is None

    @property
    def is_float(self) -> bool:
        """Whether it is a double."""
        return self.kind == "float"

    @property
    def is_ratio(self) -> bool:
        """Whether it is a fraction, with a divisor that differs by profile."""
        return isinstance(self.leaf, ops.LinearLeaf) and any(
            isinstance(summand.number, ops.AverageNumber) for summand in self.leaf.summands
        )

    def measure(self, key: Key) -> Measure:
        """What a key stands for."""
        if not self.is_float:
            return Fraction(key, self.scale)
        assert isinstance(key, int), "keys of doubles are whole"
        return double_of_key(key)

    def key_from(self, border: Measure) -> Key:
        """The least key of values that are at least a border."""
        if isinstance(border, float):
            return key_of_double(border)
        if self.is_ratio:
            return border * self.scale
        return math.ceil(border * self.scale)

    def key_above(self, border: Measure) -> Key:
        """The least key of values that are above a border; of fractions, which have none, the key
        that they are above of."""
        if isinstance(border, float):
            return key_of_double(border) + 1
        if self.is_ratio:
            return border * self.scale
        return math.floor(border * self.scale) + 1


def key_of_double(number: float) -> int:
    """The key of a double."""
    return int(double_keys(np.array([number]))[0])


def double_of_key(key: int) -> float:
    """The double that a key is of."""
    bits = key if key >= 0 else key ^ ((1 << 63) - 1)
    return float(np.array([bits], np.int64).view(np.float64)[0])


def read_value(text: str, binder: Binder, numbers: NumberPlanner, where: str = "value") -> Value:
    """The value that a text means; `where` names it in errors.

    Raises ExpressionInvalid.
    """
    node = _parsed(text, where)
    faults = Faults(text, where)
    operand = binder.operand(node, text, where)
    written = format_value(node)
    match operand:
        case Quantity() if sources(operand):
            return number_value(operand, written, numbers)
        case Strings(kind="category" | "set", read=Attribute() as attribute):
            kind: Kind = "set" if attribute.type == "set" else "category"
            return Value(written, kind, node, attribute=attribute, attributes=(attribute,))
        case Flag(read=Attribute() as attribute):
            return Value(written, "bool", node, attribute=attribute, attributes=(attribute,))
        case Strings(kind="text"):
            message = "a text is not measured: hardly two profiles have the same"
            raise faults.at(node, message, "take a category, a set or a number")
        case Strings(construct=construct) if construct:
            assert isinstance(node, tree.Call), "nothing else has the names of a band or tier"
            return Value(written, "category", node, call=node)
        case Strings(kind="category", read=BoundAggregate() as aggregate):
            return Value(written, "category", node, aggregate=aggregate, aggregates=(aggregate,))
        case Flag(read=BoundAggregate() as aggregate):
            return Value(written, "bool", node, aggregate=aggregate, aggregates=(aggregate,))
        case _:
            message = "this is the same for every profile"
            raise faults.at(node, message, "name an attribute")


def number_value(operand: Quantity, text: str, numbers: NumberPlanner) -> Value:
    """A quantity that reads something of the profile, to be measured; `text` is canonical."""
    if operand.kind == "float":
        sides = operand.in_doubles()
        predicate: bound.BoundExpr = bound.BoundFloatCompare(sides, ">=", sides, None)
        value = Value(text, "float", operand.node, leaf=numbers.float_value(sides))
    else:
        predicate = bound.BoundCompare(operand.form, ">=", None)
        leaf, scale = numbers.exact_value(operand.form) or (None, 1)
        value = Value(text, operand.kind, operand.node, leaf=leaf, scale=scale)
    read = list(bound.predicates_of(predicate))
    return replace(
        value,
        attributes=tuple(dict.fromkeys(a for one in read for a in bound.attributes_of(one))),
        aggregates=tuple(dict.fromkeys(a for one in read for a in bound.aggregates_of(one))),
    )


def read_border(text: str, value: Value, binder: Binder, now_us: int, where: str) -> Measure:
    """A border of bins or a threshold: a value of the language that reads no profile, of the
    kind of `value`. Raises ExpressionInvalid."""
    node = _parsed(text, where)
    operand = binder.operand(node, text, where)
    faults = Faults(text, where)
    if isinstance(operand, Quantity) and sources(operand):
        raise faults.at(node, "a border is the same for every profile", "write a literal")
    if value.kind == "time" and isinstance(operand, Quantity) and operand.kind == "date":
        operand = as_instant(operand, binder.scope(text, where))
    wanted = "number" if value.is_float else value.kind
    if not isinstance(operand, Quantity) or operand.kind != wanted:
        message = f"this is {_word(operand)}, and {value.text} is {KIND_WORDS[value.kind]}"
        raise faults.at(node, message, f"write {KIND_WORDS[wanted]}")
    border = operand.form.constant + operand.form.now_factor * now_us
    return nearest_double(border) if value.is_float else border


def _word(operand: Operand) -> str:
    return KIND_WORDS[operand.kind]


def _parsed(text: str, where: str) -> tree.Value:
    try:
        return parse_value(text)
    except ExpressionInvalid as error:
        raise ExpressionInvalid(*(replace(issue, where=where) for issue in error.issues)) from None
