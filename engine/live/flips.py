"""When the truth of one leaf changes by itself: its flip instants.

A leaf that moves with the clock holds, for one row and as long as the row is not written to, on
some stretches of time. The whole microseconds at which such a stretch begins, or has ended, are
the row's flips. Whoever knows them need not look at anybody else: when the clock goes from one
instant to a later one, the rows to judge are those with a flip after the first and up to the
second.

A finder (`FlipFinder`) says where they are, block by block; that of a leaf (`FlipLeaf`) also what
holds at any instant. It may give an instant at which nothing changes, but must leave none out.
Forms with `now` are in `engine.live.linear_flips`. What fits here, too: an event that enters a
window at its own time and leaves it so much later, found from the events' times; and the ends of
calendar windows, which are the same instants for everybody.

`DueTimes` remembers of each block the next flips of one leaf, so that a clock that moves on past
nobody's looks at no row, and one that moves on past a few looks at these.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.live.row_places import each_row_once
from engine.store.snapshot import Snapshot

if TYPE_CHECKING:
    from engine.live.rows_read import BlockRead, RowsRead
    from engine.live.window_edges import TypeEdge

__all__ = [
    "NEVER",
    "BlockFlips",
    "DueTimes",
    "FlipFinder",
    "FlipLeaf",
    "ListedFlips",
    "Passing",
    "first_ahead",
    "listed_within",
    "soonest",
]

# After every instant that there is, and before every one: microseconds.
NEVER: Final = (1 << 63) - 1
UNKNOWN: Final = -(1 << 63)

_BLOCK_BITS = 16

# Flips to come that are kept of each block and leaf: a block is looked through once for so many.
FLIPS_AHEAD = 256


class BlockFlips(NamedTuple):
    """The flips of one leaf, in some rows, within a stretch of time: `rows` uint32 and `instants`
    int64, side by side in any order.

    `ahead_rows` and `ahead` are some of those after it, in the order of time: all up to `horizon`.
    """

    rows: NDArray[np.uint32]
    instants: NDArray[np.int64]
    ahead_rows: NDArray[np.uint32]
    ahead: NDArray[np.int64]
    horizon: int


class Passing(NamedTuple):
    """Types of events with edges of windows (engine.live.event_cursors). `is_exact`: each event of
    these that passes an edge is a flip; else it may be one."""

    edges: frozenset[TypeEdge]
    is_exact: bool


class FlipFinder(Protocol):
    """What moves with the clock. Instants are microseconds from 1970 in UTC."""

    def fields(self, snapshot: Snapshot) -> frozenset[int]:
        """The fields whose cells decide when a row flips."""

    def between(
        self, read: RowsRead, after_us: int, through_us: int, most_ahead: int = 0
    ) -> BlockFlips:
        """The flips of some rows after one instant and up to another, and about `most_ahead` of
        those to come."""

    def next_of(self, read: RowsRead, after_us: int) -> NDArray[np.int64]:
        """The first flip of each row after an instant, NEVER where there is none."""

    @property
    def passing(self) -> Passing | None:
        """The events at whose edges it flips, and at no other instant; None where that is not
        all."""


class FlipLeaf(FlipFinder, Protocol):
    """One leaf that moves with the clock."""

    def holds(
        self,
        read: RowsRead,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        scores: Mapping[str, NDArray[Any]] | None = None,
    ) -> NDArray[np.bool_]:
        """Whether it holds for the rows at some places, each at the instant beside it. `scores`
        has the thousandths there of each score that it reads, by name."""


class ListedFlips(ABC):
    """The questions of FlipFinder about instants, for a finder that lists all flips within a
    stretch."""

    @property
    def passing(self) -> Passing | None:
        """See FlipFinder."""
        return None

    def between(
        self, read: RowsRead, after_us: int, through_us: int, most_ahead: int = 0
    ) -> BlockFlips:
        """See FlipFinder."""
        places, instants = self.listed(read, after_us, NEVER - 1 if most_ahead else through_us)
        rows, near = read.rows[places], instants <= through_us
        first = first_ahead(rows[~near], instants[~near], most_ahead)
        return BlockFlips(rows[near], instants[near], *first)

    def next_of(self, read: RowsRead, after_us: int) -> NDArray[np.int64]:
        """See FlipFinder."""
        soonest = np.full(len(read.rows), NEVER, np.int64)
        places, instants = self.listed(read, after_us, NEVER - 1)
        np.minimum.at(soonest, places, instants)
        return soonest

    @abstractmethod
    def listed(
        self, read: RowsRead, after_us: int, through_us: int
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """All flips after one instant and up to another: places and instants."""


class DueTimes:
    """What is known of the flips to come of one leaf, block by block; for one thread.

    Of each block there is an instant before which no row of it flips. Where a block was looked
    through, there are also the rows that flip next, up to a horizon: those of them that are due
    are looked at again, since they may have been written to, and the other rows are not.
    """

    def __init__(self, leaf: FlipFinder) -> None:
        self._leaf = leaf
        self._next = np.zeros(0, np.int64)
        # Up to where `_ahead` is complete; UNKNOWN where there is none.
        self._horizon = np.zeros(0, np.int64)
        self._ahead: dict[int, tuple[NDArray[np.uint32], NDArray[np.int64]]] = {}

    def grow(self, block_count: int) -> None:
        """Makes room for new blocks, of which nothing is known."""
        missing = block_count - len(self._next)
        if missing > 0:
            unknown = np.full(missing, UNKNOWN, np.int64)
            self._next = np.concatenate([self._next, unknown])
            self._horizon = np.concatenate([self._horizon, unknown])

    @property
    def earliest(self) -> int:
        """No row of any block flips before this."""
        return int(self._next.min()) if len(self._next) else NEVER

    def due(self, through_us: int) -> list[int]:
        """The blocks in which somebody may flip up to an instant, in order."""
        blocks: list[int] = np.flatnonzero(self._next <= through_us).tolist()
        return blocks

    def block_looks(self, through_us: int) -> int:
        """How many blocks are to be looked through on the way to an instant, because nothing is
        known of them, or more flip together there than are kept."""
        due, horizon = self._next, self._horizon
        count = min(len(due), len(horizon))
        due, horizon = due[:count], horizon[:count]
        looks = (due <= through_us) & ((due == horizon + 1) | (due == UNKNOWN))
        return int(np.count_nonzero(looks))

    def is_due(self, block: int, through_us: int) -> bool:
        """Whether somebody of a block may flip up to an instant."""
        return bool(self._next[block] <= through_us)

    def expected(self, block: int, through_us: int) -> NDArray[np.uint32] | None:
        """The rows of a block that may flip up to an instant; None where any may."""
        if through_us > self._horizon[block]:
            return None
        rows, ahead = self._ahead[block]
        return rows[: int(np.searchsorted(ahead, through_us, side="right"))]

    def take(
        self, read: BlockRead, after_us: int, through_us: int, some: RowsRead | None = None
    ) -> BlockFlips:
        """The flips of a block after one instant and up to another, which then are behind. `some`
        of its rows, with all that are `expected`, may have been read already."""
        block = read.block
        if through_us > self._horizon[block]:
            found = self._leaf.between(read.whole, after_us, through_us, FLIPS_AHEAD)
            rows, ahead, horizon = found.ahead_rows, found.ahead, found.horizon
        else:
            rows, ahead = self._ahead[block]
            due = int(np.searchsorted(ahead, through_us, side="right"))
            candidates = some or read.some(each_row_once(rows[:due]))
            found = self._leaf.between(candidates, after_us, through_us)
            rows, ahead, horizon = rows[due:], ahead[due:], int(self._horizon[block])
        self._ahead[block] = rows, ahead
        self._horizon[block] = horizon
        self._next[block] = ahead[0] if len(ahead) else min(horizon + 1, NEVER)
        return found

    def bring_forward(self, rows: NDArray[np.uint32], instants: NDArray[np.int64]) -> None:
        """Rows were written to, and flip next at these instants."""
        blocks = rows >> np.uint32(_BLOCK_BITS)
        np.minimum.at(self._next, blocks, instants)
        # Who flips among those ahead, and is not one of them, takes them away.
        missed = np.unique(blocks[instants <= self._horizon[blocks]])
        self._horizon[missed] = UNKNOWN
        for block in missed.tolist():
            self._ahead.pop(block, None)


def first_ahead(
    rows: NDArray[np.uint32], instants: NDArray[np.int64], most: int
) -> tuple[NDArray[np.uint32], NDArray[np.int64], int]:
    """About the first `most` of some flips, in the order of time, and up to where these are all."""
    horizon = NEVER - 1
    if len(instants) > most:
        chosen = np.argpartition(instants, most)[: most + 1]
        # Others may flip together with the last one.
        horizon = int(instants[chosen].max()) - 1
        chosen = chosen[instants[chosen] <= horizon]
        rows, instants = rows[chosen], instants[chosen]
    order = np.argsort(instants, kind="stable")
    return rows[order], instants[order], horizon


def soonest(instants: Iterable[int]) -> int:
    """The first of some instants; NEVER where there is none."""
    return min(instants, default=NEVER)


def listed_within(
    candidates: Iterable[tuple[NDArray[np.intp], Iterable[NDArray[np.int64]]]],
    after_us: int,
    through_us: int,
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Those after one instant and up to another, as places and instants; a candidate has arrays of
    instants, each with one element for each of its places."""
    places, instants = [np.zeros(0, np.intp)], [np.zeros(0, np.int64)]
    for of_events, found in candidates:
        for at in found:
            hit = np.flatnonzero((at > after_us) & (at <= through_us))
            places.append(of_events[hit])
            instants.append(at[hit])
    return np.concatenate(places), np.concatenate(instants)
