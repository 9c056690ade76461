"""The truth and the values of a bound tree for one profile at one instant: the fourth reading.

It works on the plain values of the profile and on its events in the order of time, exactly, and
shares no code with the evaluators of blocks and rows. Names, types and units are settled when the
tree is bound, so nothing here can be wrong with an expression.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from engine.explaining.closures import Closures, EventView, Selection
from engine.explaining.event_lines import NO_EVENTS, EventLine
from engine.explaining.one_profile import OneEvent, OneProfile
from engine.explaining.plain_values import plain_number
from engine.explaining.sequence_path import SequencePath, sequence_path
from engine.model.definitions import Attribute
from engine.rules import bound, tree
from engine.rules.bound_events import BoundAggregate, BoundEvents, BoundSequence
from engine.rules.bound_scores import BoundEachRule, BoundScore, BoundScoreRule, BoundWhenRule
from engine.rules.half_life import HOUR_US, worth_by_hour
from engine.rules.window_bounds import window_bounds

__all__ = ["Reading"]


@dataclass(frozen=True, slots=True)
class _Form:
    """A form whose whole numbers are ints, which are added many times faster than fractions."""

    form: bound.Linear
    constant: int | Fraction
    terms: tuple[tuple[int | Fraction, bound.Source], ...]


class Reading:
    """One profile at an instant, microseconds from 1970; for one thread. `closures` are kept from
    profile to profile where the same things are asked of them."""

    def __init__(self, profile: OneProfile, now_us: int, closures: Closures | None = None) -> None:
        self.profile = profile
        self.attributes = profile.attributes
        self.now_us = now_us
        self.closures = closures or Closures()
        # What is known of a node and of an aggregate, by its id; `closures` keep it, or it is kept
        # with it.
        self.truths: dict[int, bool] = {}
        self.values: dict[int, Any] = {}
        self.courses: dict[int, tuple[bound.BoundExpr, Any]] = {}
        # Of a score the instants ahead at which it may change, its points then, and the first that
        # is not known any more.
        self.points_ahead: dict[BoundScore, tuple[list[int], list[int], int | None]] = {}
        # Events that pass at any instant, and those that pass at this one.
        self.lines: dict[Selection, EventLine] = {}
        self._lines_now: dict[Selection, EventLine] = {}
        self._spans: dict[tree.Window | None, tuple[int, int]] = {}
        self._forms: dict[int, _Form] = {}
        self.known_points: dict[BoundScore, int] = {}

    def at(self, now_us: int) -> Reading:
        """The same profile at another instant."""
        other = Reading(self.profile, now_us, self.closures)
        other.lines, other._forms = self.lines, self._forms
        return other

    def of(self, profile: OneProfile, now_us: int, changed: Collection[str]) -> Reading:
        """Another profile, whose events are the same but for those of some types."""
        other = Reading(profile, now_us, self.closures)
        other._forms = self._forms
        other.lines = {
            selection: line
            for selection, line in self.lines.items()
            if not changed or not any(type_ in changed for type_ in selection.events.types)
        }
        return other

    def holds(self, item: bound.BoundExpr) -> bool:
        """Whether it is true. Raises NotYet for what has no evaluator so far."""
        known = self.truths.get(id(item))
        if known is None:
            known = self.truths[id(item)] = self.closures.truth(item)(self)
        return known

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
            terms = tuple((plain_number(term.factor), term.source) for term in form.terms)
            known = self._forms[id(form)] = _Form(form, plain_number(form.constant), terms)
        total = known.constant + form.now_factor * self.now_us
        for factor, source in known.terms:
            value = self.source(source)
            if value is None:
                return None
            total += factor * value
        return total

    def double(self, value: bound.FloatValue) -> float | None:
        """A value in doubles; None where a source is missing, or it is no number."""
        found: float | None = self.closures.double(value)(self)
        return found

    def source(self, source: bound.Source) -> Any:
        """A source in the unit of its type, exact, or a float; None where it is missing."""
        if isinstance(source, bound.ScoreSource):
            return Fraction(self.points(source.score), 1000)
        return self.closures.source(source)(self)

    # ------------------------------------------------------------------------ events

    def aggregate(self, aggregate: BoundAggregate) -> Any:
        """The value of an aggregate, as EventLine.value says."""
        return self.closures.aggregate(aggregate)(self)

    def stretch(self, aggregate: BoundAggregate) -> tuple[EventLine, int, int]:
        """The events of an aggregate, and which of them its window takes in."""
        line = self.line(aggregate.events, aggregate.property)
        return line, *line.stretch(*self.bounds(aggregate.window))

    def bounds(self, window: tree.Window | None) -> tuple[int, int]:
        """The span [from, to) of a window now."""
        known = self._spans.get(window)
        if known is None:
            known = window_bounds(window, self.now_us, self.profile.zone)
            self._spans[window] = known
        return known

    def line(self, events: BoundEvents, read: Attribute | None = None) -> EventLine:
        """The events that pass, those of the time to come too; with a property, those that have
        it."""
        return self.line_of(self.closures.selection(events, read))

    def line_of(self, selection: Selection) -> EventLine:
        """The same of a selection."""
        lines = self._lines_now if selection.moves else self.lines
        known = lines.get(selection)
        if known is None:
            found = None
            if not selection.types.isdisjoint(self.profile.events):
                found = self._selected(selection)
            known = lines[selection] = EventLine(found, self.profile.zone) if found else NO_EVENTS
        return known

    def _selected(self, selection: Selection) -> list[tuple[OneEvent, Any]]:
        found: list[tuple[OneEvent, Any]] = []
        events, read, passes = self.profile.events, selection.read, selection.passes
        view: EventView | None = None
        for type_ in selection.events.types:
            for event in events.get(type_, ()):
                value = None if read is None else event.properties.get(read)
                if read is not None and value is None:
                    continue
                if passes is not None:
                    view = view or EventView(self.profile, self.now_us)
                    view.attributes = event.properties
                    if not passes(view):
                        continue
                found.append((event, value))
        return found

    # ------------------------------------------------------------------------ scores

    def points(self, score: BoundScore) -> int:
        """The points of a score, in thousandths."""
        total = self.known_points.get(score)
        if total is None:
            total = 0
            for given in self.closures.rules(score):
                total += given(self)
            if score.floor is not None and total < score.floor:
                total = score.floor
            if score.ceiling is not None and total > score.ceiling:
                total = score.ceiling
            self.known_points[score] = total
        return total

    def rule_points(self, rule: BoundScoreRule) -> tuple[int, int]:
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
        if not line.times:
            return ()
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
