"""What there is to explain of an expression, worked out once for all profiles.

The nodes of the tree come in the order of the text, each before its parts; the definition of a
segment is a part of it. A condition that means more than it says, because what it names is defined
by other expressions, has those as parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.explaining.named_tags import GivenTags, given_tags
from engine.explaining.names import conditions_of
from engine.model.definitions import TAG
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.bound_events import BoundAggregate, BoundSequence
from engine.rules.bound_scores import BoundScore
from engine.rules.canonical import format_expression, format_step, format_value
from engine.rules.types import Flag, Operand, Quantity, Strings, sources

__all__ = ["Asked", "Outline", "OutlineNode", "Reads", "asked_of_value", "outline", "reads_of"]


@dataclass(frozen=True, slots=True)
class Reads:
    """What some conditions read beside the profile itself, each once: types of events and uploaded
    lists; and its attributes without history."""

    types: tuple[str, ...]
    lists: tuple[str, ...]
    attributes: tuple[str, ...]

    def also(self, others: Reads) -> Reads:
        """What these read, and others."""
        return Reads(
            tuple(dict.fromkeys((*self.types, *others.types))),
            tuple(dict.fromkeys((*self.lists, *others.lists))),
            tuple(dict.fromkeys((*self.attributes, *others.attributes))),
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A value that a condition reads of the profile: what it is called, what it is, the aggregates
    in it, and the scores; of the set of tags `given` has the rules that give some."""

    text: str
    operand: Operand
    aggregates: tuple[BoundAggregate, ...]
    scores: tuple[BoundScore, ...] = ()
    given: GivenTags | None = None

    @property
    def conditions(self) -> Iterator[bound.BoundExpr]:
        """What is read to say which name of a band or tier it is, which tags, and how many
        points."""
        if self.given is not None:
            yield from self.given.conditions
        if isinstance(self.operand, Strings) and self.operand.derived is not None:
            yield from conditions_of(self.operand.derived)
        for score in self.scores:
            yield from score.conditions


@dataclass(frozen=True, slots=True)
class OutlineNode:
    """A node; `parent` is its place among all, None for the root, and `depth` counts from 0.

    `text` is canonical, and `and`, `or` or `not` for logic. `steps` has the texts of the steps of a
    sequence. `is_leaf`: it has no parts. `negated`: a `not` stands between it and its parent, or is
    its parent, so that it has to be what that must not be.
    """

    text: str
    depth: int
    parent: int | None
    item: bound.BoundExpr
    asked: tuple[Asked, ...] = ()
    steps: tuple[str, ...] = ()
    is_leaf: bool = True
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """An expression in its canonical text, its nodes, and what it reads."""

    expression: str
    nodes: tuple[OutlineNode, ...]
    reads: Reads


def outline(expression: tree.Expr, item: bound.BoundExpr, binder: Binder) -> Outline:
    """What there is to explain of an expression and what it is bound to."""
    nodes: list[OutlineNode] = []
    waiting: list[tuple[bound.BoundExpr, int, int | None, bool]] = [(item, 0, None, False)]
    while waiting:
        one, depth, parent, negated = waiting.pop()
        parts = list(_parts(one, False))
        node = one.node
        assert node is not None, "a part without a node is no node"
        text = {"BoundAnd": "and", "BoundOr": "or", "BoundNot": "not"}.get(type(one).__name__, "")
        if not isinstance(node, tree.And | tree.Or | tree.Not):
            text = format_expression(node)
        asked = tuple(_asked(node, binder))
        place = len(nodes)
        nodes.append(OutlineNode(text, depth, parent, one, asked, _steps(node), not parts, negated))
        waiting.extend((part, depth + 1, place, turned) for part, turned in reversed(parts))
    read = [item, *(part for node in nodes for one in node.asked for part in one.conditions)]
    counted = [score for node in nodes for one in node.asked for score in one.scores]
    given = [one.given for node in nodes for one in node.asked if one.given is not None]
    naming = [name for one in given for name in one.types]
    return Outline(format_expression(expression), tuple(nodes), reads_of(read, counted, naming))


def reads_of(
    items: Iterable[bound.BoundExpr],
    scores: Iterable[BoundScore] = (),
    also: Iterable[str] = (),
) -> Reads:
    """What some conditions and scores read, and `also` some types of events."""
    scores = tuple(scores)
    types: dict[str, None] = dict.fromkeys(also)
    lists: dict[str, None] = {}
    attributes: dict[str, None] = {}
    asked = [*items, *(one for score in scores for one in score.conditions)]
    for predicate in (one for part in asked for one in bound.predicates_of(part)):
        types |= dict.fromkeys(_types(predicate))
        if isinstance(predicate, bound.BoundList):
            lists[predicate.name] = None
        attributes |= {one.name: None for one in bound.attributes_of(predicate) if not one.history}
    for score in scores:
        types |= dict.fromkeys(name for rule in score.counted for name in rule.events.types)
    return Reads(tuple(types), tuple(lists), tuple(attributes))


def _parts(item: bound.BoundExpr, negated: bool) -> Iterator[tuple[bound.BoundExpr, bool]]:
    """The parts of a bound node that are nodes of a text, those inside of others that are none, and
    whether a `not` stands before each."""
    if not isinstance(item, bound.BoundAnd | bound.BoundOr | bound.BoundNot | bound.BoundSegment):
        return
    turned = negated != isinstance(item, bound.BoundNot)
    for part in bound.parts_of(item):
        if part.node is not None:
            yield part, turned
        else:
            yield from _parts(part, turned)


def _types(predicate: bound.BoundExpr) -> Iterator[str]:
    if isinstance(predicate, BoundSequence):
        yield from predicate.first.types
        for link in predicate.links:
            yield from link.events.types
    for aggregate in bound.aggregates_of(predicate):
        yield from aggregate.events.types
    for score in bound.scores_of(predicate):
        for rule in score.counted:
            yield from rule.events.types


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
                scores = tuple(_scores(atom, operand, binder))
                rules = binder.model.tag_rules and atom == tree.Name(TAG)
                given = given_tags(binder) if rules else None
                aggregates = tuple(_aggregates(operand))
                yield Asked(format_value(atom), operand, aggregates, scores, given)


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


def asked_of_value(text: str, operand: Operand) -> Asked:
    """A value that is no part of an expression, such as the metric of a tier."""
    return Asked(text, operand, tuple(_aggregates(operand)))


def _aggregates(operand: Operand) -> Iterator[BoundAggregate]:
    match operand:
        case Quantity():
            for source in sources(operand):
                if isinstance(source, bound.AggregateSource):
                    yield source.aggregate
        case Strings(read=BoundAggregate() as read) | Flag(read=BoundAggregate() as read):
            yield read


def _scores(atom: tree.Atom, operand: Operand, binder: Binder) -> Iterator[BoundScore]:
    if isinstance(atom, tree.Call) and atom.function == "band":
        yield binder.score(atom.argument)
    elif isinstance(operand, Quantity):
        for source in sources(operand):
            if isinstance(source, bound.ScoreSource):
                yield source.score


def _steps(node: tree.Expr) -> tuple[str, ...]:
    if not isinstance(node, tree.Sequence):
        return ()
    links = (("no " if one.absent else "") + format_step(one.step, None) for one in node.links)
    return format_step(node.first, None), *links
