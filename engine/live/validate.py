"""What a batch may hold, checked once, at the door.

A wrong shape or an unknown name is the caller's fault and refuses the batch. A value that no
attribute can keep is the record's: it refuses that row, with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from engine.columns.coded import CodedStrings
from engine.columns.strings import Strings
from engine.errors import InputInvalid
from engine.limits import (
    DATE_DAYS,
    DECIMAL_UNSCALED,
    GIVER_BYTES,
    IDENTIFIER_BYTES,
    SET_VALUES_PER_CELL,
    STRING_BYTES,
    TEXT_BYTES,
    TIME_US,
)
from engine.live.batch import Bools, Column, Floats, Ints, ProfileBatch, SetColumn, Texts
from engine.live.update import NO_TIME
from engine.model.definitions import Attribute, Model

__all__ = ["not_utf8", "refusals"]

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


class _Refusals:
    """Reasons by row; the first reason of a row stays."""

    def __init__(self) -> None:
        self.reasons: dict[int, str] = {}

    def add(self, rows: NDArray[np.intp], reason: str) -> None:
        for row in rows.tolist():
            self.reasons.setdefault(row, reason)


def refusals(batch: ProfileBatch, model: Model) -> dict[int, str]:
    """Rows of the batch that cannot be kept, with reasons.

    Raises InputInvalid where the batch does not fit the model or its own row count.
    """
    refused = _Refusals()
    for kind, identifiers in batch.identifiers.items():
        if kind not in model.identifiers:
            raise InputInvalid(f"the model has no identifier kind {kind}")
        _need_length(len(identifiers.valid), batch.count, kind)
        _check_identifiers(kind, identifiers, refused)
    for name, column in batch.attributes.items():
        attribute = _attribute(model, name)
        expected = _COLUMN_OF_TYPE.get(attribute.type)
        if expected is None or not isinstance(column, expected):
            raise InputInvalid(
                f"attribute {name} is of type {attribute.type}, and the batch brings it as "
                f"{type(column).__name__}"
            )
        _check_column(attribute, column, batch.count, refused)
    for columns in (batch.sets, batch.removed, batch.added):
        for name, cells in columns.items():
            if _attribute(model, name).type != "set":
                raise InputInvalid(f"attribute {name} is not a set, and the batch brings it as one")
            if cells.unset is not None and columns is not batch.sets:
                raise InputInvalid(f"{name} is unset among values that are added or removed")
            _check_set(name, cells, batch.count, refused)
    if batch.times is not None:
        _need_length(len(batch.times), batch.count, "the event time")
        _check_times(batch.times, refused)
    if batch.giver is not None:
        _need_length(len(batch.giver.valid), batch.count, "giver")
        _check_strings("giver", batch.giver, GIVER_BYTES, refused)
    return refused.reasons


def _attribute(model: Model, name: str) -> Attribute:
    attribute = model.attributes.get(name)
    if attribute is None:
        raise InputInvalid(f"the model has no attribute {name}")
    if attribute.computed is not None:
        raise InputInvalid(f"attribute {name} is computed, and cannot be loaded")
    return attribute


def _need_length(length: int, count: int, name: str) -> None:
    if length != count:
        raise InputInvalid(f"{name} has {length} cells in a batch of {count} rows")


def _check_column(attribute: Attribute, column: Column, count: int, refused: _Refusals) -> None:
    if isinstance(column, Texts):
        _need_length(len(column.values.valid), count, attribute.name)
        limit = TEXT_BYTES if attribute.type == "text" else STRING_BYTES
        _check_strings(attribute.name, column.values, limit, refused)
    else:
        _need_length(len(column.values), count, attribute.name)
        _need_length(len(column.valid), count, attribute.name)
    if column.unset is not None:
        _need_length(len(column.unset), count, attribute.name)
    if isinstance(column, Floats):
        bad = column.valid & ~np.isfinite(column.values)
        refused.add(np.flatnonzero(bad), f"{attribute.name} is not a finite number")
    elif isinstance(column, Ints) and attribute.type in _RANGES:
        (least, greatest), reason = _RANGES[attribute.type]
        bad = column.valid & ((column.values < least) | (column.values > greatest))
        refused.add(np.flatnonzero(bad), f"{attribute.name} {reason}")


def _check_set(name: str, cells: SetColumn, count: int, refused: _Refusals) -> None:
    _need_length(len(cells.offsets) - 1, count, name)
    sizes = np.diff(cells.offsets)
    if cells.offsets[0] != 0 or (sizes < 0).any() or cells.offsets[-1] != len(cells.values.valid):
        raise InputInvalid(f"the cells of {name} do not cover its values")
    if not cells.values.valid.all():
        raise InputInvalid(f"{name} has a missing value inside a cell")
    if cells.unset is not None:
        _need_length(len(cells.unset), count, name)
    refused.add(
        np.flatnonzero(sizes > SET_VALUES_PER_CELL),
        f"{name} has more than {SET_VALUES_PER_CELL:,} values",
    )
    in_values = _Refusals()
    _check_strings(name, cells.values, STRING_BYTES, in_values)
    for value, reason in in_values.reasons.items():
        row = int(np.searchsorted(cells.offsets, value, side="right")) - 1
        refused.reasons.setdefault(row, reason)


def _check_times(times: NDArray[np.int64], refused: _Refusals) -> None:
    bad = (times != NO_TIME) & ((times < TIME_US[0]) | (times > TIME_US[1]))
    refused.add(np.flatnonzero(bad), "the event time is outside the years 1 to 9999")


def _check_identifiers(kind: str, values: Strings, refused: _Refusals) -> None:
    _check_strings(kind, values, IDENTIFIER_BYTES, refused)
    data = values.data
    control = (data < 0x20) | (data == 0x7F)
    # U+0080 to U+009F, in UTF-8 the byte C2 and one below A0.
    control[:-1] |= (data[:-1] == 0xC2) & (data[1:] < 0xA0)
    refused.add(_rows_of_bytes(values, control), f"{kind} has a control character")


def _rows_of_bytes(values: Strings, bad: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Valid rows with a marked byte."""
    at = np.flatnonzero(bad)
    rows = np.unique(np.searchsorted(values.offsets, at, side="right") - 1)
    inside = rows[(rows >= 0) & (rows < len(values.valid))]
    return inside[values.valid[inside]]


def _check_strings(
    name: str, values: Strings | CodedStrings, limit: int, refused: _Refusals
) -> None:
    if isinstance(values, CodedStrings):
        of_values = _Refusals()
        _check_strings(name, values.values, limit, of_values)
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
