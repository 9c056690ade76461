"""Bands of a score bound: comparisons of the score, and facts where a band has `hold`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from engine.model.hidden_events import band_fact, fact_event
from engine.model.plain import Score
from engine.rules.bound import (
    BoundCompare,
    BoundExpr,
    Linear,
    LinearTerm,
    ScoreSource,
)
from engine.rules.bound_facts import fact_holds
from engine.rules.derived import Ladder

__all__ = ["bind_bands"]


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
            facts.append(fact_holds(fact_event(band_fact(name, band))))
        else:
            form = Linear((LinearTerm(Fraction(1), source),), -Fraction(bound))
            reached = (BoundCompare(form, ">=", None),)
        names.append(band)
        through.append((*facts, *reached))
    return Ladder(tuple(names), tuple(through))
