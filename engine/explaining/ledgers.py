"""The ledger of a score: a line for each rule and each end, which add up to the points."""

from __future__ import annotations

from typing import NamedTuple

from engine.explaining.ledger_lines import LedgerLine
from engine.explaining.ledger_nodes import EachLine, RuleLine, WhenLine, lines_of
from engine.explaining.reading import Reading
from engine.model.plain import Score
from engine.rules.bound_scores import BoundScore, BoundWhenRule

__all__ = ["Ledger", "LedgerLine", "ledger_of"]


class Ledger(NamedTuple):
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
    lines, total = lines_of(_rules_of(score, declared, reading), reading)
    if score.floor is not None and total < score.floor:
        lines.append(LedgerLine("floor", score.floor - total))
        total = score.floor
    if score.ceiling is not None and total > score.ceiling:
        lines.append(LedgerLine("ceiling", score.ceiling - total))
        total = score.ceiling
    reading.known_points[score] = total
    return Ledger(score.name, total, tuple(lines))


def _rules_of(score: BoundScore, declared: Score, reading: Reading) -> list[RuleLine]:
    """The rules of a score, in order; kept with what is asked of all profiles."""
    closures = reading.closures
    kept = closures.kept
    known: list[RuleLine] | None = kept.get(score)
    if known is None:
        known = kept[score] = [
            WhenLine(closures.truth(rule.condition), rule.points, place, written["when"])
            if isinstance(rule, BoundWhenRule)
            else EachLine(closures.given(rule), place, written["each"])
            for place, (rule, written) in enumerate(
                zip(score.rules, declared["rules"], strict=True)
            )
        ]
    return known
