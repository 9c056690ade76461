"""What a load does to the events of one type.

1. `stage` takes events as the log would say them, `fold` cuts them by block and encodes what a
   block got as a *wave* of chunks: events that wait take a third of the memory so.
2. `settle` lays all waves of a block over what the store has (see engine.live.event_blocks). A
   block is settled once: at the end, or as soon as it is complete where events come in the order
   of rows and the block has none stored. If more come all the same it is settled again.

So what a block becomes follows from the events and their order alone, however they were cut into
batches and folds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.events.decode import decode_events
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Property, Texts, concat
from engine.events.field import encoded
from engine.live.event_blocks import Brought, lay_events
from engine.live.field_load import FieldLoad, each_block, first_held
from engine.live.same_events import last_of_ids
from engine.live.update import EventCells
from engine.store.catalog import Field, FieldKind
from engine.store.store import Snapshot

__all__ = ["EventCounts", "EventField"]


@dataclass(frozen=True, slots=True)
class EventCounts:
    """What became of events: those that are new, those that took the place of a stored one with
    their id, those that were stored already, and stored ones that were taken away. An event that
    a load brings several times counts once."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    removed: int = 0

    def __add__(self, other: EventCounts) -> EventCounts:
        return EventCounts(
            self.added + other.added,
            self.replaced + other.replaced,
            self.unchanged + other.unchanged,
            self.removed + other.removed,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Wave:
    """Events of one block in chunks, and the rows and ids of those to be taken away."""

    parts: Sequence[Buffer]
    gone: Events | None = None


class EventField(FieldLoad):
    """A load's change to the events of one type."""

    def __init__(self, snapshot: Snapshot, field: Field) -> None:
        super().__init__(snapshot, field)
        self._properties = {
            each.id for each in snapshot.fields.values() if each.kind == FieldKind.PROPERTY
        }
        # Rows in the store, and the events with their rows in the block.
        self._waiting: list[tuple[NDArray[np.uint32], Brought]] = []
        self._waves: dict[int, list[_Wave]] = {}
        self._counts: dict[int, EventCounts] = {}
        self._changed: dict[int, NDArray[np.uint8]] = {}

    def stage(self, cells: EventCells) -> None:
        """Events in the order of the updates."""
        in_block = cells.rows.astype(np.uint16)
        events = Events(in_block, cells.times, cells.ids, None, cells.properties)
        self._waiting.append((cells.rows, Brought(events, cells.gone)))

    @property
    def counts(self) -> EventCounts:
        """Of all blocks that are settled."""
        return sum(self._counts.values(), EventCounts())

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad."""
        return sum(_size(brought.events) for _, brought in self._waiting)

    def fold(self, hold: int | None = None) -> None:
        """See FieldLoad."""
        if not self._waiting:
            return
        rows = np.concatenate([rows for rows, _ in self._waiting])
        brought = _concat([brought for _, brought in self._waiting])
        self._waiting = []
        held = first_held(rows, hold)
        if held < len(rows):
            # Copied, or a few events would keep the memory of all.
            rest = _some(brought, np.arange(held, len(rows)))
            self._waiting.append((rows[held:].copy(), rest))
            rows, brought = rows[:held], _some(brought, slice(0, held))
        for block, _, at in each_block(rows):
            self._waves.setdefault(block, []).append(_wave(_some(brought, at)))
            if hold is not None and not self.stored(block):
                self._settle(block)

    def finish(self) -> Iterator[int]:
        """Settles block after block, and tells which after each of them."""
        for block in sorted(self._waves):
            self._settle(block)
            yield block

    def _settle(self, block: int) -> None:
        waves = self._waves.pop(block)
        stored = self.stored(block)
        if not stored and (settled := self.parts(block)):
            waves.insert(0, _Wave(settled))
        if not stored and len(waves) == 1 and waves[0].gone is None:
            found = encoded([bytes(part) for part in waves[0].parts])
            self._counts[block] = EventCounts(added=int(found.zone.present_count))
            self.keep(block, found)
            return
        laid = lay_events(stored, _joined(waves), self._properties)
        self._counts[block] = EventCounts(laid.added, laid.replaced, laid.unchanged, laid.removed)
        changed = np.zeros(BLOCK_ROWS, np.bool_)
        changed[laid.rows] = True
        self._changed[block] = np.packbits(changed)
        self.keep(block, encoded([bytes(part) for part in laid.parts]))

    def changed_in_block(self, block: int) -> NDArray[np.bool_]:
        """See FieldLoad."""
        if block in self._changed:
            return np.unpackbits(self._changed[block]).view(np.bool_)
        return self.differing((), self.encoded[block].parts)

    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """See FieldLoad. Of blocks that had no events."""
        assert not before
        changed = np.zeros(BLOCK_ROWS, np.bool_)
        changed[decode_events(after).rows] = True
        return changed


def _wave(brought: Brought) -> _Wave:
    events, gone = brought.events, brought.gone
    if events.ids is not None:
        stays = last_of_ids(events.rows, events.ids)
        if not stays.all():
            brought = _some(brought, np.flatnonzero(stays))
            events, gone = brought.events, brought.gone
    if gone is None or not gone.any():
        return _Wave(encode_events(events))
    away = events.take(gone)
    nameless = Events(away.rows, np.zeros(len(away), np.int64), away.ids)
    return _Wave(encode_events(events.take(~gone)), nameless)


def _joined(waves: Sequence[_Wave]) -> Brought:
    """All waves of a block as one: of each id what came last."""
    pieces = []
    for wave in waves:
        if wave.parts:
            pieces.append(Brought(decode_events(wave.parts)))
        if wave.gone is not None:
            pieces.append(Brought(wave.gone, np.ones(len(wave.gone), np.bool_)))
    brought = _concat(pieces)
    if len(pieces) == 1 or brought.events.ids is None:
        return brought
    stays = last_of_ids(brought.events.rows, brought.events.ids)
    return brought if stays.all() else _some(brought, np.flatnonzero(stays))


def _concat(pieces: Sequence[Brought]) -> Brought:
    events = concat([piece.events for piece in pieces])
    if all(piece.gone is None for piece in pieces):
        return Brought(events)
    gone = [
        np.zeros(len(piece), np.bool_) if piece.gone is None else piece.gone for piece in pieces
    ]
    return Brought(events, np.concatenate(gone))


def _some(brought: Brought, at: NDArray[np.intp] | slice) -> Brought:
    return Brought(brought.events.take(at), None if brought.gone is None else brought.gone[at])


def _size(events: Events) -> int:
    """About how many bytes events take in memory."""
    size = events.rows.nbytes + events.times.nbytes + sum(map(_width, events.properties.values()))
    return size + (0 if events.ids is None else events.ids.nbytes)


def _width(values: Property) -> int:
    match values:
        case Texts():
            return 9 * len(values.strings) + len(values.strings.data)
        case Codes():
            return values.codes.nbytes
        case _:
            return values.values.nbytes + values.present.nbytes
