"""Facts as bound expressions: a fact holds where the last of its events is on.

See `engine.model.hidden_events` for what these events are.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

from engine.model.definitions import Attribute, EventType
from engine.model.hidden_events import ON, UNDONE, is_fact
from engine.rules import bound, tree
from engine.rules.bound_events import BoundAggregate, BoundEvents

__all__ = ["fact_holds", "facts_read", "some_fact_holds"]

_ON = Attribute(ON.name, ON.type)
_UNDONE = Attribute(UNDONE.name, UNDONE.type)


def fact_holds(
    fact: EventType,
    places: Mapping[str, str] = MappingProxyType({}),
    node: tree.Expr | None = None,
) -> bound.BoundExpr:
    """Whoever has a fact, a type of `fact_events`; of a tag that properties name, the one that
    `places` (property -> category) name."""
    conditions = tuple(
        bound.BoundCategory(
            Attribute(name, fact.properties[name].type),
            bound.StringTest("in", frozenset({value})),
            False,
            None,
        )
        for name, value in places.items()
    )
    where = None
    if conditions:
        where = conditions[0] if len(conditions) == 1 else bound.BoundAnd(conditions, None)
    last = BoundAggregate("last_value", BoundEvents((fact.name,), where), "bool", _ON)
    return bound.BoundBool(last, True, node)


def some_fact_holds(fact: EventType, where: bound.BoundExpr) -> bound.BoundExpr:
    """Whoever has one of the facts of a type that properties name, and that `where` takes. Of each
    beginnings and ends take turns, so one holds where more have begun than ended."""
    begun, ended = (
        bound.LinearTerm(Fraction(sign), bound.AggregateSource(_count(fact, where, wanted)))
        for sign, wanted in ((1, True), (-1, False))
    )
    return bound.BoundCompare(bound.Linear((begun, ended), Fraction(-1)), ">=", None)


def _count(fact: EventType, where: bound.BoundExpr, wanted: bool) -> BoundAggregate:
    undone = bound.BoundNot(bound.BoundBool(_UNDONE, True, None), None)
    all_of = bound.BoundAnd((where, bound.BoundBool(_ON, wanted, None), undone), None)
    return BoundAggregate("count", BoundEvents((fact.name,), all_of), "int")


def facts_read(expression: bound.BoundExpr) -> frozenset[str]:
    """The facts, by their types of events, that an expression reads, through segments too."""
    return frozenset(
        name
        for predicate in bound.predicates_of(expression)
        for aggregate in bound.aggregates_of(predicate)
        for name in aggregate.events.types
        if is_fact(name)
    )
