"""Where the events of some rows lie in the chunks of their blocks.

Chunks are in the order of time, so the rows of one are looked through once for each type of
event, and whoever reads a property of them reads it at the places that were found. Where chains of
the blocks are kept (`engine.live.event_chains`), the events of few rows are gathered by these, and
laid side by side as a tail is: who reads them need not know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.events import head
from engine.events.decode import decode_columns
from engine.events.edit import read_rows
from engine.events.events import Events, Property
from engine.events.head import CHUNK_EVENTS
from engine.events.row_events import RowEvents
from engine.events.tail import Tail, TailVersion
from engine.live.event_chains import EventChains, Gathered
from engine.store.event_chunks import event_chunks
from engine.store.snapshot import Snapshot

__all__ = ["Held", "HeldEvents"]

_BLOCK_BITS = 16
_BLOCK_ROWS = 1 << _BLOCK_BITS
# Rows whose places are searched for; of more there is a table.
_FEW_ROWS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What a chunk holds of some rows: which of its events, and the places of their rows."""

    chunk: Buffer | TailVersion
    at: NDArray[np.intp]
    places: NDArray[np.intp]
    of_tail: Events | None = None

    def read(self, numbers: Collection[int], *, with_ids: bool = False) -> Events:
        """Rows and times of these events, and some properties by number; their ids, too."""
        if isinstance(self.chunk, TailVersion):
            assert self.of_tail is not None
            return self.of_tail
        found = head.read_head(self.chunk)
        columns = [
            column
            for column in head.read_columns(self.chunk, found)
            if column.role in (head.ROW, head.TIME)
            or (column.role == head.ID and with_ids)
            or (column.role == head.PROPERTY and column.property in numbers)
        ]
        return decode_columns(self.chunk, found, columns).take(self.at)


class HeldEvents:
    """Where the events of some rows are, which ascend; found once for each type of event."""

    def __init__(
        self, snapshot: Snapshot, rows: NDArray[np.uint32], chains: EventChains | None = None
    ) -> None:
        self.snapshot = snapshot
        self.rows = rows
        self._chains = chains
        self._known: dict[int, list[Held]] = {}
        self._gathered: dict[int, Gathered] = {}

    @classmethod
    def brought(
        cls, snapshot: Snapshot, field_id: int, block: int, chunks: Sequence[Buffer]
    ) -> Self:
        """Events that the state may not have: of one type, those in some chunks of a block."""
        in_chunks = [read_rows(chunk) for chunk in chunks]
        rows = np.unique(np.concatenate([np.zeros(0, np.uint16), *in_chunks]))
        found = cls(snapshot, rows.astype(np.uint32) + np.uint32(block << _BLOCK_BITS))
        wanted = _Wanted(rows, 0)
        found._known[field_id] = [
            Held(chunk, *wanted.among(of_chunk))
            for chunk, of_chunk in zip(chunks, in_chunks, strict=True)
        ]
        return found

    def of(self, field_id: int) -> list[Held]:
        """The chunks of a type that have any of them."""
        if field_id not in self._known:
            self._known[field_id] = list(self._find(field_id))
        return self._known[field_id]

    def gathered(self, field_id: int) -> RowEvents | None:
        """The events of a type, where chains have them all."""
        if self._chains is None or field_id in self._known:
            return None
        found = self._gather(self._chains, field_id)
        return None if found.left else found.events

    def _gather(self, chains: EventChains, field_id: int) -> Gathered:
        if field_id not in self._gathered:
            self._gathered[field_id] = chains.gather(self.snapshot, field_id, self.rows)
        return self._gathered[field_id]

    def _find(self, field_id: int) -> Iterator[Held]:
        if self._chains is not None:
            gathered = self._gather(self._chains, field_id)
            side_by_side = self._side_by_side(gathered.events)
            if side_by_side is not None:
                yield from side_by_side
                for block, first, end in gathered.left:
                    yield from self._scan(field_id, block, first, end)
                return
        for block in np.unique(self.rows >> np.uint32(_BLOCK_BITS)).tolist():
            borders = [block << _BLOCK_BITS, (block + 1) << _BLOCK_BITS]
            first, end = np.searchsorted(self.rows, borders).tolist()
            yield from self._scan(field_id, block, first, end)

    def _scan(self, field_id: int, block: int, first: int, end: int) -> Iterator[Held]:
        """The chunks of a block that have any of its rows, which are at [first, end)."""
        wanted = _Wanted(self.rows[first:end].astype(np.uint16), first)
        chunks, tail = event_chunks(self.snapshot, field_id, block)
        for chunk in chunks:
            at, places = wanted.among(read_rows(chunk))
            if len(at):
                yield Held(chunk, at, places)
        if tail is not None:
            events = tail.events()
            at, places = wanted.among(events.rows)
            if len(at):
                yield Held(tail, at, places, events.take(at))

    def _side_by_side(self, found: RowEvents) -> list[Held] | None:
        """Gathered events as tails; None where they have texts, which are read chunk by chunk."""
        places, times = found.places(), found.times()
        properties: dict[int, Property] = {}
        for number in found.properties:
            try:
                values = found.property(number)
            except ValueError:
                return None
            if values is not None:
                properties[number] = values
        events = Events(self.rows[places].astype(np.uint16), times, None, None, properties)
        made = []
        for start in range(0, len(places), CHUNK_EVENTS):
            some = slice(start, min(start + CHUNK_EVENTS, len(places)))
            tail, of_tail = Tail(), events.take(some)
            tail.add(of_tail)
            at = np.arange(some.stop - start)
            made.append(Held(tail.version(), at, places[some], of_tail))
        return made


class _Wanted:
    """Rows of one block, which ascend, and the place of the first among all."""

    def __init__(self, rows: NDArray[np.uint16], first: int) -> None:
        self._rows = rows
        self._first = first
        self._is_wanted = np.zeros(_BLOCK_ROWS, np.bool_)
        self._is_wanted[rows] = True
        self._place_of: NDArray[np.intp] | None = None
        if len(rows) > _FEW_ROWS:
            self._place_of = np.zeros(_BLOCK_ROWS, np.intp)
            self._place_of[rows] = np.arange(first, first + len(rows))

    def among(self, rows: NDArray[np.uint16]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which events have one of these rows, and the places of the rows."""
        is_one = len(self._rows) == 1
        at = np.flatnonzero(rows == self._rows[0] if is_one else self._is_wanted[rows])
        if self._place_of is not None:
            return at, self._place_of[rows[at]]
        return at, np.searchsorted(self._rows, rows[at]) + self._first
