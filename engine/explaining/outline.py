"""What there is to explain of an expression, worked out once for all profiles.

The nodes of the tree come in the order of the text, each before its parts; the definition of a
segment is a part of it. A condition that means more than it says, because what it names is defined
by other expressions, has those as parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.bound_events import BoundAggregate, BoundSequence
from engine.rules.canonical import format_expression, format_step, format_value
from engine.rules.types import Flag, Operand, Quantity, Strings, sources

__all__ = ["Asked", "Outline", "OutlineNode", "outline"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A value that a condition reads of the profile: what it is called, what it is, and the
    aggregates in it."""

    text: str
    operand: Operand
    aggregates: tuple[BoundAggregate, ...]


@dataclass(frozen=True, slots=True)
class OutlineNode:
    """A node; `parent` is its place among all, None for the root, and `depth` counts from 0.

    `text` is canonical, and `and`, `or` or `not` for logic. `steps` has the texts of the steps of a
    sequence. `is_leaf`: it has no parts.
    """

    text: str
    depth: int
    parent: int | None
    item: bound.BoundExpr
    asked: tuple[Asked, ...] = ()
    steps: tuple[str, ...] = ()
    is_leaf: bool = True


@dataclass(frozen=True, slots=True)
class Outline:
    """An expression, its canonical text, and its nodes. `types` are the types of the events that it
    reads, `lists` the uploaded lists, and `attributes` those without history."""

    expression: str
    nodes: tuple[OutlineNode, ...]
    types: tuple[str, ...]
    lists: tuple[str, ...]
    attributes: tuple[str, ...]


def outline(expression: tree.Expr, item: bound.BoundExpr, binder: Binder) -> Outline:
    """What there is to explain of an expression and what it is bound to."""
    nodes: list[OutlineNode] = []
    types: dict[str, None] = {}
    waiting: list[tuple[bound.BoundExpr, int, int | None]] = [(item, 0, None)]
    while waiting:
        one, depth, parent = waiting.pop()
        parts = list(_parts(one))
        node = one.node
        assert node is not None, "a part without a node is no node"
        text = {"BoundAnd": "and", "BoundOr": "or", "BoundNot": "not"}.get(type(one).__name__, "")
        if not isinstance(node, tree.And | tree.Or | tree.Not):
            text = format_expression(node)
        asked = () if parts else tuple(_asked(node, binder))
        place = len(nodes)
        nodes.append(OutlineNode(text, depth, parent, one, asked, _steps(node), not parts))
        waiting.extend((part, depth + 1, place) for part in reversed(parts))
    lists: dict[str, None] = {}
    attributes: dict[str, None] = {}
    for predicate in bound.predicates_of(item):
        types.update(dict.fromkeys(_types(predicate)))
        if isinstance(predicate, bound.BoundList):
            lists[predicate.name] = None
        attributes |= {one.name: None for one in bound.attributes_of(predicate) if not one.history}
    text = format_expression(expression)
    return Outline(text, tuple(nodes), tuple(types), tuple(lists), tuple(attributes))


def _parts(item: bound.BoundExpr) -> Iterator[bound.BoundExpr]:
    """The parts of a bound node that are nodes of a text, those inside of others that are none."""
    for part in bound.parts_of(item):
        if part.node is not None:
            yield part
        else:
            yield from _parts(part)


def _types(predicate: bound.BoundExpr) -> Iterator[str]:
    if isinstance(predicate, BoundSequence):
        yield from predicate.first.types
        for link in predicate.links:
            yield from link.events.types
    for aggregate in bound.aggregates_of(predicate):
        yield from aggregate.events.types


def _asked(node: tree.Expr, binder: Binder) -> Iterator[Asked]:
    """The values that a condition reads, each once."""
    seen: set[tree.Atom] = set()
    for value in _values(node):
        for atom in (
            (term.atom for term in value.terms) if isinstance(value, tree.Sum) else (value,)
        ):
            if isinstance(atom, tree.Name | tree.Call | tree.Aggregate) and atom not in seen:
                seen.add(atom)
                operand = binder.operand(atom)
                yield Asked(format_value(atom), operand, tuple(_aggregates(operand)))


def _values(node: tree.Expr) -> tuple[tree.Value, ...]:
    match node:
        case tree.Compare(left=left, right=right):
            return left, right
        case tree.Between(value=value, low=low, high=high):
            return value, low, high
        case tree.In() | tree.Presence() | tree.Match() | tree.HasAll() | tree.Truth():
            return (node.value,)
        case _:
            return ()


def _aggregates(operand: Operand) -> Iterator[BoundAggregate]:
    match operand:
        case Quantity():
            for source in sources(operand):
                if isinstance(source, bound.AggregateSource):
                    yield source.aggregate
        case Strings(read=BoundAggregate() as read) | Flag(read=BoundAggregate() as read):
            yield read


def _steps(node: tree.Expr) -> tuple[str, ...]:
    if not isinstance(node, tree.Sequence):
        return ()
    links = (("no " if one.absent else "") + format_step(one.step, None) for one in node.links)
    return format_step(node.first, None), *links
