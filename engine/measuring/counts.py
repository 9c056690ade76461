"""How many values lie between borders: in one pass for borders that are given, in a few for those
that are values themselves (quantiles).

Borders are keys (engine.measuring.value). A border beyond 64 bits is one that no value of a block
that fits them reaches, or that all do.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.core.values import ValueBlocks
from engine.measuring.passes import Reading, gather

__all__ = ["Between", "between", "values_at"]

_INT64 = np.iinfo(np.int64)

# Borders of one pass: more make its search through them slower than another pass would be.
_BORDERS = 16_384


@dataclass(frozen=True, slots=True)
class Between:
    """`counts[k]` values have exactly k of the borders at or below them, of `matched` profiles."""

    matched: int
    counts: tuple[int, ...]

    @property
    def present(self) -> int:
        """How many profiles have the value."""
        return sum(self.counts)


def between(reading: Reading, keys: Sequence[int]) -> Between:
    """The values between ascending keys, in one pass over the blocks."""
    gathered = gather(reading, lambda: _Counts(keys))
    counts: NDArray[np.int64] = sum(
        (one.counts for one in gathered), np.zeros(len(keys) + 1, np.int64)
    )
    return Between(sum(int(one.matched[0]) for one in gathered), tuple(counts.tolist()))


class _Counts:
    """What one thread has counted."""

    def __init__(self, keys: Sequence[int]) -> None:
        self.matched = np.zeros(1, np.int64)
        self.counts = np.zeros(len(keys) + 1, np.int64)
        self._keys = keys
        reached = [max(key, _INT64.min) for key in keys if key <= _INT64.max]
        self._reached = np.array(reached, np.int64)

    def add(self, blocks: ValueBlocks) -> None:
        blocks.add_matched(self.matched)
        if blocks.is_wide:
            for value in blocks.wide_values():
                self.counts[bisect_right(self._keys, value)] += 1
        else:
            blocks.count_by_keys(self._reached, self.counts[: len(self._reached) + 1])


@dataclass(slots=True)
class _Sought:
    """A rank whose value lies in [low, high]."""

    rank: int
    low: int
    high: int


def values_at(
    ranks: Sequence[int],
    least: int,
    greatest: int,
    count_between: Callable[[Sequence[int]], Between],
    borders: int = _BORDERS,
) -> list[int]:
    """The values at some ranks (from 0, in ascending order of all values), as keys.

    `least` and `greatest` are those of all values. Each pass cuts what a value may lie in into as
    many pieces as there is room for among so many borders, so that memory does not grow with the
    number of values.
    """
    sought = [_Sought(rank, least, greatest) for rank in ranks]
    while open_ones := [one for one in sought if one.low < one.high]:
        room = max(borders // len({one.low for one in open_ones}), 1)
        keys = sorted({key for one in open_ones for key in _cuts(one, room)})
        below = np.cumsum(count_between(keys).counts).tolist()
        for one in open_ones:
            # below[k] values are less than keys[k].
            at = bisect_right(below, one.rank, hi=len(keys))
            if at:
                one.low = max(one.low, keys[at - 1])
            if at < len(keys):
                one.high = min(one.high, keys[at] - 1)
    return [one.low for one in sought]


def _cuts(one: _Sought, room: int) -> range:
    """Borders that cut what a value may lie in into at most `room` + 1 pieces."""
    step = -(-(one.high - one.low + 1) // (room + 1))
    return range(one.low + step, one.high + 1, step)
