# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The events that one aggregate reads, in the order of time, and what any stretch comes to.

What a window takes in is a stretch of a line, found by bisection. Sums are exact: decimals are
added in a context that refuses to round.
"""

from decimal import Context, Inexact
from fractions import Fraction
from itertools import accumulate
from zoneinfo import ZoneInfo

from libc.stdint cimport int64_t

from engine.explaining.one_profile import instant_of
from engine.rules.calendar import local_day

__all__ = ["EXACT", "NO_EVENTS", "EventLine"]

# 2^64 values of 18 digits each, before and after the point, have far fewer digits together.
EXACT = Context(prec=100, traps=[Inexact])

_FUNCTIONS = {
    "count": COUNT,
    "days": DAYS,
    "distinct": DISTINCT,
    "sum": SUM,
    "first": FIRST,
    "last": LAST,
    "first_value": FIRST_VALUE,
    "last_value": LAST_VALUE,
    "min": MIN,
    "max": MAX,
    "avg": AVG,
}


cdef Function function_of(str name) except? COUNT:
    """The number of an aggregate function."""
    return <Function><int>_FUNCTIONS[name]


cdef class EventLine:
    """Events with the value of one property of each (None: no property is read), in the order of
    time; those of one time in the order of their values."""

    def __init__(self, list events not None, list values, zone):
        cdef list times = [event.time_us for event in events]
        cdef bint in_order = True
        cdef Py_ssize_t i
        cdef int64_t before, time_us
        if len(times) > 1:
            before = times[0]
            for i in range(1, len(times)):
                time_us = times[i]
                if time_us < before or (time_us == before and values is not None):
                    in_order = False
                    break
                before = time_us
        if not in_order:
            if values is None:
                events = sorted(events, key=_by_time)
            else:
                pairs = sorted(zip(events, values), key=_by_time_and_value)
                events = [event for event, _ in pairs]
                values = [value for _, value in pairs]
            times = [event.time_us for event in events]
        self.events = events
        self.values = [None] * len(events) if values is None else values
        self.times = times
        self.zone = zone
        self.totals = None

    def stretch(self, int64_t from_us, int64_t to_us):
        """The places [first, end) of the events in [from_us, to_us)."""
        cdef Py_ssize_t first = self.before(from_us, 0)
        return first, self.before(to_us, first)

    def value(self, str function, Py_ssize_t first, Py_ssize_t end):
        """What a stretch comes to: a number, a Fraction for an average, a datetime for `first` and
        `last`, else a value as the events have it; None where there is none."""
        return self.of(function_of(function), first, end)

    cdef Py_ssize_t before(self, int64_t time_us, Py_ssize_t first):
        """The place of the first event from `first` on that is not before a time."""
        cdef list times = self.times
        cdef Py_ssize_t low = first, high = len(times), middle
        while low < high:
            middle = (low + high) >> 1
            if <int64_t>times[middle] < time_us:
                low = middle + 1
            else:
                high = middle
        return low

    cdef object of(self, Function function, Py_ssize_t first, Py_ssize_t end):
        """See value."""
        if function == COUNT:
            return end - first
        if function == DAYS:
            zone = self.zone
            return len({local_day(at, zone) for at in self.times[first:end]})
        if function == DISTINCT:
            return len(set(self.values[first:end]))
        if function == SUM:
            return self.sum(first, end)
        if first == end:
            return None
        if function == FIRST:
            return instant_of(self.times[first])
        if function == LAST:
            return instant_of(self.times[end - 1])
        if function == FIRST_VALUE:
            return self.values[first]
        if function == LAST_VALUE:
            return self.values[end - 1]
        if function == MIN:
            return min(self.values[first:end])
        if function == MAX:
            return max(self.values[first:end])
        return Fraction(self.sum(first, end)) / (end - first)

    cdef object sum(self, Py_ssize_t first, Py_ssize_t end):
        if first == end:
            return 0
        if self.totals is None:
            # The sum of the values up to each event, itself included.
            exact = [EXACT.create_decimal(value) for value in self.values]
            self.totals = list(accumulate(exact, EXACT.add))
        total = self.totals[end - 1]
        return total if not first else EXACT.subtract(total, self.totals[first - 1])


def _by_time(event):
    return event.time_us


def _by_time_and_value(pair):
    return pair[0].time_us, pair[1]


# A line without events, which is the same in all zones.
NO_EVENTS = EventLine([], None, ZoneInfo("UTC"))
