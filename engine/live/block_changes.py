"""Small changes to a block: what stands in the rows is compared first, and only what differs
is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.patch import patch_codes, patch_floats, patch_ints
from engine.columns.patch_set import patch_bools, patch_rows
from engine.columns.sets import decode_rows
from engine.columns.zone import Encoded
from engine.live.block_cells import read_cells
from engine.store.catalog import FieldKind

__all__ = ["change_cells", "change_rows"]

# What lays cells (rows ascending, values, presence) over a block as it is stored.
_PATCHES: Mapping[FieldKind, Callable[..., Encoded]] = {
    FieldKind.INTS: patch_ints,
    FieldKind.FLOATS: patch_floats,
    FieldKind.CODES: patch_codes,
    FieldKind.BOOL: patch_bools,
}


def change_cells(
    kind: FieldKind,
    parts: Sequence[Buffer],
    rows: NDArray[np.uint16],  # sorted, each once
    values: NDArray[Any],
    present: NDArray[np.bool_],
) -> tuple[Encoded | None, NDArray[np.bool_]]:
    """A fixed-width field of a block with cells (n,) laid over it, None where all of them
    stand there already; and which of them do not, bool (n,)."""
    standing, known = read_cells(kind, parts, rows)
    assert standing.dtype == values.dtype, "a record has values of another kind than its field"
    changed: NDArray[np.bool_] = (known != present) | (present & (standing != values))
    if not changed.any():
        return None, changed
    patch = _PATCHES[kind]
    return patch(parts, rows[changed], values[changed], present[changed]), changed


def change_rows(
    parts: Sequence[Buffer], rows: NDArray[np.uint16], entered: NDArray[np.bool_]
) -> tuple[Encoded | None, NDArray[np.bool_]]:
    """Live rows or members of a block with rows (sorted, each once) put in where `entered` and
    taken out where not, None where all are as they were; and which of them are not, bool (n,)."""
    held = np.zeros(BLOCK_ROWS, np.bool_)
    if parts:
        held[decode_rows(parts)] = True
    changed: NDArray[np.bool_] = held[rows] != entered
    if not changed.any():
        return None, changed
    return patch_rows(parts, rows[changed & entered], rows[changed & ~entered]), changed
