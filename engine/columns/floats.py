"""Columns of IEEE doubles; zeros have no sign, and there is no NaN and no infinity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns import column
from engine.columns.zone import NOTHING, Encoded, Zone

__all__ = ["decode_floats", "encode_floats", "read_row"]


def encode_floats(values: NDArray[np.float64], present: NDArray[np.bool_]) -> Encoded:
    """values: float64[n], n <= 65536, finite where present and anything where missing."""
    assert values.dtype == np.float64 and present.dtype == np.bool_
    assert bool(np.isfinite(values[present]).all()), "NaN and infinity are refused at the door"
    # Adding 0.0 turns -0.0 into 0.0 and changes nothing else.
    stored = np.where(present, values, 0.0) + 0.0
    parts = column.encode_column(column.FLOATS, stored, present, width=8)
    known = stored[present]
    zone = Zone(len(known), float(known.min()), float(known.max())) if len(known) else NOTHING
    return Encoded(parts, zone)


def decode_floats(parts: Sequence[Buffer]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(values float64[n], 0.0 where missing; present bool[n]) for the n rows stored."""
    heads = [column.read_head(part) for part in parts]
    pairs = list(zip(parts, heads, strict=True))
    values = [column.read_stored(part, head).view(np.float64) for part, head in pairs]
    present = [column.read_present(part, head) for part, head in pairs]
    if len(parts) == 1:
        return values[0], present[0]
    return np.concatenate(values), np.concatenate(present)


def read_row(parts: Sequence[Buffer], row: int) -> float | None:
    """The value of one row of the block, None where missing; reads that row only."""
    found = column.part_of_row(parts, row)
    if found is None or not column.has_row(*found, row):
        return None
    part, head = found
    return float(column.read_stored(part, head).view(np.float64)[row - head.first_row])
