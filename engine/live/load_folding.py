"""The fields of a load and the thread that folds them, while the caller reads and resolves.

    take:    an update goes in line -> staged -> folded, once enough waits
    settle:  everything taken is staged or folded

Cells that come in the order of their rows, as those of new profiles do, are folded a few blocks
at a time and each block once: those of the last block wait for the rest of it. Where the order is
any, blocks are opened again by every fold, so that more cells wait for the next.

Blocks of new profiles do not wait in memory for the commit: see engine.store.drafts.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.containers import BLOCK_ROWS
from engine.limits import (
    LOAD_KEPT_BYTES,
    LOAD_ORDERED_BYTES,
    LOAD_STAGED_BYTES,
    LOAD_UPDATES_AHEAD,
)
from engine.live.attribute_load import AttributeLoad
from engine.live.event_load import EventCounts, EventField
from engine.live.field_load import FieldLoad, are_ascending
from engine.live.identity_fields import IdentifierField, LiveField, UidField
from engine.live.update import ProfileUpdate
from engine.model.definitions import Model
from engine.model.hidden_events import is_hidden
from engine.store.catalog import LIVE, UIDS, FieldKind, event_field, identifier_field
from engine.store.drafts import Drafts
from engine.store.store import Snapshot

__all__ = ["LoadFolding"]


class LoadFolding:
    """What a load, which began at `now_us`, does to all fields of a snapshot. One thread calls
    it."""

    def __init__(self, snapshot: Snapshot, model: Model, drafts: Drafts, now_us: int) -> None:
        fields = snapshot.fields
        self._drafts = drafts
        self._first_new_block = snapshot.block_count
        self._live = LiveField(snapshot, fields[LIVE.name])
        self._uids = UidField(snapshot, fields[UIDS.name])
        kinds = [fields[identifier_field(kind)] for kind in model.identifiers]
        self._identifiers = {field.id: IdentifierField(snapshot, field) for field in kinds}
        self._events = {
            field.id: EventField(snapshot, field)
            for field in fields.values()
            if field.kind == FieldKind.EVENTS
        }
        self._attributes = AttributeLoad(snapshot, self._events, now_us)
        self._block_count = snapshot.block_count
        self._thread = ThreadPoolExecutor(1, "fold")
        self._ahead: deque[Future[None]] = deque()
        # The last row staged since the last fold, -1 for none; None where the order was broken.
        self._last_row: int | None = -1

    def take(self, update: ProfileUpdate) -> None:
        """Takes an update, after those before; raises what went wrong with one of them."""
        self._ahead.append(self._thread.submit(self._take, update))
        while len(self._ahead) > LOAD_UPDATES_AHEAD:
            self._ahead.popleft().result()

    def settle(self) -> None:
        """Waits until everything taken is staged or folded; raises as `take` does."""
        while self._ahead:
            self._ahead.popleft().result()

    def finish(self) -> None:
        """Folds everything that was taken; nothing is taken afterwards."""
        self.settle()
        self._fold(None)
        self._attributes.finish_histories(range(self._block_count))
        self._fold(None)
        for events in self._events.values():
            for _ in events.finish():
                self._write_ahead()
        self._thread.shutdown()

    def abandon(self) -> None:
        """Ends the thread; harmless when done before."""
        self._thread.shutdown(cancel_futures=True)
        self._ahead.clear()

    def fields(self) -> list[FieldLoad]:
        """All fields; while nothing is taken."""
        return [
            self._live,
            self._uids,
            *self._identifiers.values(),
            *self._attributes.fields(),
            *self._events.values(),
        ]

    @property
    def event_counts(self) -> EventCounts:
        """What became of the events, once finished; changes that histories keep are none."""
        shown = (
            events.counts
            for events in self._events.values()
            if not is_hidden(events.field.name.removeprefix(event_field("")))
        )
        return sum(shown, EventCounts())

    def count_owned(self, field_id: int, rows: NDArray[np.uint32]) -> NDArray[np.int64]:
        """How many identifiers of a kind, by its field, each row has, with all updates taken."""
        if not len(rows):
            return np.zeros(0, np.int64)
        self.settle()
        return self._identifiers[field_id].count_owned(rows)

    # ---------------------------------------------------------------- on the thread

    def _take(self, update: ProfileUpdate) -> None:
        self._block_count = max(self._block_count, -(-update.row_count // BLOCK_ROWS))
        self._note_order(update)
        new = update.new_rows
        self._live.stage(new)
        self._uids.stage(new, update.uids)
        for links in update.identifiers:
            self._identifiers[links.field_id].stage(links.rows, links.values)
        self._attributes.stage(update)
        for cells in update.events:
            self._events[cells.field_id].stage(cells)
        staged = sum(field.staged_bytes for field in self.fields())
        if self._last_row is None:
            if staged > LOAD_STAGED_BYTES:
                self._fold(None)
        elif staged > LOAD_ORDERED_BYTES:
            self._fold(self._last_row >> 16)

    def _note_order(self, update: ProfileUpdate) -> None:
        """Whether all rows staged so far come in their order."""
        if self._last_row is None:
            return
        # Columns without gaps share their rows.
        columns = {
            id(rows): rows
            for rows in (
                *(links.rows for links in update.identifiers),
                *(cells.rows for cells in update.vectors),
                *(cells.rows for cells in update.texts),
                *(cells.rows for cells in update.sets),
            )
        }
        greatest = self._last_row
        for rows in columns.values():
            if len(rows) and (int(rows[0]) <= self._last_row or not are_ascending(rows)):
                self._last_row = None
                return
            greatest = max(greatest, int(rows[-1]) if len(rows) else -1)
        for cells in update.events:
            # Of events a row has any number.
            if int(cells.rows[0]) < self._last_row or (cells.rows[1:] < cells.rows[:-1]).any():
                self._last_row = None
                return
            greatest = max(greatest, int(cells.rows[-1]))
        self._last_row = max(greatest, update.row_count - 1 if len(update.uids) else -1)

    def _fold(self, hold: int | None) -> None:
        for field in self.fields():
            field.fold(hold)
        if hold is None:
            self._last_row = -1
        self._write_ahead()

    def _write_ahead(self) -> None:
        """Brings new blocks to the disk where too much of them has gathered."""
        new = {
            (field.field, block): encoded
            for field in self.fields()
            for block, encoded in field.encoded.items()
            if block >= self._first_new_block
        }
        size = sum(len(part) for encoded in new.values() for part in encoded.parts)
        if size <= LOAD_KEPT_BYTES:
            return
        self._drafts.put(new)
        for field in self.fields():
            field.write_ahead(self._drafts)
            field.encoded = {
                block: encoded
                for block, encoded in field.encoded.items()
                if block < self._first_new_block
            }
