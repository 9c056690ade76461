"""Cells that cannot be converted all at once: one by one, each different one once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conversion.texts import valid_cells

__all__ = ["Faults", "convert_rest"]

# Reasons by index of the record.
Faults = dict[int, str]

_REASON_CHARACTERS = 200


def convert_rest(
    column: pa.Array,
    rest: NDArray[np.bool_],
    read: Callable[[Any], Any],
    values: NDArray[Any],
    valid: NDArray[np.bool_],
) -> Faults:
    """Converts the cells marked in `rest` by `read`, into `values` and `valid`.

    `read` raises ValueError with the reason for a bad cell, which is left invalid, as missing
    cells are.
    """
    at = np.flatnonzero(rest & valid_cells(column))
    if not len(at):
        return {}
    encoded = column.take(pa.array(at)).dictionary_encode()
    codes = np.asarray(encoded.indices)
    distinct = encoded.dictionary.to_pylist()
    found = np.zeros(len(distinct), values.dtype)
    reasons: dict[int, str] = {}
    for code, cell in enumerate(distinct):
        try:
            found[code] = read(cell)
        except ValueError as error:
            reasons[code] = _short(str(error))
    is_bad = np.isin(codes, list(reasons))
    values[at] = found[codes]
    valid[at] = ~is_bad
    return {
        index: reasons[code]
        for index, code in zip(at[is_bad].tolist(), codes[is_bad].tolist(), strict=True)
    }


def _short(reason: str) -> str:
    """A reason quotes its cell, and a cell may be a book."""
    if len(reason) <= _REASON_CHARACTERS:
        return reason
    half = _REASON_CHARACTERS // 2
    return f"{reason[:half]} ... {reason[-half:]}"
