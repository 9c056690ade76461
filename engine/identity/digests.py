"""A map from 128-bit digests to 32-bit numbers, each with the sequence it came by.

1. Entries live in runs sorted by digest: uint64 high and low halves, uint32 numbers, int64
   sequences. Digests of different strings are taken to differ: they are SipHash-128 under a
   secret key, so that nobody can choose two that meet.
2. An addition makes a run of its own; a run not twice as long as its successor is merged
   with it. So n entries make at most log2(n) runs and each entry moves at most log2(n) times.
3. Runs and maps never change: an addition makes another map, which shares the runs that it
   did not merge. Whoever holds a map reads it without a lock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.identity.digest_search import places_in_run

__all__ = ["UNKNOWN", "DigestMap", "Run", "group_digests", "merge_runs", "sort_run", "unite_runs"]

# What a lookup answers for a digest that is not there.
UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Run:
    """Entries sorted by (high, low): uint64, uint64, uint32 and int64 arrays of one length.

    Sequences that are all the same take no memory: the array is one number, repeated.
    """

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    numbers: NDArray[np.uint32]
    sequences: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many entries there are."""
        return len(self.high)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        shared = self.count and self.sequences.strides[0] == 0
        return 20 * self.count + (8 if shared else 8 * self.count)

    def places(self, digests: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Where each of n digests, uint64 (n, 2), stands in the run, int64 (n,), or -1."""
        return places_in_run(self.high, self.low, np.ascontiguousarray(digests))

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Run:
        """The chosen entries, in their order, which must ascend."""
        high, low, numbers = self.high[chosen], self.low[chosen], self.numbers[chosen]
        if self.count and self.sequences.strides[0] == 0:
            return Run(high, low, numbers, np.broadcast_to(self.sequences[0], len(high)))
        return Run(high, low, numbers, self.sequences[chosen])

    def of_sequence(self, sequence: int) -> Run:
        """The same entries, all by one sequence."""
        sequences = np.broadcast_to(np.int64(sequence), self.count)
        return Run(self.high, self.low, self.numbers, sequences)

    def between(self, first: int, last: int) -> Run:
        """The entries whose high half is from `first` to `last`, both included; a view."""
        start = np.searchsorted(self.high, np.uint64(first), "left")
        end = np.searchsorted(self.high, np.uint64(last), "right")
        return self.take(slice(int(start), int(end)))


def sort_run(digests: NDArray[np.uint64], numbers: NDArray[np.uint32], sequence: int = 0) -> Run:
    """Makes a run of distinct digests, uint64 (n, 2), in any order, all by one sequence."""
    order = _digest_order(digests[:, 0], digests[:, 1], "quicksort")
    sequences = np.broadcast_to(np.int64(sequence), len(order))
    return Run(digests[order, 0], digests[order, 1], numbers[order], sequences)


def merge_runs(left: Run, right: Run) -> Run:
    """One run with the entries of both, which share none."""
    if not left.count or not right.count:
        return left if left.count else right
    high = np.concatenate((left.high, right.high))
    low = np.concatenate((left.low, right.low))
    order = _digest_order(high, low, "stable")
    numbers = np.concatenate((left.numbers, right.numbers))[order]
    return Run(high[order], low[order], numbers, _merged_sequences(left, right, order))


def unite_runs(left: Run, right: Run) -> Run:
    """One run with the entries of both; those that both have, with one number, once."""
    merged = merge_runs(left, right)
    again = np.zeros(merged.count, np.bool_)
    again[1:] = (merged.high[1:] == merged.high[:-1]) & (merged.low[1:] == merged.low[:-1])
    if not again.any():
        return merged
    twice = np.flatnonzero(again)
    assert (merged.numbers[twice] == merged.numbers[twice - 1]).all(), "an identifier moved"
    return merged.take(~again)


def _merged_sequences(left: Run, right: Run, order: NDArray[np.intp]) -> NDArray[np.int64]:
    lone = left.sequences.strides[0] == 0 and right.sequences.strides[0] == 0
    if lone and left.sequences[0] == right.sequences[0]:
        return np.broadcast_to(left.sequences[0], len(order))
    return np.concatenate((left.sequences, right.sequences))[order]


def _digest_order(
    high: NDArray[np.uint64], low: NDArray[np.uint64], kind: Literal["stable", "quicksort"]
) -> NDArray[np.intp]:
    """The order by (high, low). A stable sort is the faster one where runs are joined."""
    order = np.argsort(high, kind=kind)
    sorted_high = high[order]
    tied = sorted_high[1:] == sorted_high[:-1]
    # Equal high halves are nearly always equal digests, which are in order already.
    if tied.any() and (low[order[1:]][tied] != low[order[:-1]][tied]).any():
        return np.lexsort((low, high))
    return order


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
    order = _digest_order(digests[:, 0], digests[:, 1], "stable")
    ordered = digests[order]
    first = np.empty(count, np.bool_)
    first[0] = True
    np.any(ordered[1:] != ordered[:-1], axis=1, out=first[1:])
    groups = np.empty(count, np.int64)
    groups[order] = np.cumsum(first) - 1
    return groups, order, np.flatnonzero(first)


@dataclass(frozen=True, slots=True)
class DigestMap:
    """Distinct digests to numbers below UNKNOWN. See the head of this file."""

    runs: tuple[Run, ...] = ()

    @property
    def count(self) -> int:
        """How many digests are in the map."""
        return sum(run.count for run in self.runs)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(run.nbytes for run in self.runs)

    def find(
        self, digests: NDArray[np.uint64], at: int | None = None
    ) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        """Numbers of n digests, uint64 (n, 2), as uint32 (n,), and which of them are there.

        UNKNOWN where one is not there, or came by a later sequence than `at`.
        """
        numbers = np.full(len(digests), UNKNOWN, np.uint32)
        there = np.zeros(len(digests), np.bool_)
        asked = np.ascontiguousarray(digests)
        for run in self.runs:
            places = run.places(asked)
            hit = np.flatnonzero(places >= 0)
            there[hit] = True
            if at is not None:
                hit = hit[run.sequences[places[hit]] <= at]
            numbers[hit] = run.numbers[places[hit]]
        return numbers, there

    def with_run(self, run: Run) -> DigestMap:
        """The map with the entries of a run, of which it has none yet."""
        if not run.count:
            return self
        runs = [*self.runs, run]
        while len(runs) > 1 and runs[-2].count < 2 * runs[-1].count:
            newest = runs.pop()
            runs[-1] = merge_runs(runs[-1], newest)
        return DigestMap(tuple(runs))

    def between(self, first: int, last: int) -> Run:
        """The entries whose high half is from `first` to `last`, both included, as one run."""
        return DigestMap(tuple(run.between(first, last) for run in self.runs)).as_run()

    def only(self, wanted: Callable[[Run], NDArray[np.bool_]]) -> DigestMap:
        """The entries that `wanted`, bool (n,) for a run of n, says to keep."""
        kept = []
        for run in self.runs:
            mask = wanted(run)
            if mask.all():
                kept.append(run)
            elif mask.any():
                kept.append(run.take(mask))
        return DigestMap(tuple(kept))

    def as_run(self) -> Run:
        """All entries as one run."""
        empty = np.zeros(0, np.uint64)
        merged = Run(empty, empty, np.zeros(0, np.uint32), np.zeros(0, np.int64))
        for run in reversed(self.runs):
            merged = merge_runs(merged, run)
        return merged
