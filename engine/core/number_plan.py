"""Comparisons of numbers as leaves: exact in integers, or in doubles where a float takes part.

A form with one number is solved for the stored integer and becomes a range; a form with
several is multiplied out to integer factors and compared row by row.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from engine.columns.hashing import xxh64
from engine.core import operations as ops
from engine.core.day_starts import day_starts
from engine.core.solve import INT64_MAX, INT64_MIN, IntRange, solve
from engine.limits import DATE_DAYS
from engine.model.definitions import Attribute
from engine.rules import bound
from engine.rules.bound_events import BoundAggregate
from engine.rules.bound_scores import BoundScore
from engine.rules.calendar import first_instant_us
from engine.store.snapshot import Snapshot

if TYPE_CHECKING:
    from engine.core.event_plan import EventPlanner

__all__ = ["NumberPlanner", "attribute_field"]

BUCKETS = 10_000

_OPERATORS: dict[str, Callable[[Fraction | float, Fraction | float | int], bool]] = {
    "=": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}
_MIRRORED: dict[ops.Compare, ops.Compare] = {
    "=": "=",
    "!=": "!=",
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
}


def attribute_field(snapshot: Snapshot, attribute: Attribute) -> int | None:
    """Number of the field that holds an attribute; None where the snapshot has none of its type,
    as before a model that declares it is applied: then no profile has the attribute."""
    found = snapshot.fields.get(attribute.name)
    if found is None or (found.type, found.scale) != (attribute.type, attribute.scale):
        return None
    return int(found.id)


class NumberPlanner:
    """Plans number comparisons against one snapshot at one instant (`now_us`, microseconds).

    `days` maps the fields of dates taken as instants to the days that leaves have tables for,
    None where nobody has one; `spare_days` are added at both ends, for plans that are kept.
    `events` plans the aggregates; None where there can be none. `score_field` leads to
    what has the field of a score: the planner of the nodes that it asks for sets it.
    """

    score_field: Callable[[], Callable[[BoundScore], int] | None]

    def __init__(
        self,
        snapshot: Snapshot,
        now_us: int,
        zone: ZoneInfo,
        spare_days: int = 0,
        events: EventPlanner | None = None,
    ) -> None:
        self.days: dict[int, range | None] = {}
        self._events = events
        self._snapshot = snapshot
        self._now_us = now_us
        self._zone = zone
        self._spare_days = spare_days
        self._day_numbers: dict[int, ops.DayNumber | None] = {}

    @property
    def events(self) -> EventPlanner:
        """What plans the aggregates."""
        assert self._events is not None, "an aggregate where there are none"
        return self._events

    @property
    def columns(self) -> list[ops.Column]:
        """What the leaves read beside stored fields: see `Plan`."""
        return [] if self._events is None else self._events.columns

    # ------------------------------------------------------------------ exact forms

    def compare(self, form: bound.Linear, op: ops.Compare) -> ops.LeafLogic:
        """`form op 0`: a leaf, or true or false."""
        constant = form.constant
        if form.now_factor:
            constant += form.now_factor * self._now_us
        if not form.terms:
            return _OPERATORS[op](constant, 0)
        if len(form.terms) == 1 and form.terms[0].factor:
            term = form.terms[0]
            if isinstance(term.source, bound.DateStartSource):
                field = self._field(term.source.attribute)
                wanted = solve(term.factor, constant, op)
                return False if field is None else _compare_days(field, self._zone, wanted)
            if isinstance(term.source, bound.AggregateSource):
                return self._compare_aggregate(term.source, term.factor, constant, op)
            numbers = self._numbers(term.source)
            if numbers is None:
                return False
            (number,) = numbers
            return _range_leaf(number, solve(term.factor, constant, op, _denominator(number)))
        return self._linear(form, constant, op)

    def _compare_aggregate(
        self, source: bound.AggregateSource, factor: Fraction, constant: Fraction, op: ops.Compare
    ) -> ops.LeafLogic:
        """`factor * source + constant op 0`."""
        if source.day_start:
            field = self.events.field(source.aggregate)
            return _compare_days(field, self._zone, solve(factor, constant, op))
        planned = self.events.compare(source.aggregate, factor, constant, op)
        if planned is not None:
            return planned
        number, *others = self.events.numbers(source.aggregate)
        if others or isinstance(number, ops.SumNumber | ops.ScaledNumber):
            return self._linear(
                bound.Linear((bound.LinearTerm(factor, source),), constant), constant, op
            )
        return _range_leaf(number, solve(factor, constant, op, _denominator(number)))

    def among(self, form: bound.Linear, values: Iterable[Fraction], negated: bool) -> ops.LeafLogic:
        """`form` equal to one of the values; negated: present and equal to none."""
        values = sorted(values)
        numbers = self._numbers(form.terms[0].source) if len(form.terms) == 1 else None
        number = numbers[0] if numbers is not None and len(numbers) == 1 else None
        term = form.terms[0] if form.terms and not form.now_factor else None
        if isinstance(number, ops.ColumnNumber) and term and term.factor:
            wanted = (
                solve(term.factor, form.constant - value, "=", number.denominator)
                for value in values
            )
            ints = sorted({r.low for r in wanted if not r.is_nothing})
            if ints:
                return ops.IntInLeaf(number.field, tuple(ints), negated)
            return ops.PresentLeaf(number.field) if negated else False
        return self._sum_among(form, values, negated)

    def _sum_among(
        self, form: bound.Linear, values: list[Fraction], negated: bool
    ) -> ops.LeafLogic:
        constant = form.constant + form.now_factor * self._now_us
        if not form.terms:
            return (constant in values) != negated
        summands = self._summands(form)
        if summands is None:
            return False
        scale = math.lcm(*(factor.denominator for _, factor in summands))
        wanted = [(value - constant) * scale for value in values]
        return ops.LinearInLeaf(
            tuple(ops.LinearSummand(number, int(factor * scale)) for number, factor in summands),
            tuple(sorted({int(edge) for edge in wanted if edge.denominator == 1})),
            negated,
        )

    def _linear(self, form: bound.Linear, constant: Fraction, op: ops.Compare) -> ops.LeafLogic:
        summands = self._summands(form)
        if summands is None:
            return False
        scale = math.lcm(constant.denominator, *(factor.denominator for _, factor in summands))
        return ops.LinearLeaf(
            tuple(ops.LinearSummand(number, int(factor * scale)) for number, factor in summands),
            int(constant * scale),
            op,
        )

    def exact_value(self, form: bound.Linear) -> tuple[ops.LinearLeaf, int] | None:
        """The sum that a form makes of a profile, as that of a leaf, and what part of one it
        counts: its values are whole numbers of 1 / that. None where no profile has it."""
        constant = form.constant + form.now_factor * self._now_us
        summands = self._summands(form)
        if summands is None:
            return None
        scale = math.lcm(constant.denominator, *(factor.denominator for _, factor in summands))
        return ops.LinearLeaf(
            tuple(ops.LinearSummand(number, int(factor * scale)) for number, factor in summands),
            int(constant * scale),
            ">=",
        ), scale

    def _summands(self, form: bound.Linear) -> list[tuple[ops.Number, Fraction]] | None:
        """Numbers with their factors per stored integer; None where one is missing for all."""
        summands: list[tuple[ops.Number, Fraction]] = []
        for term in form.terms:
            numbers = self._numbers(term.source)
            if numbers is None:
                return None
            summands += [(number, term.factor / _denominator(number)) for number in numbers]
        return summands

    def _field(self, attribute: Attribute) -> int | None:
        return attribute_field(self._snapshot, attribute)

    def _numbers(self, source: bound.Source) -> tuple[ops.Number, ...] | None:
        """Where a source is read, the sum of what is read there; None where no profile has it."""
        if isinstance(source, bound.AggregateSource) and not source.day_start:
            return self.events.numbers(source.aggregate)
        number = self._number(source)
        return None if number is None else (number,)

    def _number(self, source: bound.Source) -> ops.Number | None:
        match source:
            case bound.AttributeSource(attribute=attribute):
                field = self._field(attribute)
                if field is None:
                    return None
                if attribute.type == "float":
                    return ops.FloatNumber(field)
                return ops.ColumnNumber(field, 10**attribute.scale)
            case bound.BucketSource(salt=salt):
                return ops.BucketNumber(xxh64(salt.encode(), 0))
            case bound.DateStartSource(attribute=attribute):
                field = self._field(attribute)
                return None if field is None else self._day_number(field)
            case bound.ScoreSource(score=score):
                field_of = self.score_field()
                assert field_of is not None, "who plans nodes is there while leaves are planned"
                return ops.ColumnNumber(field_of(score), 1000)
            case bound.AggregateSource(aggregate=aggregate):
                return self._aggregate_day_number(aggregate)

    def _aggregate_day_number(self, aggregate: BoundAggregate) -> ops.DayNumber | None:
        bounds = self.events.day_bounds(aggregate)
        if bounds is None:
            return None
        table = day_starts(*bounds, self._zone).astype("<i8").tobytes()
        return ops.DayNumber(self.events.field(aggregate), bounds[0], table)

    def _day_number(self, field: int) -> ops.DayNumber | None:
        if field not in self._day_numbers:
            zones = (self._snapshot.zone(field, b) for b in range(self._snapshot.block_count))
            there = [zone for zone in zones if zone is not None and zone.present_count]
            self.days[field] = self._day_numbers[field] = None
            if there:
                first = min(int(zone.minimum or 0) for zone in there) - self._spare_days
                last = max(int(zone.maximum or 0) for zone in there) + self._spare_days
                first, last = max(first, DATE_DAYS[0]), min(last, DATE_DAYS[1])
                table = day_starts(first, last, self._zone).astype("<i8").tobytes()
                self.days[field] = range(first, last + 1)
                self._day_numbers[field] = ops.DayNumber(field, first, table)
        return self._day_numbers[field]

    # ------------------------------------------------------------------- in doubles

    def compare_floats(
        self, left: bound.FloatValue, op: ops.Compare, right: bound.FloatValue
    ) -> ops.LeafLogic:
        """`left op right` in doubles: a leaf, or true or false."""
        a, b = self._side(left), self._side(right)
        if a is None or b is None:
            return False
        if isinstance(a, float) and isinstance(b, float):
            return not math.isnan(a) and not math.isnan(b) and _OPERATORS[op](a, b)
        if isinstance(a, float):
            a, b, op = b, a, _MIRRORED[op]
        assert isinstance(a, ops.Side)
        if isinstance(b, float):
            if math.isnan(b):
                return False
            column = _plain_column(a)
            if column is not None:
                return _float_range(column.field, op, b)
            b = ops.Side(floats=(ops.FloatSummand(b),))
        return ops.FloatLeaf(a, op, b)

    def among_floats(
        self, value: bound.FloatValue, values: Iterable[float], negated: bool
    ) -> ops.LeafLogic:
        """A value in doubles equal to one of the literals; negated: a number, and to none."""
        side = self._side(value)
        if side is None:
            return False
        if isinstance(side, float):
            return not math.isnan(side) and (side in set(values)) != negated
        return ops.FloatInLeaf(side, tuple(sorted(values)), negated)

    def float_value(self, value: bound.FloatValue) -> ops.FloatLeaf | None:
        """A value in doubles as the left side of a leaf; None where no profile has it."""
        side = self._side(value)
        if side is None:
            return None
        assert isinstance(side, ops.Side), "a value reads something of the profile"
        return ops.FloatLeaf(side, ">=", ops.Side(floats=(ops.FloatSummand(0.0),)))

    def _side(self, value: bound.FloatValue) -> ops.Side | float | None:
        """A side; a float where it is constant; None where no profile has it."""
        if value.exact is not None:
            return self._exact_side(value.exact)
        summands = []
        for term in value.terms:
            number = term.source if isinstance(term.source, float) else self._summand(term.source)
            if number is None:
                return None
            summands.append(ops.FloatSummand(number, float(term.sign), term.factor))
        if all(isinstance(summand.number, float) for summand in summands):
            return _constant_side(summands)
        return ops.Side(floats=tuple(summands))

    def _summand(self, source: bound.Source) -> ops.Number | ops.Side | None:
        """A source as one summand in doubles: rounded once, whatever it is made of."""
        numbers = self._numbers(source)
        if numbers is None or len(numbers) == 1:
            return None if numbers is None else numbers[0]
        side = self._exact_side(bound.Linear((bound.LinearTerm(Fraction(1), source),), Fraction(0)))
        assert isinstance(side, ops.Side), "there is something to read"
        return side

    def _exact_side(self, form: bound.Linear) -> ops.Side | float | None:
        assert not form.now_factor, "a time is not compared with a float"
        constant = form.constant
        if not form.terms:
            return _nearest_double(constant)
        summands = self._summands(form)
        if summands is None:
            return None
        if len(summands) == 1 and form.terms[0].factor == 1 and not constant:
            return ops.Side(floats=(ops.FloatSummand(summands[0][0]),))
        scale = math.lcm(constant.denominator, *(factor.denominator for _, factor in summands))
        exact = tuple(ops.LinearSummand(number, int(factor * scale)) for number, factor in summands)
        return ops.Side(exact=exact, constant=int(constant * scale), denominator=scale)


def _denominator(number: ops.Number) -> int:
    if isinstance(number, ops.DayNumber | ops.FloatNumber | ops.BucketNumber):
        return 1
    return number.denominator


def _range_leaf(number: ops.Number, wanted: IntRange) -> ops.LeafLogic:
    if isinstance(number, ops.BucketNumber):
        low, high = max(wanted.low, 0), min(wanted.high, BUCKETS - 1)
        if low > high:
            return wanted.negated
        if low == 0 and high == BUCKETS - 1:
            return not wanted.negated
        return ops.BucketLeaf(number.seed, low, high, wanted.negated)
    assert isinstance(number, ops.ColumnNumber), "floats are compared in doubles"
    if wanted.is_nothing:
        return False
    if wanted.is_everything:
        return ops.PresentLeaf(number.field)
    low, high = max(wanted.low, INT64_MIN), min(wanted.high, INT64_MAX)
    return ops.IntRangeLeaf(number.field, low, high, wanted.negated)


def _compare_days(field: int, zone: ZoneInfo, wanted: IntRange) -> ops.LeafLogic:
    """The days whose first instant is wanted: one stretch, since later days begin later."""
    if wanted.is_nothing:
        return False
    if wanted.is_everything:
        return ops.PresentLeaf(field)
    days = range(DATE_DAYS[0], DATE_DAYS[1] + 1)
    low = bisect_left(days, wanted.low, key=lambda day: first_instant_us(day, zone))
    high = bisect_right(days, wanted.high, key=lambda day: first_instant_us(day, zone)) - 1
    if low > high:
        return ops.PresentLeaf(field) if wanted.negated else False
    return ops.IntRangeLeaf(field, days[low], days[high], wanted.negated)


def _nearest_double(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _constant_side(summands: list[ops.FloatSummand]) -> float:
    total = 0.0
    for place, summand in enumerate(summands):
        assert isinstance(summand.number, float)
        number = summand.number if summand.factor is None else summand.factor * summand.number
        number = summand.sign * number
        total = total + number if place else number
    return total


def _plain_column(side: ops.Side) -> ops.FloatNumber | None:
    if len(side.floats) != 1:
        return None
    (summand,) = side.floats
    if isinstance(summand.number, ops.FloatNumber) and summand.factor is None and summand.sign > 0:
        return summand.number
    return None


def _float_range(field: int, op: ops.Compare, edge: float) -> ops.FloatRangeLeaf:
    low, high = -math.inf, math.inf
    if op in ("=", "!="):
        return ops.FloatRangeLeaf(field, edge, edge, negated=op == "!=")
    if op == "<":
        high = math.nextafter(edge, -math.inf)
    elif op == "<=":
        high = edge
    elif op == ">":
        low = math.nextafter(edge, math.inf)
    else:
        low = edge
    if (op == "<" and edge == -math.inf) or (op == ">" and edge == math.inf):
        low, high = math.inf, -math.inf
    return ops.FloatRangeLeaf(field, low, high)
