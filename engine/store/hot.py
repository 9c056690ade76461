"""The fields of blocks that are written in place, by field.

What is here is in the overlay of the newest version, too, and the other way round for the kinds
that can be written in place, but for what a bulk write put there. Only the thread that applies
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
from engine.store.catalog import Field, FieldKind
from engine.store.overlay import HeapField, HeapPayload

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

    def of(self, field: Field) -> HotField | None:
        """The blocks of a field that are written in place; None for a kind that is not."""
        found = self._fields.get(field.id)
        if found is None and field.kind in _KINDS:
            found = self._fields[field.id] = _KINDS[field.kind]()
        return found

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
            hot = self._fields.get(number)
            if hot is not None:
                for block in blocks:
                    hot.forget(block)

    def drop(self, field_id: int) -> None:
        """A field has gone."""
        self._fields.pop(field_id, None)

    def clear(self) -> None:
        """Whatever is in the overlay is written anew when it changes next."""
        self._fields.clear()
