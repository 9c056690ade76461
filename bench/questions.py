"""The questions that are measured, each with literals drawn anew every time it is asked.

A question is an audience, a conjunction of conditions in the units of the data; each contender
turns it into its own best form, inside the time that is measured. Nothing can be remembered from
one time to the next, since the literals differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bench.data.conditions import AnyOf, Between, Has, number_text, row_text
from bench.data.events import TYPES
from bench.data.people import NOW, SEED, TAGS, VALUES, microseconds
from bench.data.scoring import HIGHEST, SCORE

__all__ = [
    "QUESTIONS",
    "Answer",
    "AnyOf",
    "Audience",
    "Between",
    "Condition",
    "Did",
    "Draw",
    "Followed",
    "Goal",
    "Has",
    "Question",
    "Scored",
    "Spent",
    "as_text",
]

# A count; counts by value of the attribute grouped by (None: without one), those of none left
# out; or a count for each of many audiences.
Answer = int | dict[str | None, int] | list[int]


@dataclass(frozen=True, slots=True)
class Did:
    """Who did something `times` times at least in the last `days` days."""

    event: str
    days: int
    times: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Whose orders of the last `days` days come to more than `amount` hundredths."""

    days: int
    amount: int


@dataclass(frozen=True, slots=True)
class Followed:
    """Who did `first` in the last `days` days, and `second` after that within `within` days."""

    first: str
    second: str
    within: int
    days: int


@dataclass(frozen=True, slots=True)
class Scored:
    """Whose points by the rules of the model (bench/data/scoring.py) are `threshold` or more."""

    threshold: int


Condition = Has | AnyOf | Between | Did | Spent | Followed | Scored
Audience = tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """A question with its literals: audiences, and perhaps what the one is grouped by.

    `as_of_us` is the instant that it is asked for, where what people did is asked about.
    """

    audiences: tuple[Audience, ...]
    group_by: str | None = None
    many: bool = False
    as_of_us: int | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """How many times as long as ours the best of the rivals shall take."""

    times: float
    rivals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its name, what it is in words, how it is drawn, and who can be asked it.

    `rivals` None asks all. `events` tells whether it needs what people did.
    """

    name: str
    words: str
    draw: Callable[[np.random.Generator], Draw]
    goals: tuple[Goal, ...]
    rivals: tuple[str, ...] | None = None
    events: bool = False

    def drawn(self, seed: int, number: int) -> Draw:
        """The draw of a number; the same for everybody who is asked."""
        return self.draw(np.random.default_rng([SEED, seed, int(self.name[1:]), number]))


# Engines of tables. Bitmaps put together by hand for a question are asked it, too, where they
# can, but are no goal.
TABLES = ("polars", "duckdb", "clickhouse", "numpy")
# Engines that can be asked about events.
OF_EVENTS = ("polars", "duckdb", "clickhouse")
# The instant after the last event.
END_US = microseconds(NOW)
# From 50% to 10% of all; from one in a thousand to one in seven thousand.
DENSE = TAGS[:8]
RARE = TAGS[28:37]


def _some(rng: np.random.Generator, values: tuple[str, ...], count: int) -> tuple[str, ...]:
    return tuple(str(value) for value in rng.choice(values, count, replace=False))


def _any_of(rng: np.random.Generator, column: str, count: int) -> AnyOf:
    return AnyOf(column, _some(rng, VALUES[column], count))


def _revenue(rng: np.random.Generator) -> Between:
    return Between("revenue", int(rng.integers(10_000, 500_000)))


def _three_tags(rng: np.random.Generator) -> Draw:
    a, b, c = _some(rng, DENSE, 3)
    return Draw(((Has(a), Has(b), Has(c, wanted=False)),))


def _mixed_audience(rng: np.random.Generator) -> Audience:
    (tag,) = _some(rng, DENSE, 1)
    industry, title = _any_of(rng, "industry", 3), _any_of(rng, "title", 2)
    return industry, title, _revenue(rng), Has(tag, wanted=False)


def _mixed(rng: np.random.Generator) -> Draw:
    return Draw((_mixed_audience(rng),))


def _by_region(rng: np.random.Generator) -> Draw:
    return Draw((_mixed_audience(rng),), group_by="region")


def _rare(rng: np.random.Generator) -> Draw:
    (tag,) = _some(rng, RARE, 1)
    low = int(rng.integers(18, 40))
    age = Between("age", low, low + int(rng.integers(15, 40)))
    size = Between("company_size", int(rng.integers(2, 100)))
    return Draw(((Has(tag), _any_of(rng, "region", 8), age, size),))


def _two_hundred(rng: np.random.Generator) -> Draw:
    """Each of two to four conditions, out of the same seven fields and tags."""
    return Draw(tuple(_some_audience(rng) for _ in range(200)), many=True)


def _some_audience(rng: np.random.Generator) -> Audience:
    low = int(rng.integers(18, 50))
    (tag,) = _some(rng, DENSE, 1)
    conditions: list[Condition] = [
        _any_of(rng, "industry", 3),
        _any_of(rng, "region", 5),
        _any_of(rng, "title", 2),
        _any_of(rng, "stage", 2),
        Between("age", low, low + int(rng.integers(5, 30))),
        _revenue(rng),
        Has(tag, wanted=bool(rng.integers(2))),
    ]
    chosen = rng.permutation(len(conditions))[: int(rng.integers(2, 5))]
    return tuple(conditions[place] for place in chosen)


def _of_events(*conditions: Condition) -> Draw:
    return Draw((conditions,), as_of_us=END_US)


def _counted(rng: np.random.Generator) -> Draw:
    kind = _some(rng, TYPES, 1)[0]
    return _of_events(Did(kind, int(rng.integers(25, 36)), 2), _any_of(rng, "stage", 1))


def _counted_and_summed(rng: np.random.Generator) -> Draw:
    days = int(rng.integers(80, 91))
    amount = int(rng.integers(20_000, 200_000))
    return _of_events(Did("order", days, int(rng.integers(1, 4))), Spent(days, amount))


def _in_order(rng: np.random.Generator) -> Draw:
    first, second = _some(rng, TYPES, 2)
    return _of_events(Followed(first, second, 3, int(rng.integers(80, 91))))


def _scored(rng: np.random.Generator) -> Draw:
    """From what most people have to what hardly anybody has."""
    return Draw(((Scored(int(rng.integers(HIGHEST // 10, HIGHEST))),),))


_ALL = (
    Question(
        "Q1",
        "three dense tags: a and b and not c",
        _three_tags,
        (Goal(2, ("pyroaring",)), Goal(10, ("polars",))),
    ),
    Question("Q2", "industry in 3, title in 2, revenue >= x, not tag", _mixed, (Goal(10, TABLES),)),
    Question("Q3", "a rare tag and three columns", _rare, (Goal(20, TABLES),)),
    Question(
        "Q4",
        "count(x in last 30 days) >= 2 and a stage",
        _counted,
        (Goal(15, OF_EVENTS),),
        OF_EVENTS,
        events=True,
    ),
    Question(
        "Q5",
        "count and sum of orders in 90 days",
        _counted_and_summed,
        (Goal(15, OF_EVENTS),),
        OF_EVENTS,
        events=True,
    ),
    Question(
        "Q6",
        "a score of ten rules >= threshold",
        _scored,
        (Goal(20, ("polars", "duckdb", "clickhouse")),),
        ("polars", "duckdb", "clickhouse"),
    ),
    Question("Q7", "Q2 grouped by region", _by_region, (Goal(10, TABLES),)),
    Question(
        "Q8",
        "a sequence of two steps within 3 days",
        _in_order,
        (Goal(20, ("duckdb", "clickhouse")),),
        OF_EVENTS,
        events=True,
    ),
    Question(
        "Q9",
        "200 expressions over the same fields in one call",
        _two_hundred,
        (Goal(3, ("strata-singly",)), Goal(20, ("polars",))),
        ("strata-singly", "polars"),
    ),
)
QUESTIONS: Mapping[str, Question] = {question.name: question for question in _ALL}


def as_text(audience: Audience) -> str:
    """The audience in the language of Strata."""
    return " and ".join(_condition_text(condition) for condition in audience)


def _condition_text(condition: Condition) -> str:
    match condition:
        case Did(event, days, times):
            return f"count({event} in last {days} days) >= {times}"
        case Spent(days, amount):
            limit = number_text("revenue", amount)
            return f"sum(order.amount in last {days} days) > {limit}"
        case Followed(first, second, within, days):
            return f"sequence({first} then {second} within {within} days in last {days} days)"
        case Scored(threshold):
            return f"score('{SCORE}') >= {threshold}"
        case _:
            return row_text(condition)
