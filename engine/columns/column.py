"""The stored form shared by fixed-width columns: strata_column of layout.h.

A part is its 64-byte head, then the values (always at offset 64), then the container of the
present rows. Parts hold a power of two of rows, so that a row's part follows by division.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.bitmaps.directory import PART_BYTES
from engine.columns.alignment import aligned
from engine.columns.presence import (
    ENTRY_FORMAT,
    Entry,
    encode_presence,
    presence_has,
    read_presence,
)

__all__ = [
    "CODES",
    "FLOATS",
    "HEAD_BYTES",
    "INTS",
    "UIDS",
    "Head",
    "encode_column",
    "has_row",
    "part_of_row",
    "read_head",
    "read_present",
    "read_stored",
    "row_count_of",
    "rows_per_part",
]

INTS, FLOATS, CODES, UIDS = 1, 2, 3, 4  # column_kind of layout.h

_HEAD = struct.Struct("<BBHIIIqQQ" + ENTRY_FORMAT + "II")
HEAD_BYTES = 64
assert _HEAD.size == HEAD_BYTES

_STORED: dict[int, np.dtype[Any]] = {
    0: np.dtype(np.uint8),
    1: np.dtype(np.uint8),
    2: np.dtype(np.uint16),
    4: np.dtype(np.uint32),
    8: np.dtype(np.uint64),
    16: np.dtype("V16"),
}


class Head(NamedTuple):
    """A strata_column of layout.h without its reserved fields."""

    column_kind: int
    width: int
    first_row: int
    row_count: int
    present_count: int
    base: int
    step: int
    max_stored: int
    presence: Entry
    values_offset: int


def rows_per_part(width: int) -> int:
    """Rows of a full part: the greatest power of two that leaves room for head and presence."""
    rows = BLOCK_ROWS
    while HEAD_BYTES + rows * width + BLOCK_ROWS // 8 > PART_BYTES:
        rows //= 2
    return rows


def encode_column(
    column_kind: int,
    stored: NDArray[Any],
    present: NDArray[np.bool_] | None,
    *,
    width: int,
    base: int = 0,
    step: int = 1,
    present_counted: NDArray[np.bool_] | None = None,
) -> tuple[bytes, ...]:
    """The parts of a column.

    stored: [n] in the dtype of `width`, 0 where missing (any dtype where width is 0).
    present: bool[n], or None for kinds that store no presence; `present_counted` then says
    which rows count as present.
    """
    assert len(stored) <= BLOCK_ROWS
    counted = present if present is not None else present_counted
    assert counted is not None and len(counted) == len(stored)
    size = rows_per_part(width)
    return tuple(
        _encode_part(
            column_kind,
            stored[first : first + size],
            None if present is None else present[first : first + size],
            int(np.count_nonzero(counted[first : first + size])),
            (width, base, step),
            first,
        )
        for first in range(0, max(len(stored), 1), size)
    )


def _encode_part(
    column_kind: int,
    stored: NDArray[Any],
    present: NDArray[np.bool_] | None,
    present_count: int,
    frame: tuple[int, int, int],
    first_row: int,
) -> bytes:
    width, base, step = frame
    entry, container = Entry(), b""
    if present is not None:
        entry, container = encode_presence(present, first_row)
    # Padded to whole words of a mask: a kernel takes 64 rows at a time and never checks.
    end = HEAD_BYTES + aligned(len(stored), 64) * width
    out = bytearray(end + aligned(len(container), 8))
    if width:
        assert stored.dtype.itemsize == width
        out[HEAD_BYTES : HEAD_BYTES + len(stored) * width] = stored.tobytes()
    if container:
        entry = entry._replace(offset=end)
        out[end : end + len(container)] = container
    ranked = width in (1, 2, 4, 8) and column_kind in (INTS, CODES) and len(stored) > 0
    max_stored = int(stored.max()) if ranked else 0
    _HEAD.pack_into(
        out,
        0,
        *(column_kind, width, 0, first_row, len(stored), present_count),
        *(base, step, max_stored, *entry, HEAD_BYTES, 0),
    )
    return bytes(out)


def read_head(part: Buffer) -> Head:
    """The head of one part."""
    raw = _HEAD.unpack_from(part, 0)
    first_row, row_count, present_count, base, step, max_stored = raw[3:9]
    return Head(
        *(raw[0], raw[1], first_row, row_count, present_count, base, step, max_stored),
        presence=Entry(*raw[9:15]),
        values_offset=raw[15],
    )


def read_stored(part: Buffer, head: Head) -> NDArray[Any]:
    """The stored values of a part, [row_count], in place; zeros where the width is 0."""
    dtype = _STORED[head.width]
    if head.width == 0:
        return np.zeros(head.row_count, dtype)
    return np.frombuffer(part, dtype, head.row_count, head.values_offset)


def read_present(part: Buffer, head: Head) -> NDArray[np.bool_]:
    """bool[row_count]: which rows of a part have a value."""
    return read_presence(part, head.presence, head.first_row, head.row_count)


def has_row(part: Buffer, head: Head, row: int) -> bool:
    """Whether one row of the block has a value in this part."""
    return presence_has(part, head.presence, row)


def row_count_of(parts: Sequence[Buffer]) -> int:
    """Rows stored in all parts together."""
    last = read_head(parts[-1])
    return last.first_row + last.row_count


def part_of_row(parts: Sequence[Buffer], row: int) -> tuple[Buffer, Head] | None:
    """The part that stores a row, and its head; None for a row past the last one stored."""
    first = read_head(parts[0])
    index = row // rows_per_part(first.width)
    if index >= len(parts):
        return None
    head = first if index == 0 else read_head(parts[index])
    return (parts[index], head) if row < head.first_row + head.row_count else None
