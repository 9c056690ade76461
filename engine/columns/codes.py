"""Category columns: the code of a value in the field's dictionary, from 1; 0 where missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns import column
from engine.columns.frames import measure_codes
from engine.columns.zone import NOTHING, Encoded, Zone

__all__ = ["decode_codes", "encode_codes", "read_row"]


def encode_codes(codes: NDArray[np.uint32]) -> Encoded:
    """codes: uint32[n], n <= 65536, 0 where missing. The zone is in codes, over present rows."""
    assert codes.dtype == np.uint32
    codes = np.ascontiguousarray(codes)
    count, low, high = measure_codes(codes)
    width = 1 if high < 1 << 8 else 2 if high < 1 << 16 else 4
    stored = codes.astype(f"<u{width}", copy=False)
    parts = column.encode_column(
        column.CODES, stored, None, width=width, present_counted=stored != 0
    )
    return Encoded(parts, Zone(count, low, high) if count else NOTHING)


def decode_codes(parts: Sequence[Buffer]) -> NDArray[np.uint32]:
    """uint32[n], 0 where missing; a view of the stored bytes where they are one part of u32."""
    pieces = [column.read_stored(part, column.read_head(part)) for part in parts]
    joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return joined.astype(np.uint32, copy=False)


def read_row(parts: Sequence[Buffer], row: int) -> int:
    """The code of one row of the block, 0 where missing; reads that row only."""
    found = column.part_of_row(parts, row)
    if found is None:
        return 0
    part, head = found
    return int(column.read_stored(part, head)[row - head.first_row])
