"""Totals of a value by group: how many have it, their sum, the least and the greatest; exact.

Sums of 64-bit values are kept in 128 bits, which 2^32 rows cannot leave; values that do not fit
64 bits are summed as Python integers. A sum of doubles is kept as one whole number of 2^-1074,
so it does not depend on the order of rows, threads or blocks, and is rounded once. What has
averages in it is added up as fractions (engine.measuring.ratios).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from engine.core.values import SUM_DIGITS, ValueBlocks
from engine.measuring.passes import Reading, gather
from engine.measuring.ratios import RatioTotals
from engine.measuring.sums import Sum
from engine.measuring.value import Measure, Value, key_of_double

__all__ = ["Total", "totals"]

_INT64 = np.iinfo(np.int64)
# The doubles are whole numbers of this.
_DOUBLE_UNIT = Fraction(1, 1 << 1074)


@dataclass(frozen=True, slots=True)
class Total:
    """Of one group: `count` profiles, of which `present` have the value.

    `sum` is exact, of doubles the nearest one; None where it is no finite double, or some value
    is infinite. `least` and `greatest` are None where nobody has the value.
    """

    count: int
    present: int
    sum: Measure | None
    mean: Measure | None
    least: Measure | None
    greatest: Measure | None


def totals(reading: Reading, value: Value, groups: int) -> tuple[Total, list[Total]]:
    """The totals of all, and of each of so many groups, in one pass over the blocks."""
    make: type[RatioTotals | _FloatTotals | _ExactTotals] = _ExactTotals
    if value.is_float or value.is_ratio:
        make = _FloatTotals if value.is_float else RatioTotals
    gathered = gather(reading, lambda: make(groups))
    counts = sum((one.matched for one in gathered), np.zeros(groups, np.int64)).tolist()
    sums = [Sum() for _ in range(groups)]
    whole = Sum()
    for one in gathered:
        for group, found in one.sums():
            sums[group].add(found)
            whole.add(found)
    return _total(sum(counts), whole, value), [
        _total(count, one, value) for count, one in zip(counts, sums, strict=True)
    ]


def _total(count: int, found: Sum, value: Value) -> Total:
    if not found.count:
        nothing = None if value.kind in ("date", "time") else value.measure(0)
        return Total(count, 0, nothing, None, None, None)
    assert found.least is not None and found.greatest is not None
    total: Measure | None
    mean: Measure | None
    if value.is_float:
        exact = found.total * _DOUBLE_UNIT
        total = mean = None
        if not found.infinite:
            total, mean = _nearest(exact), _nearest(exact / found.count)
    else:
        exact = Fraction(found.total, value.scale)
        total, mean = exact, exact / found.count
    if value.kind in ("date", "time"):
        total = None
    if value.kind == "date":
        mean = None
    least, greatest = value.measure(found.least), value.measure(found.greatest)
    return Total(count, found.count, total, mean, least, greatest)


def _nearest(exact: Fraction) -> float | None:
    try:
        return exact.numerator / exact.denominator
    except OverflowError:
        return None


class _ExactTotals:
    """What one thread has of whole numbers, by group."""

    def __init__(self, groups: int) -> None:
        self.matched = np.zeros(groups, np.int64)
        self._count = np.zeros(groups, np.int64)
        self._low = np.zeros(groups, np.uint64)
        self._high = np.zeros(groups, np.int64)
        self._least = np.full(groups, _INT64.max, np.int64)
        self._greatest = np.full(groups, _INT64.min, np.int64)
        self._wide: dict[int, Sum] = {}

    def add(self, blocks: ValueBlocks) -> None:
        blocks.add_matched(self.matched)
        if blocks.is_wide:
            self._add_wide(blocks.wide_values(), blocks.group_codes().tolist())
        else:
            blocks.add_totals(self._count, self._low, self._high, self._least, self._greatest)

    def _add_wide(self, values: Sequence[int], groups: Sequence[int]) -> None:
        for group, value in zip(groups or [0] * len(values), values, strict=True):
            self._wide.setdefault(group, Sum()).add(Sum(1, value, value, value))

    def sums(self) -> Iterable[tuple[int, Sum]]:
        """What there is of each group that has something."""
        for group in np.flatnonzero(self._count).tolist():
            total = (int(self._high[group]) << 64) + int(self._low[group])
            yield (
                group,
                Sum(
                    int(self._count[group]),
                    total,
                    int(self._least[group]),
                    int(self._greatest[group]),
                ),
            )
        yield from self._wide.items()


class _FloatTotals:
    """What one thread has of doubles, by group."""

    def __init__(self, groups: int) -> None:
        self.matched = np.zeros(groups, np.int64)
        self._count = np.zeros(groups, np.int64)
        self._infinite = np.zeros(groups, np.int64)
        self._least = np.full(groups, math.inf)
        self._greatest = np.full(groups, -math.inf)
        self._digits = np.zeros((groups, SUM_DIGITS), np.int64)

    def add(self, blocks: ValueBlocks) -> None:
        blocks.add_matched(self.matched)
        blocks.add_float_totals(
            self._count, self._infinite, self._least, self._greatest, self._digits
        )

    def sums(self) -> Iterable[tuple[int, Sum]]:
        """What there is of each group that has something."""
        for group in np.flatnonzero(self._count).tolist():
            digits = self._digits[group].tolist()
            yield (
                group,
                Sum(
                    int(self._count[group]),
                    sum(digit << (32 * place) for place, digit in enumerate(digits)),
                    key_of_double(float(self._least[group])),
                    key_of_double(float(self._greatest[group])),
                    int(self._infinite[group]),
                ),
            )
