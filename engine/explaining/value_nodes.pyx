# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The values of a bound tree, and what rules give, as nodes that are asked of a reading: see
closures.py, which makes them, and reading.pyx."""

from fractions import Fraction
from math import isnan

from cpython.dict cimport PyDict_GetItem
from libc.stdint cimport int64_t

from engine.explaining.event_lines cimport FIRST, EventLine, Function, function_of
from engine.explaining.reading cimport Asked, Given, Number, Reading, Selection, Span, Truth

from engine.columns.hashing import xxh64
from engine.explaining.event_lines import NO_EVENTS
from engine.explaining.plain_values import day_start_us, in_units
from engine.rules.half_life import HOUR_US, worth_by_hour

__all__ = [
    "AggregateValue",
    "AsDouble",
    "Bucket",
    "DayStart",
    "Doubles",
    "EventTime",
    "GivenEach",
    "GivenWhen",
    "InUnits",
    "Literal",
    "Multiple",
    "Points",
    "Stored",
    "Total",
]

cdef EventLine nothing_there = NO_EVENTS
_BUCKETS = 10_000


cdef class Stored(Number):
    """A value as the profile, or the event, has it."""

    cdef str name

    def __init__(self, str name not None):
        self.name = name

    cdef object of(self, Asked asked):
        cdef void *found = PyDict_GetItem(asked.attributes, self.name)
        return None if found == NULL else <object>found


cdef class InUnits(Number):
    """A value in the unit of its type."""

    cdef Number value

    def __init__(self, Number value not None):
        self.value = value

    cdef object of(self, Asked asked):
        return in_units(self.value.of(asked))


cdef class DayStart(Number):
    """The first instant of a day, in the zone of the profile."""

    cdef Number day

    def __init__(self, Number day not None):
        self.day = day

    cdef object of(self, Asked asked):
        return day_start_us(self.day.of(asked), asked.profile)


cdef class Bucket(Number):
    """The bucket of the profile under a seed."""

    cdef object seed

    def __init__(self, seed):
        self.seed = seed

    cdef object of(self, Asked asked):
        return xxh64(asked.profile.uid, self.seed) % _BUCKETS


cdef class Points(Number):
    """The points of a score, in thousandths."""

    cdef object score

    def __init__(self, score):
        self.score = score

    cdef object of(self, Asked asked):
        return (<Reading?>asked).points(self.score)


cdef class Literal(Number):
    """A number of the text."""

    cdef object number

    def __init__(self, number):
        self.number = number

    cdef object of(self, Asked asked):
        return self.number


cdef class Multiple(Number):
    """A multiple of one value, and a constant."""

    cdef object factor, constant
    cdef Number value

    def __init__(self, factor, Number value not None, constant):
        self.factor = factor
        self.value = value
        self.constant = constant

    cdef object of(self, Asked asked):
        found = self.value.of(asked)
        return None if found is None else self.factor * found + self.constant


cdef class Total(Number):
    """A sum of multiples of `now` and of values, and a constant."""

    cdef object constant, by_now
    cdef list terms

    def __init__(self, constant, by_now, list terms not None):
        self.constant = constant
        self.by_now = by_now
        self.terms = terms

    cdef object of(self, Asked asked):
        total = self.constant + self.by_now * asked.now_us
        for factor, source in self.terms:
            value = (<Number?>source).of(asked)
            if value is None:
                return None
            total = total + factor * value
        return total


cdef class AsDouble(Number):
    """An exact value, `scale` times what it stands for, as a double."""

    cdef Number exact
    cdef object scale

    def __init__(self, Number exact not None, scale):
        self.exact = exact
        self.scale = scale

    cdef object of(self, Asked asked):
        found = self.exact.of(asked)
        return None if found is None else float(Fraction(found) / self.scale)


cdef class Doubles(Number):
    """A sum of doubles, each with its sign and its factor (None: none); None where it is no
    number."""

    cdef list terms

    def __init__(self, list terms not None):
        self.terms = terms

    cdef object of(self, Asked asked):
        total = None
        for sign, factor, source in self.terms:
            one = (<Number?>source).of(asked)
            if one is None:
                return None
            double = float(one) if factor is None else factor * float(one)
            total = sign * double if total is None else total + sign * double
        return None if total is None or isnan(total) else total


# ------------------------------------------------------------------------------- events


cdef class AggregateValue(Number):
    """What the events of a selection come to in a window, kept with the reading; `nothing` where
    none has ever been."""

    cdef Function function
    cdef Selection selection
    cdef Span span
    cdef object nothing

    def __init__(self, str function, Selection selection not None, Span span not None, nothing):
        self.function = function_of(function)
        self.selection = selection
        self.span = span
        self.nothing = nothing

    cdef object of(self, Asked asked):
        cdef Reading reading = <Reading?>asked
        cdef EventLine line = reading.line_of(self.selection)
        cdef Py_ssize_t first, end
        if line is nothing_there:
            return self.nothing
        cdef void *known = PyDict_GetItem(reading.values, self)
        if known != NULL:
            return <object>known
        self.span.stretch(reading, line, &first, &end)
        found = line.of(self.function, first, end)
        reading.values[self] = found
        return found


cdef class EventTime(Number):
    """The time of the first or last event, microseconds from 1970."""

    cdef bint is_first
    cdef Selection selection
    cdef Span span

    def __init__(self, str function, Selection selection not None, Span span not None):
        self.is_first = function_of(function) == FIRST
        self.selection = selection
        self.span = span

    cdef object of(self, Asked asked):
        cdef Reading reading = <Reading?>asked
        cdef EventLine line = reading.line_of(self.selection)
        cdef Py_ssize_t first, end
        if line is nothing_there:
            return None
        self.span.stretch(reading, line, &first, &end)
        return None if first == end else line.times[first if self.is_first else end - 1]


# -------------------------------------------------------------------------------- rules


cdef class GivenWhen(Given):
    """Points for whom a condition holds."""

    cdef Truth condition
    cdef object points

    def __init__(self, Truth condition not None, points):
        self.condition = condition
        self.points = points

    cdef object of(self, Reading reading):
        return self.points if self.condition.of(reading) else 0


cdef class GivenEach(Given):
    """Points for each of some events in a window. By the age in hours, where they halve: `worth`,
    which is made when the first event counts."""

    def __init__(self, Selection selection not None, Span span not None, rule):
        self.selection = selection
        self.span = span
        self.points = rule.points
        self.at_most = rule.at_most
        self.half_life_us = rule.half_life_us
        self.worth = None

    cdef EventLine counted(self, Reading reading, Py_ssize_t *first, Py_ssize_t *end):
        """The events that count: the places [first, end) in a line; no line where there are
        none."""
        cdef EventLine line = reading.line_of(self.selection)
        if line is nothing_there:
            return None
        self.span.stretch(reading, line, first, end)
        if first[0] == end[0]:
            return None
        if self.half_life_us is not None and self.worth is None:
            self.worth = worth_by_hour(self.points, self.half_life_us)
        return line

    cdef object worth_of(self, Reading reading, int64_t time_us):
        """What an event that is counted gives, in thousandths, by its time."""
        return self.points if self.worth is None else faded(self.worth, reading.now_us, time_us)

    cdef object sum(self, Reading reading, EventLine line, Py_ssize_t first, Py_ssize_t end):
        """What a stretch that is counted would give without `at_most`."""
        cdef Py_ssize_t place
        if self.worth is None:
            return self.points * (end - first)
        total = 0
        for place in range(first, end):
            total = total + faded(self.worth, reading.now_us, line.times[place])
        return total

    cdef object bounded(self, uncapped):
        """The same with it."""
        if self.at_most is None:
            return uncapped
        return min(max(uncapped, -self.at_most), self.at_most)

    cdef object of(self, Reading reading):
        cdef Py_ssize_t first = 0, end = 0
        cdef EventLine line = self.counted(reading, &first, &end)
        return 0 if line is None else self.bounded(self.sum(reading, line, first, end))


cdef int64_t hour_us = HOUR_US


cdef object faded(tuple worth, int64_t now_us, int64_t time_us):
    """What an event is worth by its age; none is later than now."""
    cdef int64_t hour = (now_us - time_us) // hour_us
    return worth[hour] if hour < len(worth) else 0
