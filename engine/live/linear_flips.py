"""The flips of a comparison with `now` in it, exactly.

A bound comparison is `S + k * now  op  0`, where S is a sum of the row's own numbers and k a whole
number that is not 0 (`engine.rules.bound.Linear`). Multiplied out to integers it is
`N + K * now  op  0` with N an integer of the row. So

1. `>` and `<=` with K > 0 (`<` and `>=` with K < 0) change once, at the first whole microsecond
   beyond -N / K, which is floor(-N / K) + 1;
2. the other order comparisons change at the first one not before it, ceil(-N / K): a closed bound
   and a strict one differ by one microsecond, and only where -N / K is whole;
3. `=`, and every value of an `in`, hold at a single microsecond, if at any: e = (V - N) / K where
   that is whole. They change at e and at e + 1.

Sums that may leave 64 bits are computed in integers of any size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.number_plan import attribute_field
from engine.limits import TIME_US
from engine.live.flips import NEVER, BlockFlips, first_ahead
from engine.live.rows_read import SAFE, NumberSource, RowsRead
from engine.rules import bound
from engine.store.snapshot import Snapshot

__all__ = ["LinearFlips"]


class LinearFlips:
    """One comparison, or one `in`, of a form with `now`; see FlipLeaf."""

    def __init__(self, predicate: bound.BoundCompare | bound.BoundIn) -> None:
        form = predicate.form
        assert form.now_factor, "what does not read now has no flips"
        values: Sequence[Fraction] = (Fraction(0),)
        self._op = "in"
        self._negated = False
        if isinstance(predicate, bound.BoundIn):
            values, self._negated = sorted(predicate.values), predicate.negated
        elif predicate.op in ("=", "!="):
            self._negated = predicate.op == "!="
        else:
            self._op = predicate.op
        terms = [(_known(term.source), term.factor) for term in form.terms]
        factors = [factor / 10**source.attribute.scale for source, factor in terms]
        parts = [form.constant, *factors, *values]
        scale = math.lcm(*(part.denominator for part in parts))
        self._sources = [source for source, _ in terms]
        self._factors = [int(factor * scale) for factor in factors]
        self._constant = int(form.constant * scale)
        self._slope = form.now_factor * scale
        self._targets = [int(value * scale) for value in values]
        rising = self._op in (">", "<=") if self._slope > 0 else self._op in ("<", ">=")
        self._beyond = rising

    def fields(self, snapshot: Snapshot) -> frozenset[int]:
        """See FlipLeaf."""
        found = (attribute_field(snapshot, source.attribute) for source in self._sources)
        return frozenset(field for field in found if field is not None)

    def between(
        self, read: RowsRead, after_us: int, through_us: int, most_ahead: int = 0
    ) -> BlockFlips:
        """See FlipLeaf."""
        found_rows, found = [], []
        ahead_rows, ahead = [read.rows[:0]], [np.zeros(0, np.int64)]
        for instants in self._instants(*self._sums(read)):
            is_ahead = instants > through_us
            hit = np.flatnonzero((instants > after_us) & ~is_ahead)
            found_rows.append(read.rows[hit])
            found.append(instants[hit])
            if most_ahead:
                later = np.flatnonzero(is_ahead & (instants < NEVER))
                ahead_rows.append(read.rows[later])
                ahead.append(instants[later])
        first = first_ahead(np.concatenate(ahead_rows), np.concatenate(ahead), most_ahead)
        return BlockFlips(np.concatenate(found_rows), np.concatenate(found), *first)

    def next_of(self, read: RowsRead, after_us: int) -> NDArray[np.int64]:
        """See FlipLeaf."""
        soonest = np.full(len(read.rows), NEVER, np.int64)
        for instants in self._instants(*self._sums(read)):
            np.minimum(soonest, np.where(instants > after_us, instants, NEVER), out=soonest)
        return soonest

    def holds(
        self, read: RowsRead, places: NDArray[np.intp], instants: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """See FlipLeaf."""
        sums, present = self._sums(read)
        sums, present = sums[places], present[places]
        if not len(places):
            return present
        reach = abs(self._slope) * max(-int(instants.min()), int(instants.max()), 0)
        if sums.dtype == object or reach >= SAFE:
            sums = sums.astype(object) + self._slope * instants.astype(object)
        else:
            sums = sums + self._slope * instants
        return present & self._passes(sums)

    def _passes(self, sums: NDArray[Any]) -> NDArray[np.bool_]:
        match self._op:
            case "<":
                return _bools(sums < 0)
            case "<=":
                return _bools(sums <= 0)
            case ">":
                return _bools(sums > 0)
            case ">=":
                return _bools(sums >= 0)
        hit = np.zeros(len(sums), np.bool_)
        for target in self._targets:
            hit |= _bools(sums == target)
        return ~hit if self._negated else hit

    # ------------------------------------------------------------------------- parts

    def _sums(self, read: RowsRead) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """N of each row, int64 or objects, and which rows have it."""
        total, present, reach = read.sums(self._sources, self._factors)
        reach += abs(self._constant) + max(map(abs, self._targets), default=0)
        if total.dtype != object and (reach >= SAFE or abs(self._slope) >= SAFE):
            total = total.astype(object)
        return total + self._constant, present

    def _instants(self, sums: NDArray[Any], present: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
        """Every flip of every row: arrays with one element a row, NEVER where there is none."""
        slope = self._slope
        if self._op != "in":
            if abs(slope) == 1:
                found = -sums if slope == 1 else sums
                found = found + 1 if self._beyond else found
            else:
                found = (-sums) // slope + 1 if self._beyond else -(sums // slope)
            return [_as_instants(found, present)]
        all_found = [np.full(len(sums), NEVER, np.int64)] if not self._targets else []
        for target in self._targets:
            distance = target - sums
            whole = present & _bools(distance % slope == 0)
            at = _as_instants(distance // slope, whole)
            behind = np.where(at == NEVER, NEVER, at + np.where(at == NEVER, 0, 1))
            all_found += [at, behind]
        return all_found


def _known(source: bound.Source) -> NumberSource:
    assert isinstance(source, NumberSource), "only attributes are compared with now so far"
    return source


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
