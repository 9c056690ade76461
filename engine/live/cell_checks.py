"""What one cell of any column may be; reasons name the column."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from engine.columns.coded import CodedStrings
from engine.columns.strings import Strings
from engine.errors import InputInvalid
from engine.limits import DATE_DAYS, DECIMAL_UNSCALED, STRING_BYTES, TEXT_BYTES, TIME_US
from engine.live.batch import Bools, Column, Floats, Ints, Texts

__all__ = ["Refusals", "check_column", "check_strings", "need_length", "not_utf8", "rows_of_bytes"]

_COLUMN_OF_TYPE: Mapping[str, type] = {
    "int": Ints,
    "decimal": Ints,
    "date": Ints,
    "time": Ints,
    "float": Floats,
    "bool": Bools,
    "category": Texts,
    "text": Texts,
}
# Least and greatest value of a cell, and how to say it.
_RANGES: Mapping[str, tuple[tuple[int, int], str]] = {
    "decimal": (DECIMAL_UNSCALED, "has more than 18 digits"),
    "date": (DATE_DAYS, "is a day outside the years 1 to 9999"),
    "time": (TIME_US, "is a time outside the years 1 to 9999"),
}


class Refusals:
    """Reasons by row; the first reason of a row stays."""

    def __init__(self) -> None:
        self.reasons: dict[int, str] = {}

    def add(self, rows: NDArray[np.intp], reason: str) -> None:
        """One reason for several rows."""
        for row in rows.tolist():
            self.reasons.setdefault(row, reason)


def need_length(length: int, count: int, name: str) -> None:
    """Raises InputInvalid where a column of a batch of `count` rows has another length."""
    if length != count:
        raise InputInvalid(f"{name} has {length} cells in a batch of {count} rows")


def check_column(
    what: str,  # "attribute" or "property"
    name: str,
    type_: str,  # in the model
    column: Column,
    count: int,
    refused: Refusals,
) -> None:
    """The cells of a column that holds one value a row. Raises InputInvalid where it is not of
    the type, or not `count` long."""
    expected = _COLUMN_OF_TYPE.get(type_)
    if expected is None or not isinstance(column, expected):
        raise InputInvalid(
            f"{what} {name} is of type {type_}, and the batch brings it as {type(column).__name__}"
        )
    if isinstance(column, Texts):
        need_length(len(column.values.valid), count, name)
        limit = TEXT_BYTES if type_ == "text" else STRING_BYTES
        check_strings(name, column.values, limit, refused)
    else:
        need_length(len(column.values), count, name)
        need_length(len(column.valid), count, name)
    if column.unset is not None:
        need_length(len(column.unset), count, name)
    if isinstance(column, Floats):
        bad = column.valid & ~np.isfinite(column.values)
        refused.add(np.flatnonzero(bad), f"{name} is not a finite number")
    elif isinstance(column, Ints) and type_ in _RANGES:
        (least, greatest), reason = _RANGES[type_]
        bad = column.valid & ((column.values < least) | (column.values > greatest))
        refused.add(np.flatnonzero(bad), f"{name} {reason}")


def rows_of_bytes(values: Strings, bad: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Valid rows with a marked byte."""
    at = np.flatnonzero(bad)
    rows = np.unique(np.searchsorted(values.offsets, at, side="right") - 1)
    inside = rows[(rows >= 0) & (rows < len(values.valid))]
    return inside[values.valid[inside]]


def check_strings(name: str, values: Strings | CodedStrings, limit: int, refused: Refusals) -> None:
    """Strings that are longer than `limit` bytes or not UTF-8."""
    if isinstance(values, CodedStrings):
        of_values = Refusals()
        check_strings(name, values.values, limit, of_values)
        for value, reason in of_values.reasons.items():
            refused.add(values.rows_of(np.array([value])), reason)
        return
    too_long = values.valid & (np.diff(values.offsets) > limit)
    refused.add(np.flatnonzero(too_long), f"{name} is longer than {limit:,} bytes")
    refused.add(not_utf8(values), f"{name} is not valid UTF-8")


def not_utf8(values: Strings) -> NDArray[np.intp]:
    """Valid rows that are not UTF-8. All at once; string by string only if that fails."""
    nothing = np.zeros(0, np.intp)
    start, end = int(values.offsets[0]), int(values.offsets[-1])
    data = values.data[start:end]
    if not len(data) or data.max() < 0x80:
        return nothing
    if _is_utf8(data):
        # A cut inside a character leaves a continuation byte at the start of a string.
        starts = values.offsets[:-1][np.diff(values.offsets) > 0] - start
        if not ((data[starts] & 0xC0) == 0x80).any():
            return nothing
    bad = [
        row
        for row in np.flatnonzero(values.valid).tolist()
        if not _is_utf8(values.data[values.offsets[row] : values.offsets[row + 1]])
    ]
    return np.array(bad, np.intp)


def _is_utf8(data: NDArray[np.uint8]) -> bool:
    try:
        str(data.data, "utf-8")
    except UnicodeDecodeError:
        return False
    return True
