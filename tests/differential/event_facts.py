"""Random aggregates and sequences over a customer's lines, as rules and as columns of SQL.

An aggregate is a column of the customers, so the generator asks about it as about any attribute:
compared, added to others, with attributes, looked for among values. Its SQL is an aggregate with a
FILTER over `events`, a sequence is joins of `events` with itself; both are written from the meaning
that docs/language.md gives. Of the aggregates every function meets every form of window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from random import Random
from zoneinfo import ZoneInfo

from tests.differential.generator import Generator
from tests.differential.in_rules import rule
from tests.differential.in_sql import Sql
from tests.differential.questions import Constant, Fact, Flag, Not, Question

__all__ = ["FORMS", "FUNCTIONS", "PROPERTIES", "MadeFact", "MadeMean", "Writer", "joined"]

PROPERTIES = {
    "invoice": "category", "product": "category", "description": "text", "quantity": "int",
    "price": "decimal", "amount": "decimal", "rate": "float", "abroad": "bool", "day": "date",
    "seen": "time",
}  # fmt: skip
OF_STEPS = ("count", "days", "first", "last")
OF_PROPERTIES = ("sum", "min", "max", "distinct", "first_value", "last_value")
FUNCTIONS = (*OF_STEPS, *OF_PROPERTIES)
_TAKEN = {
    "sum": ("int", "decimal"),
    "min": ("int", "decimal", "float", "date", "time"),
    "max": ("int", "decimal", "float", "date", "time"),
}
SELECTORS = {
    "sale": "kind = 'sale'",
    "cancellation": "kind = 'cancellation'",
    "lines": "true",
    "any": "true",
    "sale, cancellation": "true",
}
UNITS = ("day", "week", "month", "quarter", "year")
# On the made lines many are borders: they lean on the hours around a change of clocks.
_LENGTHS = (
    (30, "second"),
    (30, "minute"),
    (11, "hour"),
    (12, "hour"),
    (36, "hour"),
    (1, "day"),
    (1, "week"),
    (30, "day"),
    (10, "week"),
    (180, "day"),
    (400, "day"),
)
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_SEQUENCE_LENGTHS = (
    (30, "minute"),
    (1, "hour"),
    (90, "minute"),
    (36, "hour"),
    (5, "day"),
    (3, "week"),
    (90, "day"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_DAY, DAYS = date(2010, 12, 1), 374


@dataclass(frozen=True)
class Windowed:
    """A window: how it is written, and which lines are in it."""

    form: str
    text: str
    sql: str


@dataclass(frozen=True)
class MadeFact:
    """An aggregate or a sequence: a column, its SQL, and what kind of one it is."""

    column: Fact
    sql: str
    function: str
    form: str


@dataclass(frozen=True)
class MadeMean:
    """An average: how it is written, its sum, its count, and the greatest that it is made of."""

    written: str
    total: MadeFact
    many: MadeFact
    near: MadeFact


class Writer:
    """Makes aggregates and sequences as of one instant; `wheres` makes conditions on lines."""

    def __init__(self, seed: int, wheres: Generator, *, now_us: int, zone: ZoneInfo) -> None:
        self._rng = Random(f"{seed} facts")
        self._wheres = wheres
        self._now_us = now_us
        self._zone = zone
        self._made = 0

    def aggregates(self) -> list[MadeFact]:
        """Of every function with every form of window, in an order that has no meaning."""
        found = []
        for form in FORMS:
            found += [self._of_steps(function, form) for function in OF_STEPS]
            found += [self._of_property(function, form) for function in OF_PROPERTIES]
        return found

    def means(self) -> list[MadeMean]:
        """Averages with every form of window."""
        return [self._mean(form) for form in FORMS]

    def sequences(self, count: int) -> list[MadeFact]:
        """Sequences of two to four steps, each link of which may be a `then no`."""
        return [self._sequence() for _ in range(count)]

    # ------------------------------------------------------------------- aggregates

    def _of_steps(self, function: str, form: str) -> MadeFact:
        selector, where, window, lines = self._lines(form)
        counted = {
            "count": "count(*)",
            "days": "count(DISTINCT CAST(local AS DATE))",
            "first": "min(seen)",
            "last": "max(seen)",
        }[function]
        kind = "int" if function in ("count", "days") else "time"
        text = f"{function}({selector}{where}{window.text})"
        return self._fact(kind, text, f"{counted} FILTER ({lines})", function, form)

    def _of_property(self, function: str, form: str) -> MadeFact:
        taken = _TAKEN.get(function, tuple(PROPERTIES.values()))
        name = self._rng.choice([name for name, kind in PROPERTIES.items() if kind in taken])
        kind = PROPERTIES[name]
        selector, where, window, lines = self._lines(form, one=True)
        there = f"FILTER ({lines} AND {name} IS NOT NULL)"
        match function:
            case "sum":
                exact = "BIGINT" if kind == "int" else "DECIMAL(18, 3)"
                sql = f"CAST(coalesce(sum({name}) {there}, 0) AS {exact})"
            case "distinct":
                sql, kind = f"count(DISTINCT {name}) {there}", "int"
            case "min" | "max":
                sql = f"{function}({name}) {there}"
            case _:
                picked = "arg_min" if function == "first_value" else "arg_max"
                sql = f"{picked}({name}, (t, {name})) {there}"
        text = f"{function}({selector}.{name}{where}{window.text})"
        return self._fact(kind, text, sql, function, form)

    def _mean(self, form: str) -> MadeMean:
        name = self._rng.choice(["quantity", "price", "amount"])
        selector, where, window, lines = self._lines(form, one=True)
        exact = "BIGINT" if PROPERTIES[name] == "int" else "DECIMAL(18, 3)"
        total = f"CAST(coalesce(sum({name}) FILTER ({lines}), 0) AS {exact})"
        return MadeMean(
            f"avg({selector}.{name}{where}{window.text})",
            self._fact("decimal", "", total, "avg", form),
            self._fact("int", "", f"count({name}) FILTER ({lines})", "avg", form),
            self._fact(PROPERTIES[name], "", f"max({name}) FILTER ({lines})", "avg", form),
        )

    def _lines(self, form: str, *, one: bool = False) -> tuple[str, str, Windowed, str]:
        """Selector, ` where ...`, window, and the condition of all in SQL; `one` name alone."""
        selector = self._rng.choice([name for name in SELECTORS if not (one and "," in name)])
        window = self._window(form)
        where, condition = self._where(likely=0.5)
        met = f"WHERE t <= {self._now_us} AND {SELECTORS[selector]} AND {window.sql}"
        return selector, where, window, f"{met} AND {condition}"

    def _where(self, *, likely: float) -> tuple[str, str]:
        """` where ...` and its SQL. Brackets stand where a window could be taken for more of it."""
        if self._rng.random() >= likely:
            return "", "true"
        question = self._wheres.question(self._rng.randrange(1 << 30))
        text = rule(question)
        if not _is_plain(question) or self._rng.random() < 0.3:
            text = f"({text})"
        return f" where {text}", Sql(self._now_us, {}, {}).where(question)

    def _fact(self, kind: str, text: str, sql: str, function: str, form: str) -> MadeFact:
        self._made += 1
        return MadeFact(Fact(f"fact {self._made}", kind, text), sql, function, form)

    # -------------------------------------------------------------------- sequences

    def _sequence(self) -> MadeFact:
        """Joined step by step: `done` is the last step that happened, `after` what a next one must
        be later than."""
        rng = self._rng
        text, lines = self._step()
        tables = [f"s0 AS ({lines} AND {{window}})"]
        last = "SELECT customer, t AS done, t AS after FROM s0"
        blank_us = elapsed_us = 0
        text = f"sequence({text}"
        for place in range(1, rng.choice([2, 2, 2, 3, 4])):
            # One that comes within no more than a blank before it allows cannot come.
            lengths = [one for one in _SEQUENCE_LENGTHS if _us(one) > blank_us]
            absent = rng.random() < 0.35 or not lengths
            length = rng.choice(_SEQUENCE_LENGTHS if absent else lengths)
            step, lines = self._step()
            within = f"done + {_us(length)}"
            tables += [f"p{place} AS ({last})", f"s{place} AS ({lines})"]
            if absent:
                blank_us = max(blank_us, _us(length))
                last = (
                    f"SELECT customer, done, greatest(after, {within}) AS after FROM p{place} p "
                    f"WHERE {within} <= {self._now_us} AND NOT EXISTS (SELECT 1 FROM s{place} s "
                    f"WHERE s.customer = p.customer AND s.t > p.done AND s.t <= p.{within})"
                )
            else:
                elapsed_us, blank_us = elapsed_us + blank_us + 1, 0
                last = (
                    f"SELECT DISTINCT customer, s.t AS done, s.t AS after FROM p{place} p "
                    f"JOIN s{place} s USING (customer) WHERE s.t > p.after AND s.t <= p.{within}"
                )
            text += f" then {'no ' if absent else ''}{step} within {_written(length)}"
        # A window that is too short for the steps is refused.
        window = self._window("always")
        for form in rng.choices(list(FORMS), k=20):
            window = self._window(form)
            if _reach_us(window.text) > elapsed_us + blank_us:
                break
        else:
            window = self._window("always")
        met = f"WITH {', '.join(tables)} SELECT DISTINCT customer FROM ({last})"
        met = met.replace("{window}", window.sql)
        return self._fact("bool", f"{text}{window.text})", met, "sequence", window.form)

    def _step(self) -> tuple[str, str]:
        selector = self._rng.choice(list(SELECTORS))
        where, condition = self._where(likely=0.6)
        met = f"t <= {self._now_us} AND {SELECTORS[selector]} AND {condition}"
        return f"{selector}{where}", f"SELECT DISTINCT customer, t FROM events WHERE {met}"

    # ---------------------------------------------------------------------- windows

    def _window(self, form: str) -> Windowed:
        text, sql = FORMS[form](self)
        return Windowed(form, text and f" {text}", sql)

    def _in_last(self) -> tuple[str, str]:
        length = self._rng.choice(_LENGTHS[1:])
        return f"in last {_written(length)}", f"t > {self._now_us - _us(length)}"

    def _between(self) -> tuple[str, str]:
        shorter, longer = sorted(self._rng.sample(_LENGTHS, 2), key=_us)
        return (
            f"between {_written(longer)} and {_written(shorter)} ago",
            f"t > {self._now_us - _us(longer)} AND t <= {self._now_us - _us(shorter)}",
        )

    def _since(self) -> tuple[str, str]:
        text, us = self._instant()
        return f"since {text}", f"t >= {us}"

    def _before(self) -> tuple[str, str]:
        text, us = self._instant()
        if self._rng.random() < 0.1:
            text, us = "now + 1 day", self._now_us + _us((1, "day"))
        return f"before {text}", f"t < {us}"

    def _from_to(self) -> tuple[str, str]:
        (first, begin), (last, end) = sorted(
            (self._instant() for _ in range(2)), key=lambda one: one[1]
        )
        if begin == end:
            last, end = "now", self._now_us
        return f"from {first} to {last}", f"t >= {begin} AND t < {end}"

    def _instant(self) -> tuple[str, int]:
        """An instant before now, written, and in microseconds."""
        match self._rng.choice(["date", "date", "time", "moved"]):
            case "date":
                last = (_EPOCH + timedelta(microseconds=self._now_us)).date() - FIRST_DAY
                day = FIRST_DAY + timedelta(days=self._rng.randrange(min(DAYS, last.days)))
                begun = datetime.combine(day, time(), self._zone).astimezone(UTC)
                return f"date '{day}'", (begun - _EPOCH) // timedelta(microseconds=1)
            case "time":
                us = self._now_us - self._rng.randrange(1, 370 * 86_400) * 1_000_000
                moment = _EPOCH + timedelta(microseconds=us)
                return f"time '{moment:%Y-%m-%dT%H:%M:%S}Z'", us
        length = self._rng.choice(_LENGTHS)
        return f"now - {_written(length)}", self._now_us - _us(length)

    def _in_last_calendar(self) -> tuple[str, str]:
        unit, count = self._rng.choice(UNITS), self._rng.choice([1, 2, 3, 9])
        return f"in last {count} calendar {_many(count, unit)}", _units(unit, count - 1, 0)

    def _calendar_ago(self) -> tuple[str, str]:
        unit, count = self._rng.choice(UNITS[1:4]), self._rng.choice([1, 2, 3])
        return f"{count} calendar {_many(count, unit)} ago", _units(unit, count, count)

    def _this(self, unit: str) -> tuple[str, str]:
        return f"this {unit}", _units(unit, 0, 0)


FORMS: dict[str, Callable[[Writer], tuple[str, str]]] = {
    "always": lambda _: ("", "true"),
    "in last": Writer._in_last,
    "between ago": Writer._between,
    "since": Writer._since,
    "before": Writer._before,
    "from to": Writer._from_to,
    "in last calendar": Writer._in_last_calendar,
    "calendar ago": Writer._calendar_ago,
    "today": lambda _: ("today", _units("day", 0, 0)),
    "yesterday": lambda _: ("yesterday", _units("day", 1, 1)),
    **{f"this {unit}": partial(Writer._this, unit=unit) for unit in UNITS},
}


def _is_plain(question: Question) -> bool:
    """Whether nothing that follows can be taken for more of it: `between` begins a comparison
    after a bare boolean."""
    return not isinstance(question, Flag | Constant | Not) and " or " not in rule(question)


def _reach_us(window: str) -> int:
    """How long before now a window begins, at the least."""
    match window.replace(" now - ", " ").split():
        case ["in", "last", _, "calendar", *_] | [_, "calendar", *_]:
            return _us((1, "day"))
        case ["in", "last", count, unit] | ["between" | "since" | "from", count, unit, *_] if (
            count.isdecimal()
        ):
            return _us((int(count), unit.removesuffix("s")))
        case ["today" | "yesterday" | "this", *_]:
            return _us((1, "day"))
    return 1 << 62


def _us(length: tuple[int, str]) -> int:
    return length[0] * _SECONDS[length[1]] * 1_000_000


def _written(length: tuple[int, str]) -> str:
    return f"{length[0]} {_many(length[0], length[1])}"


def _many(count: int, unit: str) -> str:
    return unit + "s" * (count > 1)


def _units(unit: str, first: int, last: int) -> str:
    """From the unit `first` before the current one to the unit `last` before it, by the clocks of
    the model's zone."""
    begun = f"date_trunc('{unit}', local_now)"
    return (
        f"date_trunc('{unit}', local) BETWEEN {begun} - INTERVAL {first} {unit} "
        f"AND {begun} - INTERVAL {last} {unit}"
    )


def joined(facts: Sequence[MadeFact]) -> str:
    """The customers with a column for each of these facts, as SQL."""
    aggregates = [one for one in facts if one.function != "sequence"]
    sequences = [one for one in facts if one.function == "sequence"]
    columns = ", ".join(f'{one.sql} AS "{one.column.name}"' for one in aggregates)
    met = "".join(f', customer IN ({one.sql}) AS "{one.column.name}"' for one in sequences)
    return (
        f"SELECT customers.*, by_customer.* EXCLUDE (customer){met} FROM customers "
        f"JOIN (SELECT customer, {columns} FROM events GROUP BY customer) by_customer "
        f"USING (customer)"
    )
