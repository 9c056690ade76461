"""The questions that are measured, each with literals drawn anew every time it is asked.

A question is an audience, a conjunction of conditions in the units of the data; each contender
turns it into its own best form, inside the time that is measured. Nothing can be remembered from
one time to the next, since the literals differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bench.data.people import SEED, TAGS, VALUES

__all__ = [
    "QUESTIONS",
    "Answer",
    "AnyOf",
    "Audience",
    "Between",
    "Condition",
    "Draw",
    "Goal",
    "Has",
    "Question",
    "as_text",
]

# A count; counts by value of the attribute grouped by (None: without one), those of none left
# out; or a count for each of many audiences.
Answer = int | dict[str | None, int] | list[int]


@dataclass(frozen=True, slots=True)
class Has:
    """Who has a tag; who has it not, where `wanted` is False."""

    tag: str
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Whose category is one of the values; nobody without one."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """Whose number lies between `low` and `high`, both included; None is no bound.

    Revenue counts hundredths. Nobody without the number.
    """

    column: str
    low: int
    high: int | None = None


Condition = Has | AnyOf | Between
Audience = tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """A question with its literals: audiences, and perhaps what the one is grouped by."""

    audiences: tuple[Audience, ...]
    group_by: str | None = None
    many: bool = False


@dataclass(frozen=True, slots=True)
class Goal:
    """How many times as long as ours the best of the rivals shall take."""

    times: float
    rivals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its name, what it is in words, how it is drawn, and who can be asked it.

    `rivals` None asks all.
    """

    name: str
    words: str
    draw: Callable[[np.random.Generator], Draw]
    goals: tuple[Goal, ...]
    rivals: tuple[str, ...] | None = None

    def drawn(self, seed: int, number: int) -> Draw:
        """The draw of a number; the same for everybody who is asked."""
        return self.draw(np.random.default_rng([SEED, seed, int(self.name[1:]), number]))


# Engines of tables. Bitmaps put together by hand for a question are asked it, too, where they
# can, but are no goal.
TABLES = ("polars", "duckdb", "clickhouse", "numpy")
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


_ALL = (
    Question(
        "Q1",
        "three dense tags: a and b and not c",
        _three_tags,
        (Goal(2, ("pyroaring",)), Goal(10, ("polars",))),
    ),
    Question("Q2", "industry in 3, title in 2, revenue >= x, not tag", _mixed, (Goal(10, TABLES),)),
    Question("Q3", "a rare tag and three columns", _rare, (Goal(20, TABLES),)),
    Question("Q7", "Q2 grouped by region", _by_region, (Goal(10, TABLES),)),
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
        case Has(tag, wanted):
            return f"{'' if wanted else 'not '}tag = '{tag}'"
        case AnyOf(column, values):
            return f"{column} in ({', '.join(repr(value) for value in values)})"
        case Between(column, low, high):
            if high is None:
                return f"{column} >= {_number(column, low)}"
            return f"{column} between {_number(column, low)} and {_number(column, high)}"


def _number(column: str, value: int) -> str:
    return f"{value // 100}.{value % 100:02}" if column == "revenue" else str(value)
