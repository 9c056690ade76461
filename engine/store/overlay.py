"""Fields of blocks on the heap: what the disk does not have yet, and what is hot.

An overlay never changes; applying a record of the log makes the next one, which shares with it
whatever the record did not touch, and what it could change in place (engine.store.hot). A block is
dirty since the first record that its saved form has not absorbed. What has been saved stays for a
while, because it is likely to change again, and taking it from the map would cost a look-up, a
checksum and a copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from engine.columns.zone import Encoded, Zone
from engine.store.aligned import AlignedBytes

__all__ = ["HeapBlocks", "HeapField", "HeapPayload", "Overlay"]


class HeapPayload(Protocol):
    """A field of a block on the heap.

    The first `kept` parts of the field are as they are stored, and `parts` are those behind them:
    chunks of events stay where they are when others are added. All other kinds keep none.
    """

    @property
    def kept(self) -> int:
        """How many parts are as they are stored."""

    @property
    def parts(self) -> tuple[memoryview, ...]:
        """The parts behind those, read-only."""

    @property
    def addresses(self) -> tuple[int, ...]:
        """Where kernels find these, multiples of 64; one part may stand for several of `parts`."""

    @property
    def lengths(self) -> tuple[int, ...]:
        """Bytes at each of the addresses."""

    @property
    def held_bytes(self) -> int:
        """Bytes of memory."""

    @property
    def zone(self) -> Zone:
        """Its zone: the count of rows exact, the bounds perhaps too wide."""

    @property
    def sequence(self) -> int:
        """The record of the log that changed it last."""

    def encode(self) -> Encoded:
        """What is stored of `parts`, with the exact zone of the whole field."""


@dataclass(frozen=True, slots=True, eq=False)
class HeapField:
    """A field of a block that stays as the record of the log made it; see HeapPayload."""

    parts: tuple[memoryview, ...]
    addresses: tuple[int, ...]
    zone: Zone
    sequence: int
    kept: ClassVar[int] = 0

    @property
    def lengths(self) -> tuple[int, ...]:
        """See HeapPayload."""
        return tuple(map(len, self.parts))

    @property
    def held_bytes(self) -> int:
        """See HeapPayload."""
        return sum(map(len, self.parts))

    @classmethod
    def copy_of(cls, encoded: Encoded, sequence: int) -> HeapField:
        """What a codec returned, copied to where kernels can read it."""
        placed = [AlignedBytes(part) for part in encoded.parts]
        addresses = tuple(part.address for part in placed)
        return cls(tuple(map(memoryview, placed)), addresses, encoded.zone, sequence)

    def encode(self) -> Encoded:
        """See HeapPayload."""
        return Encoded(tuple(map(bytes, self.parts)), self.zone)


# field -> block -> what the field of that block has become.
HeapBlocks = Mapping[int, Mapping[int, HeapPayload]]


@dataclass(frozen=True, slots=True)
class Overlay:
    """`fields` maps field -> block -> HeapPayload; `dirty` maps block -> the sequence of the
    first record of the log that its saved form lacks, the longest dirty first."""

    fields: HeapBlocks = field(default_factory=dict)
    dirty: Mapping[int, int] = field(default_factory=dict)

    def get(self, field_id: int, block: int) -> HeapPayload | None:
        """A field of a block; None where it is only in the map."""
        blocks = self.fields.get(field_id)
        return None if blocks is None else blocks.get(block)

    def unsaved(self, block: int, absorbed: int) -> dict[int, HeapPayload]:
        """Field -> what the saved form of a block, of the record `absorbed`, does not have."""
        return {
            number: heap
            for number, blocks in self.fields.items()
            if (heap := blocks.get(block)) is not None and heap.sequence > absorbed
        }

    def changed(self, changes: HeapBlocks, sequence: int, blocks: Iterable[int] = ()) -> Overlay:
        """The overlay after a record of the log; `blocks` were changed in place, too."""
        fields = self.fields
        if changes:
            fields = dict(fields)
            for number, made in changes.items():
                fields[number] = {**fields.get(number, {}), **made}
        dirty = dict(self.dirty)
        for block in {*blocks, *(block for made in changes.values() for block in made)}:
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

    def cooled(self, kept_bytes: int) -> tuple[Overlay, dict[int, list[int]]]:
        """The overlay with so many bytes at most of what is saved, those that changed last; and
        what it lets go of (field -> blocks)."""
        saved = [
            (heap.sequence, number, block, heap.held_bytes)
            for number, blocks in self.fields.items()
            for block, heap in blocks.items()
            if block not in self.dirty
        ]
        cold: dict[int, list[int]] = {}
        excess = sum(size for *_, size in saved) - kept_bytes
        if excess > 0:
            for _, number, block, size in sorted(saved):
                cold.setdefault(number, []).append(block)
                excess -= size
                if excess <= 0:
                    break
        fields = dict(self.fields)
        for number, gone in cold.items():
            gone_blocks = set(gone)
            kept = {b: h for b, h in fields.pop(number).items() if b not in gone_blocks}
            if kept:
                fields[number] = kept
        return Overlay(fields, self.dirty), cold

    def without_field(self, field_id: int) -> Overlay:
        """The overlay after a field has gone; its blocks stay dirty."""
        return Overlay(
            {n: blocks for n, blocks in self.fields.items() if n != field_id}, self.dirty
        )
