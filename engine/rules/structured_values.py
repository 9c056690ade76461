"""The values, events and windows of the structured form, read into nodes of the tree.

A condition inside them is given as an index; `Inner` turns the index into the condition.
Values nest in a fixed order and never in themselves, so reading them is no recursion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from engine.rules import literals, tree
from engine.rules.structured_fields import Fields, refuse
from engine.rules.structured_names import (
    AGGREGATES,
    CALENDAR_UNIT_NAMES,
    CALLS,
    STEP_AGGREGATES,
    UNIT_NAMES,
)

__all__ = ["Inner", "read_literals", "read_sequence", "read_value"]

# From the index of a node, and the place that refers to it, to the condition.
Inner = Callable[[int, str], tree.Expr]

_LITERALS = ("text", "number", "boolean", "date", "time")
_ATOMS = ("name", *_LITERALS, "duration", "now", "call", "aggregate")


# --------------------------------------------------------------------------- literals


def read_literals(fields: Fields) -> tuple[tree.Literal, ...]:
    """The field `literals` of a node."""
    found = []
    for value, where in fields.items("literals", 1):
        literal = Fields(value, where, *_LITERALS)
        found.append(_literal(literal, literal.choice()))
    return tuple(found)


def _literal(fields: Fields, kind: str) -> tree.Literal:
    match kind:
        case "text":
            return tree.Text(fields.text("text"))
        case "number":
            return tree.Number(fields.read("number", _signed_number))
        case "boolean":
            return tree.Bool(fields.boolean("boolean"))
        case "date":
            return tree.Date(fields.read("date", literals.read_date))
    return tree.Time(*fields.read("time", literals.read_time))


def _signed_number(text: str) -> Decimal:
    value = literals.read_number(text.removeprefix("-"))
    return value.copy_negate() if value and text.startswith("-") else value


# ----------------------------------------------------------------------------- values


def read_value(value: object, where: str, inner: Inner) -> tree.Value:
    """A value: an atom or a sum."""
    fields = Fields(value, where, *_ATOMS, "sum")
    kind = fields.choice()
    return _sum(fields, inner) if kind == "sum" else _atom(fields, kind, inner)


def _atom(fields: Fields, kind: str, inner: Inner) -> tree.Atom:
    match kind:
        case "name":
            return tree.Name(fields.name("name"))
        case "duration":
            return _duration(fields, "duration")
        case "now":
            fields.marker("now")
            return tree.Now()
        case "call":
            call = Fields(fields.required("call"), fields.place("call"), "function", "argument")
            called: Any = call.word("function", CALLS)
            return tree.Call(called, call.text("argument"))
        case "aggregate":
            return _aggregate(fields.required("aggregate"), fields.place("aggregate"), inner)
    return _literal(fields, kind)


def _sum(fields: Fields, inner: Inner) -> tree.Sum:
    sum_ = Fields(fields.required("sum"), fields.place("sum"), "terms")
    terms = tuple(
        _term(value, where, inner, is_first=at == 0)
        for at, (value, where) in enumerate(sum_.items("terms", 1))
    )
    if len(terms) == 1 and terms[0].factor is None:
        refuse(sum_.place("terms"), "a single term without a factor is not a sum")
    return tree.Sum(terms)


def _term(value: object, where: str, inner: Inner, *, is_first: bool) -> tree.Term:
    fields = Fields(value, where, "negative", "factor", "atom")
    negative = fields.flag("negative")
    if negative and is_first:
        refuse(fields.place("negative"), "the first term is not negative; its number may be")
    factor = None
    if fields.has("factor"):
        factor = tree.Number(fields.read("factor", _signed_number))
        if factor.value < 0 and not is_first:
            refuse(fields.place("factor"), "below zero only in the first term", "use `negative`")
    place = fields.place("atom")
    atom_fields = Fields(fields.required("atom"), place, *_ATOMS)
    atom = _atom(atom_fields, atom_fields.choice(), inner)
    may_be_below_zero = is_first and factor is None
    if isinstance(atom, tree.Number) and atom.value < 0 and not may_be_below_zero:
        refuse(place, "a number below zero stands only first and alone", "use `negative`")
    return tree.Term(-1 if negative else 1, factor, atom)


def _duration(holder: Fields, name: str) -> tree.Duration:
    fields = Fields(holder.required(name), holder.place(name), "amount", "unit")
    unit = fields.word("unit", UNIT_NAMES)
    try:
        return tree.Duration(literals.check_duration(fields.amount("amount"), unit), unit)
    except ValueError as error:
        refuse(fields.place("amount"), str(error))


# ----------------------------------------------------------------------------- events


def _aggregate(value: object, where: str, inner: Inner) -> tree.Aggregate:
    fields = Fields(value, where, "function", "step", "property", "where", "window")
    function: Any = fields.word("function", AGGREGATES)
    takes, other = ("step", "property") if function in STEP_AGGREGATES else ("property", "step")
    if fields.has(other):
        refuse(fields.place(other), f"{function} takes a {takes}, not a {other}")
    window = _window(fields)
    if takes == "step":
        if fields.has("where"):
            refuse(fields.place("where"), "the condition of a step stands in the step")
        return tree.Aggregate(function, step=_step(fields, "step", inner), window=window)
    prop = _property(fields)
    return tree.Aggregate(function, property=prop, where=_where(fields, inner), window=window)


def _property(holder: Fields) -> tree.Property:
    fields = Fields(holder.required("property"), holder.place("property"), "events", "property")
    events = _selector(fields, "events")
    if isinstance(events, tree.Selector) and len(events.names) != 1:
        refuse(fields.place("events"), "a property is read of exactly one name, or of any")
    return tree.Property(events, fields.name("property"))


def _selector(holder: Fields, name: str) -> tree.Selector | tree.AnyEvent:
    fields = Fields(holder.required(name), holder.place(name), "names", "any")
    any_event, names = fields.flag("any"), fields.texts("names")
    if any_event == bool(names):
        refuse(fields.where, "either `names` or `any` is expected here")
    return tree.AnyEvent() if any_event else tree.Selector(names)


def _step(holder: Fields, name: str, inner: Inner) -> tree.Step:
    fields = Fields(holder.required(name), holder.place(name), "selector", "where")
    return tree.Step(_selector(fields, "selector"), _where(fields, inner))


def _where(fields: Fields, inner: Inner) -> tree.Expr | None:
    if not fields.has("where"):
        return None
    return inner(fields.index("where"), fields.place("where"))


def read_sequence(fields: Fields, inner: Inner) -> tree.Sequence:
    """The fields of a sequence."""
    first = _step(fields, "first", inner)
    links = []
    for value, where in fields.items("links", 1):
        link = Fields(value, where, "step", "absent", "within")
        step = _step(link, "step", inner)
        links.append(tree.Link(step, _duration(link, "within"), link.flag("absent")))
    return tree.Sequence(first, tuple(links), _window(fields))


# ---------------------------------------------------------------------------- windows


def _window(holder: Fields) -> tree.Window | None:
    if not holder.has("window"):
        return None
    fields = Fields(
        holder.required("window"),
        holder.place("window"),
        *("in_last", "between_ago", "since", "before", "from_to"),
        *("in_last_calendar", "calendar_ago", "today", "yesterday", "this_unit"),
    )
    kind = fields.choice()
    match kind:
        case "in_last":
            return tree.Window("in_last", length=_duration(fields, kind))
        case "between_ago":
            ago = Fields(fields.required(kind), fields.place(kind), "start", "end")
            start, end = _duration(ago, "start"), _duration(ago, "end")
            return tree.Window("between_ago", start=start, end=end)
        case "since":
            return tree.Window("since", from_=_instant(fields, kind))
        case "before":
            return tree.Window("before", to=_instant(fields, kind))
        case "from_to":
            pair = Fields(fields.required(kind), fields.place(kind), "start", "end")
            return tree.Window("from_to", from_=_instant(pair, "start"), to=_instant(pair, "end"))
        case "this_unit":
            return tree.Window("this", unit=fields.word(kind, CALENDAR_UNIT_NAMES))
        case "today" | "yesterday":
            fields.marker(kind)
            return tree.Window("today" if kind == "today" else "yesterday")
    return _calendar_window(fields, kind)


def _calendar_window(holder: Fields, kind: str) -> tree.Window:
    fields = Fields(holder.required(kind), holder.place(kind), "count", "unit")
    unit = fields.word("unit", CALENDAR_UNIT_NAMES)
    try:
        count = literals.check_calendar_count(fields.index("count"), unit)
    except ValueError as error:
        refuse(fields.place("count"), str(error))
    window = tree.Window("calendar_ago", count=count, unit=unit)
    return replace(window, kind="in_last_calendar") if kind == "in_last_calendar" else window


def _instant(holder: Fields, name: str) -> tree.Instant:
    fields = Fields(holder.required(name), holder.place(name), "date", "time", "now")
    kind = fields.choice()
    if kind != "now":
        at = _literal(fields, kind)
        assert isinstance(at, tree.Date | tree.Time), "no other field is known here"
        return tree.Instant(at)
    shift = Fields(fields.required("now"), fields.place("now"), "negative", "by")
    negative = shift.flag("negative")
    if not shift.has("by"):
        if negative:
            refuse(shift.place("negative"), "only a duration in `by` can be negative")
        return tree.Instant(tree.Now())
    return tree.Instant(tree.Now(), -1 if negative else 1, _duration(shift, "by"))
