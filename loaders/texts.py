"""Columns as strings: identifiers, categories, texts, set values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.columns.strings import Strings

__all__ = ["is_list", "set_cells", "strings_of", "text_column"]


def is_list(column: pa.Array) -> bool:
    """Whether the cells are lists."""
    return bool(pa.types.is_list(column.type) or pa.types.is_large_list(column.type))


def text_column(column: pa.Array) -> pa.Array:
    """The cells as strings; empty ones are missing.

    A whole float is written without its point (numbers with gaps arrive as floats), any
    other in its shortest form; dates and times in ISO 8601.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_floating(kind):
        column = pa.array(
            [_float_text(value) for value in column.to_pylist()], pa.string(), from_pandas=True
        )
    elif pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_null(kind):
        column = pa.array(
            [None if value is None else str(value) for value in column.to_pylist()], pa.string()
        )
    elif not pa.types.is_string(kind):
        column = pc.cast(column, pa.string())
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _float_text(value: float | None) -> str | None:
    if value is None or value != value:
        return None
    return str(int(value)) if value.is_integer() and abs(value) < 1e18 else repr(value)


def strings_of(column: pa.Array) -> Strings:
    """A string column as the engine's strings."""
    column = pc.cast(column, pa.large_string())
    if not len(column):
        return Strings.missing(0)
    _, offsets, data = column.buffers()
    first = column.offset
    edges = np.frombuffer(offsets, np.int64)[first : first + len(column) + 1]
    content = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    valid = np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), bool)
    return Strings.from_buffers(edges, content, valid)


def set_cells(column: pa.Array, split: str | None) -> tuple[np.ndarray[Any, Any], Strings]:
    """Cells of a set: row offsets (int64, n + 1) and the values one after the other.

    Lists are taken as they are; strings are cut at `split`, or are one value without it.
    Blanks around a value are dropped, and so are empty values.
    """
    if is_list(column):
        lists = pc.cast(column, pa.list_(pa.string()))
    else:
        texts = text_column(column)
        lists = pc.split_pattern(texts, split) if split else _one_each(texts)
    cells = pc.list_flatten(lists)
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    cells = pc.utf8_trim_whitespace(cells)
    keep = pc.fill_null(pc.not_equal(cells, ""), False)
    cells = cells.filter(keep)
    rows = rows[keep.to_numpy(zero_copy_only=False).astype(bool)]
    offsets = np.zeros(len(column) + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=len(column)), out=offsets[1:])
    return offsets, strings_of(cells)


def _one_each(texts: pa.Array) -> pa.Array:
    return pa.array(
        [None if value is None else [value] for value in texts.to_pylist()], pa.list_(pa.string())
    )
