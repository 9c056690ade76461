"""The ledger of a score: a line for each rule and each end, which add up to the points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.explaining.evidence import EVIDENCE_EVENTS, EvidenceEvent
from engine.explaining.reading import Reading, Truth
from engine.explaining.value_nodes import GivenEach
from engine.model.plain import Score
from engine.rules.bound_scores import BoundScore, BoundWhenRule

__all__ = ["Ledger", "LedgerLine", "ledger_of"]


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """What one rule gives, or what an end takes or adds, in thousandths of a point.

    `rule` is the place of the rule, from 0, and `text` what it asks; of an end they are None and
    ''. `uncapped` is what the rule would give without its `at_most`. Of the events that it counts
    the latest are there, the latest first, and the number of the others.
    """

    kind: Literal["when", "each", "floor", "ceiling"]
    points: int
    rule: int | None = None
    text: str = ""
    uncapped: int | None = None
    events: tuple[EvidenceEvent, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Ledger:
    """The points of a score in thousandths, and what they are made of: the lines add up to them.

    Every rule has a line, also one that gives nothing; an end has one where it changes something.
    """

    score: str
    points: int
    lines: tuple[LedgerLine, ...]

    @property
    def reasons(self) -> list[LedgerLine]:
        """The lines that count, those with most points, either way, first."""
        counting = [line for line in self.lines if line.points]
        return sorted(counting, key=lambda line: -abs(line.points))


def ledger_of(score: BoundScore, declared: Score, reading: Reading) -> Ledger:
    """The ledger of the profile of a reading; `declared` is the score as the model says it."""
    lines = [line.of(reading) for line in _rules_of(score, declared, reading)]
    total = sum(line.points for line in lines)
    if score.floor is not None and total < score.floor:
        lines.append(LedgerLine("floor", score.floor - total))
        total = score.floor
    if score.ceiling is not None and total > score.ceiling:
        lines.append(LedgerLine("ceiling", score.ceiling - total))
        total = score.ceiling
    reading.known_points[score] = total
    return Ledger(score.name, total, tuple(lines))


class _When:
    """A `when` rule: one of two lines."""

    __slots__ = ("condition", "given", "missed")

    def __init__(self, condition: Truth, points: int, place: int, text: str) -> None:
        self.condition = condition
        self.given = LedgerLine("when", points, place, text)
        self.missed = LedgerLine("when", 0, place, text)

    def of(self, reading: Reading) -> LedgerLine:
        """Its line for the profile of a reading."""
        return self.given if self.condition(reading) else self.missed


class _Each:
    """An `each` rule."""

    __slots__ = ("given", "nothing", "place", "text")

    def __init__(self, given: GivenEach, place: int, text: str) -> None:
        self.given, self.place, self.text = given, place, text
        self.nothing = LedgerLine("each", 0, place, text)

    def of(self, reading: Reading) -> LedgerLine:
        """Its line for the profile of a reading."""
        found = self.given.counted(reading)
        if found is None:
            return self.nothing
        line, first, end = found
        given, uncapped = self.given.sum(reading, line, first, end)
        worth_of = self.given.worth_of
        events = tuple(
            [
                EvidenceEvent(event.type, event.time_us, None, worth_of(reading, event.time_us))
                for event in line.events[max(first, end - EVIDENCE_EVENTS) : end][::-1]
            ]
        )
        over = None if given == uncapped else uncapped
        left_out = end - first - len(events)
        return LedgerLine("each", given, self.place, self.text, over, events, left_out)


def _rules_of(score: BoundScore, declared: Score, reading: Reading) -> list[_When | _Each]:
    """The rules of a score, in order; kept with what is asked of all profiles."""
    closures = reading.closures
    kept = closures.kept
    known: list[_When | _Each] | None = kept.get(score)
    if known is None:
        known = kept[score] = [
            _When(closures.truth(rule.condition), rule.points, place, written["when"])
            if isinstance(rule, BoundWhenRule)
            else _Each(closures.given(rule), place, written["each"])
            for place, (rule, written) in enumerate(
                zip(score.rules, declared["rules"], strict=True)
            )
        ]
    return known
