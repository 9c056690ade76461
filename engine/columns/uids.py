"""The uids of a block: 16 bytes a row, all zero for a row that has none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns import column
from engine.columns.zone import Encoded, Zone

__all__ = ["UID_BYTES", "decode_uids", "encode_uids", "read_row"]

UID_BYTES = 16


def encode_uids(uids: NDArray[np.uint8]) -> Encoded:
    """uids: uint8[n, 16], n <= 65536. The zone counts the rows that have one."""
    assert uids.dtype == np.uint8 and uids.ndim == 2 and uids.shape[1] == UID_BYTES
    contiguous = np.ascontiguousarray(uids).reshape(-1)
    halves = contiguous.view(np.uint64).reshape(-1, 2)
    owned = (halves[:, 0] | halves[:, 1]) != 0
    stored = contiguous.view(f"V{UID_BYTES}")
    parts = column.encode_column(column.UIDS, stored, None, width=UID_BYTES, present_counted=owned)
    return Encoded(parts, Zone(int(np.count_nonzero(owned))))


def decode_uids(parts: Sequence[Buffer]) -> NDArray[np.uint8]:
    """uint8[n, 16]; a view of the stored bytes where they are one part."""
    pieces = [column.read_stored(part, column.read_head(part)) for part in parts]
    joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return joined.view(np.uint8).reshape(-1, UID_BYTES)


def read_row(parts: Sequence[Buffer], row: int) -> bytes | None:
    """The 16 bytes of one row of the block, None past the last row stored."""
    found = column.part_of_row(parts, row)
    if found is None:
        return None
    part, head = found
    at = head.values_offset + (row - head.first_row) * UID_BYTES
    return bytes(memoryview(part)[at : at + UID_BYTES])
