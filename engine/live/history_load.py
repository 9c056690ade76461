"""What a load does to the history of one attribute.

Cells with an event time are changes at that time. The others have the instant at which the load
began; which rows they changed is known only at the end, when all cells are folded.
A load that says what is there already is no change, and leaves the times that stand there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.strings import Strings
from engine.live.block_cells import whole_block
from engine.live.event_load import EventField
from engine.live.event_times import change_times
from engine.live.field_load import FieldLoad, each_block
from engine.live.histories import History, dated, whole_values
from engine.live.time_field import TimeField
from engine.live.update import NO_TIME, TextCells, VectorCells
from engine.store.catalog import FieldKind

__all__ = ["HistoryLoad"]

_Cells = TypeVar("_Cells", VectorCells, TextCells)


class HistoryLoad:
    """The changes of one attribute by a load that began at `now_us`: its cells are folded into
    `field`, their times into `times`, and changes go to `events`."""

    def __init__(
        self, history: History, field: FieldLoad, times: TimeField, events: EventField, now_us: int
    ) -> None:
        self._history = history
        self._field = field
        self._times = times
        self._events = events
        self._now_us = now_us
        # By block the rows of which some cell has a time.
        self._dated: dict[int, NDArray[np.bool_]] = {}

    def stage(self, cells: _Cells) -> _Cells:
        """Takes the cells of an update that have times; the cells as they are to be folded."""
        times = dated(cells.times, len(cells.rows), self._now_us)
        if cells.times is not None:
            self._stage_dated(cells, np.flatnonzero(cells.times != NO_TIME))
        return replace(cells, times=times)

    def _stage_dated(self, cells: VectorCells | TextCells, at: NDArray[np.intp]) -> None:
        if not len(at):
            return
        assert cells.times is not None
        rows, times = cells.rows[at], cells.times[at]
        for block, in_block, _ in each_block(rows):
            self._dated.setdefault(block, np.zeros(BLOCK_ROWS, np.bool_))[in_block] = True
        if isinstance(cells, TextCells):
            texts = cells.values.take(at)
            changes = self._history.cells(rows, times, texts, texts.valid)
        else:
            changes = self._history.cells(rows, times, cells.values[at], cells.present[at])
        self._events.stage(changes)

    def finish(self, blocks: Iterable[int]) -> None:
        """Works out, of blocks that are folded, what cells without a time changed."""
        for block in blocks:
            if self._field.is_folded(block) or self._times.is_folded(block):
                self._finish(block)

    def _finish(self, block: int) -> None:
        parts, after = self._times.parts(block), self._field.parts(block)
        times, known = whole_block(FieldKind.INTS, parts)
        times_before, known_before = whole_block(FieldKind.INTS, self._times.stored(block))
        changed = self._field.differing(self._field.stored(block), after)
        if block in self._dated:
            changed = changed | self._dated[block]
        now = known & (times == self._now_us)
        rows = np.flatnonzero(now & ~changed)
        if len(rows):
            dates = np.where(known_before, times_before, NO_TIME)[rows]
            encoded = change_times(parts, rows.astype(np.uint16), dates)
            if encoded is not None:
                self._times.keep(block, encoded)
        rows = np.flatnonzero(now & changed)
        if len(rows):
            values, present = whole_values(self._field.field.kind, after)
            chosen = values.take(rows) if isinstance(values, Strings) else values[rows]
            in_store = (rows + (block << 16)).astype(np.uint32)
            instants = np.full(len(rows), self._now_us, np.int64)
            self._events.stage(self._history.cells(in_store, instants, chosen, present[rows]))
