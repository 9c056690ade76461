"""Presence of the rows of one part: booleans in memory, one container when stored."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer, containers

__all__ = ["ENTRY_FORMAT", "Entry", "encode_presence", "presence_has", "read_presence"]

ENTRY_FORMAT = "IIIHBB"  # strata_entry of layout.h
_ENTRY = struct.Struct("<" + ENTRY_FORMAT)


class Entry(NamedTuple):
    """A strata_entry of layout.h, field by field."""

    code: int = 0
    cardinality: int = 0
    offset: int = 0
    size_in_2: int = 0
    kind: int = containers.EMPTY
    reserved: int = 0

    @classmethod
    def read(cls, part: Buffer, at: int) -> Entry:
        """The entry whose first byte is `at`."""
        return cls(*_ENTRY.unpack_from(part, at))

    @property
    def aligned_to(self) -> int:
        """The alignment of the container's bytes: 64 for a bitset, else 8."""
        return 64 if self.kind == containers.BITSET else 8

    def bytes_in(self, part: Buffer) -> memoryview:
        """The container's bytes, in place."""
        return memoryview(part)[self.offset : self.offset + 2 * self.size_in_2]


def encode_presence(present: NDArray[np.bool_], first_row: int) -> tuple[Entry, bytes]:
    """The entry (offset still 0) and container of the rows that are present.

    present: bool[n], for the rows from `first_row`, which is a multiple of 8. The container
    numbers its rows within the block.
    """
    assert first_row % 8 == 0 and first_row + len(present) <= containers.BLOCK_ROWS
    words = np.zeros(containers.BLOCK_WORDS, np.uint64)
    bits = np.packbits(present, bitorder="little")
    words.view(np.uint8)[first_row // 8 : first_row // 8 + len(bits)] = bits
    kind, body, cardinality = containers.encode_mask(words)
    return Entry(0, cardinality, 0, len(body) // 2, kind), body


def read_presence(part: Buffer, entry: Entry, first_row: int, row_count: int) -> NDArray[np.bool_]:
    """bool[row_count]: which rows from `first_row` are in the container of `entry`."""
    if entry.cardinality == row_count:
        return np.ones(row_count, np.bool_)
    words = np.zeros(containers.BLOCK_WORDS, np.uint64)
    containers.decode_into_mask(entry.kind, entry.bytes_in(part), entry.cardinality, words)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    return bits[first_row : first_row + row_count].view(np.bool_)


def presence_has(part: Buffer, entry: Entry, row: int) -> bool:
    """Whether one row of the block is present, without decoding the container."""
    return containers.contains(entry.kind, entry.bytes_in(part), entry.cardinality, row)
