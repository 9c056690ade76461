"""The truth and the values of a bound tree for one profile at one instant: the fourth reading.

It works on the plain values of the profile and on its events in the order of time, exactly, and
shares no code with the evaluators of blocks and rows. Names, types and units are settled when the
tree is bound, so nothing here can be wrong with an expression.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from math import isnan
from typing import Any

from engine.columns.hashing import xxh64
from engine.errors import NotYet
from engine.explaining.event_lines import EventLine
from engine.explaining.one_profile import EPOCH_DAY, OneEvent, OneProfile, us_of
from engine.explaining.sequence_path import SequencePath, sequence_path
from engine.model.definitions import Attribute
from engine.rules import bound, tree
from engine.rules.bound_events import BoundAggregate, BoundEvents, BoundSequence
from engine.rules.bound_scores import BoundEachRule, BoundScore, BoundScoreRule, BoundWhenRule
from engine.rules.calendar import first_instant_us
from engine.rules.half_life import HOUR_US, worth_by_hour
from engine.rules.time_dependence import moves_anywhere
from engine.rules.window_bounds import window_bounds

__all__ = ["Reading", "passes"]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class _Line:
    """The events of a selection; `at_us`: they are those of one instant only. What they were found
    for stays with them, so that its id, by which they are looked up, is nobody else's."""

    events: BoundEvents
    read: Attribute | None
    line: EventLine
    at_us: int | None


@dataclass(frozen=True, slots=True)
class _Form:
    """A form whose whole numbers are ints, which are added many times faster than fractions."""

    form: bound.Linear
    constant: int | Fraction
    terms: tuple[tuple[int | Fraction, bound.Source], ...]


class Reading:
    """One profile at an instant, microseconds from 1970; for one thread."""

    def __init__(self, profile: OneProfile, now_us: int) -> None:
        self.profile = profile
        self.now_us = now_us
        # What is known of a node, by its id; the node is kept with it.
        self.courses: dict[int, tuple[bound.BoundExpr, Any]] = {}
        self._lines: dict[tuple[int, int], _Line] = {}
        self._forms: dict[int, _Form] = {}
        self._truths: dict[int, tuple[bound.BoundExpr, bool]] = {}
        self._values: dict[int, tuple[BoundAggregate, Any]] = {}
        self._points: dict[BoundScore, int] = {}

    def at(self, now_us: int) -> Reading:
        """The same profile at another instant."""
        other = Reading(self.profile, now_us)
        other._lines, other._forms = self._lines, self._forms
        return other

    def of(self, profile: OneProfile, now_us: int, changed: Collection[str]) -> Reading:
        """Another profile, whose events are the same but for those of some types."""
        other = Reading(profile, now_us)
        other._forms = self._forms
        other._lines = {
            key: one
            for key, one in self._lines.items()
            if not changed or not any(type_ in changed for type_ in one.events.types)
        }
        return other

    # ------------------------------------------------------------------------- truth

    def holds(self, item: bound.BoundExpr) -> bool:
        """Whether it is true. Raises NotYet for what has no evaluator so far."""
        known = self._truths.get(id(item))
        if known is None:
            # The tree stays in the memory with its truth, so its id is nobody else's.
            known = self._truths[id(item)] = item, self._holds(item)
        return known[1]

    def _holds(self, item: bound.BoundExpr) -> bool:
        match item:
            case bound.BoundAnd(items=items):
                return all([self.holds(part) for part in items])
            case bound.BoundOr(items=items):
                return any([self.holds(part) for part in items])
            case bound.BoundNot(item=inner):
                return not self.holds(inner)
            case bound.BoundSegment(body=body):
                return self.holds(body)
            case bound.BoundCompare(form=form, op=op):
                total = self.linear(form)
                return total is not None and _COMPARE[op](total, 0)
            case bound.BoundIn(form=form, values=values, negated=negated):
                total = self.linear(form)
                return total is not None and (total in values) != negated
            case bound.BoundFloatCompare(left=left, op=op, right=right):
                a, b = self.double(left), self.double(right)
                return a is not None and b is not None and _COMPARE[op](a, b)
            case bound.BoundFloatIn(value=value, values=doubles, negated=negated):
                a = self.double(value)
                return a is not None and (a in doubles) != negated
            case BoundSequence():
                return self.path(item).holds
            case bound.BoundConstant(value=constant):
                return constant
            case bound.BoundList(name=name):
                return name in self.profile.owned
            case bound.BoundLater(construct=construct):
                raise NotYet(f"{construct} can be written and checked, and not evaluated yet.")
            case _:
                return self._holds_for_what_is_read(item)

    def _holds_for_what_is_read(self, item: bound.BoundExpr) -> bool:
        match item:
            case bound.BoundPresence(read=read):
                return self.stored(read) is not None
            case bound.BoundBool(read=read, wanted=wanted):
                return self.stored(read) is wanted
            case bound.BoundCategory(read=read, test=test, negated=negated):
                text = self.stored(read)
                return text is not None and passes(text, test) != negated
            case bound.BoundText(read=read, how=how, needle=needle, negated=negated):
                text = self.stored(read)
                test = bound.StringTest(how, frozenset({needle}))
                return text is not None and passes(text, test) != negated
            case bound.BoundCategoryPair(left=left, right=right, negated=negated):
                pair = self.stored(left), self.stored(right)
                return None not in pair and (pair[0] == pair[1]) != negated
            case bound.BoundSet(attribute=attribute, test=test):
                elements = self.stored(attribute) or ()
                return any(passes(element, test) for element in elements)
            case _:
                raise AssertionError(f"no reading of {type(item).__name__}")

    # ------------------------------------------------------------------------ values

    def stored(self, read: bound.Read) -> Any:
        """A value as the profile has it or as its events make it; None where it is missing."""
        if isinstance(read, BoundAggregate):
            return self.aggregate(read)
        return self.profile.attributes.get(read.name)

    def linear(self, form: bound.Linear) -> Fraction | int | None:
        """The value of a form; None where a source of it is missing."""
        known = self._forms.get(id(form))
        if known is None:
            terms = tuple((_plain(term.factor), term.source) for term in form.terms)
            known = self._forms[id(form)] = _Form(form, _plain(form.constant), terms)
        total = known.constant + form.now_factor * self.now_us
        for factor, source in known.terms:
            value = self.source(source)
            if value is None:
                return None
            total += factor * value
        return total

    def double(self, value: bound.FloatValue) -> float | None:
        """A value in doubles; None where a source is missing, or it is no number."""
        if value.exact is not None:
            exact = self.linear(value.exact)
            return None if exact is None else float(exact)
        total: float | None = None
        for term in value.terms:
            one = term.source if isinstance(term.source, float) else self.source(term.source)
            if one is None:
                return None
            double = float(one) if term.factor is None else term.factor * float(one)
            total = term.sign * double if total is None else total + term.sign * double
        return None if total is None or isnan(total) else total

    def source(self, source: bound.Source) -> Any:
        """A source in the unit of its type, exact, or a float; None where it is missing."""
        match source:
            case bound.AttributeSource(attribute):
                return in_units(self.profile.attributes.get(attribute.name))
            case bound.AggregateSource(aggregate, day_start):
                value = self.aggregate(aggregate)
                return self._day_start(value) if day_start else in_units(value)
            case bound.DateStartSource(attribute):
                return self._day_start(self.profile.attributes.get(attribute.name))
            case bound.BucketSource(salt):
                return xxh64(self.profile.uid, xxh64(salt.encode(), 0)) % _BUCKETS
            case bound.ScoreSource(score=score):
                return Fraction(self.points(score), 1000)

    def _day_start(self, day: Any) -> int | None:
        if day is None:
            return None
        return first_instant_us(day.toordinal() - EPOCH_DAY, self.profile.zone)

    # ------------------------------------------------------------------------ events

    def aggregate(self, aggregate: BoundAggregate) -> Any:
        """The value of an aggregate, as EventLine.value says."""
        known = self._values.get(id(aggregate))
        if known is None:
            assert aggregate.function != "latest", "the profile at hand is as it was"
            line, first, end = self.stretch(aggregate)
            value = line.value(aggregate.function, first, end)
            known = self._values[id(aggregate)] = aggregate, value
        return known[1]

    def stretch(self, aggregate: BoundAggregate) -> tuple[EventLine, int, int]:
        """The events of an aggregate, and which of them its window takes in."""
        line = self.line(aggregate.events, aggregate.property)
        return line, *line.stretch(*self.bounds(aggregate.window))

    def bounds(self, window: tree.Window | None) -> tuple[int, int]:
        """The span [from, to) of a window now."""
        return window_bounds(window, self.now_us, self.profile.zone)

    def line(self, events: BoundEvents, read: Attribute | None = None) -> EventLine:
        """The events that pass, those of the time to come too; with a property, those that have
        it."""
        key = id(events), id(read)
        known = self._lines.get(key)
        if known is None or known.at_us not in (None, self.now_us):
            moves = events.where is not None and moves_anywhere(events.where)
            line = EventLine(self._passing(events, read), self.profile.zone)
            known = self._lines[key] = _Line(events, read, line, self.now_us if moves else None)
        return known.line

    def _passing(self, events: BoundEvents, read: Attribute | None) -> list[tuple[OneEvent, Any]]:
        found = []
        for type_ in events.types:
            for event in self.profile.events.get(type_, ()):
                value = None if read is None else event.properties.get(read.name)
                if (read is None or value is not None) and self._passes(event, events.where):
                    found.append((event, value))
        return found

    def _passes(self, event: OneEvent, where: bound.BoundExpr | None) -> bool:
        if where is None:
            return True
        as_profile = OneProfile(self.profile.uid, self.profile.zone, event.properties)
        return Reading(as_profile, self.now_us).holds(where)

    # ------------------------------------------------------------------------ scores

    def points(self, score: BoundScore) -> int:
        """The points of a score, in thousandths."""
        if score not in self._points:
            total = sum(self.rule_points(rule)[0] for rule in score.rules)
            if score.floor is not None:
                total = max(total, score.floor)
            if score.ceiling is not None:
                total = min(total, score.ceiling)
            self._points[score] = total
        return self._points[score]

    def rule_points(self, rule: BoundScoreRule) -> tuple[int, int]:
        """What a rule gives, in thousandths, and what it would without its `at_most`."""
        if isinstance(rule, BoundWhenRule):
            given = rule.points if self.holds(rule.condition) else 0
            return given, given
        times = self.rule_times(rule)
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

    def worth(self, rule: BoundEachRule, time_us: int) -> int:
        """What an event of a time gives to a rule that counts it, in thousandths."""
        if rule.half_life_us is None:
            return rule.points
        worth = worth_by_hour(rule.points, rule.half_life_us)
        hour = (self.now_us - time_us) // HOUR_US
        return worth[hour] if hour < len(worth) else 0

    def rule_times(self, rule: BoundEachRule) -> Sequence[int]:
        """The times of the events that a rule counts, in order."""
        line = self.line(rule.events)
        first, end = line.stretch(*self.bounds(rule.window))
        return line.times[first:end]

    # --------------------------------------------------------------------- sequences

    def path(self, sequence: BoundSequence) -> SequencePath:
        """How far the profile came in a sequence by now."""

        def times(events: BoundEvents) -> Sequence[int]:
            line = self.line(events)
            return line.times[: bisect_right(line.times, self.now_us)]

        line = self.line(sequence.first)
        first, end = line.stretch(*self.bounds(sequence.window))
        return sequence_path(sequence, [*dict.fromkeys(line.times[first:end])], times, self.now_us)


def in_units(value: Any) -> Any:
    """A plain value in the unit of its type: an int or a Fraction, floats as they are."""
    if value is None or isinstance(value, float | int):
        return value
    if isinstance(value, datetime):
        return us_of(value)
    if isinstance(value, date):
        return value.toordinal() - EPOCH_DAY
    assert isinstance(value, Decimal | Fraction), f"{value!r} is no quantity"
    return Fraction(value)


def _plain(number: Fraction) -> int | Fraction:
    return number.numerator if number.denominator == 1 else number


def passes(text: str, test: bound.StringTest) -> bool:
    """Whether a string passes a test."""
    match test.how:
        case "in":
            return text in test.values
        case "contains":
            return any(needle in text for needle in test.values)
        case "starts with":
            return text.startswith(tuple(test.values))
        case "ends with":
            return text.endswith(tuple(test.values))
