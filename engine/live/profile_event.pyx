# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""One event of a profile as people read it, and how a row's are made of what is stored."""

from cython cimport freelist
from libc.stdint cimport int64_t

__all__ = ["ProfileEvent", "between", "named_events", "newest", "since"]


@freelist(64)
cdef class ProfileEvent:
    """One event: `time_us` microseconds from 1970; `properties` maps names, in model order, to
    values, missing ones absent."""

    def __init__(self, str type not None, time_us, properties=None):
        self.type = type
        self.time_us = time_us
        self.properties = {} if properties is None else properties

    def __eq__(self, other):
        if type(other) is not ProfileEvent:
            return NotImplemented
        cdef ProfileEvent one = other
        return (
            self.time_us == one.time_us
            and self.type == one.type
            and self.properties == one.properties
        )

    def __repr__(self):
        return (
            f"ProfileEvent(type={self.type!r}, time_us={self.time_us!r},"
            f" properties={self.properties!r})"
        )


def named_events(str type_ not None, list raw not None, list readers not None):
    """The events of a type, each behind the digest of its id, of what `events_of_row` gave.

    `readers` has for each property its name and what makes a value of one that is stored, None
    where it is that.
    """
    cdef list found = []
    cdef tuple values
    cdef ProfileEvent event
    cdef Py_ssize_t i
    for time_us, id_, values in raw:
        properties = {}
        for i in range(len(values)):
            value = values[i]
            if value is not None:
                name, read = <tuple>readers[i]
                properties[name] = value if read is None else read(value)
        event = ProfileEvent.__new__(ProfileEvent)
        event.type, event.time_us, event.properties = type_, time_us, properties
        found.append((id_, event))
    return found


def since(list events not None, int64_t first_us):
    """The events from an instant on, of pairs that `named_events` made."""
    cdef list found = []
    for _, event in events:
        if <int64_t>(<ProfileEvent?>event).time_us >= first_us:
            found.append(event)
    return found


def between(list events not None, int64_t first_us, int64_t last_us):
    """Those of such pairs from one instant to another, both included."""
    cdef list found = []
    for pair in events:
        if first_us <= <int64_t>(<ProfileEvent?>(<tuple>pair)[1]).time_us <= last_us:
            found.append(pair)
    return found


def newest(list events not None, Py_ssize_t limit):
    """The first so many of such pairs by time, the latest first, then by type, as events; None
    where two among them have the same time and type.

    Each is looked for among all that are left: for small limits.
    """
    cdef list left = list(events), found = []
    cdef ProfileEvent event, best
    cdef int64_t time_us, best_us = 0
    cdef Py_ssize_t place, best_place
    cdef bint has_twin
    while left and len(found) < limit:
        best, best_place, has_twin = None, 0, False
        for place in range(len(left)):
            event = <ProfileEvent?>(<tuple>left[place])[1]
            time_us = event.time_us
            if best is not None:
                if time_us < best_us:
                    continue
                if time_us == best_us and event.type >= best.type:
                    has_twin = has_twin or event.type == best.type
                    continue
            best, best_us, best_place, has_twin = event, time_us, place, False
        if has_twin:
            return None
        found.append(best)
        left[best_place] = left[len(left) - 1]
        left.pop()
    return found
