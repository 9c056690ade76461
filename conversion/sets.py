"""Columns of lists as cells of a set attribute."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from conversion.coded import coded_strings, is_coded
from conversion.texts import (
    is_list,
    plain_column,
    strings_of,
    text_column,
    trimmed,
    valid_cells,
)
from engine.columns.coded import CodedStrings
from engine.columns.strings import Strings

__all__ = ["set_cells"]

_Cells = tuple[NDArray[np.int64], Strings | CodedStrings]


def set_cells(column: pa.Array, split: str | None) -> _Cells:
    """Cells of a set: row offsets (int64, n + 1) and the values one after the other.

    Each string, of a list or alone, is cut at `split`, and the pieces lose the blanks around
    them; without it the string is one value as it stands. Empty values are dropped.
    """
    count = len(column)
    if is_list(column):
        lengths = _lengths(column)
        flat = pc.list_flatten(column)
        if is_coded(flat) and not split:
            return _coded_cells(lengths, flat)
        texts = text_column(plain_column(flat))
    else:
        lengths = np.ones(count, np.int64)
        texts = text_column(column)
    if split:
        pieces = pc.split_pattern(texts, split)
        lengths = _sums(lengths, _lengths(pieces))
        texts = trimmed(pc.list_flatten(pieces))
    if texts.null_count:
        there = valid_cells(texts)
        lengths, texts = _sums(lengths, there), texts.filter(pa.array(there))
    return _offsets(lengths), strings_of(texts)


def _coded_cells(lengths: NDArray[np.int64], flat: pa.Array) -> _Cells:
    values = coded_strings(flat)
    there = values.valid
    if not there.all():
        lengths, values = _sums(lengths, there), values.take(np.flatnonzero(there))
    return _offsets(lengths), values


def _lengths(lists: pa.Array) -> NDArray[np.int64]:
    """How many elements each list has, int64 (n,)."""
    lengths = pc.list_value_length(lists)
    if lengths.null_count:
        lengths = pc.fill_null(lengths, 0)
    return np.asarray(lengths).astype(np.int64)


def _sums(lengths: NDArray[np.int64], of_each: NDArray[np.generic]) -> NDArray[np.int64]:
    """How much the elements of each list come to, `of_each` being that of one element."""
    totals = np.zeros(len(of_each) + 1, np.int64)
    np.cumsum(of_each, out=totals[1:])
    ends = np.cumsum(lengths)
    sums: NDArray[np.int64] = totals[ends] - totals[ends - lengths]
    return sums


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
