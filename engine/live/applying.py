"""What a log record does to the visible state: new parts for the fields and blocks it changes.

1. Leave out rows of blocks that have the record already (recovery).
2. Settle the cells of each field among themselves, so that each row has one left, or each set
   value of a giver.
3. Per block: read the cells that stand in those rows, keep those that differ, lay them over.
   A block in which no cell differs is not made anew: writing a value that is there already
   changes nothing, costs no disk and starts no evaluation.

Nothing here has an effect: the caller publishes the changes as the next version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.strings import Strings
from engine.columns.zone import Encoded
from engine.live.block_changes import change_cells, change_live, change_set
from engine.live.change import FieldBlocks, Touched
from engine.live.event_times import are_taken, change_times, lasting
from engine.live.field_load import each_block
from engine.live.giver_changes import change_givers
from engine.live.identity_fields import add_uids, add_values
from engine.live.mentions import Mentions, settle
from engine.live.text_field import lay_texts, read_texts, texts_differ
from engine.live.update import (
    LinkedIdentifiers,
    ProfileUpdate,
    SetCells,
    TextCells,
    VectorCells,
)
from engine.store.catalog import LIVE, UIDS, Field, time_field
from engine.store.snapshot import Snapshot

__all__ = ["Applied", "apply_update"]

# (what stands in a block, rows of it uint16 (n,), which of the cells they are (n,)) -> what the
# block becomes, None for no change, and which of the cells are changes bool (n,).
_ChangeBlock = Callable[
    [Sequence[Buffer], NDArray[np.uint16], NDArray[np.intp]],
    tuple[Encoded | None, NDArray[np.bool_]],
]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a record did.

    `changes` has the blocks that differ from the snapshot, `touched` the rows whose values
    do. `row_count` rows are given out now; `live_added` more are alive.
    """

    changes: FieldBlocks
    touched: Touched
    row_count: int
    live_added: int


def apply_update(
    snapshot: Snapshot,
    update: ProfileUpdate,
    absorbs: Callable[[int], bool] | None = None,
) -> Applied:
    """Lays an update over a snapshot.

    `absorbs` says of a block whether it takes the record; one that has it already is left
    alone. None: all take it. Cells of fields that the snapshot does not have are passed over.
    """
    work = _Application(snapshot, absorbs)
    live_added = work.create(update)
    for links in update.identifiers:
        work.link(links)
    for cells in update.vectors:
        work.write_vector(cells)
    for texts in update.texts:
        work.write_texts(texts)
    for mentions in update.sets:
        work.mention(mentions)
    return Applied(
        work.changes,
        Touched(work.created, work.touched()),
        max(snapshot.row_count, update.row_count),
        live_added,
    )


class _Application:
    """One update on its way into one snapshot."""

    def __init__(self, snapshot: Snapshot, absorbs: Callable[[int], bool] | None) -> None:
        self.changes: dict[int, dict[int, Encoded]] = {}
        self.created = np.zeros(0, np.uint32)
        self._touched: dict[int, list[NDArray[np.uint32]]] = {}
        self._snapshot = snapshot
        self._absorbs = absorbs
        self._absorbing: dict[int, bool] = {}

    def touched(self) -> dict[int, NDArray[np.uint32]]:
        """See Touched. Within a field its blocks ascend, and so do rows within a block."""
        return {field: np.concatenate(rows) for field, rows in self._touched.items()}

    # ------------------------------------------------------------------------- profiles

    def create(self, update: ProfileUpdate) -> int:
        """The new profiles; returns how many rows are alive that were not."""
        rows = np.arange(update.first_new, update.row_count, dtype=np.uint32)
        taking = self._taking(rows)
        self.created, uids = rows[taking], update.uids[taking]
        live_added = 0
        for block, in_block, at in each_block(self.created):
            encoded, added = change_live(self._parts(LIVE.id, block), in_block)
            live_added += added
            if encoded is not None:
                self._put(LIVE.id, block, encoded)
            self._put(UIDS.id, block, add_uids(self._parts(UIDS.id, block), in_block, uids[at]))
        return live_added

    def link(self, links: LinkedIdentifiers) -> None:
        """Identifiers that got an owner."""
        if self._snapshot.fields.by_id(links.field_id) is None:
            return
        taking = np.flatnonzero(self._taking(links.rows))
        for block, in_block, at in each_block(links.rows[taking]):
            values = links.values.take(taking[at])
            parts = self._parts(links.field_id, block)
            self._put(links.field_id, block, add_values(parts, in_block, values))
            self._touch(links.field_id, block, np.unique(in_block))

    # ------------------------------------------------------------------------ attributes

    def write_vector(self, cells: VectorCells) -> None:
        """Cells of a fixed-width attribute."""
        field = self._snapshot.fields.by_id(cells.field_id)
        if field is None:
            return
        kind = field.kind

        def change(
            parts: Sequence[Buffer], rows: NDArray[np.uint16], at: NDArray[np.intp]
        ) -> tuple[Encoded | None, NDArray[np.bool_]]:
            return change_cells(kind, parts, rows, cells.values[at], cells.present[at])

        self._write(field, cells.rows, cells.times, change)

    def write_texts(self, cells: TextCells) -> None:
        """Cells of a text attribute."""
        field = self._snapshot.fields.by_id(cells.field_id)
        if field is None:
            return

        def change(
            parts: Sequence[Buffer], rows: NDArray[np.uint16], at: NDArray[np.intp]
        ) -> tuple[Encoded | None, NDArray[np.bool_]]:
            return _change_texts(parts, rows, cells.values.take(at))

        self._write(field, cells.rows, cells.times, change)

    def _write(
        self,
        field: Field,
        rows: NDArray[np.uint32],
        times: NDArray[np.int64] | None,
        change: _ChangeBlock,
    ) -> None:
        """Cells of an attribute with one value a row, its event times along with it."""
        companion = self._snapshot.fields.get(time_field(field.name))
        taking = np.flatnonzero(self._taking(rows))
        rows = rows[taking]
        brought = None if times is None or companion is None else times[taking]
        last = lasting(rows, brought)
        for block, in_block, cells in each_block(rows[last.at]):
            at = last.at[cells]
            if companion is not None:
                block_times = None if brought is None else brought[at]
                time_parts = self._parts(companion.id, block)
                taken = are_taken(time_parts, in_block, block_times, last.always[cells])
                in_block, at = in_block[taken], at[taken]
                block_times = None if brought is None else brought[at]
                changed_times = change_times(time_parts, in_block, block_times)
                if changed_times is not None:
                    self._put(companion.id, block, changed_times)
            encoded, changed = change(self._parts(field.id, block), in_block, taking[at])
            if encoded is not None:
                self._put(field.id, block, encoded)
                self._touch(field.id, block, in_block[changed])

    def mention(self, cells: SetCells) -> None:
        """Mentions of set values."""
        fields = self._snapshot.fields
        if fields.by_id(cells.field_id) is None or fields.by_id(cells.giver_field_id) is None:
            return
        mentions = Mentions(cells.rows, cells.givers, cells.offsets, cells.values, cells.modes)
        taking = self._taking(cells.rows)
        if not taking.all():
            mentions = mentions.take(np.flatnonzero(taking))
        for block, settled in settle(mentions).each_block():
            change = change_givers(self._parts(cells.giver_field_id, block), settled)
            if change is None:
                continue
            self._put(cells.giver_field_id, block, change.encoded)
            if len(change.rows):
                parts = self._parts(cells.field_id, block)
                self._put(cells.field_id, block, change_set(parts, change))
                self._touch(cells.field_id, block, np.unique(change.rows))

    # ------------------------------------------------------------------------- plumbing

    def _taking(self, rows: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which of the rows are in blocks that take the record."""
        if self._absorbs is None:
            return np.ones(len(rows), np.bool_)
        blocks, of_block = np.unique(rows >> 16, return_inverse=True)
        for block in blocks.tolist():
            if block not in self._absorbing:
                self._absorbing[block] = self._absorbs(block)
        taking = np.array([self._absorbing[block] for block in blocks.tolist()], np.bool_)
        return taking[of_block]

    def _parts(self, field_id: int, block: int) -> Sequence[Buffer]:
        """The parts of a field in a block as they stand; none where it is a new block."""
        if block >= self._snapshot.block_count:
            return ()
        return self._snapshot.payloads(field_id, block)

    def _put(self, field_id: int, block: int, encoded: Encoded) -> None:
        self.changes.setdefault(field_id, {})[block] = encoded

    def _touch(self, field_id: int, block: int, in_block: NDArray[np.uint16]) -> None:
        rows = in_block.astype(np.uint32) + np.uint32(block << 16)
        self._touched.setdefault(field_id, []).append(rows)


def _change_texts(
    parts: Sequence[Buffer], rows: NDArray[np.uint16], texts: Strings
) -> tuple[Encoded | None, NDArray[np.bool_]]:
    """See _ChangeBlock."""
    standing = read_texts(parts, rows)
    changed = texts_differ(standing, texts)
    if not changed.any():
        return None, changed
    return lay_texts(parts, rows[changed], texts.take(np.flatnonzero(changed))), changed
