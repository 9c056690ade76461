"""Columns as strings: identifiers, categories, texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.columns.strings import Strings

__all__ = [
    "all_shown",
    "float_text",
    "identifier_column",
    "is_list",
    "plain_column",
    "shown",
    "single_cells",
    "strings_of",
    "text_column",
    "trimmed",
    "valid_cells",
]

# A whole number that passed through a table of floats on its way into a text file.
_WHOLE_FLOAT = r"^([+-]?[0-9]+)\.0+$"
# Every whole float below this is one 64-bit integer.
_WHOLE_FLOATS = 1e18


def is_list(column: pa.Array) -> bool:
    """Whether the cells are lists."""
    kind = column.type
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def plain_column(column: pa.Array) -> pa.Array:
    """The column in one of the plain layouts: dictionaries and extensions resolved, strings
    with 32-bit offsets, bytes as the UTF-8 that they must be (ArrowInvalid)."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        texts = [None if cell is None else str(cell) for cell in column.to_pylist()]
        return pa.array(texts, pa.string())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or _is_bytes(kind):
        return pc.cast(column, pa.string())
    return column


def single_cells(column: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    """A column of lists as one of single cells: a list of one is that one, an empty one is
    missing, and a longer one is at fault. Other columns stay as they are."""
    if not is_list(column):
        return column, {}
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    faults = {
        index: f"holds {lengths[index]} values, and there is room for one"
        for index in np.flatnonzero(lengths > 1).tolist()
    }
    one = pa.array(lengths == 1)
    firsts = pc.list_element(column.filter(one), 0)
    places = np.where(lengths == 1, np.cumsum(lengths == 1) - 1, -1)
    indices = pa.array(places, pa.int64(), mask=places < 0)
    return plain_column(firsts.take(indices)), faults


def text_column(column: pa.Array) -> pa.Array:
    """The cells of a plain column as strings; empty ones are missing.

    A whole float is written without its point (numbers with gaps arrive as floats), any
    other in its shortest form; dates and times in ISO 8601.
    """
    kind = column.type
    if pa.types.is_floating(kind):
        column = _float_texts(column)
    elif not pa.types.is_string(kind):
        column = pc.cast(column, pa.string())
    if not _has_empty(column):
        return column
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def trimmed(column: pa.Array) -> pa.Array:
    """Strings without blanks around them; those of blanks alone are missing."""
    ends = _end_bytes(column)
    # Blanks are no more than 0x20, or begin and end beyond ASCII.
    if ((ends > 0x20) & (ends < 0x80)).all():
        return text_column(column)
    return text_column(pc.utf8_trim_whitespace(column))


def identifier_column(column: pa.Array) -> pa.Array:
    """Identifiers as strings: without blanks around them, and whole floats without point,
    whether they come as floats or as their text."""
    column = trimmed(text_column(column))
    _, content = _edges_and_bytes(column)
    # Few columns need the expression: what it finds has a point and ends with a nought.
    if not (content == ord(".")).any() or not (_end_bytes(column) == ord("0")).any():
        return column
    return pc.replace_substring_regex(column, _WHOLE_FLOAT, r"\1")


def float_text(value: float) -> str | None:
    """A float as text: whole ones without point; what is no number is missing."""
    if value != value:
        return None
    if value.is_integer() and abs(value) < _WHOLE_FLOATS:
        return str(int(value))
    return repr(value)


def shown(column: pa.Array, index: int) -> str | None:
    """One cell for a person."""
    cell = column.slice(index, 1)
    try:
        text: str | None = text_column(plain_column(cell))[0].as_py()
    except pa.ArrowException:
        # A list, or a type that has no text of its own.
        return str(cell.to_pylist()[0])
    return text


def all_shown(column: pa.Array) -> list[str | None]:
    """Every cell of a column as `shown` has it."""
    try:
        texts: list[str | None] = text_column(plain_column(column)).to_pylist()
    except pa.ArrowException:
        return [shown(column, index) for index in range(len(column))]
    return texts


def strings_of(column: pa.Array) -> Strings:
    """A string column as the engine's strings."""
    if not len(column):
        return Strings.missing(0)
    _, _, data = column.buffers()
    content = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return Strings.from_buffers(_edges(column), content, valid_cells(column))


def valid_cells(column: pa.Array) -> NDArray[np.bool_]:
    """Which cells are there, bool (n,)."""
    if not column.null_count:
        return np.ones(len(column), bool)
    return np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), bool)


def _edges(column: pa.Array) -> NDArray[np.int32]:
    """Where the strings of a column begin and end in its data, int32 (n + 1,)."""
    if not len(column):
        return np.zeros(1, np.int32)
    first = column.offset
    return np.frombuffer(column.buffers()[1], np.int32)[first : first + len(column) + 1]


def _edges_and_bytes(column: pa.Array) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """The edges of the strings of a column, from 0, and the bytes between them."""
    edges = _edges(column)
    data = column.buffers()[2]
    if data is None or edges[0] == edges[-1]:
        return np.zeros(len(edges), np.int32), np.zeros(0, np.uint8)
    return edges - edges[0], np.frombuffer(data, np.uint8)[edges[0] : edges[-1]]


def _has_empty(column: pa.Array) -> bool:
    """Whether a string is there and has no bytes."""
    edges = _edges(column)
    empty = edges[1:] == edges[:-1]
    return bool(empty.any()) and bool((empty & valid_cells(column)).any())


def _end_bytes(column: pa.Array) -> NDArray[np.uint8]:
    """The first and the last byte of each string that has any."""
    edges, content = _edges_and_bytes(column)
    starts, ends = edges[:-1], edges[1:]
    if (starts == ends).any():
        filled = starts < ends
        starts, ends = starts[filled], ends[filled]
    return np.concatenate((content[starts], content[ends - 1]))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _float_texts(column: pa.Array) -> pa.Array:
    """Whole floats at once, the others one by one."""
    values = np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False))
    whole = (np.abs(values) < _WHOLE_FLOATS) & (values == np.rint(values))
    texts = pc.cast(pa.array(np.where(whole, values, 0.0).astype(np.int64)), pa.string())
    others = np.flatnonzero(~whole)
    if not len(others):
        return texts
    # Not by way of doubles: a float of 32 bits is shortest in its own width.
    own = np.asarray(column.to_numpy(zero_copy_only=False))
    written = [_other_float(cell) for cell in own[others]]
    return pc.replace_with_mask(texts, pa.array(~whole), pa.array(written, pa.string()))


def _other_float(cell: Any) -> str | None:
    return None if np.isnan(cell) else str(cell)
