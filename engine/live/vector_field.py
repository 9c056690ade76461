"""Loading attributes with one fixed-width value a row: numbers, dates, bools, categories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.bools import decode_bools, encode_bools
from engine.columns.codes import decode_codes, encode_codes
from engine.columns.floats import decode_floats, encode_floats
from engine.columns.ints import decode_ints, encode_ints
from engine.columns.zone import Encoded
from engine.live.field_load import FieldLoad, cut_length, each_block
from engine.store.catalog import Field, FieldKind
from engine.store.store import Snapshot

__all__ = ["VectorField"]

# Values and presence of the rows of a block.
_Vector = tuple[NDArray[Any], NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class _Codec:
    dtype: DTypeLike
    decode: Callable[[Sequence[Buffer]], _Vector]
    encode: Callable[[NDArray[Any], NDArray[np.bool_]], Encoded]


def _decode_codes(parts: Sequence[Buffer]) -> _Vector:
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


class VectorField(FieldLoad):
    """A load's change to an int, decimal, date, time, float, bool or category attribute."""

    def __init__(self, snapshot: Snapshot, field: Field) -> None:
        super().__init__(snapshot, field)
        self._codec = _CODECS[field.kind]
        self._waiting: list[tuple[NDArray[np.uint32], NDArray[Any], NDArray[np.bool_]]] = []

    def stage(
        self, rows: NDArray[np.uint32], values: NDArray[Any], present: NDArray[np.bool_]
    ) -> None:
        """Cells of rows (n,): their values, or an erasure where not present. Later cells win."""
        if len(rows):
            self._waiting.append((rows, values.astype(self._codec.dtype, copy=False), present))

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad."""
        return sum(
            rows.nbytes + values.nbytes + present.nbytes for rows, values, present in self._waiting
        )

    def fold(self) -> None:
        """See FieldLoad."""
        if not self._waiting:
            return
        rows, values, present = (
            np.concatenate(column) for column in zip(*self._waiting, strict=True)
        )
        self._waiting = []
        for block, in_block, cells in each_block(rows):
            all_values, all_present = self._whole(self.parts(block))
            # Of cells of one row numpy keeps the last one assigned.
            all_values[in_block] = values[cells]
            all_present[in_block] = present[cells]
            count = cut_length(all_present)
            self.encoded[block] = self._codec.encode(all_values[:count], all_present[:count])

    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """See FieldLoad."""
        old_values, old_present = self._whole(before)
        new_values, new_present = self._whole(after)
        changed: NDArray[np.bool_] = old_present != new_present
        changed |= old_present & new_present & (old_values != new_values)
        return changed

    def _whole(self, parts: Sequence[Buffer]) -> _Vector:
        """Copies of the values and the presence of all rows of a block."""
        values = np.zeros(BLOCK_ROWS, self._codec.dtype)
        present = np.zeros(BLOCK_ROWS, np.bool_)
        if parts:
            stored_values, stored_present = self._codec.decode(parts)
            values[: len(stored_values)] = stored_values
            present[: len(stored_present)] = stored_present
        return values, present
