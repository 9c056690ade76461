"""Heads of chunks: strata_chunk and strata_event_column of layout.h, and values read in place."""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer

__all__ = [
    "CHUNK_COLUMNS",
    "CHUNK_EVENTS",
    "CODES",
    "COLUMN_BYTES",
    "DIGESTS",
    "FLOATS",
    "HEAD_BYTES",
    "ID",
    "INTS",
    "ORIGIN",
    "PROPERTY",
    "ROW",
    "SORTED",
    "TAIL",
    "TEXTS",
    "TIME",
    "VERSION",
    "Column",
    "Head",
    "pack_heads",
    "property_numbers",
    "read_columns",
    "read_head",
    "read_presence",
    "read_stored",
]

VERSION: Final = 1
CHUNK_EVENTS: Final = 16_384
CHUNK_COLUMNS: Final = 255
SORTED, TAIL = 1, 2  # flags
ROW, TIME, ID, ORIGIN, PROPERTY = 1, 2, 3, 4, 5  # roles
INTS, FLOATS, CODES, TEXTS, DIGESTS = 1, 2, 3, 5, 6  # kinds

_HEAD = struct.Struct("<HHIIIIIQ")
_COLUMN = struct.Struct("<BBBBIIIIIIIqQqq")
HEAD_BYTES: Final = 32
COLUMN_BYTES: Final = 64
assert _HEAD.size == HEAD_BYTES and _COLUMN.size == COLUMN_BYTES

_STORED: dict[int, np.dtype[Any]] = {
    1: np.dtype("<u1"),
    2: np.dtype("<u2"),
    4: np.dtype("<u4"),
    8: np.dtype("<u8"),
}


class Head(NamedTuple):
    """A strata_chunk."""

    version: int
    flags: int
    column_count: int
    event_count: int
    capacity: int
    size: int
    reserved: int = 0
    data_offset: int = 0


class Column(NamedTuple):
    """A strata_event_column."""

    role: int
    kind: int
    width: int
    reserved: int = 0
    property: int = 0
    present_count: int = 0
    values_offset: int = 0
    presence_offset: int = 0
    bytes_offset: int = 0
    byte_count: int = 0
    reserved2: int = 0
    base: int = 0
    step: int = 1
    low: int = 0
    high: int = 0


def pack_heads(head: Head, columns: list[Column]) -> bytes:
    """The first bytes of a chunk."""
    return _HEAD.pack(*head) + b"".join(_COLUMN.pack(*column) for column in columns)


def read_head(part: Buffer) -> Head:
    """The head of one chunk; struct.error where the part is shorter."""
    return Head(*_HEAD.unpack_from(part, 0))


def read_columns(part: Buffer, head: Head) -> list[Column]:
    """What the chunk says of its columns, in order; struct.error where the part is shorter."""
    return [
        Column(*_COLUMN.unpack_from(part, HEAD_BYTES + COLUMN_BYTES * i))
        for i in range(head.column_count)
    ]


def property_numbers(part: Buffer) -> set[int]:
    """The properties that some event of a chunk has, by number."""
    columns = read_columns(part, read_head(part))
    return {column.property for column in columns if column.role == PROPERTY}


def read_stored(part: Buffer, column: Column, count: int, capacity: int) -> NDArray[Any]:
    """The first `count` stored values, unsigned: in place but for planes; zeros for width 0."""
    if column.width == 0:
        return np.zeros(count, np.uint8)
    if column.width == 6:
        low = np.frombuffer(part, "<u4", count, column.values_offset)
        high = np.frombuffer(part, "<u2", count, column.values_offset + 4 * capacity)
        planes: NDArray[np.uint64] = low | high.astype(np.uint64) << np.uint64(32)
        return planes
    return np.frombuffer(part, _STORED[column.width], count, column.values_offset)


def read_presence(part: Buffer, column: Column, count: int) -> NDArray[np.bool_]:
    """bool[count]: which of the first events have a value, for kinds that say so by bits."""
    if column.presence_offset == 0:
        return np.ones(count, np.bool_)
    bits = np.frombuffer(part, np.uint8, -(-count // 8), column.presence_offset)
    return np.unpackbits(bits, count=count, bitorder="little").view(np.bool_)
