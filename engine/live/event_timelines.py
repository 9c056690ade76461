"""The events of some rows in the order of time, for whoever asks at many instants.

The events of a source (`engine.live.event_source`) lie side by side: by row, then time, then value.
What any window takes in of a row is then a stretch, found by bisection.

Where the condition reads `now`, which of them pass depends on the instant, too: the events of a
stretch are then looked at one by one, each at the instant it is asked for
(`engine.live.moving_where`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.core.day_turns import local_days
from engine.core.row_lines import first_from, windows
from engine.live.moving_where import PassingTimes

__all__ = ["EventTimes", "Timelines", "elements", "some_at_a_time"]

# Events that are written out at a time, once for each instant that asks for them.
EVENTS_AT_A_TIME = 1 << 20


class EventTimes:
    """Times of events by row: those of place i are starts[i]:starts[i + 1] of `times`, ascending.

    `places` are those of their rows, which ascend; whoever knows the `starts` gives them.
    """

    def __init__(
        self,
        row_count: int,
        places: NDArray[np.intp],
        times: NDArray[np.int64],
        starts: NDArray[np.intp] | None = None,
    ) -> None:
        self.places = places
        self.times = times
        if starts is None:
            starts = np.searchsorted(places, np.arange(row_count + 1))
        self.starts = starts

    def first_from(self, places: NDArray[np.intp], instants: NDArray[np.int64]) -> NDArray[np.intp]:
        """Of the events of the row at each place, where the first is that is not before the instant
        beside it; the end of the row's events where there is none."""
        return first_from(self.starts, self.times, places, instants)

    def taken_in(
        self, places: NDArray[np.intp], from_us: NDArray[np.int64], to_us: NDArray[np.int64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The events of the row at each place in the span [from, to) beside it: the first and the
        end. One that is empty, or ends before it begins, takes in nothing."""
        return windows(self.starts, self.times, places, from_us, to_us)


class Timelines(EventTimes):
    """Events of rows, with a value each.

    Values are int64 (unscaled decimals, days, microseconds; bools 1 and 2; 0 where no property is
    read), float64, or strings as objects. Events of one row at one time are in the order of their
    values. Where `condition` is not None, it says which of them pass at which instant; `leaving` is
    the instant from which on each is dropped by age (None: none ever is).
    """

    def __init__(
        self,
        row_count: int,
        places: NDArray[np.intp],
        times: NDArray[np.int64],
        values: NDArray[Any],
        zone: ZoneInfo,
        condition: PassingTimes | None = None,
        leaving: NDArray[np.int64] | None = None,
        starts: NDArray[np.intp] | None = None,
    ) -> None:
        super().__init__(row_count, places, times, starts)
        self.values = values
        self.condition = condition
        self.leaving = leaving
        self._zone = zone

    def passing(
        self, first: NDArray[np.intp], end: NDArray[np.intp], instants: NDArray[np.int64]
    ) -> Timelines:
        """Of each stretch [first, end) the events that pass at the instant beside it, and are
        there: those of stretch i at place i."""
        asked, events = elements(first, end)
        if self.leaving is not None:
            there = self.leaving[events] > instants[asked]
            asked, events = asked[there], events[there]
        if self.condition is not None:
            passing = self.condition.passing(events, instants[asked])
            asked, events = asked[passing], events[passing]
        return Timelines(len(first), asked, self.times[events], self.values[events], self._zone)

    def passing_flips(self, *, by_age: bool = True) -> list[NDArray[np.int64]]:
        """When events come to pass and cease to, and when they are dropped."""
        found = [] if self.condition is None else self.condition.flips()
        return [*found, self.leaving] if by_age and self.leaving is not None else found

    @cached_property
    def sums(self) -> NDArray[Any]:
        """The sum of the values before each event, and of all: int64, objects where 64 bits may not
        do."""
        values = self.values
        largest = max(abs(int(values.min())), abs(int(values.max()))) if len(values) else 0
        if largest * len(values) >= 1 << 62:
            values = values.astype(object)
        return np.concatenate([np.zeros(1, values.dtype), np.cumsum(values)])

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """A number for each value, equal for equal values only."""
        return np.unique(self.values, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def days(self) -> NDArray[np.int64]:
        """The calendar day of each event."""
        return local_days(self.times, self._zone)


def some_at_a_time(sizes: NDArray[np.int64]) -> Iterator[slice]:
    """Stretches of so many events each, as many at a time as may be written out together."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        done = int(ends[start - 1]) if start else 0
        enough = int(np.searchsorted(ends, done + EVENTS_AT_A_TIME, side="right"))
        stop = max(start + 1, enough)
        yield slice(start, stop)
        start = stop


def elements(
    first: NDArray[np.intp], end: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The elements of stretches [first, end) one by one: the number of the stretch, and the
    element."""
    sizes = end - first
    asked = np.repeat(np.arange(len(first)), sizes)
    before = np.cumsum(sizes) - sizes
    return asked, first[asked] + np.arange(len(asked)) - before[asked]
