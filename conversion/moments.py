"""Columns as dates and times.

A date is written 2026-11-01, 2026/11/1 or 20261101; a time in ISO 8601, with a blank or a T,
with or without a zone. A time without a zone is read in the zone of its source. Every
function takes a plain column (texts.plain_column).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from conversion.cell_by_cell import Faults, convert_rest
from conversion.texts import trimmed, valid_cells
from engine.limits import TIME_US
from engine.live.batch import Ints
from engine.rules.calendar import DAY_US, first_instant_us, local_day, local_to_instant_us

__all__ = ["date_cells", "time_cells"]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LOCAL_EPOCH = datetime(1970, 1, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Microseconds of one unit, and units of one microsecond, by the names of Arrow.
_UNIT_US = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 1}
_US_UNITS = {"s": 1, "ms": 1, "us": 1, "ns": 1_000}

_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})|(\d{4})/(\d{1,2})/(\d{1,2})|(\d{4})(\d\d)(\d\d)")
_MIDNIGHT = re.compile(r"[T ]0?0:00(:00(\.0+)?)?$")
# What Arrow reads exactly as we would.
_QUICK = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_QUICK_LOCAL = _QUICK + "$"
_QUICK_INSTANT = _QUICK + "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
# Digits beyond the microsecond are cut off.
_FINER = re.compile(r"(\.\d{6})\d+")
_ZONE = re.compile(r"\s*(?:(Z|UTC)|([+-]\d\d:?\d\d))$", re.IGNORECASE)
_DATE_PARTS = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?!\d)")
_HOUR = re.compile(r"([T ])(\d):")


def date_cells(column: pa.Array, zone: ZoneInfo) -> tuple[Ints, Faults]:
    """A date column: days from 1970-01-01. An instant is a date where it is a midnight of
    `zone`."""
    if pa.types.is_date(column.type):
        return Ints(_days(column), valid_cells(column)), {}
    if pa.types.is_timestamp(column.type):
        return _midnights(column, zone)
    return _one_by_one(column, _day)


def time_cells(column: pa.Array, zone: ZoneInfo) -> tuple[Ints, Faults]:
    """A time column: microseconds from 1970-01-01T00:00Z."""
    if pa.types.is_timestamp(column.type):
        micros = _micros(column)
        if column.type.tz is None:
            micros = _instants(micros, zone)
        return Ints(micros, valid_cells(column)), {}
    if pa.types.is_date(column.type):
        starts = _each(_days(column), lambda day: first_instant_us(day, zone))
        return Ints(starts, valid_cells(column)), {}

    def read(cell: Any) -> int:
        return _instant(cell, zone)

    if not pa.types.is_string(column.type):
        return _one_by_one(column, read)
    column = trimmed(column)
    try:
        in_zone = _matching(column, _QUICK_LOCAL, pa.timestamp("us"))
        instants = _matching(column, _QUICK_INSTANT, pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        # A day or an hour that does not exist: the cells tell which.
        return _one_by_one(column, read)
    here, there = valid_cells(in_zone), valid_cells(instants)
    values = np.where(here, _instants(_micros(in_zone), zone), _micros(instants))
    valid = here | there
    faults = convert_rest(column, ~valid, read, values, valid)
    return Ints(values, valid), faults


def _matching(column: pa.Array, pattern: str, kind: pa.DataType) -> pa.Array:
    """The strings that match, as times; the others are missing."""
    matches = pc.fill_null(pc.match_substring_regex(column, pattern), False)
    return pc.cast(pc.if_else(matches, column, None), kind)


def _one_by_one(column: pa.Array, read: Callable[[Any], int]) -> tuple[Ints, Faults]:
    if pa.types.is_string(column.type):
        column = trimmed(column)
    values, valid = np.zeros(len(column), np.int64), np.zeros(len(column), bool)
    faults = convert_rest(column, np.ones(len(column), bool), read, values, valid)
    return Ints(values, valid), faults


def _days(column: pa.Array) -> NDArray[np.int64]:
    days = pc.cast(pc.cast(column, pa.date32()), pa.int32())
    return np.asarray(pc.fill_null(days, 0)).astype(np.int64)


def _micros(column: pa.Array) -> NDArray[np.int64]:
    """Timestamps in microseconds; finer ones are cut down, and those beyond 64 bits stand at
    the end of time, which the engine refuses."""
    unit = column.type.unit
    counts = pc.cast(column, pa.int64())
    if counts.null_count:
        counts = pc.fill_null(counts, 0)
    counts = np.asarray(counts)
    limit = (1 << 63) // _UNIT_US[unit] - 1
    beyond = (counts > limit) | (counts < -limit)
    micros = counts // _US_UNITS[unit] * np.where(beyond, 0, _UNIT_US[unit])
    return np.where(beyond, np.iinfo(np.int64).max, micros)


def _each(values: NDArray[np.int64], read: Callable[[int], int]) -> NDArray[np.int64]:
    """A function of each value, called once for each different one."""
    distinct, places = np.unique(values, return_inverse=True)
    return np.array([read(value) for value in distinct.tolist()], np.int64)[places]


def _instants(locals_us: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Local times as instants. On a day that begins and ends with one offset, that is the
    offset of all its times; on the others each time is looked at by itself."""
    inside = (locals_us >= TIME_US[0]) & (locals_us <= TIME_US[1])
    days = np.where(inside, locals_us, 0) // DAY_US
    distinct, places = np.unique(days, return_inverse=True)
    starts = [local_to_instant_us(day * DAY_US, zone) for day in distinct.tolist()]
    ends = [local_to_instant_us((day + 1) * DAY_US, zone) for day in distinct.tolist()]
    offsets = distinct * DAY_US - np.array(starts, np.int64)
    even = np.array(ends, np.int64) - np.array(starts, np.int64) == DAY_US
    instants = np.where(inside, locals_us - offsets[places], locals_us)
    odd = inside & ~even[places]
    if odd.any():
        instants[odd] = _each(locals_us[odd], lambda local: local_to_instant_us(local, zone))
    return instants


def _midnights(column: pa.Array, zone: ZoneInfo) -> tuple[Ints, Faults]:
    micros = _micros(column)
    valid = valid_cells(column)
    if column.type.tz is None:
        days = micros // DAY_US
        starts = days * DAY_US
    else:
        days = _each(micros, lambda instant: local_day(instant, zone))
        starts = _each(days, lambda day: first_instant_us(day, zone))
    uneven = np.flatnonzero(valid & (micros != starts))
    valid[uneven] = False
    reason = "is a time, not a day; declare it as time, or cut it in a query"
    return Ints(days, valid), {index: reason for index in uneven.tolist()}


def _day(cell: Any) -> int:
    found = _DATE.fullmatch(_MIDNIGHT.sub("", str(cell)))
    if found is None:
        raise ValueError(f"{cell!r} is not a day such as 2026-11-01")
    year, month, day = (int(part) for part in found.groups() if part is not None)
    try:
        return date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        raise ValueError(f"{cell!r} is no day of the calendar") from None


def _instant(cell: Any, zone: ZoneInfo) -> int:
    if not isinstance(cell, str):
        raise ValueError(
            f"{cell} is a number; turn it into a time in the source's query, for example with "
            "to_timestamp(column)"
        )
    if _DATE.fullmatch(cell):
        return first_instant_us(_day(cell), zone)
    moment = _parsed(cell)
    if moment.tzinfo is not None:
        return (moment - _EPOCH) // _MICROSECOND
    return local_to_instant_us((moment - _LOCAL_EPOCH) // _MICROSECOND, zone)


def _parsed(text: str) -> datetime:
    iso = _ZONE.sub(lambda found: found[2] or "+00:00", text)
    iso = _DATE_PARTS.sub(lambda found: f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}", iso, count=1)
    iso = _FINER.sub(r"\1", _HOUR.sub(r"\g<1>0\2:", iso, count=1))
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        raise ValueError(f"{text!r} is not a time such as 2026-11-01 08:30:00") from None
