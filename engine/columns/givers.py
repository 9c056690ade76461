"""Who holds each value of a set: (row, value, giver), strata_givers of layout.h."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.directory import PART_BYTES
from engine.columns.alignment import aligned
from engine.columns.zone import Encoded, Zone

__all__ = [
    "HEAD_BYTES",
    "Givers",
    "Head",
    "decode_givers",
    "encode_givers",
    "read_head",
    "read_row",
]

_HEAD = struct.Struct("<IIII")
HEAD_BYTES = 16
# Triples of a part: 10 bytes each, and 64 for the head and the alignment gaps.
_PART_TRIPLES = (PART_BYTES - 64) // 10


class Head(NamedTuple):
    """A strata_givers of layout.h."""

    triple_count: int
    rows_offset: int
    values_offset: int
    givers_offset: int


class Givers(NamedTuple):
    """n triples, sorted by row, value and giver; value and giver are dictionary codes."""

    rows: NDArray[np.uint16]
    values: NDArray[np.uint32]
    givers: NDArray[np.uint32]


def encode_givers(
    rows: NDArray[np.uint16], values: NDArray[np.uint32], givers: NDArray[np.uint32]
) -> Encoded:
    """Triples in any order, repeats allowed; stored sorted, each once.

    The zone counts the rows that have one and bounds the value codes.
    """
    assert rows.dtype == np.uint16 and values.dtype == givers.dtype == np.uint32
    assert len(rows) == len(values) == len(givers)
    order = np.lexsort((givers, values, rows))
    rows, values, givers = rows[order], values[order], givers[order]
    new = np.ones(len(rows), np.bool_)
    new[1:] = (np.diff(rows) != 0) | (np.diff(values) != 0) | (np.diff(givers) != 0)
    triples = Givers(rows[new], values[new], givers[new])
    parts = [
        _encode_part(triples, start, min(start + _PART_TRIPLES, len(triples.rows)))
        for start in range(0, max(len(triples.rows), 1), _PART_TRIPLES)
    ]
    if len(rows) == 0:
        return Encoded(tuple(parts), Zone(0))
    row_count = int(np.count_nonzero(np.diff(triples.rows))) + 1
    return Encoded(tuple(parts), Zone(row_count, int(values.min()), int(values.max())))


def _encode_part(triples: Givers, start: int, stop: int) -> bytes:
    count = stop - start
    rows_at = HEAD_BYTES
    values_at = rows_at + aligned(2 * count, 8)
    givers_at = values_at + aligned(4 * count, 8)
    out = bytearray(givers_at + aligned(4 * count, 8))
    _HEAD.pack_into(out, 0, count, rows_at, values_at, givers_at)
    out[rows_at : rows_at + 2 * count] = triples.rows[start:stop].tobytes()
    out[values_at : values_at + 4 * count] = triples.values[start:stop].tobytes()
    out[givers_at : givers_at + 4 * count] = triples.givers[start:stop].tobytes()
    return bytes(out)


def read_head(part: Buffer) -> Head:
    """The head of one part."""
    return Head(*_HEAD.unpack_from(part, 0))


def _read(part: Buffer) -> Givers:
    count, rows_at, values_at, givers_at = read_head(part)
    return Givers(
        np.frombuffer(part, np.uint16, count, rows_at),
        np.frombuffer(part, np.uint32, count, values_at),
        np.frombuffer(part, np.uint32, count, givers_at),
    )


def decode_givers(parts: Sequence[Buffer]) -> Givers:
    """All triples; views of the stored bytes where there is one part."""
    pieces = [_read(part) for part in parts]
    if len(pieces) == 1:
        return pieces[0]
    return Givers(
        np.concatenate([piece.rows for piece in pieces]),
        np.concatenate([piece.values for piece in pieces]),
        np.concatenate([piece.givers for piece in pieces]),
    )


def read_row(parts: Sequence[Buffer], row: int) -> list[tuple[int, int]]:
    """The (value, giver) pairs of one row, sorted; reads those only."""
    found: list[tuple[int, int]] = []
    for part in parts:
        triples = _read(part)
        start = np.searchsorted(triples.rows, row)
        stop = np.searchsorted(triples.rows, row, side="right")
        values, givers = triples.values[start:stop], triples.givers[start:stop]
        found += zip(values.tolist(), givers.tolist(), strict=True)
    return found
