"""Where a field of one block is in memory, for who reads one profile.

A part table has the places of a field in all blocks, which is much to look up and to verify for
one row. Here one block is looked up, once for as long as its manifest stays: what that lists lies
where it lay, in every state that has the manifest. What a version has on the heap is looked up once
for each version.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.store.addresses import located
from engine.store.aligned import AlignedBytes
from engine.store.events_payload import EventsPayload, SealedChunk
from engine.store.row_chains import DEEP_CHUNKS, Deep, told_of
from engine.store.version import Version

__all__ = ["EventPlaces", "event_places_of", "places_of"]

# Blocks, times what is asked of each, that a version remembers.
_MOST_KEPT = 4096


class _Found(NamedTuple):
    """Addresses of the stored parts, verified, and what was copied to be read at them."""

    addresses: tuple[int, ...]
    copies: list[AlignedBytes]


class EventPlaces(NamedTuple):
    """The addresses of the chunks of some types of events in a block, and which of these types
    have many that are sealed."""

    addresses: list[tuple[int, ...]]
    deep: tuple[Deep, ...]


def event_places_of(version: Version, field_ids: tuple[int, ...], block: int) -> EventPlaces:
    """The same as `places_of` of types of events."""
    key = field_ids, block
    found = version.event_places.get(key)
    if found is None:
        addresses = places_of(version, field_ids, block)
        deep = (_deep(version, place, number, block) for place, number in enumerate(field_ids))
        found = EventPlaces(addresses, tuple(one for one in deep if one is not None))
        if len(version.event_places) >= _MOST_KEPT:
            version.event_places.clear()
        version.event_places[key] = found
    return found


def _deep(version: Version, place: int, field_id: int, block: int) -> Deep | None:
    heap = version.overlay.get(field_id, block)
    stored = version.stored(field_id, block)
    sealed: tuple[SealedChunk, ...] = ()
    if heap is not None:
        if not isinstance(heap, EventsPayload):
            return None
        stored, sealed = stored[: heap.kept], heap.sealed
    chunks = len(stored) + len(sealed)
    if chunks < DEEP_CHUNKS:
        return None
    return Deep(place, field_id, chunks, told_of(stored, [chunk.serial for chunk in sealed]))


def places_of(version: Version, field_ids: tuple[int, ...], block: int) -> list[tuple[int, ...]]:
    """The addresses of the parts of some fields in a block; good while a snapshot of the version is
    open. Of events one address may stand for several parts, see HeapPayload."""
    key = field_ids, block
    found = version.places.get(key)
    if found is None:
        if len(version.places) >= _MOST_KEPT:
            version.places.clear()
        found = [_places(version, field_id, block) for field_id in field_ids]
        version.places[key] = found
    return found


def _places(version: Version, field_id: int, block: int) -> tuple[int, ...]:
    heap = version.overlay.get(field_id, block)
    if heap is not None and not heap.kept:
        return heap.addresses
    manifests = version.state.manifests
    if block >= len(manifests):
        return ()
    manifest = manifests[block]
    found: _Found | None = manifest.places.get(field_id)
    if found is None:
        addresses, _, copies = located(version.view, block, manifest.field(field_id))
        # Of readers that come here at once all take what one has found: copies last as long as they
        # are kept, and addresses no longer than the copies.
        found = manifest.places.setdefault(field_id, _Found(tuple(addresses), copies))
    if heap is None:
        return found.addresses
    return (*found.addresses[: heap.kept], *heap.addresses)
