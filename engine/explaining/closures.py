"""What bound trees ask of one profile, as functions that are made once for all profiles.

Walking a tree anew for each profile takes several times as long as what it asks. So each node is
made into a function of a reading (`engine.explaining.reading`), its names, bounds and factors
settled, and each selection of events, window and aggregate into one thing for all nodes that ask
the same. All is exact: factors of a form are brought to whole numbers, whose sums have its sign.

A condition inside an aggregate is asked of an event at a time (`EventView`), whose properties stand
where the attributes of a profile stand.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import isnan, lcm
from typing import TYPE_CHECKING, Any

from engine.columns.hashing import xxh64
from engine.errors import NotYet
from engine.explaining.event_lines import NO_EVENTS
from engine.explaining.one_profile import OneProfile
from engine.explaining.plain_values import day_start_us, in_units, plain_number
from engine.model.definitions import Attribute
from engine.rules import bound
from engine.rules.bound_events import BoundAggregate, BoundEvents, BoundSequence
from engine.rules.bound_scores import BoundEachRule, BoundScore, BoundWhenRule
from engine.rules.time_dependence import moves_anywhere

if TYPE_CHECKING:
    from engine.explaining.reading import Reading

__all__ = [
    "Closures",
    "EventView",
    "Selection",
    "Truth",
]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_BUCKETS = 10_000
# Nodes of which functions are kept: a model has hundreds, and texts are asked one after the other.
_MOST_KEPT = 20_000


class EventView:
    """An event in the place of a profile: `attributes` are its properties."""

    __slots__ = ("attributes", "now_us", "profile")

    def __init__(self, profile: OneProfile, now_us: int) -> None:
        self.profile = profile
        self.now_us = now_us
        self.attributes: Mapping[str, Any] = {}


# Of a reading, or of an EventView where nothing but properties is asked.
Truth = Callable[[Any], bool]
Number = Callable[[Any], Any]


class Selection:
    """The events of some types that pass a condition; with a property, those that have it. `moves`:
    which of them pass depends on the instant."""

    __slots__ = ("events", "moves", "passes", "read", "types")

    def __init__(self, events: BoundEvents, read: Attribute | None, passes: Truth | None) -> None:
        self.events = events
        self.types = frozenset(events.types)
        self.read = None if read is None else read.name
        self.passes = passes
        self.moves = events.where is not None and moves_anywhere(events.where)


class Closures:
    """See above. Safe to share between threads. `on_made` is told of each node that a function is
    made of."""

    def __init__(self, on_made: Callable[[], None] | None = None) -> None:
        self._on_made = on_made
        # What others make of what is bound, once for all profiles.
        self.kept: dict[Any, Any] = {}
        # By the id of what they were made of, which is kept with them.
        self._truths: dict[int, tuple[bound.BoundExpr, Truth]] = {}
        self._selected: dict[tuple[int, int], tuple[BoundEvents, Attribute | None, Selection]] = {}
        self._values: dict[int, tuple[BoundAggregate, Number]] = {}
        self._rules: dict[BoundScore, list[Callable[[Reading], int]]] = {}
        # The same for what is equal.
        self._selections: dict[tuple[BoundEvents, str | None], Selection] = {}
        self._aggregates: dict[BoundAggregate, Number] = {}

    @property
    def is_full(self) -> bool:
        """Whether there are so many that others had better be made."""
        return len(self._truths) > _MOST_KEPT

    # ------------------------------------------------------------------------- truth

    def truth(self, item: bound.BoundExpr) -> Truth:
        """Whether it is true of a reading. What is made raises NotYet for what has no evaluator."""
        known = self._truths.get(id(item))
        if known is None:
            if self._on_made is not None:
                self._on_made()
            known = self._truths[id(item)] = item, self._truth(item)
        return known[1]

    def _truth(self, item: bound.BoundExpr) -> Truth:
        match item:
            case bound.BoundAnd(items=items) | bound.BoundOr(items=items):
                parts = [self.truth(part) for part in items]
                return _joined(parts, isinstance(item, bound.BoundAnd), _is_whole(item))
            case bound.BoundNot(item=inner):
                is_so = self.truth(inner)
                return lambda asked: not is_so(asked)
            case bound.BoundSegment(body=body):
                return _remembered(body, self.truth(body))
            case bound.BoundCompare(form=form, op=op):
                return self._compare(form, op)
            case bound.BoundIn(form=form, values=values, negated=negated):
                total, scale = self.linear(form)
                among = frozenset(value * scale for value in values)
                return lambda asked: (
                    (found := total(asked)) is not None and (found in among) != negated
                )
            case bound.BoundFloatCompare(left=left, op=op, right=right):
                return _compare_doubles(self.double(left), _COMPARE[op], self.double(right))
            case bound.BoundFloatIn(value=value, values=doubles, negated=negated):
                double = self.double(value)
                return lambda asked: (
                    (found := double(asked)) is not None and (found in doubles) != negated
                )
            case BoundSequence():
                sequence = item
                return lambda reading: bool(reading.path(sequence).holds)
            case bound.BoundConstant(value=constant):
                return lambda _: constant
            case bound.BoundList(name=name):
                return lambda reading: name in reading.profile.owned
            case bound.BoundLater(construct=construct):
                return _refused(construct)
            case _:
                return self._truth_of_what_is_read(item)

    def _truth_of_what_is_read(self, item: bound.BoundExpr) -> Truth:
        match item:
            case bound.BoundPresence(read=read):
                there = self.stored(read)
                return lambda asked: there(asked) is not None
            case bound.BoundBool(read=read, wanted=wanted):
                flag = self.stored(read)
                return lambda asked: flag(asked) is wanted
            case bound.BoundCategory(read=read, test=test, negated=negated):
                return _text_passes(self.stored(read), test, negated)
            case bound.BoundText(read=read, how=how, needle=needle, negated=negated):
                test = bound.StringTest(how, frozenset({needle}))
                return _text_passes(self.stored(read), test, negated)
            case bound.BoundCategoryPair(left=left, right=right, negated=negated):
                one, other = self.stored(left), self.stored(right)

                def same(asked: Any) -> bool:
                    pair = one(asked), other(asked)
                    return None not in pair and (pair[0] == pair[1]) != negated

                return same
            case bound.BoundSet(attribute=attribute, test=test):
                elements = self.stored(attribute)
                if test.how == "in":
                    return lambda asked: not test.values.isdisjoint(elements(asked) or ())
                return lambda asked: any(test.passes(one) for one in elements(asked) or ())
            case _:
                raise AssertionError(f"no reading of {type(item).__name__}")

    def _compare(self, form: bound.Linear, op: str) -> Truth:
        total, _ = self.linear(form)
        against = _COMPARE[op]
        if len(form.terms) == 1 and form.terms[0].factor == 1 and not form.now_factor:
            return self._compare_with(form.terms[0].source, against, -form.constant)

        def compare(asked: Any) -> bool:
            found = total(asked)
            return found is not None and against(found, 0)

        return compare

    def _compare_with(
        self, source: bound.Source, against: Callable[[Any, Any], bool], border: Fraction
    ) -> Truth:
        """A comparison of one source with a number."""
        if isinstance(source, bound.ScoreSource):
            score, thousandths = source.score, plain_number(border * 1000)

            def compare_points(reading: Any) -> bool:
                found = reading.known_points.get(score)
                if found is None:
                    found = reading.points(score)
                return against(found, thousandths)

            return compare_points
        one, limit = self.source(source), plain_number(border)

        def compare(asked: Any) -> bool:
            found = one(asked)
            return found is not None and against(found, limit)

        return compare

    # ------------------------------------------------------------------------ values

    def stored(self, read: bound.Read) -> Number:
        """A value as the profile has it or as its events make it; None where it is missing."""
        if isinstance(read, BoundAggregate):
            return self.aggregate(read)
        name = read.name
        return lambda asked: asked.attributes.get(name)

    def linear(self, form: bound.Linear) -> tuple[Number, int]:
        """The value of a form, times a whole number that makes its factors whole; None where a
        source of it is missing."""
        points = [isinstance(term.source, bound.ScoreSource) for term in form.terms]
        wholes = [
            term.factor.denominator * (1000 if is_points else 1)
            for term, is_points in zip(form.terms, points, strict=True)
        ]
        scale = lcm(form.constant.denominator, *wholes)
        constant, by_now = int(form.constant * scale), form.now_factor * scale
        terms = [
            (int(term.factor * scale / (1000 if is_points else 1)), self.source(term.source))
            for term, is_points in zip(form.terms, points, strict=True)
        ]
        if len(terms) == 1 and not by_now:
            ((factor, one),) = terms

            def single(asked: Any) -> Any:
                value = one(asked)
                return None if value is None else factor * value + constant

            return single, scale

        def total(asked: Any) -> Any:
            found = constant + by_now * asked.now_us
            for factor, source in terms:
                value = source(asked)
                if value is None:
                    return None
                found += factor * value
            return found

        return total, scale

    def double(self, value: bound.FloatValue) -> Number:
        """A value in doubles; None where a source is missing, or it is no number."""
        if value.exact is not None:
            exact, scale = self.linear(value.exact)
            return lambda asked: (
                None if (found := exact(asked)) is None else float(Fraction(found) / scale)
            )
        terms = [
            (term.sign, term.factor, _literal(term.source))
            if isinstance(term.source, float)
            else (term.sign, term.factor, self._as_number(term.source))
            for term in value.terms
        ]

        def total(asked: Any) -> float | None:
            found: float | None = None
            for sign, factor, source in terms:
                one = source(asked)
                if one is None:
                    return None
                double = float(one) if factor is None else factor * float(one)
                found = sign * double if found is None else found + sign * double
            return None if found is None or isnan(found) else found

        return total

    def _as_number(self, source: bound.Source) -> Number:
        """A source as a number, a score in points."""
        one = self.source(source)
        if isinstance(source, bound.ScoreSource):
            return lambda asked: Fraction(one(asked), 1000)
        return one

    def source(self, source: bound.Source) -> Number:
        """A source in the unit of its type, exact, or a float; None where it is missing. A score is
        in thousandths of a point."""
        match source:
            case bound.AttributeSource(attribute):
                value = self.stored(attribute)
                if attribute.type in ("int", "float"):
                    return value
                return lambda asked: in_units(value(asked))
            case bound.AggregateSource(aggregate, day_start):
                found = self.aggregate(aggregate)
                if day_start:
                    return lambda asked: day_start_us(found(asked), asked.profile)
                if aggregate.function in ("count", "days", "distinct"):
                    return found
                if aggregate.function in ("first", "last"):
                    return self._time(aggregate)
                return lambda asked: in_units(found(asked))
            case bound.DateStartSource(attribute):
                day = self.stored(attribute)
                return lambda asked: day_start_us(day(asked), asked.profile)
            case bound.BucketSource(salt):
                seed = xxh64(salt.encode(), 0)
                return lambda reading: xxh64(reading.profile.uid, seed) % _BUCKETS
            case bound.ScoreSource(score=score):
                return lambda reading: reading.points(score)

    # ------------------------------------------------------------------------ events

    def aggregate(self, aggregate: BoundAggregate) -> Number:
        """The value of an aggregate, as EventLine.value says."""
        known = self._values.get(id(aggregate))
        if known is None:
            made = self._aggregates.get(aggregate)
            if made is None:
                made = self._aggregates[aggregate] = self._aggregate(aggregate)
            known = self._values[id(aggregate)] = aggregate, made
        return known[1]

    def _aggregate(self, aggregate: BoundAggregate) -> Number:
        function, window = aggregate.function, aggregate.window
        assert function != "latest", "the profile at hand is as it was"
        selection = self.selection(aggregate.events, aggregate.property)
        nothing = 0 if function in ("count", "days", "distinct", "sum") else None
        place = id(aggregate)

        def value(reading: Reading) -> Any:
            line = reading.lines.get(selection)
            if line is None:
                line = reading.line_of(selection)
            if line is NO_EVENTS:
                return nothing
            known = reading.values.get(place, reading)
            if known is reading:
                known = line.value(function, *line.stretch(*reading.bounds(window)))
                reading.values[place] = known
            return known

        return value

    def _time(self, aggregate: BoundAggregate) -> Number:
        """The time of the first or last event, microseconds from 1970."""
        selection, window = self.selection(aggregate.events, aggregate.property), aggregate.window
        is_first = aggregate.function == "first"

        def time_us(reading: Reading) -> int | None:
            line = reading.line_of(selection)
            first, end = line.stretch(*reading.bounds(window)) if line.times else (0, 0)
            return None if first == end else line.times[first if is_first else end - 1]

        return time_us

    def rules(self, score: BoundScore) -> list[Callable[[Reading], int]]:
        """What each rule of a score gives, in thousandths."""
        known: list[Callable[[Reading], int]] | None = self._rules.get(score)
        if known is None:
            known = self._rules[score] = [
                _given_when(self.truth(rule.condition), rule.points)
                if isinstance(rule, BoundWhenRule)
                else _given_each(self.selection(rule.events), rule)
                for rule in score.rules
            ]
        return known

    def selection(self, events: BoundEvents, read: Attribute | None = None) -> Selection:
        """The events that pass, with a property those that have it."""
        key = id(events), id(read)
        known = self._selected.get(key)
        if known is None:
            equal = events, None if read is None else read.name
            made = self._selections.get(equal)
            if made is None:
                where = None if events.where is None else self.truth(events.where)
                made = self._selections[equal] = Selection(events, read, where)
            known = self._selected[key] = events, read, made
        return known[2]


# --------------------------------------------------------------------------------- pieces


def _is_whole(item: bound.BoundExpr) -> bool:
    """Whether all of it has an evaluator, so that it may be left as soon as it is decided."""
    return not any(isinstance(part, bound.BoundLater) for part in bound.predicates_of(item))


def _joined(parts: list[Truth], is_and: bool, is_whole: bool) -> Truth:
    if not is_whole:
        join = all if is_and else any
        return lambda asked: join([part(asked) for part in parts])

    if len(parts) == 2:
        one, other = parts
        if is_and:
            return lambda asked: one(asked) and other(asked)
        return lambda asked: one(asked) or other(asked)

    def joined(asked: Any) -> bool:
        for part in parts:
            if part(asked) != is_and:
                return not is_and
        return is_and

    return joined


def _remembered(body: bound.BoundExpr, is_so: Truth) -> Truth:
    """A definition that several may mention, asked once of a reading."""
    place = id(body)

    def remembered(reading: Reading) -> bool:
        known = reading.truths.get(place)
        if known is None:
            known = reading.truths[place] = is_so(reading)
        return known

    return remembered


def _compare_doubles(left: Number, against: Callable[[Any, Any], bool], right: Number) -> Truth:
    def compare(asked: Any) -> bool:
        one, other = left(asked), right(asked)
        return one is not None and other is not None and against(one, other)

    return compare


def _text_passes(read: Number, test: bound.StringTest, negated: bool) -> Truth:
    if test.how == "in":
        values = test.values
        return lambda asked: (text := read(asked)) is not None and (text in values) != negated
    return lambda asked: (text := read(asked)) is not None and test.passes(text) != negated


def _given_when(is_so: Truth, points: int) -> Callable[[Reading], int]:
    return lambda reading: points if is_so(reading) else 0


def _given_each(selection: Selection, rule: BoundEachRule) -> Callable[[Reading], int]:
    return lambda reading: (
        0 if reading.line_of(selection) is NO_EVENTS else reading.rule_points(rule)[0]
    )


def _refused(construct: str) -> Truth:
    def refuse(_: Any) -> bool:
        raise NotYet(f"{construct} can be written and checked, and not evaluated yet.")

    return refuse


def _literal(number: float) -> Number:
    return lambda _: number
