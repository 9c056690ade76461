"""What bound trees ask of one profile, as nodes that are made once for all profiles.

Walking a tree anew for each profile takes several times as long as what it asks. So each node is
made into one that is asked of a reading (`engine.explaining.reading`), its names, bounds and
factors settled (`condition_nodes`, `value_nodes`), and each selection of events, window and
aggregate into one thing for all nodes that ask the same. All is exact: factors of a form are
brought to whole numbers, whose sums have its sign.

A condition inside an aggregate is asked of an event at a time (`EventView`), whose properties stand
where the attributes of a profile stand.
"""

from __future__ import annotations

from collections.abc import Callable
from math import lcm
from typing import Any

from engine.columns.hashing import xxh64
from engine.explaining import condition_nodes as conditions
from engine.explaining import value_nodes as values
from engine.explaining.plain_values import plain_number
from engine.explaining.reading import Given, Number, Selection, Span, Truth
from engine.model.definitions import Attribute
from engine.rules import bound, tree
from engine.rules.bound_events import BoundAggregate, BoundEvents, BoundSequence
from engine.rules.bound_scores import BoundEachRule, BoundScore, BoundWhenRule
from engine.rules.time_dependence import moves_anywhere

__all__ = ["Closures"]

# Nodes that are kept: a model has hundreds, and texts are asked one after the other.
_MOST_KEPT = 20_000


class Closures:
    """See above. Safe to share between threads. `on_made` is told of each node of a tree that is
    made into one."""

    def __init__(self, on_made: Callable[[], None] | None = None) -> None:
        self._on_made = on_made
        # What others make of what is bound, once for all profiles.
        self.kept: dict[Any, Any] = {}
        # By the id of what they were made of, which is kept with them.
        self._truths: dict[int, tuple[bound.BoundExpr, Truth]] = {}
        self._selected: dict[tuple[int, int], tuple[BoundEvents, Attribute | None, Selection]] = {}
        self._values: dict[int, tuple[BoundAggregate, Number]] = {}
        self._rules: dict[BoundScore, list[Given]] = {}
        # The same for what is equal.
        self._selections: dict[tuple[BoundEvents, str | None], Selection] = {}
        self._aggregates: dict[BoundAggregate, Number] = {}
        self._spans: dict[tree.Window | None, Span] = {}

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
                joined = conditions.Joined if _is_whole(item) else conditions.JoinedInFull
                return joined(
                    [self.truth(part) for part in items], isinstance(item, bound.BoundAnd)
                )
            case bound.BoundNot(item=inner):
                return conditions.Not(self.truth(inner))
            case bound.BoundSegment(body=body):
                return conditions.Remembered(id(body), self.truth(body))
            case bound.BoundCompare(form=form, op=op):
                return self._compare(form, op)
            case bound.BoundIn(form=form, values=among, negated=negated):
                total, scale = self.linear(form)
                return conditions.Among(total, [value * scale for value in among], negated)
            case bound.BoundFloatCompare(left=left, op=op, right=right):
                return conditions.CompareNumbers(self.double(left), op, self.double(right))
            case bound.BoundFloatIn(value=value, values=doubles, negated=negated):
                return conditions.Among(self.double(value), doubles, negated)
            case BoundSequence():
                first = self.selection(item.first)
                count = values.AggregateValue("count", first, self.span(item.window), 0)
                return conditions.Path(item, count)
            case bound.BoundConstant(value=constant):
                return conditions.Constant(constant)
            case bound.BoundList(name=name):
                return conditions.InList(name)
            case bound.BoundLater(construct=construct):
                return conditions.Refused(construct)
            case _:
                return self._truth_of_what_is_read(item)

    def _truth_of_what_is_read(self, item: bound.BoundExpr) -> Truth:
        match item:
            case bound.BoundPresence(read=read):
                return conditions.Present(self.stored(read))
            case bound.BoundBool(read=read, wanted=wanted):
                return conditions.Flag(self.stored(read), wanted)
            case bound.BoundCategory(read=read, test=test, negated=negated):
                return _text_passes(self.stored(read), test, negated)
            case bound.BoundText(read=read, how=how, needle=needle, negated=negated):
                test = bound.StringTest(how, frozenset({needle}))
                return _text_passes(self.stored(read), test, negated)
            case bound.BoundCategoryPair(left=left, right=right, negated=negated):
                return conditions.Pair(self.stored(left), self.stored(right), negated)
            case bound.BoundSet(attribute=attribute, test=test):
                elements = self.stored(attribute)
                if test.how == "in":
                    return conditions.SetAny(elements, test.values)
                return conditions.SetPasses(elements, test)
            case _:
                raise AssertionError(f"no reading of {type(item).__name__}")

    def _compare(self, form: bound.Linear, op: str) -> Truth:
        if len(form.terms) == 1 and form.terms[0].factor == 1 and not form.now_factor:
            source, border = form.terms[0].source, -form.constant
            if isinstance(source, bound.ScoreSource):
                border *= 1000
            return conditions.CompareNumbers(self.source(source), op, plain_number(border))
        total, _ = self.linear(form)
        return conditions.CompareNumbers(total, op, 0)

    # ------------------------------------------------------------------------ values

    def stored(self, read: bound.Read) -> Number:
        """A value as the profile has it or as its events make it; None where it is missing."""
        return (
            self.aggregate(read) if isinstance(read, BoundAggregate) else values.Stored(read.name)
        )

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
            return values.Multiple(factor, one, constant), scale
        return values.Total(constant, by_now, terms), scale

    def double(self, value: bound.FloatValue) -> Number:
        """A value in doubles; None where a source is missing, or it is no number."""
        if value.exact is not None:
            return values.AsDouble(*self.linear(value.exact))
        return values.Doubles(
            [
                (term.sign, term.factor, values.Literal(term.source))
                if isinstance(term.source, float)
                else (term.sign, term.factor, self._as_number(term.source))
                for term in value.terms
            ]
        )

    def _as_number(self, source: bound.Source) -> Number:
        """A source as a number, a score in points."""
        number = self.source(source)
        return values.AsDouble(number, 1000) if isinstance(source, bound.ScoreSource) else number

    def source(self, source: bound.Source) -> Number:
        """A source in the unit of its type, exact, or a float; None where it is missing. A score is
        in thousandths of a point."""
        match source:
            case bound.AttributeSource(attribute):
                value = self.stored(attribute)
                return value if attribute.type in ("int", "float") else values.InUnits(value)
            case bound.AggregateSource(aggregate, day_start):
                if day_start:
                    return values.DayStart(self.aggregate(aggregate))
                if aggregate.function in ("count", "days", "distinct"):
                    return self.aggregate(aggregate)
                if aggregate.function in ("first", "last"):
                    selection = self.selection(aggregate.events, aggregate.property)
                    return values.EventTime(
                        aggregate.function, selection, self.span(aggregate.window)
                    )
                return values.InUnits(self.aggregate(aggregate))
            case bound.DateStartSource(attribute):
                return values.DayStart(self.stored(attribute))
            case bound.BucketSource(salt):
                return values.Bucket(xxh64(salt.encode(), 0))
            case bound.ScoreSource(score=score):
                return values.Points(score)

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
        function = aggregate.function
        assert function != "latest", "the profile at hand is as it was"
        selection = self.selection(aggregate.events, aggregate.property)
        nothing = 0 if function in ("count", "days", "distinct", "sum") else None
        return values.AggregateValue(function, selection, self.span(aggregate.window), nothing)

    def given(self, rule: BoundEachRule) -> values.GivenEach:
        """What a rule gives that counts events."""
        return values.GivenEach(self.selection(rule.events), self.span(rule.window), rule)

    def rules(self, score: BoundScore) -> list[Given]:
        """What each rule of a score gives, in thousandths."""
        known: list[Given] | None = self._rules.get(score)
        if known is None:
            known = self._rules[score] = [
                values.GivenWhen(self.truth(rule.condition), rule.points)
                if isinstance(rule, BoundWhenRule)
                else self.given(rule)
                for rule in score.rules
            ]
        return known

    def span(self, window: tree.Window | None) -> Span:
        """The bounds of a window."""
        known = self._spans.get(window)
        if known is None:
            known = self._spans[window] = Span(window)
        return known

    def selection(self, events: BoundEvents, read: Attribute | None = None) -> Selection:
        """The events that pass, with a property those that have it."""
        key = id(events), id(read)
        known = self._selected.get(key)
        if known is None:
            equal = events, None if read is None else read.name
            made = self._selections.get(equal)
            if made is None:
                where = events.where
                made = self._selections[equal] = Selection(
                    events,
                    None if read is None else read.name,
                    None if where is None else self.truth(where),
                    where is not None and moves_anywhere(where),
                )
            known = self._selected[key] = events, read, made
        return known[2]


def _is_whole(item: bound.BoundExpr) -> bool:
    """Whether all of it has an evaluator, so that it may be left as soon as it is decided."""
    return not any(isinstance(part, bound.BoundLater) for part in bound.predicates_of(item))


def _text_passes(read: Number, test: bound.StringTest, negated: bool) -> Truth:
    if test.how == "in":
        return conditions.Among(read, test.values, negated)
    return conditions.TextPasses(read, test, negated)
