"""When the truth of one leaf changes by itself: its flip instants.

A leaf that moves with the clock holds, for one row and as long as the row is not written to, on
some stretches of time. The whole microseconds at which such a stretch begins, or has ended, are
the row's flips. Whoever knows them need not look at anybody else: when the clock goes from one
instant to a later one, the rows to judge are those with a flip after the first and up to the
second.

A finder (`FlipLeaf`) says where they are, block by block, and what holds at any instant. It may
give an instant at which nothing changes, but must leave none out. Forms with `now` are in
`engine.live.linear_flips`. What fits here, too: an event that enters a window at its own time and
leaves it so much later, found from the events' times; and the ends of calendar windows, which are
the same instants for everybody.

`DueTimes` remembers of each block the next flip of one leaf, so that a clock that moves on past
nobody's looks at no row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.live.rows_read import RowsRead
from engine.store.snapshot import Snapshot

__all__ = ["NEVER", "BlockFlips", "DueTimes", "FlipLeaf", "soonest"]

# After every instant that there is, and before every one: microseconds.
NEVER: Final = (1 << 63) - 1
UNKNOWN: Final = -(1 << 63)

_BLOCK_BITS = 16


class BlockFlips(NamedTuple):
    """The flips of one leaf, in rows of one block, within a stretch of time: `rows` uint32 and
    `instants` int64, side by side in any order, and the first one after that stretch (NEVER for
    none)."""

    rows: NDArray[np.uint32]
    instants: NDArray[np.int64]
    next_us: int


class FlipLeaf(Protocol):
    """One leaf that moves with the clock. Instants are microseconds from 1970 in UTC."""

    def fields(self, snapshot: Snapshot) -> frozenset[int]:
        """The fields whose cells decide when a row flips."""

    def between(self, read: RowsRead, after_us: int, through_us: int) -> BlockFlips:
        """The flips of some rows after one instant and up to another."""

    def next_of(self, read: RowsRead, after_us: int) -> NDArray[np.int64]:
        """The first flip of each row after an instant, NEVER where there is none."""

    def holds(
        self, read: RowsRead, places: NDArray[np.intp], instants: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Whether it holds for the rows at some places, each at the instant beside it."""


class DueTimes:
    """An instant of each block before which no row of it flips; for one leaf and one thread."""

    def __init__(self) -> None:
        self._next = np.zeros(0, np.int64)

    def grow(self, block_count: int) -> None:
        """Makes room for new blocks, of which nothing is known."""
        missing = block_count - len(self._next)
        if missing > 0:
            unknown = np.full(missing, UNKNOWN, np.int64)
            self._next = np.concatenate([self._next, unknown])

    @property
    def earliest(self) -> int:
        """No row of any block flips before this."""
        return int(self._next.min()) if len(self._next) else NEVER

    def due(self, through_us: int) -> list[int]:
        """The blocks in which somebody may flip up to an instant, in order."""
        return np.flatnonzero(self._next <= through_us).tolist()

    def is_due(self, block: int, through_us: int) -> bool:
        """Whether somebody of a block may flip up to an instant."""
        return bool(self._next[block] <= through_us)

    def set(self, block: int, next_us: int) -> None:
        """A block was looked through."""
        self._next[block] = next_us

    def bring_forward(self, rows: NDArray[np.uint32], instants: NDArray[np.int64]) -> None:
        """Rows were written to, and flip next at these instants."""
        np.minimum.at(self._next, rows >> np.uint32(_BLOCK_BITS), instants)


def soonest(instants: Iterable[int]) -> int:
    """The first of some instants; NEVER where there is none."""
    return min(instants, default=NEVER)
