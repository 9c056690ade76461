"""What rows have beside whole numbers: doubles, strings of categories, and buckets.

For whoever compares them with what events make. Rows ascend, each once; a block's column is decoded
once for all rows of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.codes import decode_codes
from engine.columns.floats import decode_floats
from engine.columns.hashing import xxh64, xxh64_many16
from engine.core.number_plan import BUCKETS, attribute_field
from engine.live.row_names import uids_of
from engine.model.definitions import Attribute
from engine.store.snapshot import Snapshot

__all__ = ["buckets_of", "floats_of", "strings_of"]

_BLOCK_BITS = 16
_BLOCK_MASK = 0xFFFF


def floats_of(
    snapshot: Snapshot, attribute: Attribute, rows: NDArray[np.uint32]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The doubles of an attribute, 0 where missing, and where they are there."""
    found, present = np.zeros(len(rows)), np.zeros(len(rows), np.bool_)
    for places, inside, parts in _columns(snapshot, attribute, rows):
        values, there = decode_floats(parts)
        places, inside = places[inside < len(values)], inside[inside < len(values)]
        found[places], present[places] = values[inside], there[inside]
    return found * present, present


def strings_of(
    snapshot: Snapshot, attribute: Attribute, rows: NDArray[np.uint32]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The strings of a category as objects, 0 where missing, and where they are there."""
    codes = np.zeros(len(rows), np.uint32)
    for places, inside, parts in _columns(snapshot, attribute, rows):
        stored = decode_codes(parts)
        known = inside < len(stored)
        codes[places[known]] = stored[inside[known]]
    found, present = np.zeros(len(rows), object), codes != 0
    field = attribute_field(snapshot, attribute)
    if field is not None and present.any():
        dictionary = snapshot.dictionary(field)
        known_codes, of_row = np.unique(codes[present], return_inverse=True)
        strings = np.empty(len(known_codes), object)
        strings[:] = [dictionary.value(code) for code in known_codes.tolist()]
        found[present] = strings[of_row]
    return found, present


def buckets_of(snapshot: Snapshot, salt: str, rows: NDArray[np.uint32]) -> NDArray[np.int64]:
    """`bucket(salt)` of each row."""
    hashed = xxh64_many16(uids_of(snapshot, rows), xxh64(salt.encode(), 0))
    return (hashed % np.uint64(BUCKETS)).astype(np.int64)


def _columns(
    snapshot: Snapshot, attribute: Attribute, rows: NDArray[np.uint32]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], Sequence[Buffer]]]:
    """Block by block where the rows are among all, where in the block, and the column's parts."""
    field = attribute_field(snapshot, attribute)
    if field is None:
        return
    for block in np.unique(rows >> np.uint32(_BLOCK_BITS)).tolist():
        borders = [block << _BLOCK_BITS, (block + 1) << _BLOCK_BITS]
        first, end = np.searchsorted(rows, borders).tolist()
        parts = snapshot.payloads(field, block)
        if parts:
            inside = (rows[first:end] & np.uint32(_BLOCK_MASK)).astype(np.intp)
            yield np.arange(first, end), inside, parts
