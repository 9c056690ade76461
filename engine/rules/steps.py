"""Steps that stand for their events one by one: the `each` of actions and of tags, bound."""

from __future__ import annotations

from fractions import Fraction

from engine.rules.aggregates import bind_step
from engine.rules.bind import Binder
from engine.rules.bound import AggregateSource, BoundCompare, BoundExpr, Linear, LinearTerm
from engine.rules.bound_events import BoundAggregate
from engine.rules.parse import parse_step

__all__ = ["count_of_step", "happens_at_all"]


def count_of_step(binder: Binder, text: str) -> BoundAggregate:
    """How many events a step takes, within its window where it has one. Raises
    ExpressionInvalid."""
    step, window = parse_step(text)
    return BoundAggregate("count", bind_step(step, binder.scope(text)), "int", window=window)


def happens_at_all(step: BoundAggregate) -> BoundExpr:
    """The condition that there is an event of a step; `step` is their count."""
    form = Linear((LinearTerm(Fraction(1), AggregateSource(step)),), Fraction(-1))
    return BoundCompare(form, ">=", None)
