"""A tick cut into slices: some blocks come along with the clock at once, the others later.

At a local midnight much of everybody turns at once. To find and write all that in one go would take
seconds, for which whoever writes has to wait. So a tick that has much to do brings some blocks up
to its instant, and says of the others that they lag behind, at the instant before it:

1. Each tick after it brings the blocks along that do not lag, and takes some more of those that do
   from where they stand to its own instant (`LagStep`). Batches are logged in between.
2. What a batch writes to a row is judged at the clock, so the row has to be there first. The tick
   before a batch brings the rows of the batch up, wherever their block stands; the instant of each
   is kept until its block has come there, too (`RowClocks`).
3. Where a block lags, what is stored of whoever is due there is not of now, and nobody is told that
   it is (`engine.live.standing`): such a segment is evaluated. When the last block has come, all is
   as after one tick, and what was told of each profile is the same, in the same order.

All this follows from the log, which is kept from the first of these ticks on until the blocks that
lagged are saved: then nobody asks any more which of their rows were ahead.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.limits import BLOCK_SLICE_S, BLOCK_SLICE_SHARE
from engine.live.row_places import each_row_once
from engine.live.time_span import RowClocks, Span
from engine.live.update import ProfileUpdate

__all__ = ["BlockSlices", "Lag", "LagStep", "Lagging", "rows_of"]

_BLOCK_BITS = 16


@dataclass(frozen=True, slots=True)
class Lag:
    """The blocks from `first` to `end` (not included) stand at an instant, `since_us`; all others
    at the clock."""

    since_us: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class LagStep:
    """What a tick does: before it the blocks from `first` to `end` stood at `since_us`, and those
    from `next` to `end` still do. The others are at its instant, and so are its `rows` (uint32,
    ascending, each once), which the batches behind it write to."""

    since_us: int
    first: int
    next: int
    end: int
    rows: NDArray[np.uint32] | None = None

    @property
    def left(self) -> Lag | None:
        """Who lags after it."""
        return None if self.next == self.end else Lag(self.since_us, self.next, self.end)

    def lagging(self, rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Those of some rows whose block lags after it."""
        blocks = rows >> np.uint32(_BLOCK_BITS)
        return rows[(blocks >= self.next) & (blocks < self.end)]


def rows_of(updates: Iterable[ProfileUpdate]) -> NDArray[np.uint32]:
    """All rows that updates write to or create, ascending and each once."""
    pieces = [np.zeros(0, np.uint32)]
    for update in updates:
        pieces.append(update.new_rows)
        for cells in (update.identifiers, update.vectors, update.texts, update.sets, update.events):
            pieces += [one.rows for one in cells]
    return each_row_once(np.concatenate(pieces))


class Lagging:
    """Who lags in the visible state, as its ticks have come; for the thread that applies them, but
    for `needs`."""

    def __init__(self) -> None:
        self.lag: Lag | None = None
        self._clocks = RowClocks()
        self._guard = threading.Lock()
        # First and last tick of what was cut into slices and may still be replayed.
        self._cut: list[tuple[int, int]] = []

    def spans(
        self,
        before_us: int,
        instant_us: int,
        step: LagStep | None,
        row_count: int,
        absorbs: Callable[[int], bool] | None,
    ) -> list[Span]:
        """For whom time passes with a tick."""
        if step is None:
            return [Span(before_us, instant_us, absorbs)]
        clocks = RowClocks() if self.lag is None else self._clocks
        first, next_, end = step.first, step.next, step.end

        def keeps_up(block: int) -> bool:
            return not first <= block < end and (absorbs is None or absorbs(block))

        def comes_along(block: int) -> bool:
            return first <= block < next_ and (absorbs is None or absorbs(block))

        spans = []
        if before_us < instant_us:
            spans.append(Span(before_us, instant_us, keeps_up))
        if first < next_:
            spans.append(Span(step.since_us, instant_us, comes_along, clocks=clocks))
        rows = np.zeros(0, np.uint32) if step.rows is None else step.rows
        rows = rows[: int(np.searchsorted(rows, row_count))]
        if absorbs is not None:
            taking = [absorbs(block) for block in (rows >> np.uint32(_BLOCK_BITS)).tolist()]
            rows = rows[np.array(taking, np.bool_)]
        if len(rows):
            spans.append(Span(step.since_us, instant_us, rows=rows, clocks=clocks))
        return spans

    def take(self, sequence: int, instant_us: int, step: LagStep | None) -> None:
        """A tick is carried out, and not seen yet."""
        if step is None:
            return
        begins = self.lag is None
        if begins:
            self._clocks = RowClocks()
        if step.rows is not None:
            self._clocks.set(step.rows, instant_us)
        # Nobody asks for those of blocks that do not lag any more.
        self._clocks.forget_before(step.next)
        with self._guard:
            if begins:
                self._cut.append((sequence, sequence))
            self._cut[-1] = self._cut[-1][0], sequence
            self.lag = step.left

    def needs(self, dirty_since: int | None) -> int | None:
        """The first record of the log that is needed, where the longest dirty block has not been
        saved since a record; None where none is."""
        with self._guard:
            if self.lag is None:
                self._cut = [
                    cut for cut in self._cut if dirty_since is not None and dirty_since <= cut[1]
                ]
            return self._cut[0][0] if self._cut else None


class BlockSlices:
    """How many blocks the next tick takes along, where some lag: as many as take little time, for
    itself or beside what others have to do."""

    def __init__(self) -> None:
        self.blocks = 1

    def took(self, blocks: int, seconds: float, others_s: float = 0.0) -> None:
        """So many have taken so long, and all that was done since those before `others_s`."""
        granted_s = max(BLOCK_SLICE_S, BLOCK_SLICE_SHARE * others_s)
        if seconds > 1.5 * granted_s:
            self.blocks = max(self.blocks // 2, 1)
        elif blocks >= self.blocks and seconds < 0.5 * granted_s:
            self.blocks *= 2
