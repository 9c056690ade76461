"""Values bound: names to fields, literals to units, sums to one linear form.

1. An atom becomes an operand of its kind.
2. A sum is read left to right. Numbers add to numbers and durations to durations; a time
   moves by a duration; a time minus a time is a duration. A date in a sum is the first
   instant of its day, except that a date minus a date is whole days.
3. A sum with a float in it is kept term by term, to be added in doubles as it is written;
   every other sum is exact and becomes one form in which each source appears once.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Literal

from engine.model.definitions import Attribute
from engine.model.plain import tier_names
from engine.rules import tree
from engine.rules.aggregates import bind_aggregate
from engine.rules.bound import (
    AggregateSource,
    AttributeSource,
    BucketSource,
    DateStartSource,
    FloatTerm,
    Linear,
    LinearTerm,
    ScoreSource,
    Source,
)
from engine.rules.bound_events import BoundAggregate
from engine.rules.calendar import DAY_US, first_instant_us
from engine.rules.histories import as_it_was
from engine.rules.names import Scope, unknown
from engine.rules.types import (
    KIND_WORDS,
    Flag,
    Operand,
    Quantity,
    QuantityKind,
    Strings,
    Word,
    add,
    constant,
    scaled,
    subtract,
)
from engine.rules.units import duration_us, time_us

__all__ = ["as_instant", "bind_operand", "nearest_double"]


def bind_operand(value: tree.Value, scope: Scope) -> Operand:
    """What a value is and what it reads; raises ExpressionInvalid where it makes no sense."""
    if isinstance(value, tree.Sum):
        return _sum(value, scope)
    return _atom(value, scope)


def as_instant(date: Quantity, scope: Scope) -> Quantity:
    """A date as the first instant of its day."""
    assert date.kind == "date", "only dates have a first instant"
    if not date.form.terms:
        start_us = first_instant_us(int(date.form.constant), scope.zone)
        return replace(date, kind="time", form=constant(start_us))
    source = date.form.terms[0].source
    return replace(date, kind="time", form=_reads(_day_start(source)))


def nearest_double(value: Fraction) -> float:
    """The double nearest to an exact value; literals are far too small to overflow."""
    return value.numerator / value.denominator


# -------------------------------------------------------------------------------- atoms


def _atom(atom: tree.Atom, scope: Scope) -> Operand:
    match atom:
        case tree.Name():
            attribute = scope.field(atom)
            if attribute.computed is not None:
                computed = scope.outer(atom, "a computed attribute").computed
                if computed is not None:
                    return replace(computed(attribute), node=atom)
            if attribute.history and scope.outer(atom, "an attribute").past:
                return _made(atom, as_it_was(attribute))
            return _field(atom, attribute)
        case tree.Text(value):
            return Word(value, atom)
        case tree.Bool(value):
            return Flag(atom, value=value)
        case tree.Number(number):
            return Quantity("number", atom, constant(Fraction(number)))
        case tree.Date(days):
            return Quantity("date", atom, constant(days))
        case tree.Time():
            return Quantity("time", atom, constant(time_us(atom, scope.zone)))
        case tree.Duration():
            return Quantity("duration", atom, constant(duration_us(atom)))
        case tree.Now():
            return Quantity("time", atom, Linear((), now_factor=1))
        case tree.Call():
            return _call(atom, scope)
        case tree.Aggregate():
            return _aggregate(atom, scope)


def _field(node: tree.Name, attribute: Attribute) -> Operand:
    match attribute.type:
        case "category" | "set" | "text":
            return Strings(attribute.type, node, attribute)
        case "bool":
            return Flag(node, attribute)
        case kind:
            return _quantity(kind, node, AttributeSource(attribute))


def _quantity(
    kind: Literal["int", "decimal", "float", "date", "time"], node: tree.Value, source: Source
) -> Quantity:
    match kind:
        case "float":
            return Quantity("float", node, floats=(FloatTerm(1, None, source),))
        case "int" | "decimal":
            return Quantity("number", node, _reads(source))
        case _:
            return Quantity(kind, node, _reads(source))


def _call(call: tree.Call, scope: Scope) -> Operand:
    around = scope.outer(call, f"{call.function}(...)")
    model, name = around.model, call.argument
    match call.function:
        case "bucket":
            return Quantity("number", call, _reads(BucketSource(name)))
        case "tier":
            if name not in model.tiers:
                raise unknown(scope.faults, call, "tier", name, model.tiers)
            names = tier_names(model.tiers[name])
            derived = around.derived(call)
            return Strings("tier", call, construct="tier", choices=names, derived=derived)
        case function:
            if name not in model.scores:
                raise unknown(scope.faults, call, "score", name, model.scores)
            if function == "score":
                return Quantity("number", call, _reads(ScoreSource(name, around.score(name))))
            bands = tuple(model.bands(name))
            if not bands:
                raise scope.faults.at(call, f"the score '{name}' has no bands")
            derived = around.derived(call)
            return Strings("band", call, construct="band", choices=bands, derived=derived)


def _aggregate(aggregate: tree.Aggregate, scope: Scope) -> Operand:
    around = scope.outer(aggregate, f"the aggregate {aggregate.function}(...)")
    return _made(aggregate, bind_aggregate(aggregate, around))


def _made(node: tree.Value, bound: BoundAggregate) -> Operand:
    """What events make, by its type."""
    match bound.type:
        case "category" | "set" | "text":
            return Strings(bound.type, node, bound)
        case "bool":
            return Flag(node, bound)
        case kind:
            return _quantity(kind, node, AggregateSource(bound))


def _reads(source: Source) -> Linear:
    return Linear((LinearTerm(Fraction(1), source),))


def _day_start(source: Source) -> Source:
    if isinstance(source, AggregateSource):
        return replace(source, day_start=True)
    assert isinstance(source, AttributeSource), "dates come from attributes and aggregates"
    return DateStartSource(source.attribute)


# --------------------------------------------------------------------------------- sums


def _sum(value: tree.Sum, scope: Scope) -> Quantity:
    terms = [(term, _summand(term, scope)) for term in value.terms]
    if any(operand.kind == "float" for _, operand in terms):
        return Quantity("float", value, floats=_in_doubles(terms, scope))
    first, total = terms[0]
    assert first.sign == 1, "the sign of a first term is part of its literal"
    total = _times(first, total)
    for term, operand in terms[1:]:
        total = _added(total, term, _times(term, operand), scope)
    return replace(total, node=value)


def _summand(term: tree.Term, scope: Scope) -> Quantity:
    operand = _atom(term.atom, scope)
    if not isinstance(operand, Quantity):
        message = f"{_named(term.atom, scope)} {KIND_WORDS[operand.kind]}, which cannot be added"
        raise scope.faults.at(term.atom, message, "add numbers, or durations to times")
    if term.factor is not None and operand.kind in ("date", "time"):
        message = f"{_named(term.atom, scope)} {KIND_WORDS[operand.kind]}, which has no multiple"
        raise scope.faults.at(term, message, "multiply a number or a duration")
    return operand


def _times(term: tree.Term, operand: Quantity) -> Quantity:
    if term.factor is None:
        return operand
    return replace(operand, form=scaled(operand.form, Fraction(term.factor.value)))


def _added(total: Quantity, term: tree.Term, operand: Quantity, scope: Scope) -> Quantity:
    """`total + operand` or `total - operand`, by the sign of the term."""
    kind = _sum_kind(total.kind, term.sign, operand.kind)
    if kind is None:
        verb = "added to" if term.sign > 0 else "taken from"
        message = (
            f"{KIND_WORDS[operand.kind]} cannot be {verb} {KIND_WORDS[total.kind]}"
            f"{_quoted(term, scope)}"
        )
        hint = "a time minus a time is a duration"
        if "number" in (total.kind, operand.kind):
            hint = "write a duration, such as 30 days"
        raise scope.faults.at(term, message, hint)
    if total.kind == operand.kind == "date":
        days = subtract(total.form, operand.form)
        return replace(total, kind="duration", form=scaled(days, Fraction(DAY_US)))
    if total.kind == "date":
        total = as_instant(total, scope)
    if operand.kind == "date":
        operand = as_instant(operand, scope)
    combine = add if term.sign > 0 else subtract
    return replace(total, kind=kind, form=combine(total.form, operand.form))


def _sum_kind(left: QuantityKind, sign: int, right: QuantityKind) -> QuantityKind | None:
    """The kind of a sum (sign +1) or a difference (-1) of two kinds, None if there is none."""
    points = ("date", "time")
    if left == right and left in ("number", "duration"):
        return left
    if left in points and right in points and sign < 0:
        return "duration"
    if left in points and right == "duration":
        return "time"
    if left == "duration" and right in points and sign > 0:
        return "time"
    return None


def _in_doubles(terms: list[tuple[tree.Term, Quantity]], scope: Scope) -> tuple[FloatTerm, ...]:
    floats: list[FloatTerm] = []
    for term, operand in terms:
        if operand.kind not in ("number", "float"):
            message = f"{KIND_WORDS[operand.kind]} cannot be added to a float{_quoted(term, scope)}"
            raise scope.faults.at(term, message, "add numbers to numbers")
        factor = None if term.factor is None else nearest_double(Fraction(term.factor.value))
        source: Source | float
        if not _is_one(operand):
            message = f"what a sum computes cannot be added to a float{_quoted(term, scope)}"
            raise scope.faults.at(term, message, "write out the sum that the attribute is")
        if operand.kind == "float":
            source = operand.floats[0].source
        elif operand.form.terms:
            source = operand.form.terms[0].source
        else:
            source = nearest_double(operand.form.constant)
        floats.append(FloatTerm(term.sign, factor, source))
    return tuple(floats)


def _is_one(operand: Quantity) -> bool:
    """Whether a summand is one source or a literal, and not what an attribute is computed from."""
    if operand.kind == "float":
        first, *others = operand.floats or (FloatTerm(0, None, 0.0),)
        return not others and first.sign == 1 and first.factor is None
    if not operand.form.terms:
        return True
    return operand.form == _reads(operand.form.terms[0].source)


def _named(atom: tree.Atom, scope: Scope) -> str:
    fragment = scope.faults.fragment(atom)
    return f"{fragment} is" if fragment else "this is"


def _quoted(term: tree.Term, scope: Scope) -> str:
    fragment = scope.faults.fragment(term)
    return f": {fragment}" if fragment else ""
