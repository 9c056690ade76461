"""A stretch of time, and for whom it passes.

Mostly time passes for everybody. Where a tick is cut into slices (`engine.live.lagging`), some
blocks have come along and others lag behind; rows of these that somebody wrote to meanwhile were
brought up one by one, so their block must not bring them there again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowClocks", "Span"]

_BLOCK_BITS = 16

# What flips by number, rows uint32, and when int64.
_Flips = tuple[int, NDArray[np.uint32], NDArray[np.int64]]


class RowClocks:
    """Rows that are exact at instants of their own, later than that of their block."""

    def __init__(self) -> None:
        self._rows = np.zeros(0, np.uint32)
        self._instants = np.zeros(0, np.int64)

    def set(self, rows: NDArray[np.uint32], instant_us: int) -> None:
        """Rows, ascending and each once, are exact at an instant that is later than all before."""
        kept = ~np.isin(self._rows, rows, assume_unique=True)
        both = np.concatenate([self._rows[kept], rows])
        order = np.argsort(both, kind="stable")
        at = np.concatenate([self._instants[kept], np.full(len(rows), instant_us)])
        self._rows, self._instants = both[order], at[order]

    def forget_before(self, block: int) -> None:
        """Blocks before one have come to where their rows are."""
        first = int(np.searchsorted(self._rows, block << _BLOCK_BITS))
        self._rows, self._instants = self._rows[first:], self._instants[first:]

    def of_block(self, block: int) -> NDArray[np.uint32]:
        """Those of a block."""
        first, last = np.searchsorted(self._rows, [block << _BLOCK_BITS, block + 1 << _BLOCK_BITS])
        return self._rows[first:last]

    def are_behind(
        self, rows: NDArray[np.uint32], instants: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which rows have passed the instant beside them already, in any order."""
        behind = np.zeros(len(rows), np.bool_)
        if len(self._rows):
            places = np.minimum(np.searchsorted(self._rows, rows), len(self._rows) - 1)
            behind = (self._rows[places] == rows) & (instants <= self._instants[places])
        return behind


@dataclass(frozen=True, slots=True)
class Span:
    """From one instant, at which what is stored is exact, to another, in microseconds.

    It passes for the blocks that `absorbs` says yes of (None: all), or for `rows` alone (uint32,
    ascending, each once). Where there are `clocks`, their rows have passed some of it already.
    """

    after_us: int
    through_us: int
    absorbs: Callable[[int], bool] | None = None
    rows: NDArray[np.uint32] | None = None
    clocks: RowClocks | None = None

    @property
    def is_slice(self) -> bool:
        """Whether blocks that lag come along with it."""
        return self.clocks is not None and self.rows is None

    def takes(self, block: int) -> bool:
        """Whether it passes for a block."""
        return self.absorbs is None or self.absorbs(block)

    def is_ahead(
        self, rows: NDArray[np.uint32], instants: NDArray[np.int64]
    ) -> NDArray[np.bool_] | slice:
        """Which rows have not passed the instant beside them."""
        return slice(None) if self.clocks is None else ~self.clocks.are_behind(rows, instants)

    def ahead(self, flips: Iterable[_Flips]) -> list[_Flips]:
        """What flips without what has passed; whatever has nothing left is left out."""
        if self.clocks is None:
            return list(flips)
        found = []
        for number, rows, instants in flips:
            chosen = self.is_ahead(rows, instants)
            if len(rows[chosen]):
                found.append((number, rows[chosen], instants[chosen]))
        return found
