"""Columns as dates and times.

A date is written 2026-11-01, 2026/11/1 or 20261101; a time in ISO 8601, with a blank or a T,
with or without a zone. A time without a zone is read in the zone of its source.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.live.batch import Ints
from engine.rules.calendar import local_to_instant_us
from loaders.numbers import Faults, each_cell
from loaders.texts import text_column

__all__ = ["date_cells", "time_cells"]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})|(\d{4})/(\d{1,2})/(\d{1,2})|(\d{4})(\d\d)(\d\d)")
_MIDNIGHT = re.compile(r"[T ]00:00(:00(\.0+)?)?$")
# Digits beyond the microsecond are cut off.
_FINER = re.compile(r"(\.\d{6})\d+")
_LOCAL_EPOCH = datetime(1970, 1, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def date_cells(column: pa.Array) -> tuple[Ints, Faults]:
    """A date column: days from 1970-01-01."""
    column = _plain(column)
    if pa.types.is_date(column.type):
        days = pc.cast(pc.cast(column, pa.date32()), pa.int32())
        return _ints(days), {}
    values, valid, faults = each_cell(column, _day, 0, np.int64)
    return Ints(values, valid), faults


def time_cells(column: pa.Array, zone: ZoneInfo) -> tuple[Ints, Faults]:
    """A time column: microseconds from 1970-01-01T00:00Z."""
    column = _plain(column)
    if pa.types.is_timestamp(column.type):
        micros = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
        if column.type.tz is not None:
            return _ints(pc.cast(micros, pa.int64())), {}
        instants = _in_zone(micros, zone)
        if instants is not None:
            return _ints(pc.cast(instants, pa.int64())), {}
        column = micros
    values, valid, faults = each_cell(column, lambda cell: _instant(cell, zone), 0, np.int64)
    return Ints(values, valid), faults


def _plain(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(text_column(column))
    return column


def _ints(column: pa.Array) -> Ints:
    values = pc.fill_null(pc.cast(column, pa.int64()), 0).to_numpy(zero_copy_only=False)
    valid = pc.is_valid(column).to_numpy(zero_copy_only=False)
    return Ints(np.asarray(values), np.asarray(valid, bool))


def _in_zone(column: pa.Array, zone: ZoneInfo) -> pa.Array | None:
    """Local times as instants all at once; None where one falls into a gap, or the zone is not
    known to Arrow."""
    try:
        return pc.assume_timezone(column, zone.key, ambiguous="earliest", nonexistent="raise")
    except pa.ArrowInvalid:
        return None


def _day(cell: Any) -> int:
    if isinstance(cell, datetime):
        if cell.time() != datetime.min.time():
            raise ValueError(f"{cell} is a time, not a day")
        return cell.date().toordinal() - _EPOCH_DAY
    if isinstance(cell, date):
        return cell.toordinal() - _EPOCH_DAY
    text = _MIDNIGHT.sub("", str(cell))
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{cell!r} is not a day such as 2026-11-01")
    year, month, day = (int(part) for part in found.groups() if part is not None)
    try:
        return date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        raise ValueError(f"{cell!r} is no day of the calendar") from None


def _instant(cell: Any, zone: ZoneInfo) -> int:
    if isinstance(cell, datetime):
        moment = cell
    elif isinstance(cell, date):
        moment = datetime(cell.year, cell.month, cell.day)
    elif isinstance(cell, (int, float)):
        raise ValueError(
            f"{cell} is a number; turn it into a time in the source's query, for example with "
            "to_timestamp(column)"
        )
    else:
        moment = _parsed(str(cell))
    if moment.tzinfo is not None:
        return (moment - _EPOCH) // _MICROSECOND
    return local_to_instant_us((moment - _LOCAL_EPOCH) // _MICROSECOND, zone)


def _parsed(text: str) -> datetime:
    iso = _FINER.sub(r"\1", text.replace("/", "-") if re.match(r"\d{4}/", text) else text)
    iso = re.sub(r"^(\d{4})-(\d)-", r"\1-0\2-", iso)
    iso = re.sub(r"^(\d{4}-\d\d)-(\d)(?!\d)", r"\1-0\2", iso)
    iso = re.sub(r"([T ])(\d):", r"\g<1>0\2:", iso)
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        raise ValueError(f"{text!r} is not a time such as 2026-11-01 08:30:00") from None
