"""The fields of blocks that are written in place, by field.

What is here is in the overlay of the newest version, too, and the other way round for the kinds
that can be written in place, but for what a bulk write put there. Events are added to in place, too
(engine.store.open_events). Only the thread that applies
records uses it, or whoever edits the store while that thread rests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.columns.column import CODES, FLOATS, INTS
from engine.columns.hot_block import HotField
from engine.columns.hot_cells import HotCells
from engine.columns.hot_rows import HotBools, HotRows
from engine.columns.hot_sets import HotGivers, HotSet
from engine.columns.zone import Encoded
from engine.limits import EVENT_CHAINS_BYTES
from engine.store.catalog import Field, FieldKind
from engine.store.open_events import OpenEvents
from engine.store.overlay import HeapField, HeapPayload
from engine.store.snapshot import Snapshot

__all__ = ["HotFields"]

# The kinds of which single rows are written in place; texts, uids and identifier values are made
# anew.
_KINDS: Mapping[FieldKind, Callable[[], HotField]] = {
    FieldKind.LIVE: HotRows,
    FieldKind.MEMBERSHIP: HotRows,
    FieldKind.BOOL: HotBools,
    FieldKind.CODES: lambda: HotCells(CODES),
    FieldKind.INTS: lambda: HotCells(INTS),
    FieldKind.FLOATS: lambda: HotCells(FLOATS),
    FieldKind.SET: HotSet,
    FieldKind.GIVERS: HotGivers,
}


class HotFields:
    """The hot fields of one open store."""

    def __init__(self) -> None:
        self._fields: dict[int, HotField] = {}
        # Events that are open, by field and block.
        self._events: dict[int, dict[int, OpenEvents]] = {}
        # Those that have chains, the one that was asked for last at the end.
        self._chained: dict[OpenEvents, None] = {}

    def of(self, field: Field) -> HotField | None:
        """The blocks of a field that are written in place; None for a kind that is not."""
        found = self._fields.get(field.id)
        if found is None and field.kind in _KINDS:
            found = self._fields[field.id] = _KINDS[field.kind]()
        return found

    def events(self, snapshot: Snapshot, field_id: int, block: int) -> OpenEvents:
        """The events of a block, open, as the newest snapshot has them."""
        blocks = self._events.setdefault(field_id, {})
        found = blocks.get(block)
        # Whatever else made the block another is on the heap, or has taken it from there.
        if found is None or found.payload is not _on_heap(snapshot, field_id, block):
            found = blocks[block] = OpenEvents(snapshot, field_id, block)
        return found

    def leave(self, field_id: int, block: int) -> None:
        """Events were opened and left as they were: what is only in the map need not stay open."""
        opened = self._events.get(field_id, {})
        if block in opened and opened[block].payload is None:
            self._close(opened.pop(block))

    def asked(self, events: OpenEvents) -> None:
        """Events were found by their chains: those that were not for longest let go of theirs."""
        self._chained.pop(events, None)
        self._chained[events] = None
        room = EVENT_CHAINS_BYTES
        for each in reversed(list(self._chained)):
            room -= 0 if each.chains is None else each.chains.nbytes
            if each.chains is None or room < 0:
                each.chains = None
                del self._chained[each]

    def place(self, field: Field, block: int, encoded: Encoded, sequence: int) -> HeapPayload:
        """A payload on the heap, from the record `sequence` on; to be written in place later
        where its kind is."""
        hot = self.of(field)
        if hot is None:
            return HeapField.copy_of(encoded, sequence)
        return hot.heat(block, encoded.parts, sequence, sequence)

    def forget(self, gone: Mapping[int, list[int]]) -> None:
        """The overlay no longer has these (field -> blocks)."""
        for number, blocks in gone.items():
            opened = self._events.get(number, {})
            for block in blocks:
                self._close(opened.pop(block, None))
            hot = self._fields.get(number)
            if hot is not None:
                for block in blocks:
                    hot.forget(block)

    def drop(self, field_id: int) -> None:
        """A field has gone."""
        self._fields.pop(field_id, None)
        for events in self._events.pop(field_id, {}).values():
            self._close(events)

    def _close(self, events: OpenEvents | None) -> None:
        if events is not None:
            self._chained.pop(events, None)

    def clear(self) -> None:
        """Whatever is in the overlay is written anew when it changes next."""
        self._fields.clear()
        self._events.clear()
        self._chained.clear()


def _on_heap(snapshot: Snapshot, field_id: int, block: int) -> HeapPayload | None:
    return snapshot.on_heap(field_id, block) if block < snapshot.block_count else None
