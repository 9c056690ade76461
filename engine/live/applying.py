"""What a log record does to the visible state, field by field.

1. Leave out rows of blocks that have the record already (recovery).
2. Settle the cells of each field among themselves, so that each row has one left, or each set
   value of a giver.
3. Write those that differ from what stands there (engine.live.block_writer; of events
   engine.live.event_changes). Writing a value that is there already changes nothing, costs no disk
   and starts no evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.columns.hot_cells import read_rows
from engine.columns.strings import Strings
from engine.events.events import Events, concat
from engine.live.block_writer import BlockWriter
from engine.live.change import Touched
from engine.live.event_changes import add_new_events, stretches, write_events
from engine.live.event_times import Lasting, are_not_late, lasting
from engine.live.field_load import each_block
from engine.live.histories import History, dated, history_in, only_cells
from engine.live.identity_fields import add_uids, add_values
from engine.live.mentions import mentions_of, settle
from engine.live.row_places import each_row_once
from engine.live.step_events import BroughtEvents
from engine.live.text_field import lay_texts, read_texts, texts_differ
from engine.live.update import (
    NO_TIME,
    EventCells,
    LinkedIdentifiers,
    ProfileUpdate,
    SetCells,
    TextCells,
    VectorCells,
)
from engine.store.catalog import LIVE, UIDS, Field, time_field
from engine.store.mutation import Mutation

__all__ = ["Applied", "apply_update"]

# Events with the block of each.
_OfBlocks = Sequence[tuple[NDArray[np.uint32], Events]]


class _Taken(NamedTuple):
    """The cells of an attribute with one value a row that count: `rows`, sorted and each once, the
    places `at` of their cells, their event `times` (NO_TIME for none), and which rows have one so
    far (`known`), in the field `companion`. `history` is that of the attribute, and `changing` has
    then the places of all cells, late ones too."""

    rows: NDArray[np.uint32]
    at: NDArray[np.intp]
    times: NDArray[np.int64]
    known: NDArray[np.bool_]
    companion: Field | None
    history: History | None
    changing: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a record did: the rows whose values differ now, how many rows are given out, and the
    new events of the types that were asked for."""

    touched: Touched
    row_count: int
    brought: Sequence[BroughtEvents] = ()


def apply_update(
    mutation: Mutation,
    update: ProfileUpdate,
    absorbs: Callable[[int], bool] | None = None,
    wanted: frozenset[int] = frozenset(),
    now_us: int = 0,
) -> Applied:
    """Lays an update over the state of a mutation.

    `absorbs` says of a block whether it takes the record; one that has it already is left
    alone. None: all take it. Cells of fields that the state does not have are passed over. New
    events are told of the fields that are `wanted`. `now_us` is the instant of the record, at which
    cells without a time change an attribute with history.
    """
    work = _Application(mutation, absorbs, wanted, now_us)
    work.create(update)
    for links in update.identifiers:
        work.link(links)
    for cells in update.vectors:
        work.write_vector(cells)
    for texts in update.texts:
        work.write_texts(texts)
    for mentions in update.sets:
        work.mention(mentions)
    for events in update.events:
        work.add_events(events)
    return Applied(
        Touched(work.created, work.touched()),
        max(mutation.snapshot.row_count, update.row_count),
        work.brought,
    )


class _Application:
    """One update on its way into one mutation."""

    def __init__(
        self,
        mutation: Mutation,
        absorbs: Callable[[int], bool] | None,
        wanted: frozenset[int],
        now_us: int,
    ) -> None:
        self._now_us = now_us
        self.created = np.zeros(0, np.uint32)
        self.brought: list[BroughtEvents] = []
        self._wanted = wanted
        self._touched: dict[int, list[NDArray[np.uint32]]] = {}
        self._mutation = mutation
        self._snapshot = mutation.snapshot
        self._writer = BlockWriter(mutation)
        self._absorbs = absorbs
        self._absorbing: dict[int, bool] = {}
        # What cells without a time came down to last, and the rows that they were in.
        self._lasting = np.zeros(0, np.uint32), lasting(np.zeros(0, np.uint32), None)

    def touched(self) -> dict[int, NDArray[np.uint32]]:
        """See Touched."""
        return {field: np.concatenate(rows) for field, rows in self._touched.items()}

    # ------------------------------------------------------------------------- profiles

    def create(self, update: ProfileUpdate) -> None:
        """The new profiles."""
        rows = np.arange(update.first_new, update.row_count, dtype=np.uint32)
        taking = self._taking(rows)
        self.created, uids = rows[taking], update.uids[taking]
        if not len(self.created):
            return
        self._writer.write_rows(LIVE.id, self.created, np.ones(len(self.created), np.bool_))
        for block, in_block, at in each_block(self.created):
            parts = self._writer.parts(UIDS.id, block)
            self._mutation.put(UIDS.id, block, add_uids(parts, in_block, uids[at]))

    def link(self, links: LinkedIdentifiers) -> None:
        """Identifiers that got an owner."""
        if self._snapshot.fields.by_id(links.field_id) is None:
            return
        taking = np.flatnonzero(self._taking(links.rows))
        for block, in_block, at in each_block(links.rows[taking]):
            values = links.values.take(taking[at])
            parts = self._writer.parts(links.field_id, block)
            self._mutation.put(links.field_id, block, add_values(parts, in_block, values))
        self._touch(links.field_id, np.unique(links.rows[taking]))

    # ------------------------------------------------------------------------ attributes

    def write_vector(self, cells: VectorCells) -> None:
        """Cells of a fixed-width attribute."""
        field = self._snapshot.fields.by_id(cells.field_id)
        if field is None:
            return
        taken = self._taken(field, cells.rows, cells.times)
        rows, at = taken.rows, taken.at
        changed = self._writer.write_cells(field, rows, cells.values[at], cells.present[at])
        self._touch(field.id, rows[changed])
        if taken.history is None:
            self._date(taken, np.ones(len(rows), np.bool_))
            return
        places = self._remember(taken, cells.rows, cells.times, changed)
        values, present = cells.values[places], cells.present[places]
        self._change(taken.history, cells, places, values, present)

    def write_texts(self, cells: TextCells) -> None:
        """Cells of a text attribute."""
        field = self._snapshot.fields.by_id(cells.field_id)
        if field is None:
            return
        taken = self._taken(field, cells.rows, cells.times)
        rows, at = taken.rows, taken.at
        every = np.zeros(len(rows), np.bool_)
        for block, in_block, of_block in each_block(rows):
            parts = self._writer.parts(field.id, block)
            texts = cells.values.take(at[of_block])
            changed = texts_differ(read_texts(parts, in_block), texts)
            every[of_block] = changed
            if changed.any():
                chosen = texts.take(np.flatnonzero(changed))
                self._mutation.put(field.id, block, lay_texts(parts, in_block[changed], chosen))
                self._touch(field.id, rows[of_block][changed])
        if taken.history is None:
            self._date(taken, np.ones(len(rows), np.bool_))
            return
        places = self._remember(taken, cells.rows, cells.times, every)
        texts = cells.values.take(places)
        self._change(taken.history, cells, places, texts, texts.valid)

    def _taken(
        self, field: Field, rows: NDArray[np.uint32], times: NDArray[np.int64] | None
    ) -> _Taken:
        """The cells of an attribute with one value a row that count."""
        history = history_in(self._snapshot.fields, field)
        if history is not None:
            times = dated(times, len(rows), self._now_us)
        companion = self._snapshot.fields.get(time_field(field.name))
        taking = np.flatnonzero(self._taking(rows))
        brought = None if times is None or companion is None else times[taking]
        last = self._last_of(rows[taking], brought)
        at = taking[last.at]
        rows = rows[at]
        given = np.full(len(at), NO_TIME) if times is None else times[at]
        if companion is None:
            return _Taken(rows, at, given, np.zeros(len(at), np.bool_), None, history, taking)
        stored, known = read_rows(self._snapshot.addresses(companion.id), rows)
        if brought is not None:
            taken = are_not_late(stored, known, brought[last.at], last.always)
            rows, at, given, known = rows[taken], at[taken], given[taken], known[taken]
        return _Taken(rows, at, given, known, companion, history, taking)

    def _date(self, taken: _Taken, kept: NDArray[np.bool_]) -> None:
        """Writes the event times of those of the cells that count that are `kept`."""
        timed = taken.times != NO_TIME
        differing = (timed | taken.known) & kept
        if taken.companion is not None and differing.any():
            times = taken.times[differing]
            self._writer.write_cells(
                taken.companion, taken.rows[differing], times, timed[differing]
            )

    def _remember(
        self,
        taken: _Taken,
        rows: NDArray[np.uint32],
        times: NDArray[np.int64] | None,
        changed: NDArray[np.bool_],
    ) -> NDArray[np.intp]:
        """The places of cells that change an attribute with history, whose event times are written:
        all but those without a time that are alone in their row and say what stands there."""
        nothing = ~changed & only_cells(rows, taken.at)
        if times is not None:
            nothing &= times[taken.at] == NO_TIME
        self._date(taken, ~nothing)
        return np.setdiff1d(taken.changing, taken.at[nothing], assume_unique=True)

    def _change(
        self,
        history: History,
        cells: VectorCells | TextCells,
        places: NDArray[np.intp],
        values: NDArray[Any] | Strings,
        present: NDArray[np.bool_],
    ) -> None:
        """The changes that cells are, as events."""
        if len(places):
            times = dated(cells.times, len(cells.rows), self._now_us)[places]
            self.add_events(history.cells(cells.rows[places], times, values, present))

    def _last_of(self, rows: NDArray[np.uint32], times: NDArray[np.int64] | None) -> Lasting:
        """See lasting. The columns of a batch mostly have cells in the same rows, and bringing
        these in order costs as much as writing them."""
        if times is not None:
            return lasting(rows, times)
        known, last = self._lasting
        if not np.array_equal(known, rows):
            last = lasting(rows, None)
            self._lasting = rows, last
        return last

    def mention(self, cells: SetCells) -> None:
        """Mentions of set values."""
        fields = self._snapshot.fields
        if fields.by_id(cells.field_id) is None or fields.by_id(cells.giver_field_id) is None:
            return
        mentions = mentions_of(cells)
        taking = self._taking(cells.rows)
        if not taking.all():
            mentions = mentions.take(np.flatnonzero(taking))
        pairs = self._writer.write_givers(cells.giver_field_id, settle(mentions))
        if len(pairs.rows):
            self._writer.write_pairs(cells.field_id, cells.giver_field_id, pairs)
            self._touch(cells.field_id, np.unique(pairs.rows))

    def add_events(self, cells: EventCells) -> None:
        """Events that were brought, corrected or taken away."""
        fields = self._snapshot.fields
        field = fields.by_id(cells.field_id)
        if field is None:
            return
        taking = np.flatnonzero(self._taking(cells.rows))
        if not len(taking):
            return
        # Blocks are few, and in so few bits the order of events takes no comparisons.
        at = taking[np.argsort((cells.rows[taking] >> 16).astype(np.uint16), kind="stable")]
        rows = cells.rows[at]
        blocks = rows >> np.uint32(16)
        ids = None if cells.ids is None else cells.ids[at]
        gone = None if cells.gone is None else cells.gone[at]
        known = {n: values for n, values in cells.properties.items() if fields.by_id(n) is not None}
        events = Events(
            rows.astype(np.uint16),
            cells.times[at],
            ids if ids is not None and ids.any() else None,
            None,
            {number: values.take(at) for number, values in known.items()},
        )
        if events.ids is None and (gone is None or not gone.any()):
            add_new_events(self._mutation, field.id, blocks, events)
            self._bring(field.id, [(blocks, events)], [])
            self._touch(field.id, each_row_once(rows))
        else:
            self._change_events(field.id, blocks, events, gone)

    def _change_events(
        self,
        field_id: int,
        blocks: NDArray[np.uint32],
        events: Events,
        gone: NDArray[np.bool_] | None,
    ) -> None:
        """Events of which some may be there already, or go."""
        added, dropped = [], []
        for block, start, end in stretches(blocks):
            some = events.take(slice(start, end))
            of_block = None if gone is None else gone[start:end]
            change = write_events(self._mutation, field_id, block, some, of_block)
            added.append((np.full(len(change.added), block, np.uint32), change.added))
            dropped.append((np.full(len(change.dropped), block, np.uint32), change.dropped))
            self._touch(field_id, change.rows + np.uint32(block << 16))
        self._bring(field_id, added, dropped)

    def _bring(self, field_id: int, added: _OfBlocks, dropped: _OfBlocks) -> None:
        """Tells of new events where somebody wants to know."""
        if field_id not in self._wanted or not any(len(events) for _, events in added):
            return
        some = [piece for piece in added if len(piece[1])]
        # Who has none to begin with is told of none that went.
        less = [gone for gone, new in zip(dropped, added, strict=False) if len(new[1])]
        blocks, events = [blocks for blocks, _ in some], concat([events for _, events in some])
        gone_blocks = [blocks for blocks, _ in less]
        gone_events = concat([events for _, events in less]) if less else events.take(slice(0, 0))
        self.brought.append(
            BroughtEvents(
                field_id,
                np.concatenate(blocks),
                events,
                np.concatenate([np.zeros(0, np.uint32), *gone_blocks]),
                gone_events,
            )
        )

    # ------------------------------------------------------------------------- plumbing

    def _taking(self, rows: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which of the rows are in blocks that take the record."""
        if self._absorbs is None or not len(rows):
            return np.ones(len(rows), np.bool_)
        blocks, of_block = np.unique(rows >> 16, return_inverse=True)
        for block in blocks.tolist():
            if block not in self._absorbing:
                self._absorbing[block] = self._absorbs(block)
        taking = np.array([self._absorbing[block] for block in blocks.tolist()], np.bool_)
        return taking[of_block]

    def _touch(self, field_id: int, rows: NDArray[np.uint32]) -> None:
        if len(rows):
            self._touched.setdefault(field_id, []).append(rows)
