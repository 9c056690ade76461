# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The lines of rules in a ledger, as nodes that are asked of a reading: see ledgers.py."""

from engine.explaining.event_lines cimport EventLine
from engine.explaining.reading cimport Reading, Truth
from engine.explaining.value_nodes cimport GivenEach

from engine.explaining.evidence import EVIDENCE_EVENTS, EvidenceEvent
from engine.explaining.ledger_lines import LedgerLine

__all__ = ["EachLine", "RuleLine", "WhenLine", "lines_of"]

cdef Py_ssize_t most_events = EVIDENCE_EVENTS


cdef class RuleLine:
    """The line of a rule; those that say nothing of the profile itself are made once."""

    cdef object of(self, Reading reading):
        raise NotImplementedError


cdef class WhenLine(RuleLine):
    """The line of a `when` rule: one of two."""

    cdef Truth condition
    cdef object given, missed

    def __init__(self, Truth condition not None, points, place, text):
        self.condition = condition
        self.given = LedgerLine("when", points, place, text)
        self.missed = LedgerLine("when", 0, place, text)

    cdef object of(self, Reading reading):
        return self.given if self.condition.of(reading) else self.missed


cdef class EachLine(RuleLine):
    """The line of an `each` rule."""

    cdef GivenEach given
    cdef object place, text, nothing

    def __init__(self, GivenEach given not None, place, text):
        self.given = given
        self.place = place
        self.text = text
        self.nothing = LedgerLine("each", 0, place, text)

    cdef object of(self, Reading reading):
        cdef Py_ssize_t first = 0, end = 0, place, last
        cdef EventLine line = self.given.counted(reading, &first, &end)
        if line is None:
            return self.nothing
        uncapped = self.given.sum(reading, line, first, end)
        given = self.given.bounded(uncapped)
        events = []
        last = max(first, end - most_events)
        place = end
        while place > last:
            place -= 1
            time_us = line.times[place]
            worth = self.given.worth_of(reading, time_us)
            events.append(EvidenceEvent(line.events[place].type, time_us, None, worth))
        over = None if given == uncapped else uncapped
        return LedgerLine(
            "each", given, self.place, self.text, over, tuple(events), last - first
        )


def lines_of(list rules not None, Reading reading not None):
    """The lines of rules for the profile of a reading, as a list, and the sum of their points."""
    cdef list lines = []
    total = 0
    for rule in rules:
        line = (<RuleLine?>rule).of(reading)
        lines.append(line)
        total = total + line.points
    return lines, total
