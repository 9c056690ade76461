"""Random questions about customers, with values drawn from those customers.

A list of recipes, one for each kind of predicate and operator, is gone through in turn, so
that however few questions are made, every construct is among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any as Anything
from zoneinfo import ZoneInfo

from tests.differential.oracle import SALTS
from tests.differential.questions import (
    KINDS,
    All,
    Any,
    Between,
    Bucket,
    Column,
    Compare,
    Constant,
    Day,
    Flag,
    HasAll,
    In,
    Instant,
    Listed,
    Literal,
    Match,
    Mean,
    Named,
    Not,
    Now,
    Number,
    Predicate,
    Present,
    Question,
    Span,
    Sum,
    Term,
    Truth,
    Value,
    Word,
)

__all__ = ["Averaged", "Generator"]

OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
ORDERS = ("<", "<=", ">", ">=")
PARTS = ("contains", "starts with", "ends with")
ATTRIBUTES = tuple(Column(name) for name in KINDS)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@dataclass(frozen=True)
class Averaged:
    """An average: how it is written, its sum and its count, and a column of values like it."""

    written: str
    total: Column
    many: Column
    near: Column


class Generator:
    """Makes question number i of a seed, the same each time.

    `values` has the values of every attribute that occur, of times their microseconds, of sets
    their elements; `spans` has how far two times or dates of one profile are apart.
    Comparisons look for their borders: values that occur, and their neighbours. Other `columns`
    than the attributes may be asked about, and no segments, lists or salts (of buckets) given;
    `conditions` are columns that are true or false and nothing else.
    """

    def __init__(
        self,
        seed: int,
        values: Mapping[str, Sequence[Anything]],
        spans: Mapping[tuple[str, str], Sequence[int]],
        *,
        now_us: int,
        zone: ZoneInfo,
        segments: Sequence[str],
        lists: Sequence[str],
        columns: Sequence[Column] = ATTRIBUTES,
        salts: Sequence[str] = SALTS,
        means: Sequence[Averaged] = (),
        conditions: Sequence[Column] = (),
    ) -> None:
        self._seed = seed
        self._columns: dict[str, list[Column]] = {}
        for column in columns:
            self._columns.setdefault(column.kind, []).append(column)
        self._salts = salts
        self._means = means
        self._conditions = conditions
        self._values = values
        self._spans = spans
        self._now_us = now_us
        self._zone = zone
        self._segments = segments
        self._lists = lists
        self._rng = Random(seed)
        self._recipes = self._all_recipes()

    def question(self, number: int) -> Question:
        """Question number `number`: its first predicate is of the recipe whose turn it is."""
        self._rng = Random(f"{self._seed}/{number}")
        first = self._recipes[number % len(self._recipes)]()
        return self._around(first, self._rng.choice([0, 0, 1, 1, 2, 3]))

    @property
    def recipe_count(self) -> int:
        """How many questions it takes for every construct to occur."""
        return len(self._recipes)

    def _around(self, question: Question, levels: int) -> Question:
        """The question inside others, `levels` deep."""
        rng = self._rng
        for _ in range(levels):
            if isinstance(question, Not) or rng.random() < 0.7:
                widened = isinstance(question, All) or (
                    not isinstance(question, Any) and rng.random() < 0.5
                )
                others: list[Question] = [self._other() for _ in range(rng.choice([1, 1, 2]))]
                others.insert(rng.randint(0, len(others)), question)
                question = Any(tuple(others)) if widened else All(tuple(others))
            else:
                question = Not(question)
        return question

    def _other(self) -> Question:
        predicate = self._rng.choice(self._recipes)()
        return Not(predicate) if self._rng.random() < 0.2 else predicate

    # --------------------------------------------------------------------- recipes

    def _all_recipes(self) -> list[Callable[[], Predicate]]:
        make: list[Callable[[], Predicate]] = []
        for kind in ("int", "decimal", "float", "date", "time"):
            make += [partial(self._compare_column, kind, op) for op in OPERATORS]
            make += [partial(self._between, kind, negated) for negated in (False, True)]
            make += [partial(self._in, kind, negated) for negated in (False, True)]
            make += [partial(self._compare_columns, kind, op) for op in OPERATORS]
        for kind in ("category", "bool"):
            make += [partial(self._compare_column, kind, op) for op in ("=", "!=")]
            make += [partial(self._compare_columns, kind, op) for op in ("=", "!=")]
            make += [partial(self._in, kind, negated) for negated in (False, True)]
        for kind in ("category", "text"):
            make += [partial(self._match, kind, h, n) for h in PARTS for n in (False, True)]
        if "set" in self._columns:
            make += [partial(self._match, "set", how, False) for how in PARTS]
            make += [partial(self._compare_column, "set", "="), partial(self._in, "set", False)]
            make += [self._has_all, self._has_all]
        make += [partial(self._compare_sums, double, op)
                 for double in (False, True) for op in OPERATORS]  # fmt: skip
        make += [partial(self._compare_moments, op) for op in ORDERS]
        make += [partial(self._day_against_instant, op) for op in ORDERS]
        make += [partial(self._compare_spans, op) for op in OPERATORS]
        if self._salts:
            make += [partial(self._bucket, op) for op in OPERATORS]
        make += [partial(self._present, kind) for kind in sorted(self._columns)]
        make += [self._present_sum, self._flag, self._flag, self._constant]
        if self._segments:
            make += [self._named, self._named]
        if self._lists:
            make += [self._listed]
        if self._means:
            make += [partial(self._mean, op) for op in OPERATORS]
        make += [self._condition] * min(30, len(self._conditions))
        return make

    def _compare_column(self, kind: str, op: str) -> Predicate:
        column = self._column(kind)
        literal = self._literal(column)
        if kind != "set" and self._rng.random() < 0.15:
            mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(op, op)
            return Compare(literal, mirrored, column)
        return Compare(column, op, literal)

    def _compare_columns(self, kind: str, op: str) -> Predicate:
        left = self._column(kind)
        if kind in ("int", "decimal", "float"):
            return Compare(left, op, self._column(self._rng.choice(["int", "decimal", "float"])))
        return Compare(left, op, self._column(kind))

    def _between(self, kind: str, negated: bool) -> Predicate:
        column = self._column(kind)
        low: Literal | Column = self._literal(column)
        high: Literal | Column = self._literal(column)
        if self._rng.random() < 0.2:
            high = self._column(kind)
        elif self._rng.random() < 0.9 and _rank(low) > _rank(high):
            low, high = high, low
        return Between(column, low, high, negated)

    def _in(self, kind: str, negated: bool) -> Predicate:
        column = self._column(kind)
        count = 1 if kind == "bool" else self._rng.choice([1, 2, 3, 8])
        return In(column, tuple(self._literal(column) for _ in range(count)), negated)

    def _match(self, kind: str, how: str, negated: bool) -> Predicate:
        column = self._column(kind)
        text = self._rng.choice(self._values[column.name])
        size = self._rng.randint(1, min(6, len(text)))
        start = {"starts with": 0, "ends with": len(text) - size}.get(
            how, self._rng.randint(0, len(text) - size)
        )
        part = text[start : start + size]
        return Match(column, how, part.lower() if self._rng.random() < 0.1 else part, negated)

    def _has_all(self) -> Predicate:
        column = self._column("set")
        count = self._rng.choice([1, 2, 2, 3])
        return HasAll(column, tuple(self._rng.choices(self._values[column.name], k=count)))

    def _compare_sums(self, double: bool, op: str) -> Predicate:
        left, right = self._sum(double), self._sum(double and self._rng.random() < 0.3)
        if self._rng.random() < 0.5:
            right = self._number(self._column(self._rng.choice(["int", "decimal"])).name)
        return Compare(left, op, right)

    def _sum(self, double: bool) -> Value:
        kinds = ["int", "decimal", *(["float"] if double else [])]
        atoms: list[Column | Number | Bucket] = []
        for _ in range(self._rng.choice([1, 2, 2, 3])):
            atoms.append(self._column(self._rng.choice(kinds)))
        if double:
            atoms.insert(self._rng.randint(0, len(atoms)), self._column("float"))
        if self._rng.random() < 0.3:
            salt = self._rng.choice([*self._salts, None, None])
            atoms.append(self._small(False) if salt is None else Bucket(salt))
        terms = [
            Term(
                self._rng.choice([1, -1]) if place else 1,
                self._small(negative=not place) if self._rng.random() < 0.4 else None,
                atom,
            )
            for place, atom in enumerate(atoms)
        ]
        return Sum(tuple(terms)) if len(terms) > 1 or terms[0].factor else terms[0].atom

    def _compare_moments(self, op: str) -> Predicate:
        column = self._column("time")
        span = self._span(abs(self._now_us - self._rng.choice(self._values[column.name])))
        starts: list[Now | Column] = [Now(), Now(), self._column("date")]
        start = self._rng.choice(starts)
        moved = Sum((Term(1, None, start), Term(self._rng.choice([-1, 1]), None, span)))
        return Compare(column, op, moved)

    def _day_against_instant(self, op: str) -> Predicate:
        rng, column = self._rng, self._column("date")
        day: Value = column
        instant: Value = self._column("time")
        match rng.choice(["time", "literal day", "literal time", "now", "moved now"]):
            case "literal day":
                day = self._literal(column)
            case "literal time":
                # The first instants of days, and those beside them, are where days part.
                start = datetime.combine(rng.choice(self._values[column.name]), time(), self._zone)
                us = (start.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
                instant = self._instant(us + rng.choice([0, 0, 1, -1, 3_600_000_000]))
            case "now":
                instant = Now()
            case "moved now":
                span = self._span(self._now_us - self._us_of(column))
                instant = Sum((Term(1, None, Now()), Term(-1, None, span)))
        return Compare(day, op, instant) if rng.random() < 0.5 else Compare(instant, op, day)

    def _compare_spans(self, op: str) -> Predicate:
        rng = self._rng
        first, second = self._two_points()
        terms = [Term(1, None, first), Term(-1, None, second)]
        us = self._apart(first, second)
        if rng.random() < 0.3:
            factor = rng.choice([None, self._small(False)])
            terms.append(Term(rng.choice([1, -1]), factor, self._span(rng.randint(1, 10**14))))
        span = self._span(abs(us))
        if us < 0:
            return Compare(Sum(tuple(terms)), op, Sum((Term(1, self._written(Decimal(-1)), span),)))
        scaled = rng.random() < 0.2
        right = Sum((Term(1, self._small(True), span),)) if scaled else span
        return Compare(Sum(tuple(terms)), op, right)

    def _apart(self, first: Column | Now, second: Column) -> int:
        """How far apart they are for some profile, microseconds."""
        if isinstance(first, Now):
            return self._now_us - self._us_of(second)
        return self._rng.choice(self._spans[first.name, second.name])

    def _two_points(self) -> tuple[Column | Now, Column]:
        """Two different instants or days."""
        alike = [kind for kind in ("time", "date") if len(self._columns[kind]) > 1]
        match self._rng.choice([*alike, "mixed", "now"]):
            case "now":
                return Now(), self._column("time")
            case "mixed":
                return self._column("time"), self._column("date")
            case kind:
                first, second = self._rng.sample(self._columns[kind], 2)
                return first, second

    def _bucket(self, op: str) -> Predicate:
        edge = Decimal(self._rng.randint(-1, 10_000))
        if self._rng.random() < 0.2:
            edge += Decimal("0.5")
        return Compare(Bucket(self._rng.choice(self._salts)), op, self._written(edge))

    def _present(self, kind: str) -> Predicate:
        return Present(self._column(kind), self._rng.random() < 0.5)

    def _present_sum(self) -> Predicate:
        return Present(self._sum(False), self._rng.random() < 0.5)

    def _flag(self) -> Predicate:
        # An aggregate is compared with true; alone it is no condition.
        plain = [column for column in self._columns["bool"] if "(" not in column.written]
        return Flag(self._rng.choice(plain))

    def _constant(self) -> Predicate:
        return Constant(self._rng.random() < 0.5)

    def _named(self) -> Predicate:
        return Named(self._rng.choice(self._segments))

    def _listed(self) -> Predicate:
        return Listed(self._rng.choice(self._lists))

    def _mean(self, op: str) -> Predicate:
        mean = self._rng.choice(self._means)
        right: Value = self._number(mean.near.name)
        if self._rng.random() < 0.3:
            right = self._sum(False)
        return Mean(mean.written, mean.total, mean.many, op, right)

    def _condition(self) -> Predicate:
        return Flag(self._rng.choice(self._conditions))

    # ---------------------------------------------------------------------- values

    def _column(self, kind: str) -> Column:
        return self._rng.choice(self._columns[kind])

    def _literal(self, column: Column) -> Literal:
        """A value that the column has, or one beside it."""
        value = self._rng.choice(self._values[column.name])
        match column.kind:
            case "int" | "decimal" | "float":
                return self._number(column.name)
            case "date":
                return Day(value + timedelta(days=self._rng.choice([0, 0, 1, -1])))
            case "time":
                return self._instant(value + self._rng.choice([0, 0, 0, 1, -1, 3_600_000_000]))
            case "bool":
                return Truth(self._rng.random() < 0.5)
            case _:
                return Word(value if self._rng.random() < 0.9 else value + "x")

    def _number(self, name: str) -> Number:
        value = self._rng.choice(self._values[name])
        exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        nudge = self._rng.choice(["0", "0", "0", "1", "-1", "0.5", "-0.00000001", "0.005"])
        return self._written(exact + Decimal(nudge))

    def _small(self, negative: bool) -> Number:
        value = self._rng.choice(["0", "1", "2", "0.5", "0.1", "1.25", "3", "100"])
        sign = "-" if negative and self._rng.random() < 0.3 else ""
        return self._written(Decimal(sign + value))

    def _written(self, value: Decimal) -> Number:
        """One of the ways to write a number."""
        plain = format(value, "f")
        ways = [plain] * 4
        if value == value.to_integral_value():
            ways += [f"{int(value):_}", plain + "." if "." not in plain else plain]
        if plain.lstrip("-").startswith("0."):
            ways.append(plain.replace("0.", ".", 1))
        ways.append(f"{value * 10:f}e-1")
        return Number(value, self._rng.choice(ways))

    def _span(self, us: int) -> Span:
        """A duration of this length, or a little less in a unit that does not divide it."""
        fitting = [(unit, s) for unit, s in _UNITS if us >= s * 1_000_000]
        exact = [(unit, s) for unit, s in fitting if us % (s * 1_000_000) == 0]
        units = exact if exact and self._rng.random() < 0.7 else fitting
        unit, seconds = self._rng.choice(units or [_UNITS[-1]])
        return Span(max(1, us // (seconds * 1_000_000)), unit)

    def _instant(self, us: int) -> Instant:
        """A time, written with an offset or by the clocks of the zone."""
        moment = _EPOCH + timedelta(microseconds=us)
        offset = self._rng.choice([0, 0, 60, 480, -210, None])
        if offset is None:
            clock = moment.astimezone(self._zone)
            again = clock.replace(fold=1).utcoffset() != clock.replace(fold=0).utcoffset()
            if not again:
                return Instant(us, clock.replace(tzinfo=None).isoformat())
            offset = 0
        shifted = moment + timedelta(minutes=offset)
        suffix = (
            "Z"
            if not offset
            else f"{offset // abs(offset) * (abs(offset) // 60):+03d}:{abs(offset) % 60:02d}"
        )
        return Instant(us, shifted.replace(tzinfo=None).isoformat() + suffix)

    def _us_of(self, atom: Column | Now) -> int:
        """An instant that the atom has for some profile."""
        if isinstance(atom, Now):
            return self._now_us
        value = self._rng.choice(self._values[atom.name])
        if isinstance(value, date):
            return (value - date(1970, 1, 1)).days * 86_400_000_000
        return int(value)


def _rank(literal: object) -> Anything:
    match literal:
        case Number(value):
            return value
        case Day(day):
            return day
        case Instant(us):
            return us
    raise AssertionError(literal)
