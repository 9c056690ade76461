"""Where calendar days begin, for many instants at once.

A day of the calendar begins at its first instant. Clocks that are set back over a midnight show the
end of the day before once more, so that day then begins twice: `turns` are all instants at which
a clock that goes on comes to a day, or falls behind it again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.core.day_starts import day_starts
from engine.rules.calendar import DAY_US, SECOND_US, first_instant_us, local_day

__all__ = ["day_stretches", "days_by_start", "days_within", "local_days", "starts_of", "turns"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# How long after the beginning of a day clocks may be set back to the day before.
_SET_BACK_US = 26 * 3600 * SECOND_US
# Days whose first instants are worked out by one table.
_TABLE_DAYS = 1 << 16
# Days that are all taken, instead of finding out which of them are there.
_DAYS_IN_A_ROW = 1 << 10


@lru_cache(maxsize=1 << 16)
def turns(day: int, zone: ZoneInfo) -> tuple[int, ...]:
    """The instants (microseconds) at which clocks come to a day or later, fall behind it, and come
    to it again: one, or three."""
    start_us = first_instant_us(day, zone)
    end_us = start_us + _SET_BACK_US
    later = _offset(end_us, zone)
    if later >= _offset(start_us, zone):
        return (start_us,)
    low, high = start_us // SECOND_US, end_us // SECOND_US
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle * SECOND_US, zone) == later:
            high = middle
        else:
            low = middle
    back_us = high * SECOND_US
    if local_day(back_us, zone) >= day:
        return (start_us,)
    return start_us, back_us, day * DAY_US - later // timedelta(microseconds=1)


def day_stretches(
    first: int, last: int, zone: ZoneInfo
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The stretches in which calendars show one day each, of the days first..last and what follows
    until the day after begins for good.

    Returns where each begins, and where the last one ends, int64[n + 1], ascending; and which of
    them show the day of the stretch two before once more, bool[n].
    """
    if len(turns(first, zone)) > 1:
        first -= 1
    starts = day_starts(first, last + 2, zone)
    # A day that clocks are set back from takes longer.
    long = np.flatnonzero(np.diff(starts) > DAY_US) + first
    again = [at for day in long.tolist() for at in turns(day, zone)[1:]]
    back = np.array(again, np.int64)
    found = np.concatenate([starts[:-1], back])
    order = np.argsort(found, kind="stable")
    repeated = np.concatenate([np.zeros(len(starts) - 1, np.bool_), np.ones(len(back), np.bool_)])
    return found[order], repeated[order][:-1]


def local_days(instants: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """The day that calendars show at each instant; see `engine.rules.calendar.local_day`."""
    starts, shown = [], []
    for day in _days_around(instants):
        for place, at in enumerate(turns(day, zone)):
            starts.append(at)
            shown.append(day - place % 2)
    return _last_before(instants, starts, shown)


def days_by_start(instants: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """The last day whose first instant is not after each instant."""
    days = _days_around(instants)
    return _last_before(instants, [turns(day, zone)[0] for day in days], days)


def starts_of(days: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """The first instants of days, by as few tables as they need."""
    starts = np.empty(len(days), np.int64)
    stretches = days // _TABLE_DAYS
    for number in np.unique(stretches).tolist():
        inside = stretches == number
        chosen = days[inside]
        first = int(chosen.min())
        starts[inside] = day_starts(first, int(chosen.max()), zone)[chosen - first]
    return starts


def days_within(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days ascending and each once, which have all of some: these, or where that is less work all
    from the first to the last."""
    if not len(days):
        return days
    first, last = int(days.min()), int(days.max())
    if last - first < min(len(days), _DAYS_IN_A_ROW):
        return np.arange(first, last + 1)
    return np.unique(days)


def _days_around(instants: NDArray[np.int64]) -> list[int]:
    """All days that can be shown somewhere at these instants, and one more on either side."""
    days = days_within(instants // DAY_US)
    around = np.unique(np.concatenate([days + shift for shift in (-2, -1, 0, 1, 2)]))
    found: list[int] = around.tolist()
    return found


def _last_before(
    instants: NDArray[np.int64], starts: list[int], days: list[int]
) -> NDArray[np.int64]:
    if not len(instants):
        return np.zeros(0, np.int64)
    at = np.array(starts, np.int64)
    order = np.argsort(at, kind="stable")
    places = np.searchsorted(at[order], instants, side="right") - 1
    return np.array(days, np.int64)[order][places]


def _offset(instant_us: int, zone: ZoneInfo) -> timedelta:
    try:
        offset = (_EPOCH + timedelta(microseconds=instant_us)).astimezone(zone).utcoffset()
    except OverflowError:
        # Outside of the years that there are no clock is set.
        return timedelta(0)
    assert offset is not None, "a zone gives every moment an offset"
    return offset
