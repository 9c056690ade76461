"""Fractions, each with a divisor of its own: values with averages in them, counted and added up.

A value is `value / divisor`, a number of events or a product of several. Values with one divisor
are compared as whole numbers: v / d is at least a border b where v is at least the ceiling of
b * d. So a block is sorted by divisors, of which there are few, and each share of it is looked up
in borders of its own. Keys of such values (engine.measuring.value) are fractions, and where values
*above* a border are asked for, the pass is told so.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.core.values import ValueBlocks
from engine.measuring.counts import Between, values_at
from engine.measuring.passes import Reading, gather
from engine.measuring.sums import Sum

__all__ = ["RatioTotals", "ratios_at", "ratios_between"]

_INT64 = np.iinfo(np.int64)
_LOW = (1 << 32) - 1

# Divisors that borders are kept for; and borders of one pass that are multiplied by each.
_DIVISORS = 4_096
_BORDERS = 1_024

_Ints = NDArray[np.int64]


def ratios_between(
    reading: Reading, keys: Sequence[Fraction | int], *, above: bool = False
) -> Between:
    """The values between ascending keys, in one pass; `above`: a value reaches what it is above
    of, not what it equals."""
    gathered = gather(reading, lambda: _Counts(keys, above=above))
    counts: _Ints = sum((one.counts for one in gathered), np.zeros(len(keys) + 1, np.int64))
    return Between(sum(int(one.matched[0]) for one in gathered), tuple(counts.tolist()))


def ratios_at(
    reading: Reading, ranks: Sequence[int], least: Fraction, greatest: Fraction
) -> list[Fraction]:
    """The values at some ranks (from 0, in ascending order of all values), as keys.

    Two values whose divisors are at most D lie 1 / D^2 apart or more. So the whole part of a value
    times 2 D^2 tells it from all others, and the value is the only fraction with such a divisor
    near it.
    """
    divisor = max(one.greatest for one in gather(reading, _Divisors))
    grid = 2 * divisor * divisor
    found = values_at(
        ranks,
        math.floor(least * grid),
        math.floor(greatest * grid),
        lambda places: ratios_between(reading, [Fraction(place, grid) for place in places]),
        _BORDERS,
    )
    return [Fraction(2 * place + 1, 2 * grid).limit_denominator(divisor) for place in found]


class _Divisors:
    """The greatest divisor that one thread has met."""

    def __init__(self) -> None:
        self.greatest = 1

    def add(self, blocks: ValueBlocks) -> None:
        if not blocks.count:
            return
        if blocks.is_wide:
            found = max(divisor for _, divisor in blocks.wide_ratios())
        else:
            found = int(blocks.ratios()[1].max())
        self.greatest = max(self.greatest, found)


class _Counts:
    """What one thread has counted."""

    def __init__(self, keys: Sequence[Fraction | int], *, above: bool) -> None:
        self.matched = np.zeros(1, np.int64)
        self.counts = np.zeros(len(keys) + 1, np.int64)
        self._keys = keys
        self._above = above
        # Keys are whole numbers of 1 / unit.
        self._unit = math.lcm(*(key.denominator for key in keys))
        self._wholes = [key.numerator * (self._unit // key.denominator) for key in keys]
        self._reached: dict[int, _Ints] = {}

    def add(self, blocks: ValueBlocks) -> None:
        blocks.add_matched(self.matched)
        if blocks.is_wide:
            place = bisect_left if self._above else bisect_right
            for value, divisor in blocks.wide_ratios():
                self.counts[place(self._keys, Fraction(value, divisor))] += 1
            return
        values, divisors = blocks.ratios()
        order = np.argsort(divisors, kind="stable")
        values, divisors = values[order], divisors[order]
        for start, end in _runs(divisors):
            borders = self._borders(int(divisors[start]))
            places = np.searchsorted(borders, values[start:end], side="right")
            found = np.bincount(places, minlength=len(borders) + 1)
            self.counts[: len(found)] += found

    def _borders(self, divisor: int) -> _Ints:
        """The least values with a divisor that reach each key, those that any number of 64 bits
        does."""
        known = self._reached.get(divisor)
        if known is None:
            if self._above:
                wanted = (whole * divisor // self._unit + 1 for whole in self._wholes)
            else:
                wanted = (-(-whole * divisor // self._unit) for whole in self._wholes)
            reached = [max(value, _INT64.min) for value in wanted if value <= _INT64.max]
            known = np.array(reached, np.int64)
            if len(self._reached) == _DIVISORS:
                self._reached.clear()
            self._reached[divisor] = known
        return known


class RatioTotals:
    """What one thread has of fractions, by group: a sum for each divisor."""

    def __init__(self, groups: int) -> None:
        self.matched = np.zeros(groups, np.int64)
        self._by_divisor: dict[tuple[int, int], Sum] = {}

    def add(self, blocks: ValueBlocks) -> None:
        """Adds the open block."""
        blocks.add_matched(self.matched)
        if not blocks.count:
            return
        groups = blocks.group_codes()
        if not len(groups):
            groups = np.zeros(blocks.count, np.uint32)
        if blocks.is_wide:
            ratios = blocks.wide_ratios()
            for group, (value, divisor) in zip(groups.tolist(), ratios, strict=True):
                self._of(group, divisor).add(Sum(1, value, value, value))
            return
        values, divisors = blocks.ratios()
        order = np.lexsort((divisors, groups))
        values, divisors, groups = values[order], divisors[order], groups[order]
        starts = np.array([start for start, _ in _runs(divisors, groups)])
        # Halves, so that no sum of a block leaves 64 bits.
        high = np.add.reduceat(values >> 32, starts).tolist()
        low = np.add.reduceat(values & _LOW, starts).tolist()
        least = np.minimum.reduceat(values, starts).tolist()
        greatest = np.maximum.reduceat(values, starts).tolist()
        sizes = np.diff([*starts.tolist(), len(values)]).tolist()
        for at, start in enumerate(starts.tolist()):
            found = Sum(sizes[at], (high[at] << 32) + low[at], least[at], greatest[at])
            self._of(int(groups[start]), int(divisors[start])).add(found)

    def _of(self, group: int, divisor: int) -> Sum:
        return self._by_divisor.setdefault((group, divisor), Sum())

    def sums(self) -> Iterable[tuple[int, Sum]]:
        """What there is of each group that has something."""
        groups: dict[int, list[Sum]] = {}
        for (group, divisor), found in self._by_divisor.items():
            assert found.least is not None and found.greatest is not None
            groups.setdefault(group, []).append(
                Sum(
                    found.count,
                    Fraction(found.total, divisor),
                    Fraction(found.least, divisor),
                    Fraction(found.greatest, divisor),
                )
            )
        for group, sums in groups.items():
            # In pairs: fractions of many divisors are long, and few of these sums are.
            while len(sums) > 1:
                for one, other in zip(sums[::2], sums[1::2], strict=False):
                    one.add(other)
                sums = sums[::2]
            yield group, sums[0]


def _runs(*columns: NDArray[np.generic]) -> Iterator[tuple[int, int]]:
    """Where stretches of equal rows of some columns begin and end."""
    size = len(columns[0])
    if not size:
        return
    changes = np.zeros(size - 1, np.bool_)
    for column in columns:
        changes |= column[1:] != column[:-1]
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), size]
    yield from pairwise(edges)
