"""Identifier values of one kind: any number a row, strata_values of layout.h."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.alignment import aligned
from engine.columns.splitting import split
from engine.columns.strings import Strings, concat
from engine.columns.zone import Encoded, Zone

__all__ = ["HEAD_BYTES", "Head", "decode_values", "encode_values", "read_head", "read_row"]

_HEAD = struct.Struct("<IIII")
HEAD_BYTES = 16


class Head(NamedTuple):
    """A strata_values of layout.h."""

    pair_count: int
    rows_offset: int
    offsets_offset: int
    bytes_offset: int


def encode_values(rows: NDArray[np.uint16], values: Strings) -> Encoded:
    """Pairs of a row and a value it has, in any order, repeats allowed; no value is missing.

    They are stored by row, then by value in the order of its bytes, each pair once. The zone
    counts the rows that have a value.
    """
    assert rows.dtype == np.uint16 and len(rows) == len(values) and bool(values.valid.all())
    if not (rows[1:] > rows[:-1]).all():
        order = _order(rows, values)
        rows, values = rows[order], values.take(order)
    parts = [_encode_part(rows, values, *limits) for limits in split(values.offsets, 6)]
    row_count = int(np.count_nonzero(np.diff(rows))) + 1 if len(rows) else 0
    return Encoded(tuple(parts), Zone(row_count))


def _order(rows: NDArray[np.uint16], values: Strings) -> NDArray[np.int64]:
    """Where the pairs stand that are stored, in the order they are stored in."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    shared = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(shared) == 0:
        return order
    # Few rows have several values, so only their values are compared, as Python bytes.
    alone = np.ones(len(rows), np.bool_)
    alone[shared] = alone[shared + 1] = False
    crowd = order[~alone]
    content = values.take(crowd)
    limits = content.offsets.tolist()
    raw = content.data.tobytes()
    unique = {
        (row, raw[limits[i] : limits[i + 1]]): at
        for i, (row, at) in enumerate(zip(rows[crowd].tolist(), crowd.tolist(), strict=True))
    }
    sorted_crowd = np.array([unique[pair] for pair in sorted(unique)], np.int64)
    merged = np.concatenate([order[alone], sorted_crowd])
    return merged[np.argsort(rows[merged], kind="stable")]


def _encode_part(rows: NDArray[np.uint16], values: Strings, start: int, stop: int) -> bytes:
    count = stop - start
    first, last = int(values.offsets[start]), int(values.offsets[stop])
    rows_at = HEAD_BYTES
    offsets_at = rows_at + aligned(2 * count, 8)
    bytes_at = offsets_at + 4 * (count + 1)
    out = bytearray(aligned(bytes_at + last - first, 8))
    _HEAD.pack_into(out, 0, count, rows_at, offsets_at, bytes_at)
    out[rows_at : rows_at + 2 * count] = rows[start:stop].tobytes()
    offsets = (values.offsets[start : stop + 1] - first).astype(np.uint32)
    out[offsets_at:bytes_at] = offsets.tobytes()
    out[bytes_at : bytes_at + last - first] = values.data[first:last].tobytes()
    return bytes(out)


def read_head(part: Buffer) -> Head:
    """The head of one part."""
    return Head(*_HEAD.unpack_from(part, 0))


def _read(part: Buffer) -> tuple[NDArray[np.uint16], NDArray[np.uint32], int]:
    """(rows, offsets, where the bytes begin) of one part, in place."""
    count, rows_at, offsets_at, bytes_at = read_head(part)
    rows = np.frombuffer(part, np.uint16, count, rows_at)
    return rows, np.frombuffer(part, np.uint32, count + 1, offsets_at), bytes_at


def decode_values(parts: Sequence[Buffer]) -> tuple[NDArray[np.uint16], Strings]:
    """(rows uint16[n], values): one pair per row and value, by row, then by value."""
    all_rows, pieces = [], []
    for part in parts:
        rows, offsets, bytes_at = _read(part)
        data = np.frombuffer(part, np.uint8, int(offsets[-1]), bytes_at)
        all_rows.append(rows)
        pieces.append(Strings.from_buffers(offsets, data, None))
    if len(parts) == 1:
        return all_rows[0], pieces[0]
    return np.concatenate(all_rows), concat(pieces)


def read_row(parts: Sequence[Buffer], row: int) -> list[str]:
    """The values that one row has, in order of their bytes; reads those only."""
    found = []
    for part in parts:
        rows, offsets, bytes_at = _read(part)
        start, stop = np.searchsorted(rows, row), np.searchsorted(rows, row, side="right")
        limits = (offsets[start : stop + 1].astype(np.int64) + bytes_at).tolist()
        view = memoryview(part)
        found += [bytes(view[a:b]).decode() for a, b in pairwise(limits)]
    return found
