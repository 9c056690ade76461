"""Conditions on events as nodes over stored chunks.

A condition on the properties of an event is planned like one on the attributes of a profile
(`leaf_plan`, `number_plan`): strings become dictionary codes, `now` the instant asked for. Only
where values are read from differs, and that is settled for each type of event:

1. A property that a type does not declare is missing on all its events, so a predicate that reads
   it is false there. Types may declare one property with different numbers of decimals; each is
   compared exactly, with its own.
2. Each predicate becomes leaves that `engine/events/where.h` has a node for, or that
   `where_leaves.h` evaluates. What is decided for all events of the type is taken out.
3. What is left stands in postfix order, of several parts the one first that needs most masks to
   wait: so 2^n leaves never need more than n + 1, however deep they are nested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal
from zoneinfo import ZoneInfo

from engine.core import operations as ops
from engine.core.day_starts import known_day_starts
from engine.core.leaf_plan import LeafPlanner, ListMembers, Lookup
from engine.core.number_plan import NumberPlanner
from engine.model.definitions import Attribute, Model
from engine.model.hidden_events import event_type
from engine.rules import bound
from engine.store.catalog import property_field
from engine.store.snapshot import Snapshot

__all__ = ["WhereNode", "plan_where"]

_SCALES = range(19)
# Runs of numbers that are tested one after the other; a search in all of them takes longer than
# so many comparisons of whole columns.
_FEW_RUNS = 16


@dataclass(frozen=True, slots=True)
class WhereNode:
    """A leaf, whose fields are numbers of properties, or what joins the answers before it."""

    kind: Literal["leaf", "and", "or", "not"]
    leaf: ops.Leaf | None = None


@dataclass(frozen=True, slots=True)
class _Open:
    """Nodes in postfix order that events decide, and how many masks they need at a time."""

    nodes: tuple[WhereNode, ...]
    depth: int = 1


_Answer = bool | _Open


def plan_where(
    snapshot: Snapshot,
    event_types: Sequence[str],
    where: bound.BoundExpr | None,
    now_us: int,
    zone: ZoneInfo,
    *,
    model: Model | None = None,
    lookups: dict[int, Lookup] | None = None,
    spare_codes: int = 0,
) -> dict[str, tuple[WhereNode, ...] | None]:
    """Which events of each type pass: nodes in postfix order; () is every event, None is none.

    With the `model`, a type is known to have the properties that it declares and no others;
    without it, any of their name and type that its chunks have. Who keeps the nodes for later
    states of the store gives `lookups`, which gets what they took from dictionaries by number of
    property, and `spare_codes`: see `leaf_plan`.
    """
    if where is None:
        return dict.fromkeys(event_types, ())
    planner = _WherePlanner(snapshot, now_us, zone, model, spare_codes)
    found: dict[str, tuple[WhereNode, ...] | None] = {}
    for event in event_types:
        answer = planner.answer(where, event)
        found[event] = answer.nodes if isinstance(answer, _Open) else () if answer else None
    if lookups is not None:
        lookups.update(planner.lookups)
    return found


class _WherePlanner:
    """Plans conditions on the events of any type."""

    def __init__(
        self,
        snapshot: Snapshot,
        now_us: int,
        zone: ZoneInfo,
        model: Model | None,
        spare_codes: int,
    ) -> None:
        self._snapshot = snapshot
        self._model = model
        # Property as the predicate knows it -> as the type at hand declares it.
        self._declared: dict[Attribute, Attribute] = {}
        numbers = _PropertyNumbers(snapshot, now_us, zone, self._declared)
        self._leaves = _PropertyLeaves(snapshot, numbers, spare_codes, self._declared)
        self._planned: dict[tuple[int, tuple[Attribute, ...]], _Answer] = {}

    @property
    def lookups(self) -> Mapping[int, Lookup]:
        """What the leaves so far took from dictionaries."""
        return self._leaves.lookups

    def answer(self, item: bound.BoundExpr, event: str) -> _Answer:
        """What is so of the events of a type; recursion follows brackets and `not`."""
        match item:
            case bound.BoundConstant(value=value):
                return value
            case bound.BoundNot(item=inner):
                return _negated(self.answer(inner, event))
            case bound.BoundAnd(items=items):
                return _joined("and", (self.answer(part, event) for part in items))
            case bound.BoundOr(items=items):
                return _joined("or", (self.answer(part, event) for part in items))
            case _:
                return self._predicate(item, event)

    def _predicate(self, item: bound.BoundExpr, event: str) -> _Answer:
        """An event has a property in one way, so at most one of the alternatives holds for it."""
        properties = tuple(dict.fromkeys(bound.attributes_of(item)))
        ways = product(*(self._stored(event, found) for found in properties))
        return _joined("or", [self._leaf(item, properties, way) for way in ways])

    def _leaf(
        self, item: bound.BoundExpr, properties: tuple[Attribute, ...], way: tuple[Attribute, ...]
    ) -> _Answer:
        known = self._planned.get((id(item), way))
        if known is None:
            self._declared.clear()
            self._declared.update(zip(properties, way, strict=True))
            known = self._planned[id(item), way] = _opened(self._leaves.plan(item))
        return known

    def _stored(self, event: str, found: Attribute) -> list[Attribute]:
        """How events of a type may have a property: with which decimals."""
        if self._model is not None:
            declared = event_type(self._model, event).properties.get(found.name)
            fits = declared is not None and declared.type == found.type
            scales: Sequence[int] = [declared.scale] if declared is not None and fits else []
        else:
            scales = _SCALES if found.type == "decimal" else (0,)
        ways = (Attribute(found.name, found.type, scale) for scale in scales)
        return [way for way in ways if _number_of(self._snapshot, way) is not None]


def _number_of(snapshot: Snapshot, found: Attribute) -> int | None:
    """The number of a property, None where no event has ever had it."""
    field = snapshot.fields.get(property_field(found.name, found.type, found.scale))
    return None if field is None else int(field.id)


class _PropertyNumbers(NumberPlanner):
    """Comparisons of numbers, read from the properties of one type of event."""

    def __init__(
        self,
        snapshot: Snapshot,
        now_us: int,
        zone: ZoneInfo,
        declared: Mapping[Attribute, Attribute],
    ) -> None:
        super().__init__(snapshot, now_us, zone)
        self._declared = declared

    def _field(self, attribute: Attribute) -> int | None:
        return _number_of(self._snapshot, self._declared.get(attribute, attribute))

    def _number(self, source: bound.Source) -> ops.Number | None:
        if isinstance(source, bound.AttributeSource):
            source = replace(source, attribute=self._declared[source.attribute])
        return super()._number(source)

    def _day_number(self, field: int) -> ops.DayNumber:
        return ops.DayNumber(field, *known_day_starts(self._zone))


class _PropertyLeaves(LeafPlanner):
    """Predicates, read from the properties of one type of event."""

    def __init__(
        self,
        snapshot: Snapshot,
        numbers: NumberPlanner,
        spare_codes: int,
        declared: Mapping[Attribute, Attribute],
    ) -> None:
        super().__init__(snapshot, numbers, _no_lists, spare_codes)
        self._declared = declared

    def _field(self, read: bound.Read) -> int | None:
        assert isinstance(read, Attribute), "no aggregate stands in a condition on events"
        return _number_of(self._snapshot, self._declared[read])

    def _presence(self, read: bound.Read) -> ops.LeafLogic:
        number = self._field(read)
        return number is not None and ops.PresentLeaf(number)


def _no_lists(name: str) -> ListMembers:
    raise AssertionError(f"list('{name}') in a condition on events")


# -------------------------------------------------------------------------------- leaves


def _opened(logic: ops.LeafLogic) -> _Answer:
    """A predicate in leaves that stand for one test of a column each, or for one call."""
    match logic:
        case bool():
            return logic
        case (kind, parts):
            opened = [_opened(part) for part in parts]
            return _negated(opened[0]) if kind == "not" else _joined(kind, opened)
        case ops.SetLeaf(field=field, codes=codes):  # a bool
            return _joined("or", [_one(ops.IntRangeLeaf(field, code, code)) for code in codes])
        case ops.CodesLeaf(field=field, lowest=lowest, highest=highest, contiguous=True):
            return _one(ops.IntRangeLeaf(field, lowest, highest))
        case ops.IntInLeaf(field=field, values=values):
            runs = list(_runs(values))
            if len(runs) > _FEW_RUNS:
                return _one(logic)
            ranges = [_one(ops.IntRangeLeaf(field, low, high)) for low, high in runs]
            return _flipped(_joined("or", ranges), logic)
        case ops.IntRangeLeaf() | ops.FloatRangeLeaf() | ops.TextLeaf():
            return _flipped(_one(replace(logic, negated=False)), logic)
        case _:
            return _one(logic)


def _one(leaf: ops.Leaf) -> _Open:
    return _Open((WhereNode("leaf", leaf),))


def _flipped(
    answer: _Answer, leaf: ops.IntInLeaf | ops.IntRangeLeaf | ops.FloatRangeLeaf | ops.TextLeaf
) -> _Answer:
    """What holds for a leaf that is not negated, turned where it is: present, and not so."""
    if not leaf.negated:
        return answer
    return _joined("and", [_one(ops.PresentLeaf(leaf.field)), _negated(answer)])


def _runs(values: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of successive numbers; values ascend."""
    first = last = values[0]
    for value in values[1:]:
        if value != last + 1:
            yield first, last
            first = value
        last = value
    yield first, last


# --------------------------------------------------------------------------------- logic


def _negated(answer: _Answer) -> _Answer:
    if isinstance(answer, bool):
        return not answer
    if answer.nodes[-1].kind == "not":
        return replace(answer, nodes=answer.nodes[:-1])
    return replace(answer, nodes=(*answer.nodes, WhereNode("not")))


def _joined(kind: Literal["and", "or"], parts: Sequence[_Answer] | Iterator[_Answer]) -> _Answer:
    """All or any of the parts; a part that stands there twice counts once."""
    deciding = kind == "or"
    several: dict[_Open, None] = {}
    for part in parts:
        if isinstance(part, _Open):
            several[part] = None
        elif part is deciding:
            return deciding
    if not several:
        return not deciding
    first, *rest = sorted(several, key=lambda part: -part.depth)
    depth, nodes = first.depth, list(first.nodes)
    for part in rest:
        depth = max(depth, part.depth + 1)
        nodes += [*part.nodes, WhereNode(kind)]
    return _Open(tuple(nodes), depth)
