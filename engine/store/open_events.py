"""The events of one type of one block, open: more are added to its tail, some are taken out.

1. Chunks that are stored and sealed stay where they are; only the tail is read into memory.
2. Events are added to the tail in place; a tail that is full becomes a sealed chunk, or two.
3. Events with ids are found by chains, made when first asked for.
4. Events that go are taken out of their chunks, which are made anew on the heap, and so are those
   behind the first of them.

What came of it is a payload, which stays as it is whatever happens here later. For the thread that
applies records.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.zone import NOTHING, Zone
from engine.events import head
from engine.events.chains import NOT_FOUND, Chains
from engine.events.chunks import Chunks
from engine.events.decode import decode_chunk
from engine.events.edit import since, without
from engine.events.encode import encode_events
from engine.events.events import Events, concat
from engine.events.field import zone_of_heads
from engine.events.head import CHUNK_EVENTS
from engine.events.tail import EventColumns, Tail
from engine.store.events_payload import EventsPayload, SealedChunk
from engine.store.overlay import HeapPayload
from engine.store.snapshot import Snapshot

__all__ = ["SEALED_EVENTS", "OpenEvents"]

# Events with which a tail is sealed.
SEALED_EVENTS = CHUNK_EVENTS
# One event in so many is dropped before chunks are written anew without it.
OLD_SHARE = 8


class OpenEvents:
    """See above. `payload` is what it was opened from or came to last; None: nothing."""

    def __init__(self, snapshot: Snapshot, field_id: int, block: int) -> None:
        """Opens what a snapshot has, which may be nothing."""
        self._field_id = field_id
        self._block = block
        self._tail = Tail()
        self._sealed: list[SealedChunk] = []
        self.chains: Chains | None = None
        self.payload: HeapPayload | None = None
        self._kept = 0
        self._zone = NOTHING
        if block < snapshot.block_count:
            self._open(snapshot)

    def _open(self, snapshot: Snapshot) -> None:
        self.payload = heap = snapshot.on_heap(self._field_id, self._block)
        self._zone = snapshot.zone(self._field_id, self._block) or NOTHING
        if isinstance(heap, EventsPayload):
            self._kept, self._sealed = heap.kept, list(heap.sealed)
            if heap.tail is not None:
                self._tail.add(heap.tail.events())
            return
        parts = snapshot.payloads(self._field_id, self._block)
        sealed = len(parts)
        while sealed and head.read_head(parts[sealed - 1]).flags & head.TAIL:
            sealed -= 1
        if heap is None:
            self._kept = sealed
        else:
            self._sealed = [SealedChunk.copy_of(part) for part in parts[:sealed]]
        self._reopen_tail([decode_chunk(part) for part in parts[sealed:]])

    def _reopen_tail(self, pieces: Sequence[Events]) -> None:
        """A tail of these events, and no others."""
        self._tail = Tail()
        if pieces:
            self._append(concat(pieces))

    # ------------------------------------------------------------------------- finding

    def find(
        self,
        snapshot: Snapshot,
        rows: NDArray[np.uint16],
        ids: NDArray[np.uint64],
    ) -> NDArray[np.uint32]:
        """Which events have these digests in these rows, see Chains.find; nothing has changed
        here since it was opened, or came to what the snapshot has."""
        chunks = self._chunks(snapshot)
        if not len(chunks):
            return np.full(len(rows), NOT_FOUND, np.uint32)
        if self.chains is None or self.chains.part_count != len(chunks):
            self.chains = Chains(chunks)
        elif len(self._tail):
            self.chains.extend(chunks)
        return self.chains.find(chunks, rows, ids)

    def _chunks(self, snapshot: Snapshot) -> Chunks:
        kept: list[int] = []
        if self._kept:
            table = snapshot.addresses(self._field_id)
            first = int(table.first_part[self._block])
            kept = table.address[first : first + self._kept].tolist()
        tail = [self._tail.version()] if len(self._tail) else []
        return Chunks([*(chunk.part for chunk in self._sealed), *tail], kept)

    def events_at(self, snapshot: Snapshot, references: NDArray[np.uint32]) -> Events:
        """The events that `find` found, at least one, in the order of the references."""
        parts, places = _split(references)
        read = {part: self._read(snapshot, part) for part in np.unique(parts).tolist()}
        pieces = [read[part].take(places[parts == part]) for part in read]
        order = np.concatenate([np.flatnonzero(parts == part) for part in read])
        return concat(pieces).take(np.argsort(order))

    def _read(self, snapshot: Snapshot, part: int) -> Events:
        sealed = self._kept + len(self._sealed)
        if part == sealed:
            return self._tail.version().events()
        if part >= self._kept:
            return decode_chunk(self._sealed[part - self._kept].part)
        return decode_chunk(snapshot.payloads(self._field_id, self._block)[part])

    # ------------------------------------------------------------------------ changing

    def take_out(self, snapshot: Snapshot, references: NDArray[np.uint32]) -> None:
        """Takes events out that `find` found, each named once."""
        self.chains = None
        parts, places = _split(references)
        sealed = self._kept + len(self._sealed)
        dropped = {part: places[parts == part] for part in np.unique(parts).tolist()}
        from_tail = dropped.pop(sealed, None)
        if dropped:
            self._take_out_sealed(snapshot, dropped)
        if from_tail is not None:
            events = self._tail.version().events()
            self._reopen_tail([events.take(~_mask(len(events), from_tail))])
        self._measure(snapshot)

    def drop_before(self, snapshot: Snapshot, border_us: int) -> bool:
        """Lets go of the events before an instant; whether there were any to let go of.

        Chunks that are old as a whole go unread, those that the instant lies in are made anew.
        Where there are few old events among many, all stay until there are more: chunks behind
        those that go are written again.
        """
        parts = self._parts(snapshot)
        ages = [_ages(part, border_us) for part in parts]
        if sum(old for _, old in ages) * OLD_SHARE < sum(count for count, _ in ages):
            return False
        tail = self._tail.version().events() if len(self._tail) else None
        first = next((i for i, (_, old) in enumerate(ages) if old), None)
        tail_is_old = tail is not None and bool((tail.times < border_us).any())
        if first is None and not tail_is_old:
            return False
        self.chains = None
        sealed = self._kept + len(self._sealed)
        if first is not None and first < sealed:
            before = self._sealed[: max(first - self._kept, 0)]
            self._kept = min(self._kept, first)
            left = since(parts[first:sealed], border_us)
            self._sealed = [*before, *map(SealedChunk.copy_of, left)]
        if tail is not None and tail_is_old:
            self._reopen_tail([tail.take(tail.times >= border_us)])
        self._measure(snapshot)
        return True

    def _parts(self, snapshot: Snapshot) -> list[Buffer]:
        """The chunks, and the head of the tail as that of a last one."""
        parts: list[Buffer] = []
        if self._kept:
            parts += snapshot.payloads(self._field_id, self._block)[: self._kept]
        parts += [chunk.part for chunk in self._sealed]
        if len(self._tail):
            parts.append(self._tail.version().head_bytes())
        return parts

    def _take_out_sealed(self, snapshot: Snapshot, dropped: dict[int, NDArray[np.intp]]) -> None:
        # What is kept is the first chunks as they are stored, so those behind one that changes
        # come to the heap with it.
        kept = min(self._kept, *dropped)
        moved: list[memoryview] = []
        if kept < self._kept:
            moved = snapshot.payloads(self._field_id, self._block)[kept : self._kept]
        made: list[SealedChunk] = []
        for part, chunk in enumerate([*map(SealedChunk.copy_of, moved), *self._sealed], kept):
            if part in dropped:
                mask = _mask(head.read_head(chunk.part).event_count, dropped[part])
                made += map(SealedChunk.copy_of, without(chunk.part, mask))
            else:
                made.append(chunk)
        self._kept, self._sealed = kept, made

    def _measure(self, snapshot: Snapshot) -> None:
        """Finds the zone anew, from the heads of chunks."""
        self._zone = zone_of_heads(self._parts(snapshot))

    def add(self, events: Events) -> None:
        """Adds events, at least one, of any time."""
        self._widen(len(events), int(events.times.min()), int(events.times.max()))
        self._append(events)

    def add_stretch(self, columns: EventColumns, start: int, end: int, low: int, high: int) -> None:
        """Adds the events [start, end) of columns, at least one, whose times are from `low` to
        `high`."""
        self._widen(end - start, low, high)
        if len(self._tail) + end - start < SEALED_EVENTS:
            self._tail.add_stretch(columns, start, end - start)
        else:
            self._append(columns.events.take(slice(start, end)))

    def _widen(self, count: int, low: int, high: int) -> None:
        zone = self._zone
        if zone.minimum is not None and zone.maximum is not None:
            low, high = min(low, int(zone.minimum)), max(high, int(zone.maximum))
        self._zone = Zone(zone.present_count + count, low, high)

    def _append(self, events: Events) -> None:
        while len(self._tail) + len(events) >= SEALED_EVENTS:
            room = SEALED_EVENTS - len(self._tail)
            self._seal(events.take(slice(0, room)))
            events = events.take(slice(room, len(events)))
        if len(events):
            self._tail.add(events)

    def _seal(self, last: Events) -> None:
        """Seals the tail with the events that fill it."""
        pieces = [self._tail.version().events()] if len(self._tail) else []
        sealed = encode_events(concat([*pieces, last]))
        self._sealed += [SealedChunk.copy_of(part) for part in sealed]
        self._tail = Tail()
        self.chains = None

    def close(self, sequence: int) -> EventsPayload:
        """What it has come to by the record `sequence` of the log."""
        tail = self._tail.version() if len(self._tail) else None
        made = EventsPayload(self._kept, self._sealed, tail, self._zone, sequence)
        self.payload = made
        return made


def _ages(part: Buffer, border_us: int) -> tuple[int, int]:
    """How many events a chunk has, and about how many before an instant, as if they were spread
    evenly."""
    found = head.read_head(part)
    times = next(c for c in head.read_columns(part, found) if c.role == head.TIME)
    if times.low >= border_us:
        return found.event_count, 0
    if times.high < border_us:
        return found.event_count, found.event_count
    share = (border_us - times.low) / (times.high - times.low + 1)
    return found.event_count, max(int(found.event_count * share), 1)


def _split(references: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    return references // CHUNK_EVENTS, (references % CHUNK_EVENTS).astype(np.intp)


def _mask(count: int, places: NDArray[np.intp]) -> NDArray[np.bool_]:
    mask = np.zeros(count, np.bool_)
    mask[places] = True
    return mask
