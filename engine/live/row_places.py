"""Rows and their places among others, by a table where they lie close together.

Rows that are looked at together are often most of a few blocks: a mark for each row of these is
quicker than sorting or searching.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["each_row_once", "places_among", "union_of_rows"]

# So many rows of the span for each that is asked about, and a table is not worth its memory.
_SPARSE = 32


def each_row_once(rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Rows in order, each once: of numbers of 32 bits a sort takes a tenth of the time of the
    hashes that `np.unique` makes."""
    rows = np.sort(rows)
    fresh = np.ones(len(rows), np.bool_)
    np.not_equal(rows[1:], rows[:-1], out=fresh[1:])
    return rows[fresh]


def union_of_rows(pieces: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    """The rows of all pieces, which have some, ascending and each once."""
    rows = np.concatenate(pieces)
    low = int(rows.min())
    span = int(rows.max()) - low + 1
    if span > _SPARSE * len(rows):
        return each_row_once(rows)
    marks = np.zeros(span, np.bool_)
    marks[rows - np.uint32(low)] = True
    return np.flatnonzero(marks).astype(np.uint32) + np.uint32(low)


def places_among(rows: NDArray[np.uint32], wanted: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Where each row that is wanted stands among rows, which ascend and have it."""
    if not len(wanted):
        return np.zeros(0, np.intp)
    low = int(rows[0])
    span = int(rows[-1]) - low + 1
    if span > _SPARSE * len(wanted):
        return np.searchsorted(rows, wanted)
    table = np.empty(span, np.intp)
    table[rows - np.uint32(low)] = np.arange(len(rows))
    places: NDArray[np.intp] = table[wanted - np.uint32(low)]
    return places
