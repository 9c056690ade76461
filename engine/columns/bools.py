"""Boolean columns: a set with two values, false as code 1 and true as code 2."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer, directory
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns import sets
from engine.columns.zone import Encoded, Zone

__all__ = ["FALSE", "TRUE", "decode_bools", "encode_bools", "read_row"]

FALSE, TRUE = 1, 2


def encode_bools(values: NDArray[np.bool_], present: NDArray[np.bool_]) -> Encoded:
    """values: bool[n], n <= 65536, anything where missing; present: bool[n]."""
    assert values.dtype == np.bool_ and present.dtype == np.bool_
    assert len(values) == len(present) <= BLOCK_ROWS
    pieces = [np.flatnonzero(mask) for mask in (present, present & ~values, present & values)]
    known = [code for code in (FALSE, TRUE) if len(pieces[code])]
    kept = [pieces[0], *(pieces[code] for code in known)]
    parts = directory.pack(
        np.array([0, *known], np.uint32),
        np.cumsum([0, *map(len, kept)]),
        np.concatenate(kept).astype(np.uint16),
    )
    limits = (known[0], known[-1]) if known else (None, None)
    return Encoded(tuple(parts), Zone(len(pieces[0]), *limits))


def decode_bools(
    parts: Sequence[Buffer], row_count: int = BLOCK_ROWS
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(values bool[row_count], false where missing; present bool[row_count])."""
    values = np.zeros(row_count, np.bool_)
    present = np.zeros(row_count, np.bool_)
    values[sets.rows_of_code(parts, TRUE)] = True
    present[sets.decode_rows(parts)] = True
    return values, present


def read_row(parts: Sequence[Buffer], row: int) -> bool | None:
    """The value of one row of the block, None where missing."""
    codes = sets.read_row(parts, row)
    return bool(codes[0] == TRUE) if len(codes) else None
