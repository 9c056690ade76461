"""What the visible state has and the disk does not yet: fields of blocks on the heap.

An overlay never changes; applying a record of the log makes the next one, which shares with it
whatever the record did not touch. A block that has anything here is dirty, since the first
record that its saved form has not absorbed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.columns.zone import Encoded, Zone

__all__ = ["HeapBlocks", "HeapField", "Overlay", "aligned", "on_heap"]

# What kernels may assume of an address.
ALIGNMENT = 64


@dataclass(frozen=True, slots=True, eq=False)
class HeapField:
    """A field of a block: its parts, read-only and at multiples of 64, and its zone."""

    parts: tuple[memoryview, ...]
    zone: Zone


# field -> block -> what the field of that block has become.
HeapBlocks = Mapping[int, Mapping[int, HeapField]]


def on_heap(changes: Mapping[int, Mapping[int, Encoded]]) -> HeapBlocks:
    """Encoded fields of blocks (field -> block -> bytes), copied to where kernels can read them."""
    return {
        number: {
            block: HeapField(tuple(aligned(part) for part in encoded.parts), encoded.zone)
            for block, encoded in blocks.items()
        }
        for number, blocks in changes.items()
    }


@dataclass(frozen=True, slots=True)
class Overlay:
    """`fields` maps field -> block -> HeapField; `dirty` maps block -> the sequence of the
    first record of the log that its saved form lacks, the longest dirty first."""

    fields: Mapping[int, Mapping[int, HeapField]] = field(default_factory=dict)
    dirty: Mapping[int, int] = field(default_factory=dict)

    def get(self, field_id: int, block: int) -> HeapField | None:
        """A field of a block, None where it is as saved."""
        blocks = self.fields.get(field_id)
        return None if blocks is None else blocks.get(block)

    def of_block(self, block: int) -> dict[int, HeapField]:
        """Field -> what is here of a block."""
        return {number: blocks[block] for number, blocks in self.fields.items() if block in blocks}

    def changed(self, changes: HeapBlocks, sequence: int) -> Overlay:
        """The overlay after a record of the log."""
        fields = dict(self.fields)
        dirty = dict(self.dirty)
        for number, blocks in changes.items():
            fields[number] = {**fields.get(number, {}), **blocks}
            for block in blocks:
                dirty.setdefault(block, sequence)
        return Overlay(fields, dirty)

    def saved(
        self,
        written: Mapping[int, Mapping[int, HeapField | None]],
        through: int,
        whole: Collection[int],
    ) -> Overlay:
        """The overlay after a commit.

        `written` maps block -> field -> what was saved, or None for whatever is here. The
        blocks of `whole` were saved as of the record `through`: what has changed in them since
        stays, and counts as dirty from the next record on.
        """
        fields = {number: dict(blocks) for number, blocks in self.fields.items()}
        for block, saved in written.items():
            for number, heap in saved.items():
                here = fields.get(number, {}).get(block)
                if here is not None and (heap is None or here is heap):
                    del fields[number][block]
        dirty = {block: since for block, since in self.dirty.items() if block not in whole}
        left = {block for blocks in fields.values() for block in blocks}
        for block in whole:
            if block in left:
                dirty[block] = through + 1
        return Overlay({number: blocks for number, blocks in fields.items() if blocks}, dirty)

    def without_field(self, field_id: int) -> Overlay:
        """The overlay after a field has gone; its blocks stay dirty."""
        return Overlay(
            {n: blocks for n, blocks in self.fields.items() if n != field_id}, self.dirty
        )


def aligned(payload: bytes | memoryview) -> memoryview:
    """A read-only copy of a payload whose first byte has an address that kernels take."""
    room = np.empty(len(payload) + ALIGNMENT, np.uint8)
    start = -room.__array_interface__["data"][0] % ALIGNMENT
    copy = room[start : start + len(payload)]
    copy[:] = np.frombuffer(payload, np.uint8)
    copy.flags.writeable = False
    return copy.data
