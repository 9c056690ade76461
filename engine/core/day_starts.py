"""The first instants of many days at once, for arithmetic between dates and times.

Says what `engine.rules.calendar.first_instant_us` says of one day, and is held against it in
the tests. Days are worked out in stretches that are kept for each zone, since the same
birthdays are asked about again and again.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.rules.calendar import DAY_US, first_instant_us

__all__ = ["day_starts", "known_day_starts"]

_STRETCH_DAYS = 4096
# 4,096 stretches are 128 MiB at most: every zone of a deployment, over centuries.
_STRETCHES_KEPT = 4096
_EPOCH = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)
# No zone of the IANA database changed its offset before 1835, and after 2100 the rules of each
# repeat with the Gregorian calendar, every 400 years.
_FIRST_CHANGE = date(1800, 1, 1).toordinal() - _EPOCH
_REPEATING_FROM = date(2101, 1, 1).toordinal() - _EPOCH
_CYCLE_DAYS = 146_097


def day_starts(first: int, last: int, zone: ZoneInfo) -> NDArray[np.int64]:
    """First instants (microseconds from 1970-01-01T00:00Z) of the days first..last, both
    included, counted from 1970-01-01; years 1 to 9999."""
    days = np.arange(first, last + 1, dtype=np.int64)
    cycles = np.maximum(0, (days - _REPEATING_FROM) // _CYCLE_DAYS)
    known = days - cycles * _CYCLE_DAYS
    starts: NDArray[np.int64] = known * DAY_US
    early = known < _FIRST_CHANGE
    if early.any():
        starts[early] += first_instant_us(_FIRST_CHANGE, zone) - _FIRST_CHANGE * DAY_US
    for number in np.unique(known[~early] // _STRETCH_DAYS).tolist():
        inside = ~early & (known // _STRETCH_DAYS == number)
        stretch = _stretch(zone, number)
        starts[inside] = stretch[known[inside] - number * _STRETCH_DAYS]
    starts += cycles * (_CYCLE_DAYS * DAY_US)
    return starts


@lru_cache(maxsize=_STRETCHES_KEPT)
def _stretch(zone: ZoneInfo, number: int) -> NDArray[np.int64]:
    """The days number * _STRETCH_DAYS and on; most have the same offset on both readings of
    their midnight, which is all there is to it."""
    first = number * _STRETCH_DAYS
    starts = np.empty(_STRETCH_DAYS, np.int64)
    for place in range(_STRETCH_DAYS):
        midnight = datetime.fromordinal(first + place + _EPOCH).replace(tzinfo=zone)
        offset = midnight.utcoffset()
        if offset is not None and offset == midnight.replace(fold=1).utcoffset():
            starts[place] = (first + place) * DAY_US - offset // _MICROSECOND
        else:
            starts[place] = first_instant_us(first + place, zone)
    starts.setflags(write=False)
    return starts


@lru_cache(maxsize=64)
def known_day_starts(zone: ZoneInfo) -> tuple[int, bytes]:
    """(first day, little-endian int64 first instants of it and the days after it).

    All other days follow from these: clocks did not change before the first, and the table ends
    with the 400 years that repeat for ever. 2 MiB.
    """
    first, last = _FIRST_CHANGE, _REPEATING_FROM + _CYCLE_DAYS - 1
    return first, day_starts(first, last, zone).astype("<i8").tobytes()
