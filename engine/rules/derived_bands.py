"""Bands of a score bound: comparisons of the score, and facts where a band has `hold`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from engine.model.definitions import Attribute
from engine.model.hidden_events import ON, band_fact, fact_event
from engine.model.plain import Score
from engine.rules.bound import (
    BoundBool,
    BoundCompare,
    BoundExpr,
    Linear,
    LinearTerm,
    ScoreSource,
)
from engine.rules.bound_events import BoundAggregate, BoundEvents
from engine.rules.derived import Ladder

__all__ = ["bind_bands", "holds"]


def bind_bands(
    name: str, score: Score, bands: Mapping[str, Decimal], source: ScoreSource
) -> Ladder:
    """The bands of a score, the highest first: each is there from its latch on.

    `bands` has their bounds, lowest first; `source` is the score. A latch with `hold` is a fact,
    another one the comparison with its bound, the lowest of which takes in those above it.
    """
    names: list[str] = []
    through: list[tuple[BoundExpr, ...]] = []
    facts: list[BoundExpr] = []
    reached: tuple[BoundExpr, ...] = ()
    for band, bound in reversed(list(bands.items())):
        if band in score["hold"]:
            facts.append(holds(band_fact(name, band)))
        else:
            form = Linear((LinearTerm(Fraction(1), source),), -Fraction(bound))
            reached = (BoundCompare(form, ">=", None),)
        names.append(band)
        through.append((*facts, *reached))
    return Ladder(tuple(names), tuple(through))


def holds(key: str, where: BoundExpr | None = None) -> BoundBool:
    """Whether a fact holds: the last event of its type, among those that satisfy `where`, says
    that it does."""
    events = BoundEvents((fact_event(key).name,), where)
    on = Attribute(ON.name, ON.type)
    return BoundBool(BoundAggregate("last_value", events, "bool", on), True, None)
