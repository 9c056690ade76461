# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The truth and the values of a bound tree for one profile at one instant: the fourth reading.

It works on the plain values of the profile and on its events in the order of time, exactly, and
shares no code with the evaluators of blocks and rows. Names, types and units are settled when the
tree is bound, so nothing here can be wrong with an expression.

What is asked is made into nodes once for all profiles (`engine.explaining.closures`): a `Truth`, a
`Number`, and what a rule of a score gives, `Given`. A node is asked of a reading, or, where it
stands in the condition of an aggregate, of an event at a time, whose properties are where the
attributes of a profile are.
"""

from bisect import bisect_right
from fractions import Fraction

from cpython.dict cimport PyDict_GetItem
from libc.stdint cimport int64_t

from engine.explaining.event_lines cimport EventLine

from engine.explaining.event_lines import NO_EVENTS
from engine.explaining.plain_values import plain_number
from engine.explaining.sequence_path import sequence_path
from engine.rules import bound, tree
from engine.rules.bound_events import BoundAggregate
from engine.rules.bound_scores import BoundWhenRule
from engine.rules.calendar import local_day
from engine.rules.half_life import HOUR_US, worth_by_hour
from engine.rules.units import duration_us
from engine.rules.window_bounds import EARLIEST_US, LATEST_US, window_bounds, window_span

__all__ = ["Asked", "EventView", "Given", "Number", "Reading", "Selection", "Span", "Truth"]

cdef EventLine nothing_there = NO_EVENTS
cdef int64_t earliest_us = EARLIEST_US
cdef int64_t latest_us = LATEST_US

# How the bounds of a window follow from the instant: they lie so far back, or are those of the
# local day, or have to be worked out anew.
cdef enum:
    BACK = 1
    BY_DAY = 2
    ANEW = 3


cdef class Asked:
    """What a node is asked of: values by name, the profile, and the instant in microseconds."""


cdef class EventView(Asked):
    """An event in the place of a profile: its properties are the attributes."""


cdef class Truth:
    """A condition. Raises NotYet where it has no evaluator."""

    def __call__(self, Asked asked not None):
        """Whether it is true."""
        return self.of(asked)

    cdef bint of(self, Asked asked) except -1:
        raise NotImplementedError


cdef class Number:
    """A value: a number, or what else is read; None where it is missing."""

    def __call__(self, Asked asked not None):
        """The value."""
        return self.of(asked)

    cdef object of(self, Asked asked):
        raise NotImplementedError


cdef class Given:
    """What a rule of a score gives."""

    def __call__(self, Reading reading not None):
        """In thousandths of a point."""
        return self.of(reading)

    cdef object of(self, Reading reading):
        raise NotImplementedError


cdef class Span:
    """A window, whose bounds are worked out once for all who ask at an instant, or in a day."""

    def __init__(self, window):
        self.window = window
        self.start_back_us = self.end_back_us = 0
        self.known = None
        if window is None:
            self.kind = BACK
        elif window.kind == "in_last" and isinstance(window.length, tree.Duration):
            self.kind = BACK
            self.start_back_us = duration_us(window.length)
        elif window.kind == "between_ago":
            self.kind = BACK
            self.start_back_us = duration_us(window.start)
            self.end_back_us = duration_us(window.end)
        elif any(
            one is not None and isinstance(one.at, tree.Now) for one in (window.from_, window.to)
        ):
            self.kind = ANEW
        else:
            self.kind = BY_DAY

    cdef int bounds(self, Reading reading, int64_t *from_us, int64_t *to_us) except -1:
        """The span [from, to) now, as `window_bounds` has it."""
        cdef int64_t now_us = reading.now_us
        cdef tuple known
        to_us[0] = min(now_us + 1, latest_us)
        if self.kind == BACK:
            if self.window is None:
                from_us[0] = earliest_us
            else:
                from_us[0] = now_us - self.start_back_us + 1
                to_us[0] = min(to_us[0], now_us - self.end_back_us + 1)
            return 0
        zone = reading.profile.zone
        if self.kind == ANEW:
            from_us[0], to_us[0] = window_bounds(self.window, now_us, zone)
            return 0
        if reading.day is None:
            reading.day = local_day(now_us, zone)
        known = self.known
        if known is None or known[0] is not zone or known[1] != reading.day:
            start_us, end_us = window_span(self.window, now_us, zone)
            start_us, end_us = max(start_us, EARLIEST_US), min(end_us, LATEST_US)
            # In one step: threads share it.
            self.known = known = zone, reading.day, start_us, end_us
        from_us[0] = known[2]
        to_us[0] = min(to_us[0], <int64_t>known[3])
        return 0

    cdef int stretch(
        self, Reading reading, EventLine line, Py_ssize_t *first, Py_ssize_t *end
    ) except -1:
        """The places [first, end) of the events of a line that are in it now."""
        cdef int64_t from_us, to_us
        self.bounds(reading, &from_us, &to_us)
        first[0] = line.before(from_us, 0)
        end[0] = line.before(to_us, first[0])
        return 0


cdef class Selection:
    """The events of some types that pass a condition; with a property, those that have it. `moves`:
    which of them pass depends on the instant."""

    def __init__(self, events, str read, Truth passes, bint moves):
        self.events = events
        self.types = tuple(events.types)
        self.read = read
        self.passes = passes
        self.moves = moves


cdef class Reading(Asked):
    """One profile at an instant, microseconds from 1970; for one thread. `closures` are kept from
    profile to profile where the same things are asked of them."""

    def __init__(self, profile, int64_t now_us, closures=None):
        if closures is None:
            # They are made of what is here.
            from engine.explaining.closures import Closures

            closures = Closures()
        self.profile = profile
        self.attributes = as_dict(profile.attributes)
        self.events = as_dict(profile.events)
        self.now_us = now_us
        self.closures = closures
        # What is known of a node and of an aggregate, by its id or its node; `closures` keep it,
        # or it is kept with it.
        self.truths = {}
        self.values = {}
        self.courses = {}
        # Of a score the instants ahead at which it may change, its points then, and the first that
        # is not known any more.
        self.points_ahead = {}
        # Events that pass at any instant, and those that pass at this one.
        self.lines = {}
        self.lines_now = {}
        self.forms = {}
        self.known_points = {}
        self.day = None

    def at(self, int64_t now_us):
        """The same profile at another instant."""
        cdef Reading other = Reading(self.profile, now_us, self.closures)
        other.lines, other.forms = self.lines, self.forms
        return other

    def having(self, score, points):
        """The same profile, of which only the thousandths of one score differ: for conditions that
        compare that score with numbers."""
        cdef Reading other = Reading(self.profile, self.now_us, self.closures)
        other.known_points[score] = points
        return other

    def of(self, profile, int64_t now_us, changed):
        """Another profile, whose events are the same but for those of some types."""
        cdef Reading other = Reading(profile, now_us, self.closures)
        other.forms = self.forms
        other.lines = {
            selection: line
            for selection, line in self.lines.items()
            if not changed or not any(type_ in changed for type_ in selection.events.types)
        }
        return other

    def holds(self, item):
        """Whether it is true. Raises NotYet for what has no evaluator so far."""
        place = id(item)
        known = self.truths.get(place)
        if known is None:
            known = self.truths[place] = (<Truth>self.closures.truth(item)).of(self)
        return known

    # ------------------------------------------------------------------------ values

    def stored(self, read):
        """A value as the profile has it or as its events make it; None where it is missing."""
        if isinstance(read, BoundAggregate):
            return self.aggregate(read)
        return self.attributes.get(read.name)

    def linear(self, form):
        """The value of a form; None where a source of it is missing."""
        known = self.forms.get(id(form))
        if known is None:
            # With the form, so that its id is nobody else's. Whole numbers are ints, which are
            # added many times faster than fractions.
            terms = [(plain_number(term.factor), term.source) for term in form.terms]
            known = self.forms[id(form)] = form, plain_number(form.constant), terms
        total = known[1] + form.now_factor * self.now_us
        for factor, source in known[2]:
            value = self.source(source)
            if value is None:
                return None
            total += factor * value
        return total

    def double(self, value):
        """A value in doubles; None where a source is missing, or it is no number."""
        return (<Number>self.closures.double(value)).of(self)

    def source(self, source):
        """A source in the unit of its type, exact, or a float; None where it is missing."""
        if isinstance(source, bound.ScoreSource):
            return Fraction(self.points(source.score), 1000)
        return (<Number>self.closures.source(source)).of(self)

    # ------------------------------------------------------------------------ events

    def aggregate(self, aggregate):
        """The value of an aggregate, as EventLine.value says."""
        return (<Number>self.closures.aggregate(aggregate)).of(self)

    def stretch(self, aggregate):
        """The events of an aggregate, and which of them its window takes in."""
        line = self.line(aggregate.events, aggregate.property)
        return line, *line.stretch(*self.bounds(aggregate.window))

    def bounds(self, window):
        """The span [from, to) of a window now."""
        cdef int64_t from_us, to_us
        (<Span>self.closures.span(window)).bounds(self, &from_us, &to_us)
        return from_us, to_us

    def line(self, events, read=None):
        """The events that pass, those of the time to come too; with a property, those that have
        it."""
        return self.line_of(self.closures.selection(events, read))

    cdef EventLine line_of(self, Selection selection):
        """The same of a selection."""
        cdef dict lines = self.lines_now if selection.moves else self.lines
        cdef void *known = PyDict_GetItem(lines, selection)
        if known != NULL:
            return <EventLine>known
        found = self.selected(selection)
        lines[selection] = found
        return found

    cdef EventLine selected(self, Selection selection):
        cdef list events = None, values = None
        cdef Truth passes = selection.passes
        cdef EventView view = None
        cdef void *there
        for type_ in selection.types:
            there = PyDict_GetItem(self.events, type_)
            if there == NULL:
                continue
            for event in <object>there:
                if selection.read is not None:
                    value = event.properties.get(selection.read)
                    if value is None:
                        continue
                    if values is None:
                        values = []
                if passes is not None:
                    if view is None:
                        view = EventView.__new__(EventView)
                        view.profile, view.now_us = self.profile, self.now_us
                    view.attributes = as_dict(event.properties)
                    if not passes.of(view):
                        continue
                if events is None:
                    events = []
                events.append(event)
                if values is not None:
                    values.append(value)
        return nothing_there if events is None else EventLine(events, values, self.profile.zone)

    # ------------------------------------------------------------------------ scores

    cpdef object points(self, object score):
        """The points of a score, in thousandths."""
        cdef void *known = PyDict_GetItem(self.known_points, score)
        cdef Given given
        if known != NULL:
            return <object>known
        total = 0
        for given in <list>self.closures.rules(score):
            total = total + given.of(self)
        if score.floor is not None and total < score.floor:
            total = score.floor
        if score.ceiling is not None and total > score.ceiling:
            total = score.ceiling
        self.known_points[score] = total
        return total

    def rule_points(self, rule):
        """What a rule gives, in thousandths, and what it would without its `at_most`."""
        if isinstance(rule, BoundWhenRule):
            given = rule.points if self.holds(rule.condition) else 0
            return given, given
        times = self.rule_times(rule)
        if not times:
            return 0, 0
        if rule.half_life_us is None:
            given = rule.points * len(times)
        else:
            # As `worth` says, but that the table is looked up once: a course asks at many instants.
            worth, now_us = worth_by_hour(rule.points, rule.half_life_us), self.now_us
            hours = [(now_us - time_us) // HOUR_US for time_us in times]
            given = sum([worth[hour] for hour in hours if hour < len(worth)])
        if rule.at_most is None:
            return given, given
        return min(max(given, -rule.at_most), rule.at_most), given

    def worth(self, rule, time_us):
        """What an event of a time gives to a rule that counts it, in thousandths."""
        if rule.half_life_us is None:
            return rule.points
        worth = worth_by_hour(rule.points, rule.half_life_us)
        hour = (self.now_us - time_us) // HOUR_US
        return worth[hour] if hour < len(worth) else 0

    def rule_times(self, rule):
        """The times of the events that a rule counts, in order."""
        line = self.line(rule.events)
        if not line.times:
            return ()
        first, end = line.stretch(*self.bounds(rule.window))
        return line.times[first:end]

    # --------------------------------------------------------------------- sequences

    def path(self, sequence):
        """How far the profile came in a sequence by now."""

        def times(events):
            line = self.line(events)
            return line.times[: bisect_right(line.times, self.now_us)]

        line = self.line(sequence.first)
        first, end = line.stretch(*self.bounds(sequence.window))
        return sequence_path(sequence, [*dict.fromkeys(line.times[first:end])], times, self.now_us)


cdef dict as_dict(mapping):
    return <dict>mapping if type(mapping) is dict else dict(mapping)
