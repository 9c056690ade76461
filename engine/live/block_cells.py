"""Cells of a block of a fixed-width field: reading those of some rows, laying some over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer, containers
from engine.bitmaps.containers import BLOCK_ROWS, BLOCK_WORDS
from engine.columns import column, sets
from engine.columns.bools import FALSE, TRUE, decode_bools, encode_bools
from engine.columns.codes import decode_codes, encode_codes
from engine.columns.floats import decode_floats, encode_floats
from engine.columns.ints import decode_ints, encode_ints
from engine.columns.zone import Encoded
from engine.live.field_load import are_ascending, cut_length
from engine.store.catalog import FieldKind

__all__ = ["lay_cells", "read_cells", "read_ints", "whole_block"]

# Values and presence of n rows.
_Cells = tuple[NDArray[Any], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class _Codec:
    dtype: type[Any]
    decode: Callable[[Sequence[Buffer]], _Cells]
    encode: Callable[[NDArray[Any], NDArray[np.bool_]], Encoded]


def _decode_codes(parts: Sequence[Buffer]) -> _Cells:
    codes = decode_codes(parts)
    return codes, codes != 0


def _encode_codes(codes: NDArray[Any], present: NDArray[np.bool_]) -> Encoded:
    return encode_codes(np.where(present, codes, np.uint32(0)))


_CODECS = {
    FieldKind.INTS: _Codec(np.int64, decode_ints, encode_ints),
    FieldKind.FLOATS: _Codec(np.float64, decode_floats, encode_floats),
    FieldKind.BOOL: _Codec(np.bool_, decode_bools, encode_bools),
    FieldKind.CODES: _Codec(np.uint32, _decode_codes, _encode_codes),
}


def lay_cells(
    kind: FieldKind,
    parts: Sequence[Buffer],
    rows: NDArray[np.uint16],
    values: NDArray[Any],
    present: NDArray[np.bool_],
) -> Encoded | None:
    """A block with cells (n,) laid over it; where not present they erase, and later ones win.
    None where that is seen to change nothing."""
    codec = _CODECS[kind]
    if not parts and _are_first(rows):
        # Nobody has the block yet, and its first rows come in order: these are the block.
        count = cut_length(present)
        return codec.encode(values[:count], present[:count]) if count else None
    all_values, all_present = whole_block(kind, parts)
    if are_ascending(rows):
        same = all_present[rows] == present
        same &= ~present | (all_values[rows] == values)
        if same.all():
            return None
    # Of cells of one row numpy keeps the last one assigned.
    all_values[rows] = values
    all_present[rows] = present
    count = cut_length(all_present)
    return codec.encode(all_values[:count], all_present[:count])


def _are_first(rows: NDArray[np.uint16]) -> bool:
    """Whether rows (n,) are 0 to n - 1, and there is one."""
    return len(rows) > 0 and int(rows[-1]) == len(rows) - 1 and are_ascending(rows)


def whole_block(kind: FieldKind, parts: Sequence[Buffer]) -> _Cells:
    """Copies of the values and the presence of all rows of a block."""
    codec = _CODECS[kind]
    values = np.zeros(BLOCK_ROWS, codec.dtype)
    present = np.zeros(BLOCK_ROWS, np.bool_)
    if parts:
        stored_values, stored_present = codec.decode(parts)
        values[: len(stored_values)] = stored_values
        present[: len(stored_present)] = stored_present
    return values, present


def read_cells(kind: FieldKind, parts: Sequence[Buffer], rows: NDArray[np.uint16]) -> _Cells:
    """(values (n,), present bool (n,)) of the rows (n,) of a field of fixed width.

    Values have the dtype of the kind: int64, float64, bool or uint32 codes. Those of missing
    rows mean nothing.
    """
    return _READERS[kind](parts, rows)


def read_ints(
    parts: Sequence[Buffer], rows: NDArray[np.uint16]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Cells of an INTS field; see `read_cells`."""
    wide = np.zeros(len(rows), np.uint64)
    present = np.zeros(len(rows), np.bool_)
    for part, head, at in _each_part(parts, rows):
        stored = column.read_stored(part, head)[rows[at] - np.uint16(head.first_row)]
        # Unsigned arithmetic wraps, which is exact for the extremes of int64 too.
        base = np.int64(head.base).view(np.uint64)
        wide[at] = stored.astype(np.uint64) * np.uint64(head.step) + base
        present[at] = _are_present(part, head, rows[at])
    return wide.view(np.int64), present


def _read_floats(parts: Sequence[Buffer], rows: NDArray[np.uint16]) -> _Cells:
    values = np.zeros(len(rows), np.float64)
    present = np.zeros(len(rows), np.bool_)
    for part, head, at in _each_part(parts, rows):
        stored = column.read_stored(part, head).view(np.float64)
        values[at] = stored[rows[at] - np.uint16(head.first_row)]
        present[at] = _are_present(part, head, rows[at])
    return values, present


def _read_codes(parts: Sequence[Buffer], rows: NDArray[np.uint16]) -> _Cells:
    codes = np.zeros(len(rows), np.uint32)
    for part, head, at in _each_part(parts, rows):
        codes[at] = column.read_stored(part, head)[rows[at] - np.uint16(head.first_row)]
    return codes, codes != 0


def _read_bools(parts: Sequence[Buffer], rows: NDArray[np.uint16]) -> _Cells:
    if not parts:
        return np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
    of_code = (containers.mask_of_rows(sets.rows_of_code(parts, code)) for code in (FALSE, TRUE))
    false, true = (_in_mask(words, rows) for words in of_code)
    return true, false | true


_READERS: dict[FieldKind, Callable[[Sequence[Buffer], NDArray[np.uint16]], _Cells]] = {
    FieldKind.INTS: read_ints,
    FieldKind.FLOATS: _read_floats,
    FieldKind.CODES: _read_codes,
    FieldKind.BOOL: _read_bools,
}


def _each_part(
    parts: Sequence[Buffer], rows: NDArray[np.uint16]
) -> Iterator[tuple[Buffer, column.Head, NDArray[np.intp]]]:
    """(part, its head, which of the rows are stored there) for the parts of a column."""
    for part in parts:
        head = column.read_head(part)
        at = np.flatnonzero((rows >= head.first_row) & (rows < head.first_row + head.row_count))
        if len(at):
            yield part, head, at


def _are_present(
    part: Buffer, head: column.Head, rows: NDArray[np.uint16]
) -> NDArray[np.bool_] | bool:
    entry = head.presence
    if entry.cardinality == head.row_count:
        return True
    words = np.zeros(BLOCK_WORDS, np.uint64)
    containers.decode_into_mask(entry.kind, entry.bytes_in(part), entry.cardinality, words)
    return _in_mask(words, rows)


def _in_mask(words: NDArray[np.uint64], rows: NDArray[np.uint16]) -> NDArray[np.bool_]:
    bits = words[rows >> 6] >> (rows & 63).astype(np.uint64)
    present: NDArray[np.bool_] = (bits & np.uint64(1)).astype(np.bool_)
    return present
