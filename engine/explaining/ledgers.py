"""The ledger of a score: a line for each rule and each end, which add up to the points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.explaining.evidence import EVIDENCE_EVENTS, EvidenceEvent
from engine.explaining.reading import Reading
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
    lines = []
    for place, (rule, written) in enumerate(zip(score.rules, declared["rules"], strict=True)):
        given, uncapped = reading.rule_points(rule)
        if isinstance(rule, BoundWhenRule):
            lines.append(LedgerLine("when", given, place, written["when"]))
            continue
        line = reading.line(rule.events)
        first, end = line.stretch(*reading.bounds(rule.window))
        events = tuple(
            EvidenceEvent(event.type, event.time_us, None, reading.worth(rule, event.time_us))
            for event in line.events[max(first, end - EVIDENCE_EVENTS) : end][::-1]
        )
        left_out = end - first - len(events)
        text = written["each"]
        lines.append(
            LedgerLine(
                "each",
                given,
                place,
                text,
                None if given == uncapped else uncapped,
                events,
                left_out,
            )
        )
    total = sum(line.points for line in lines)
    if score.floor is not None and total < score.floor:
        lines.append(LedgerLine("floor", score.floor - total))
        total = score.floor
    if score.ceiling is not None and total > score.ceiling:
        lines.append(LedgerLine("ceiling", score.ceiling - total))
        total = score.ceiling
    return Ledger(score.name, total, tuple(lines))
