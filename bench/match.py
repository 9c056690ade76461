"""Two sides, the same questions, by turns.

Every draw is asked of our engine and of one rival, one right after the other, so that whatever
else the machine does hits both. Who comes first changes from round to round. The first draws, or
the first where that is slow, are not measured: their answers are compared, and they warm both up.
Later answers are compared, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.failure import BenchFailed
from bench.questions import Answer, Draw, Question, as_text
from bench.sides.process import Side

__all__ = [
    "FEWEST",
    "OURS",
    "Answers",
    "Ask",
    "Times",
    "alone",
    "ask_engine",
    "ask_rival",
    "ask_singly",
    "match",
]

# An answer, and the nanoseconds that it took.
Ask = Callable[[Draw], tuple[Answer, int]]

OURS = "Strata"
FEWEST = 7
COMPARED_FIRST = 3
# Where a draw takes longer, one is enough to warm up.
SLOW_NS = 1_000_000_000
# A side that takes less is asked several draws in a turn: the first finds the caches full of the
# other side's data, the rest shows what it can do.
QUICK_NS = 100_000_000
BURST = 4


@dataclass(slots=True)
class Times:
    """Single times of one draw each, in microseconds, in the order asked."""

    ours_us: list[float] = field(default_factory=list)
    theirs_us: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times as long the rival takes, by medians."""
        return median(self.theirs_us) / median(self.ours_us)


class Answers:
    """The answers to the draws of one question, by number; whoever is asked says the same."""

    def __init__(self, question: Question, seed: int) -> None:
        self._question = question
        self._seed = seed
        self._known: dict[int, Answer] = {}

    def ask(self, ask: Ask, number: int, name: str) -> int:
        """Asks a draw; the nanoseconds taken. Raises BenchFailed where the answer differs."""
        answer, ns = ask(self._question.drawn(self._seed, number))
        known = self._known.setdefault(number, answer)
        if answer != known:
            raise self._differ(number, name, answer, known)
        return ns

    def digest(self, rounds: int = FEWEST) -> str:
        """A short hash of the answers that every run of so many rounds has."""
        numbers = range(1 + min(rounds, FEWEST))
        plain = [
            sorted(answer.items(), key=str) if isinstance(answer, dict) else answer
            for answer in (self._known[number] for number in numbers)
        ]
        return hashlib.blake2b(repr(plain).encode(), digest_size=8).hexdigest()

    def _differ(self, number: int, name: str, one: Answer, other: Answer) -> BenchFailed:
        draw = self._question.drawn(self._seed, number)
        shown = as_text(draw.audiences[0])
        if isinstance(one, list) and isinstance(other, list):
            place = next(place for place in range(len(one)) if one[place] != other[place])
            one, other, shown = one[place], other[place], as_text(draw.audiences[place])
        return BenchFailed(
            f"{self._question.name}: answers differ, so no time is given. "
            f"{shown}{f' by {draw.group_by}' if draw.group_by else ''}: {name} says {one}, "
            f"those before said {other} (draw {number}, seed {self._seed})."
        )


def ask_engine(side: Side) -> Ask:
    """Our engine in process: one call of the Database."""

    def ask(draw: Draw) -> tuple[Answer, int]:
        texts = [as_text(audience) for audience in draw.audiences]
        if draw.many:
            answer: tuple[Answer, int] = side.call("count_many", texts)
        else:
            answer = side.call("count", texts, draw.group_by, draw.as_of_us)
        return answer

    return ask


def ask_singly(side: Side) -> Ask:
    """Our engine in process, one call for each audience."""

    def ask(draw: Draw) -> tuple[Answer, int]:
        texts = [as_text(audience) for audience in draw.audiences]
        answer: tuple[Answer, int] = side.call("count_singly", texts)
        return answer

    return ask


def ask_rival(side: Side) -> Ask:
    """A rival."""

    def ask(draw: Draw) -> tuple[Answer, int]:
        answer: tuple[Answer, int] = side.call("ask", draw)
        return answer

    return ask


def match(answers: Answers, ours: Ask, theirs: Ask, name: str, rounds: int = FEWEST) -> Times:
    """Times of both sides. Raises BenchFailed where an answer differs."""
    times = Times()
    compared, slowest_ns = _compare_first(answers, [(ours, OURS), (theirs, name)])
    burst = BURST if slowest_ns < QUICK_NS else 1
    for turn in range(rounds):
        first = compared + turn * burst
        sides = [(ours, times.ours_us, OURS), (theirs, times.theirs_us, name)]
        for ask, kept, who in sides if turn % 2 else sides[::-1]:
            for number in range(first, first + burst):
                kept.append(answers.ask(ask, number, who) / 1000)
    return times


def alone(answers: Answers, ask: Ask, name: str, rounds: int = FEWEST) -> list[float]:
    """Times of one side, in microseconds, with its answers compared with those of others."""
    compared, ns = _compare_first(answers, [(ask, name)])
    numbers = range(compared, compared + rounds * (BURST if ns < QUICK_NS else 1))
    return [answers.ask(ask, number, name) / 1000 for number in numbers]


def _compare_first(answers: Answers, sides: Sequence[tuple[Ask, str]]) -> tuple[int, int]:
    """How many draws were compared, and the time that the slowest side took for the last."""
    for number in range(COMPARED_FIRST):
        slowest_ns = max([answers.ask(ask, number, name) for ask, name in sides])
        if slowest_ns > SLOW_NS:
            break
    return number + 1, slowest_ns
