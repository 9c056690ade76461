"""Fields of blocks on the heap: what the disk does not have yet, and what is hot.

An overlay never changes; applying a record of the log makes the next one, which shares with it
whatever the record did not touch. A block is dirty since the first record that its saved form has
not absorbed. What has been saved stays for a while, because it is likely to change again, and
taking it from the map would cost a look-up and a checksum each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.columns.zone import Encoded, Zone
from engine.store.aligned import AlignedBytes

__all__ = ["HeapBlocks", "HeapField", "Overlay", "on_heap"]


@dataclass(frozen=True, slots=True, eq=False)
class HeapField:
    """A field of a block: its parts, read-only, the addresses of these, multiples of 64, its
    zone, and the record of the log that made it so."""

    parts: tuple[memoryview, ...]
    addresses: tuple[int, ...]
    zone: Zone
    sequence: int

    @classmethod
    def copy_of(cls, encoded: Encoded, sequence: int) -> HeapField:
        """What a codec returned, copied to where kernels can read it."""
        placed = [AlignedBytes(part) for part in encoded.parts]
        addresses = tuple(part.address for part in placed)
        return cls(tuple(map(memoryview, placed)), addresses, encoded.zone, sequence)


# field -> block -> what the field of that block has become.
HeapBlocks = Mapping[int, Mapping[int, HeapField]]


def on_heap(changes: Mapping[int, Mapping[int, Encoded]], sequence: int) -> HeapBlocks:
    """Encoded fields of blocks (field -> block -> bytes), copied to where kernels can read them;
    the record `sequence` made them so."""
    return {
        number: {block: HeapField.copy_of(encoded, sequence) for block, encoded in blocks.items()}
        for number, blocks in changes.items()
    }


@dataclass(frozen=True, slots=True)
class Overlay:
    """`fields` maps field -> block -> HeapField; `dirty` maps block -> the sequence of the
    first record of the log that its saved form lacks, the longest dirty first."""

    fields: Mapping[int, Mapping[int, HeapField]] = field(default_factory=dict)
    dirty: Mapping[int, int] = field(default_factory=dict)

    def get(self, field_id: int, block: int) -> HeapField | None:
        """A field of a block; None where it is only in the map."""
        blocks = self.fields.get(field_id)
        return None if blocks is None else blocks.get(block)

    def unsaved(self, block: int, absorbed: int) -> dict[int, HeapField]:
        """Field -> what the saved form of a block, of the record `absorbed`, does not have."""
        return {
            number: heap
            for number, blocks in self.fields.items()
            if (heap := blocks.get(block)) is not None and heap.sequence > absorbed
        }

    def changed(self, changes: HeapBlocks, sequence: int) -> Overlay:
        """The overlay after a record of the log."""
        fields = dict(self.fields)
        dirty = dict(self.dirty)
        for number, blocks in changes.items():
            fields[number] = {**fields.get(number, {}), **blocks}
            for block in blocks:
                dirty.setdefault(block, sequence)
        return Overlay(fields, dirty)

    def saved(self, replaced: Iterable[tuple[int, int]], whole: Mapping[int, int]) -> Overlay:
        """The overlay after a commit.

        The (field, block) of `replaced` are in the map alone. `whole` maps blocks that were
        saved with everything to the record that they have absorbed: what has changed in them
        since counts as dirty from the next record on.
        """
        fields = dict(self.fields)
        for number, block in replaced:
            if block in fields.get(number, {}):
                fields[number] = {b: h for b, h in fields[number].items() if b != block}
        dirty = {block: since for block, since in self.dirty.items() if block not in whole}
        for block, absorbed in whole.items():
            if any(h.sequence > absorbed for f in fields.values() if (h := f.get(block))):
                dirty[block] = absorbed + 1
        return Overlay(fields, dirty)

    def cooled(self, before: int) -> tuple[Overlay, dict[int, list[int]]]:
        """The overlay without what is saved and has not changed since a record, and what that is
        (field -> blocks)."""
        cold = {
            number: [b for b, h in blocks.items() if h.sequence < before and b not in self.dirty]
            for number, blocks in self.fields.items()
        }
        cold = {number: blocks for number, blocks in cold.items() if blocks}
        fields = dict(self.fields)
        for number, gone in cold.items():
            kept = {b: h for b, h in fields.pop(number).items() if b not in set(gone)}
            if kept:
                fields[number] = kept
        return Overlay(fields, self.dirty), cold

    def without_field(self, field_id: int) -> Overlay:
        """The overlay after a field has gone; its blocks stay dirty."""
        return Overlay(
            {n: blocks for n, blocks in self.fields.items() if n != field_id}, self.dirty
        )
