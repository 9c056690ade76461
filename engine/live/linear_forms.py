"""A linear form against zero, over whole numbers: what passes, and when that changes.

A bound comparison is `S + k * now  op  0`, where S is a sum of the row's own values and k a whole
number (`engine.rules.bound.Linear`). Multiplied out to integers it is `N + K * now  op  0`. Where K
is not 0, and as long as N stays the same,

1. `>` and `<=` with K > 0 (`<` and `>=` with K < 0) change once, at the first whole microsecond
   beyond -N / K, which is floor(-N / K) + 1;
2. the other order comparisons change at the first one not before it, ceil(-N / K): a closed bound
   and a strict one differ by one microsecond, and only where -N / K is whole;
3. `=`, and every value of an `in`, hold at a single microsecond, if at any: e = (V - N) / K where
   that is whole. They change at e and at e + 1.

N may be int64 or, where 64 bits may not do or it is no whole number, objects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.limits import TIME_US
from engine.live.flips import NEVER
from engine.rules import bound

__all__ = ["SAFE", "LinearTest"]

# What stays below this leaves room for one more summand in 64 bits.
SAFE = 1 << 62


class LinearTest:
    """A comparison, or an `in`, of a form whose values are stored as integers.

    `denominators` are those of the terms: a stored 125 with 100 means 1.25. `factors` are what
    stored integers are multiplied with to make N, but for the `constant`.
    """

    def __init__(
        self, predicate: bound.BoundCompare | bound.BoundIn, denominators: Sequence[int]
    ) -> None:
        form = predicate.form
        values: Sequence[Fraction] = (Fraction(0),)
        self._op = "in"
        self._negated = False
        if isinstance(predicate, bound.BoundIn):
            values, self._negated = sorted(predicate.values), predicate.negated
        elif predicate.op in ("=", "!="):
            self._negated = predicate.op == "!="
        else:
            self._op = predicate.op
        terms = zip(form.terms, denominators, strict=True)
        factors = [term.factor / denominator for term, denominator in terms]
        parts = [form.constant, *factors, *values]
        scale = math.lcm(*(part.denominator for part in parts))
        self.factors = [int(factor * scale) for factor in factors]
        self._constant = int(form.constant * scale)
        self._slope = form.now_factor * scale
        self._targets = [int(value * scale) for value in values]
        rising = self._op in (">", "<=") if self._slope > 0 else self._op in ("<", ">=")
        self._beyond = rising

    def totals(self, sums: NDArray[Any], reach: int) -> NDArray[Any]:
        """N from sums of factor * value, none of which is larger than `reach`."""
        reach += abs(self._constant) + max(map(abs, self._targets), default=0)
        if sums.dtype != object and (reach >= SAFE or abs(self._slope) >= SAFE):
            sums = sums.astype(object)
        return sums + self._constant

    def passes(self, totals: NDArray[Any], instants: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the comparison holds of each N at the instant beside it."""
        if not len(totals):
            return np.zeros(0, np.bool_)
        if self._slope:
            reach = abs(self._slope) * max(-int(instants.min()), int(instants.max()), 0)
            if totals.dtype == object or reach >= SAFE:
                totals = totals.astype(object) + self._slope * instants.astype(object)
            else:
                totals = totals + self._slope * instants
        match self._op:
            case "<":
                return _bools(totals < 0)
            case "<=":
                return _bools(totals <= 0)
            case ">":
                return _bools(totals > 0)
            case ">=":
                return _bools(totals >= 0)
        hit = np.zeros(len(totals), np.bool_)
        for target in self._targets:
            hit |= _bools(totals == target)
        return ~hit if self._negated else hit

    def is_same_within(self, low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether the comparison says the same of every number between two N, which are in order.
        For forms that do not read `now`."""
        assert not self._slope, "what reads now changes between any two instants"
        if self._op != "in":
            nowhere = np.zeros(len(low), np.int64)
            lowest: NDArray[np.bool_] = self.passes(low, nowhere)
            return _bools(lowest == self.passes(high, nowhere))
        same = _bools(low == high)
        hit = np.zeros(len(low), np.bool_)
        for target in self._targets:
            hit |= _bools(low <= target) & _bools(high >= target)
        found: NDArray[np.bool_] = same | ~hit
        return found

    def instants(self, totals: NDArray[Any], present: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
        """Every change by time of every N: arrays with one element each, NEVER where there is
        none. For forms that read `now`."""
        slope = self._slope
        assert slope, "what does not read now does not change by itself"
        if self._op != "in":
            if abs(slope) == 1:
                found = -totals if slope == 1 else totals
                found = found + 1 if self._beyond else found
            else:
                found = (-totals) // slope + 1 if self._beyond else -(totals // slope)
            return [_as_instants(found, present)]
        all_found = [np.full(len(totals), NEVER, np.int64)] if not self._targets else []
        for target in self._targets:
            distance = target - totals
            whole = present & _bools(distance % slope == 0)
            at = _as_instants(distance // slope, whole)
            behind = np.where(at == NEVER, NEVER, at + np.where(at == NEVER, 0, 1))
            all_found += [at, behind]
        return all_found


def _bools(found: NDArray[Any]) -> NDArray[np.bool_]:
    truths: NDArray[np.bool_] = found.astype(np.bool_)
    return truths


def _as_instants(found: NDArray[Any], present: NDArray[np.bool_]) -> NDArray[np.int64]:
    """As int64. What lies beyond the years that there are never comes, or has always been."""
    if found.dtype != object:
        return np.where(present, found, NEVER)
    inside = present & _bools(found >= TIME_US[0]) & _bools(found <= TIME_US[1])
    instants = np.full(len(found), NEVER, np.int64)
    instants[inside] = found[inside].astype(np.int64)
    return instants
