"""A growing map from 128-bit digests to 32-bit numbers, all of it numpy.

1. Entries live in runs sorted by digest: two uint64 columns (high, low half) and one of
   numbers. Digests of different strings are taken to differ: they are SipHash-128 under a
   secret key, so that nobody can choose two that meet.
2. A lookup sorts the questions once, so that each binary search walks its run forwards, and
   asks the runs one after the other.
3. An addition makes a run of its own; a run not twice as long as its successor is merged
   with it. So n entries make at most log2(n) runs and each entry moves at most log2(n) times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNKNOWN", "DigestMap", "Run", "group_digests", "merge_runs", "sort_run"]

# What a lookup answers for a digest that is not there.
UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Run:
    """Entries sorted by (high, low): uint64, uint64 and uint32 arrays of one length."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    numbers: NDArray[np.uint32]

    @property
    def count(self) -> int:
        """How many entries there are."""
        return len(self.high)

    def find(
        self,
        high: NDArray[np.uint64],  # IN  best sorted
        low: NDArray[np.uint64],  # IN
        numbers: NDArray[np.uint32],  # OUT written where found, left alone elsewhere
    ) -> None:
        """Writes the numbers of the digests (high, low) that are in this run."""
        if not self.count:
            return
        position = np.searchsorted(self.high, high)
        asked = np.flatnonzero(position < self.count)
        # More than one step only where two digests share their high half.
        while len(asked):
            at = position[asked]
            same_high = self.high[at] == high[asked]
            hit = same_high & (self.low[at] == low[asked])
            numbers[asked[hit]] = self.numbers[at[hit]]
            asked = asked[same_high & ~hit]
            position[asked] += 1
            asked = asked[position[asked] < self.count]


def _digest_order(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.intp]:
    """The stable order by (high, low)."""
    order = np.argsort(high, kind="stable")
    sorted_high = high[order]
    tied = sorted_high[1:] == sorted_high[:-1]
    # Equal high halves are nearly always equal digests, which are in order already.
    if tied.any() and (low[order[1:]][tied] != low[order[:-1]][tied]).any():
        return np.lexsort((low, high))
    return order


def sort_run(digests: NDArray[np.uint64], numbers: NDArray[np.uint32]) -> Run:
    """Makes a run of distinct digests, uint64 (n, 2), in any order."""
    order = _digest_order(digests[:, 0], digests[:, 1])
    return Run(digests[order, 0], digests[order, 1], numbers[order])


def merge_runs(left: Run, right: Run) -> Run:
    """One run with the entries of both, which share none."""
    if not left.count or not right.count:
        return left if left.count else right
    high = np.concatenate((left.high, right.high))
    low = np.concatenate((left.low, right.low))
    order = _digest_order(high, low)
    return Run(high[order], low[order], np.concatenate((left.numbers, right.numbers))[order])


def group_digests(
    digests: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.intp]]:
    """Groups equal digests, uint64 (n, 2).

    Returns (group of each digest int64 (n,), the order that brings groups together, the
    start of each group in that order). Within a group the order keeps positions ascending.
    """
    count = len(digests)
    if not count:
        nothing = np.zeros(0, np.intp)
        return np.zeros(0, np.int64), nothing, nothing
    order = _digest_order(digests[:, 0], digests[:, 1])
    ordered = digests[order]
    first = np.empty(count, np.bool_)
    first[0] = True
    np.any(ordered[1:] != ordered[:-1], axis=1, out=first[1:])
    groups = np.empty(count, np.int64)
    groups[order] = np.cumsum(first) - 1
    return groups, order, np.flatnonzero(first)


class DigestMap:
    """Digests to numbers below UNKNOWN, in memory."""

    def __init__(self) -> None:
        self._runs: list[Run] = []

    @property
    def count(self) -> int:
        """How many digests are in the map."""
        return sum(run.count for run in self._runs)

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Numbers of n digests, uint64 (n, 2), as uint32 (n,); UNKNOWN where not there."""
        numbers = np.full(len(digests), UNKNOWN, np.uint32)
        if not self._runs or not len(digests):
            return numbers
        order = np.argsort(digests[:, 0])
        high, low = digests[order, 0], digests[order, 1]
        found = numbers.copy()
        for run in self._runs:
            run.find(high, low, found)
        numbers[order] = found
        return numbers

    def add(self, digests: NDArray[np.uint64], numbers: NDArray[np.uint32]) -> None:
        """Adds distinct digests, uint64 (n, 2), of which none is in the map."""
        if not len(digests):
            return
        self._runs.append(sort_run(digests, numbers))
        while len(self._runs) > 1 and self._runs[-2].count < 2 * self._runs[-1].count:
            newest = self._runs.pop()
            self._runs[-1] = merge_runs(self._runs[-1], newest)

    def as_run(self) -> Run:
        """All entries as one run."""
        empty = np.zeros(0, np.uint64)
        merged = Run(empty, empty, np.zeros(0, np.uint32))
        for run in reversed(self._runs):
            merged = merge_runs(merged, run)
        return merged
