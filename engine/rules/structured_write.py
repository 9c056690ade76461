"""Tree to structured form.

Conditions are written one by one from a work list, each before its children and in the order
of the text, so the root is node 0. A condition inside another appears there as its index. A
field at its default (false, an empty list) is left out, as protobuf's JSON does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.rules import tree
from engine.rules.literals import write_date, write_number, write_time
from engine.rules.structured_names import (
    AGGREGATES,
    CALENDAR_UNIT_NAMES,
    CALLS,
    MATCHES,
    RELATIONS,
    UNIT_NAMES,
)

__all__ = ["to_structured"]

_Object = dict[str, Any]


def to_structured(expr: tree.Expr) -> dict[str, Any]:
    """The structured form of a tree, equal to protobuf's JSON of message `Expr`."""
    nodes: list[_Object] = []
    work: list[tuple[tree.Expr, _Place]] = [(expr, lambda index: None)]
    while work:
        node, put_index = work.pop()
        put_index(len(nodes))
        children = _Children()
        kind, write = _CONDITIONS[type(node)]
        nodes.append({kind: write(node, children)})
        work.extend(reversed(children.waiting))
    return {"nodes": nodes, "root": 0}


_Place = Callable[[int], None]


class _Children:
    """The conditions inside one condition, in order, with where to put their indices."""

    def __init__(self) -> None:
        self.waiting: list[tuple[tree.Expr, _Place]] = []

    def items(self, items: tuple[tree.Expr, ...]) -> _Object:
        """A chain of conditions."""
        indices: list[int] = []
        self.waiting += [(item, indices.append) for item in items]
        return {"items": indices}

    def refer(self, holder: _Object, key: str, item: tree.Expr | None) -> None:
        """One condition, or none, under a key of its holder."""
        if item is not None:
            self.waiting.append((item, lambda index: holder.update({key: index})))


def _flag(name: str, value: bool) -> _Object:
    return {name: True} if value else {}


# ------------------------------------------------------------------------- conditions


def _negation(node: tree.Not, children: _Children) -> _Object:
    written: _Object = {}
    children.refer(written, "item", node.item)
    return written


def _comparison(node: tree.Compare, children: _Children) -> _Object:
    left = _value(node.left, children)
    right = _value(node.right, children)
    return {"left": left, "relation": RELATIONS[node.op], "right": right}


def _range(node: tree.Between, children: _Children) -> _Object:
    return {
        "value": _value(node.value, children),
        "low": _value(node.low, children),
        "high": _value(node.high, children),
        **_flag("negated", node.negated),
    }


def _one_of(node: tree.In, children: _Children) -> _Object:
    return {
        "value": _value(node.value, children),
        "literals": [_literal(literal) for literal in node.literals],
        **_flag("negated", node.negated),
    }


def _has_all(node: tree.HasAll, children: _Children) -> _Object:
    return {
        "value": _value(node.value, children),
        "literals": [_literal(literal) for literal in node.literals],
    }


def _presence(node: tree.Presence, children: _Children) -> _Object:
    return {"value": _value(node.value, children), "present": node.present}


def _match(node: tree.Match, children: _Children) -> _Object:
    return {
        "value": _value(node.value, children),
        "kind": MATCHES[node.how],
        "text": node.text,
        **_flag("negated", node.negated),
    }


def _truth(node: tree.Truth, _: _Children) -> _Object:
    if isinstance(node.value, tree.Bool):
        return {"boolean": node.value.value}
    return {"name": node.value.name}


def _named(node: tree.Segment | tree.ListOf, _: _Children) -> _Object:
    return {"name": node.name}


def _consent(node: tree.Consent, _: _Children) -> _Object:
    channel = {} if node.channel is None else {"channel": node.channel}
    return {"purpose": node.purpose, **channel}


def _sequence(node: tree.Sequence, children: _Children) -> _Object:
    return {
        "first": _step(node.first, children),
        "links": [
            {
                "step": _step(link.step, children),
                **_flag("absent", link.absent),
                "within": _duration(link.within),
            }
            for link in node.links
        ],
        **_window(node.window),
    }


_CONDITIONS: dict[type, tuple[str, Callable[[Any, _Children], _Object]]] = {
    tree.And: ("all_of", lambda node, children: children.items(node.items)),
    tree.Or: ("any_of", lambda node, children: children.items(node.items)),
    tree.Not: ("negation", _negation),
    tree.Compare: ("comparison", _comparison),
    tree.Between: ("range", _range),
    tree.In: ("one_of", _one_of),
    tree.HasAll: ("has_all", _has_all),
    tree.Presence: ("presence", _presence),
    tree.Match: ("match", _match),
    tree.Truth: ("truth", _truth),
    tree.Segment: ("segment", _named),
    tree.ListOf: ("list", _named),
    tree.Consent: ("consent", _consent),
    tree.Sequence: ("sequence", _sequence),
}


# ----------------------------------------------------------------------------- values


def _literal(node: tree.Literal) -> _Object:
    match node:
        case tree.Text():
            return {"text": node.value}
        case tree.Number():
            return {"number": write_number(node.value)}
        case tree.Bool():
            return {"boolean": node.value}
        case tree.Date():
            return {"date": write_date(node.days)}
        case tree.Time():
            return {"time": write_time(node.local_us, node.offset_s)}


def _value(node: tree.Value, children: _Children) -> _Object:
    match node:
        case tree.Sum():
            return {"sum": {"terms": [_term(term, children) for term in node.terms]}}
        case tree.Name():
            return {"name": node.name}
        case tree.Duration():
            return {"duration": _duration(node)}
        case tree.Now():
            return {"now": {}}
        case tree.Call():
            return {"call": {"function": CALLS[node.function], "argument": node.argument}}
        case tree.Aggregate():
            return {"aggregate": _aggregate(node, children)}
        case _:
            return _literal(node)


def _term(node: tree.Term, children: _Children) -> _Object:
    factor = {} if node.factor is None else {"factor": write_number(node.factor.value)}
    atom = _value(node.atom, children)
    return {**_flag("negative", node.sign < 0), **factor, "atom": atom}


def _duration(node: tree.Duration) -> _Object:
    # 64-bit integers are strings in protobuf's JSON.
    return {"amount": str(node.amount), "unit": UNIT_NAMES[node.unit]}


def _aggregate(node: tree.Aggregate, children: _Children) -> _Object:
    written: _Object = {"function": AGGREGATES[node.function], **_window(node.window)}
    if node.step is not None:
        written["step"] = _step(node.step, children)
        return written
    assert node.property is not None, "an aggregate has a step or a property"
    events = _selector(node.property.events)
    written["property"] = {"events": events, "property": node.property.property}
    children.refer(written, "where", node.where)
    return written


# ------------------------------------------------------------------- events and windows


def _selector(events: tree.Selector | tree.AnyEvent) -> _Object:
    if isinstance(events, tree.AnyEvent):
        return {"any": True}
    return {"names": list(events.names)}


def _step(node: tree.Step, children: _Children) -> _Object:
    written: _Object = {"selector": _selector(node.selector)}
    children.refer(written, "where", node.where)
    return written


def _window(node: tree.Window | None) -> _Object:
    """The field `window` of its holder, or nothing."""
    return {} if node is None else {"window": _window_kind(node)}


def _window_kind(node: tree.Window) -> _Object:
    match node.kind:
        case "in_last":
            assert node.length is not None
            return {"in_last": _duration(node.length)}
        case "between_ago":
            assert node.start is not None and node.end is not None
            return {"between_ago": {"start": _duration(node.start), "end": _duration(node.end)}}
        case "since":
            assert node.from_ is not None
            return {"since": _instant(node.from_)}
        case "before":
            assert node.to is not None
            return {"before": _instant(node.to)}
        case "from_to":
            assert node.from_ is not None and node.to is not None
            return {"from_to": {"start": _instant(node.from_), "end": _instant(node.to)}}
        case "in_last_calendar" | "calendar_ago":
            assert node.count is not None and node.unit is not None
            return {node.kind: {"count": node.count, "unit": CALENDAR_UNIT_NAMES[node.unit]}}
        case "this":
            assert node.unit is not None
            return {"this_unit": CALENDAR_UNIT_NAMES[node.unit]}
    return {node.kind: {}}


def _instant(node: tree.Instant) -> _Object:
    if not isinstance(node.at, tree.Now):
        return _literal(node.at)
    if node.shift is None:
        return {"now": {}}
    return {"now": {**_flag("negative", node.sign < 0), "by": _duration(node.shift)}}
