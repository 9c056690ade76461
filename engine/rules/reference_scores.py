"""The slow and obvious evaluator of scores and of bands without `hold`.

Part of the reference evaluator, and like it written from the contract alone: points are fractions,
every rule is worked out in full, every event by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any

from engine.rules import tree

__all__ = ["ReferenceBand", "ReferenceScore", "band_of", "band_order", "read_score", "score_of"]

_HOUR_US = 3_600_000_000
# Two to the power of a whole number has fewer digits than these, and what is irrational is not so
# near to a half.
_EXACT = Context(prec=400)


@dataclass(frozen=True)
class ReferenceScore:
    """A score as the model says it, `score`, with the trees of its rules: of each rule that of its
    `when`, or those of the step and the window of its `each`."""

    score: Mapping[str, Any]
    rules: Sequence[tree.Expr | tuple[tree.Step, tree.Window | None]]


@dataclass(frozen=True)
class ReferenceBand:
    """The band that a profile is in, and where each band begins."""

    name: str
    bounds: Mapping[str, Fraction] = field(compare=False)


def read_score(
    score: Mapping[str, Any],
    expression: Callable[[str], tree.Expr],
    step: Callable[[str], tuple[tree.Step, tree.Window | None]],
) -> ReferenceScore:
    """A score of the plain model, its texts parsed by `expression` and `step`."""
    rules = [
        expression(rule["when"]) if "when" in rule else step(rule["each"])
        for rule in score["rules"]
    ]
    return ReferenceScore(score, rules)


def score_of(
    score: ReferenceScore,
    holds: Callable[[tree.Expr], bool],
    times_us: Callable[[tree.Step, tree.Window | None], Sequence[int]],
    now_us: int,
) -> Fraction:
    """The points of a profile: `holds` judges a `when`, `times_us` has the instants of the events
    of an `each`, none later than now."""
    total = Fraction(0)
    for rule, written in zip(score.rules, score.score["rules"], strict=True):
        points = Fraction(written["points"])
        if not isinstance(rule, tuple):
            total += points if holds(rule) else 0
            continue
        ages_us = [now_us - time_us for time_us in times_us(*rule)]
        assert all([age_us >= 0 for age_us in ages_us]), "an event later than now never counts"
        if "half_life_us" in written:
            each = [_faded(points, age_us, written["half_life_us"]) for age_us in ages_us]
        else:
            each = [points for _ in ages_us]
        given = sum(each, Fraction(0))
        if "at_most" in written:
            most = Fraction(written["at_most"])
            given = min(max(given, -most), most)
        total += given
    if "floor" in score.score:
        total = max(total, Fraction(score.score["floor"]))
    if "ceiling" in score.score:
        total = min(total, Fraction(score.score["ceiling"]))
    return total


def band_of(score: ReferenceScore, points: Fraction) -> ReferenceBand | None:
    """The highest band whose bound is reached; None below the lowest."""
    assert not score.score["hold"], "a band with `hold` is a stored fact"
    bounds = {name: Fraction(bound) for name, bound in score.score["bands"].items()}
    reached = [name for name, bound in bounds.items() if points >= bound]
    return ReferenceBand(max(reached, key=lambda name: bounds[name]), bounds) if reached else None


def band_order(left: ReferenceBand | str, right: ReferenceBand | str) -> tuple[Fraction, Fraction]:
    """Where two bands begin, one of them written as its name."""
    band = left if isinstance(left, ReferenceBand) else right
    assert isinstance(band, ReferenceBand), "two names are two strings"
    first, second = (one if isinstance(one, str) else one.name for one in (left, right))
    return band.bounds[first], band.bounds[second]


def _faded(points: Fraction, age_us: int, half_life_us: int) -> Fraction:
    """round(points * 1000 * 2^(-hours / half-life in hours)) thousandths, as points."""
    thousandths = Decimal(int(points * 1000))
    hours = age_us // _HOUR_US
    halvings = _EXACT.divide(Decimal(hours * _HOUR_US), Decimal(half_life_us))
    if halvings > 1000:
        # Less than half a thousandth is left of any number; the power may be beyond decimals.
        return Fraction(0)
    left = _EXACT.divide(thousandths, _EXACT.power(Decimal(2), halvings))
    return Fraction(int(left.to_integral_value(ROUND_HALF_UP)), 1000)
