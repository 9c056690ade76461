"""Local clocks and calendars: which instant a day or a wall clock means in a time zone.

Instants are microseconds from 1970-01-01T00:00Z, local clocks microseconds from
1970-01-01T00:00 of that clock, days count from 1970-01-01 of the proleptic Gregorian
calendar. Every function is total: outside the years 1..9999, where no zone has rules, the
zone's offset at the nearest end is taken, and nothing overflows.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from engine.rules.tree import CalendarUnit

__all__ = [
    "DAY_US",
    "SECOND_US",
    "UNIT_US",
    "first_instant_us",
    "local_day",
    "local_to_instant_us",
    "unit_start_days",
]

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US

# Microseconds of each unit of a duration; a day is 24 hours.
UNIT_US: Final = {
    "second": SECOND_US,
    "minute": 60 * SECOND_US,
    "hour": 3_600 * SECOND_US,
    "day": DAY_US,
    "week": 7 * DAY_US,
}

_EPOCH: Final = datetime(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST_LOCAL_US: Final = (datetime.min - _EPOCH) // _MICROSECOND
_LAST_LOCAL_US: Final = (datetime.max - _EPOCH) // _MICROSECOND
# No offset reaches 24 hours, so an instant this far inside has a local clock in range.
_FIRST_INSTANT_US: Final = _FIRST_LOCAL_US + DAY_US
_LAST_INSTANT_US: Final = _LAST_LOCAL_US - DAY_US

# The Gregorian calendar repeats every 400 years, and the days of 400 years are whole weeks.
_CYCLE_YEARS: Final = 400
_CYCLE_DAYS: Final = 146_097
_CYCLE_START: Final = date(2000, 1, 1)
_CYCLE_START_DAYS: Final = (_CYCLE_START - date(1970, 1, 1)).days


def local_to_instant_us(local_us: int, zone: ZoneInfo) -> int:
    """The instant at which clocks in `zone` show `local_us`.

    A clock time that is skipped moves forward by what is skipped; one that comes twice means
    the earlier (PEP 495, fold 0, says both: the offset before the change applies).
    """
    return local_us - _offset_of_local_us(local_us, zone, fold=0)


def first_instant_us(days: int, zone: ZoneInfo) -> int:
    """The first instant of a day: midnight, or the first instant after a skipped midnight.

    A day that is skipped as a whole begins where the next one does.
    """
    local_us = days * DAY_US
    before_us = _offset_of_local_us(local_us, zone, fold=0)
    after_us = _offset_of_local_us(local_us, zone, fold=1)
    if after_us <= before_us:
        return local_us - before_us
    return _change_us(local_us - after_us, local_us - before_us, after_us, zone)


def local_day(instant_us: int, zone: ZoneInfo) -> int:
    """The day that calendars in `zone` show at an instant."""
    return (instant_us + _offset_at_us(instant_us, zone)) // DAY_US


def unit_start_days(days: int, unit: CalendarUnit, back: int = 0) -> int:
    """The first day of the unit that holds `days`, or of the unit `back` units before it.

    Weeks start on Monday, quarters in January, April, July and October. A negative `back`
    looks ahead: the end of a unit is the start of the unit one ahead.
    """
    if unit == "day":
        return days - back
    if unit == "week":
        # 1970-01-01 was a Thursday, three days after a Monday.
        return days - (days + 3) % 7 - 7 * back
    year, month = _year_and_month(days)
    months = 12 * year + month - 1
    length = {"month": 1, "quarter": 3, "year": 12}[unit]
    months -= months % length + length * back
    return _month_start_days(months)


def _offset_of_local_us(local_us: int, zone: ZoneInfo, *, fold: int) -> int:
    clamped = min(max(local_us, _FIRST_LOCAL_US), _LAST_LOCAL_US)
    local = _EPOCH + timedelta(microseconds=clamped)
    return _offset_us(local.replace(tzinfo=zone, fold=fold))


def _offset_at_us(instant_us: int, zone: tzinfo) -> int:
    clamped = min(max(instant_us, _FIRST_INSTANT_US), _LAST_INSTANT_US)
    instant = (_EPOCH + timedelta(microseconds=clamped)).replace(tzinfo=UTC)
    return _offset_us(instant.astimezone(zone))


def _offset_us(moment: datetime) -> int:
    offset = moment.utcoffset()
    assert offset is not None, "a zone gives every moment an offset"
    return offset // _MICROSECOND


def _change_us(low_us: int, high_us: int, after_us: int, zone: ZoneInfo) -> int:
    """The first instant in (low_us, high_us] with the later offset; zones change on seconds."""
    low = low_us // SECOND_US
    high = -(-high_us // SECOND_US)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_at_us(middle * SECOND_US, zone) >= after_us:
            high = middle
        else:
            low = middle
    return high * SECOND_US


def _year_and_month(days: int) -> tuple[int, int]:
    cycles, rest = divmod(days - _CYCLE_START_DAYS, _CYCLE_DAYS)
    day = _CYCLE_START + timedelta(days=rest)
    return day.year + _CYCLE_YEARS * cycles, day.month


def _month_start_days(months: int) -> int:
    """The first day of a month, counted in months from January of year 0."""
    years, month = divmod(months, 12)
    cycles, year = divmod(years - _CYCLE_START.year, _CYCLE_YEARS)
    start = date(_CYCLE_START.year + year, month + 1, 1)
    return _CYCLE_START_DAYS + (start - _CYCLE_START).days + cycles * _CYCLE_DAYS
