"""Bound trees over plain dicts, one profile at a time: what bound.py says, said in Python.

Profiles are dicts as the reference takes them, and so are their events. Scores have no values
here.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

from engine.rules import tree
from engine.rules.bound import (
    AggregateSource,
    AttributeSource,
    BoundAnd,
    BoundBool,
    BoundCategory,
    BoundCategoryPair,
    BoundCompare,
    BoundConstant,
    BoundExpr,
    BoundFloatCompare,
    BoundFloatIn,
    BoundIn,
    BoundList,
    BoundNot,
    BoundOr,
    BoundPresence,
    BoundSegment,
    BoundSet,
    BoundText,
    BucketSource,
    DateStartSource,
    FloatValue,
    Linear,
    Read,
    Source,
    StringTest,
)
from engine.rules.bound_events import BoundAggregate, BoundEvents, BoundSequence
from engine.rules.calendar import first_instant_us, local_day
from engine.rules.reference import bucket
from engine.rules.reference_events import ReferenceEvent
from engine.rules.window_bounds import window_bounds

__all__ = ["BoundEvaluation"]

COMPARISONS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class BoundEvaluation:
    """One profile at one instant."""

    profile: Mapping[str, Any]
    zone: ZoneInfo
    now_us: int
    uid: bytes = bytes(16)
    lists: Mapping[str, Set[bytes]] = field(default_factory=dict)
    events: Sequence[ReferenceEvent] = ()

    def holds(self, bound: BoundExpr) -> bool:
        match bound:
            case BoundConstant(value):
                return value
            case BoundAnd(items):
                return all(self.holds(item) for item in items)
            case BoundOr(items):
                return any(self.holds(item) for item in items)
            case BoundNot(item):
                return not self.holds(item)
            case BoundSegment(_, body):
                return self.holds(body)
            case BoundList(name):
                return self.uid in self.lists[name]
            case BoundPresence(read):
                return self.stored(read) is not None
            case BoundBool(read, wanted):
                return self.stored(read) is wanted
            case BoundSequence():
                return self.follows(bound)
            case BoundCompare(form, op):
                value = self.linear(form)
                return value is not None and COMPARISONS[op](value, 0)
            case BoundIn(form, values, negated):
                value = self.linear(form)
                return value is not None and (value in values) != negated
            case BoundFloatCompare(left, op, right):
                sides = [self.double(left), self.double(right)]
                return not any(side is None or isnan(side) for side in sides) and COMPARISONS[op](
                    *sides
                )
            case BoundFloatIn(value, numbers, negated):
                double = self.double(value)
                return double is not None and not isnan(double) and (double in numbers) != negated
            case _:
                return self.holds_for_strings(bound)

    def holds_for_strings(self, bound: BoundExpr) -> bool:
        match bound:
            case BoundCategory(read, test, negated):
                text = self.stored(read)
                return text is not None and passes(text, test) != negated
            case BoundCategoryPair(left, right, negated):
                pair = self.stored(left), self.stored(right)
                return None not in pair and (pair[0] == pair[1]) != negated
            case BoundSet(attribute, test):
                return any(passes(element, test) for element in self.stored(attribute) or ())
            case BoundText(read, how, needle, negated):
                text = self.stored(read)
                test = StringTest(how, frozenset({needle}))
                return text is not None and passes(text, test) != negated
            case _:
                raise AssertionError(f"no evaluator for {bound}")

    def stored(self, read: Read) -> Any:
        """A value as the profile or the event has it, None if missing; the empty set is."""
        if isinstance(read, BoundAggregate):
            return self.aggregate(read)
        value = self.profile.get(read.name)
        return None if isinstance(value, (set, frozenset)) and not value else value

    def linear(self, form: Linear) -> Fraction | None:
        sources = [term.source for term in form.terms]
        assert len(set(sources)) == len(sources), "each source appears once"
        total = form.constant + form.now_factor * self.now_us
        for term in form.terms:
            value = self.source(term.source)
            if value is None:
                return None
            total += term.factor * value
        return total

    def double(self, value: FloatValue) -> float | None:
        if value.exact is not None:
            exact = self.linear(value.exact)
            return None if exact is None else float(exact)
        total = None
        for term in value.terms:
            source = term.source if isinstance(term.source, float) else self.source(term.source)
            if source is None:
                return None
            double = float(source) if term.factor is None else term.factor * float(source)
            total = term.sign * double if total is None else total + term.sign * double
        return total

    def source(self, source: Source) -> Any:
        """A Fraction in the unit of its type, a float for floats, None if missing."""
        match source:
            case BucketSource(salt):
                return Fraction(bucket(self.uid, salt))
            case DateStartSource(attribute):
                return self.day_start(self.stored(attribute))
            case AttributeSource(attribute):
                return in_units(attribute.type, self.stored(attribute))
            case AggregateSource(aggregate, day_start):
                value = self.aggregate(aggregate)
                return self.day_start(value) if day_start else in_units(aggregate.type, value)
            case _:
                raise AssertionError(f"no value for {source}")

    def day_start(self, day: date | None) -> Fraction | None:
        """The first instant of a day."""
        return None if day is None else Fraction(first_instant_us(days(day), self.zone))

    # ---------------------------------------------------------------------------- events

    def chosen(self, events: BoundEvents, window: tree.Window | None) -> list[ReferenceEvent]:
        """The events of a step or an aggregate, the earliest first."""
        start_us, end_us = window_bounds(window, self.now_us, self.zone)
        return sorted(
            (
                event
                for event in self.events
                if event.type in events.types
                and start_us <= event.time_us < end_us
                and (
                    events.where is None
                    or BoundEvaluation(event.properties, self.zone, self.now_us).holds(events.where)
                )
            ),
            key=lambda event: event.time_us,
        )

    def aggregate(self, aggregate: BoundAggregate) -> Any:
        """The value of an aggregate, as a profile would have it."""
        events = self.chosen(aggregate.events, aggregate.window)
        if aggregate.property is not None:
            events = [e for e in events if e.properties.get(aggregate.property.name) is not None]
            values = [event.properties[aggregate.property.name] for event in events]
        match aggregate.function:
            case "count":
                return len(events)
            case "days":
                return len({local_day(event.time_us, self.zone) for event in events})
            case "distinct":
                return len(set(values))
            case "sum":
                return sum(map(Fraction, values))
        if not events:
            return None
        match aggregate.function:
            case "first":
                return instant(events[0].time_us)
            case "last":
                return instant(events[-1].time_us)
            case "min":
                return min(values)
            case "max":
                return max(values)
            case "avg":
                return sum(map(Fraction, values)) / len(values)
            case "first_value":
                first = [v for v, e in zip(values, events, strict=True) if at_end(e, events[0])]
                return min(first)
            case _:
                last = [v for v, e in zip(values, events, strict=True) if at_end(e, events[-1])]
                return max(last)

    def follows(self, sequence: BoundSequence) -> bool:
        """A sequence, step by step: every (last step, earliest next) that can be reached."""
        states = {(e.time_us, e.time_us) for e in self.chosen(sequence.first, sequence.window)}
        for link in sequence.links:
            times = [event.time_us for event in self.chosen(link.events, None)]
            if link.absent:
                states = {
                    (last, max(silent, last + link.within_us))
                    for last, silent in states
                    if last + link.within_us <= self.now_us
                    and not any(last < time <= last + link.within_us for time in times)
                }
            else:
                states = {
                    (time, time)
                    for last, silent in states
                    for time in times
                    if silent < time <= last + link.within_us
                }
        return bool(states)


def at_end(event: ReferenceEvent, end: ReferenceEvent) -> bool:
    """Whether an event is as early or as late as the one at an end."""
    return event.time_us == end.time_us


def instant(time_us: int) -> datetime:
    """A time as profiles have it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)


def in_units(kind: str, value: Any) -> Any:
    """A value in the unit of its type, None if missing."""
    if value is None or kind == "float":
        return value
    if kind == "time":
        return Fraction((value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
    return Fraction(days(value) if kind == "date" else value)


def days(day: date) -> int:
    """Days from 1970-01-01."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def passes(text: str, test: StringTest) -> bool:
    """Whether one string passes a test."""
    match test.how:
        case "in":
            return text in test.values
        case "contains":
            return any(needle in text for needle in test.values)
        case "starts with":
            return any(text.startswith(needle) for needle in test.values)
        case _:
            return any(text.endswith(needle) for needle in test.values)
