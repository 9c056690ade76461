"""The events of one type of a block as a snapshot has them, for who reads a few of them."""

from __future__ import annotations

from engine.bitmaps import Buffer
from engine.events.tail import TailVersion
from engine.store.events_payload import EventsPayload
from engine.store.snapshot import Snapshot

__all__ = ["event_chunks"]


def event_chunks(
    snapshot: Snapshot, field_id: int, block: int
) -> tuple[list[Buffer], TailVersion | None]:
    """The chunks of events of a block, and its open tail, None where it has none.

    Unlike `Snapshot.payloads` it does not make chunks of the tail, which takes all of it.
    """
    heap = snapshot.on_heap(field_id, block)
    if not isinstance(heap, EventsPayload):
        return [*snapshot.payloads(field_id, block)], None
    version = snapshot.version
    entries = version.stored(field_id, block)[: heap.kept]
    kept: list[Buffer] = [version.view.read_entry(block, entry) for entry in entries]
    return [*kept, *(chunk.part for chunk in heap.sealed)], heap.tail
