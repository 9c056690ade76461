"""Columns of int, decimal, date and time: value = base + step * stored, per block.

1. The base is the least present value, and the span to the greatest decides the width.
2. Where dividing the distances by their greatest common divisor gives a narrower width,
   they are stored divided: times at whole seconds take four bytes, not eight.
3. All distances are unsigned 64-bit, so the extremes of int64 are exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns import column, frames
from engine.columns.zone import NOTHING, Encoded, Zone

__all__ = ["decode_ints", "encode_ints", "read_row"]


def _width_of(span: int) -> int:
    """Bytes that hold 0..span; 0 where span is 0."""
    return next(width for width in (0, 1, 2, 4, 8) if span < 1 << (8 * width))


def encode_ints(values: NDArray[np.int64], present: NDArray[np.bool_]) -> Encoded:
    """values: int64[n], n <= 65536, anything where missing; present: bool[n]."""
    assert values.dtype == np.int64 and present.dtype == np.bool_
    values, there = np.ascontiguousarray(values), np.ascontiguousarray(present).view(np.uint8)
    count, low, high, step = frames.measure_ints(values, there)
    if not count:
        nothing = np.zeros(len(values), np.uint8)
        return Encoded(column.encode_column(column.INTS, nothing, present, width=0), NOTHING)
    width = _width_of((high - low) // step)
    stored = frames.lay_ints(values, there, low, step, width or 1)
    parts = column.encode_column(column.INTS, stored, present, width=width, base=low, step=step)
    return Encoded(parts, Zone(count, low, high))


def decode_ints(parts: Sequence[Buffer]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(values int64[n], 0 where missing; present bool[n]) for the n rows stored."""
    count = column.row_count_of(parts)
    values = np.empty(count, np.int64)
    present = np.empty(count, np.bool_)
    for part in parts:
        head = column.read_head(part)
        rows = slice(head.first_row, head.first_row + head.row_count)
        present[rows] = column.read_present(part, head)
        wide = column.read_stored(part, head).astype(np.uint64)
        if head.step != 1:
            wide *= np.uint64(head.step)
        wide += np.int64(head.base).view(np.uint64)
        values[rows] = wide.view(np.int64)
    values *= present
    return values, present


def read_row(parts: Sequence[Buffer], row: int) -> int | None:
    """The value of one row of the block, None where missing; reads that row only."""
    found = column.part_of_row(parts, row)
    if found is None:
        return None
    part, head = found
    if not column.has_row(part, head, row):
        return None
    return head.base + head.step * int(column.read_stored(part, head)[row - head.first_row])
