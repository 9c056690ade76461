"""The events of one type of one block on the heap: what the disk lacks of them, chunk by chunk."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from engine.bitmaps import Buffer
from engine.columns.zone import Encoded, Zone
from engine.events.encode import encode_events
from engine.events.tail import TailVersion
from engine.store.aligned import AlignedBytes

__all__ = ["EventsPayload", "SealedChunk"]


_serials = itertools.count(1)


class SealedChunk(NamedTuple):
    """A chunk on the heap, where it begins, a multiple of 64, and a number that no other has."""

    part: memoryview
    address: int
    serial: int

    @classmethod
    def copy_of(cls, part: Buffer) -> SealedChunk:
        """The same chunk, copied to where kernels can read it."""
        placed = AlignedBytes(part)
        return cls(memoryview(placed), placed.address, next(_serials))


class EventsPayload:
    """See HeapPayload. It stays as the record of the log made it.

    The first `kept` chunks are as they are stored, `sealed` stand behind them, and a version of the
    open tail comes last, None where it has no events. The tail is read at its address as it is, in
    the order in which its events came; as bytes it is sorted, like any chunk that is stored.
    """

    __slots__ = ("_tail_parts", "kept", "sealed", "sequence", "tail", "zone")

    def __init__(
        self,
        kept: int,
        sealed: Sequence[SealedChunk],
        tail: TailVersion | None,
        zone: Zone,
        sequence: int,
    ) -> None:
        self.kept = kept
        self.sealed = tuple(sealed)
        self.tail = tail
        self.zone = zone
        self.sequence = sequence
        # The chunks of the tail, once somebody has asked for them.
        self._tail_parts: tuple[memoryview, ...] | None = None if tail is not None else ()

    @property
    def parts(self) -> tuple[memoryview, ...]:
        """See HeapPayload."""
        return (*(chunk.part for chunk in self.sealed), *self.tail_parts())

    @property
    def addresses(self) -> tuple[int, ...]:
        """See HeapPayload."""
        before = tuple(chunk.address for chunk in self.sealed)
        return before if self.tail is None else (*before, self.tail.address)

    @property
    def lengths(self) -> tuple[int, ...]:
        """See HeapPayload; of the tail it is the length of its head."""
        before = tuple(len(chunk.part) for chunk in self.sealed)
        return before if self.tail is None else (*before, self.tail.size)

    @property
    def held_bytes(self) -> int:
        """See HeapPayload."""
        return sum(len(chunk.part) for chunk in self.sealed) + (
            0 if self.tail is None else self.tail.nbytes
        )

    def tail_parts(self) -> tuple[memoryview, ...]:
        """The chunks that the tail is stored as."""
        if self._tail_parts is None:
            assert self.tail is not None
            stored = encode_events(self.tail.events(), is_tail=True)
            self._tail_parts = tuple(memoryview(part) for part in stored)
        return self._tail_parts

    def encode(self) -> Encoded:
        """See HeapPayload."""
        return Encoded(tuple(map(bytes, self.parts)), self.zone)
