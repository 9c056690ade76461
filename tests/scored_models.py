"""Random models with scores: rules of every kind, scores of scores, and what is asked of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from engine.model.definitions import Model, Segment
from engine.rules import tree
from engine.rules.parse import parse, parse_step
from engine.rules.reference_scores import ReferenceScore, read_score

__all__ = ["ScoredModel"]

HOUR_US = 3_600_000_000
CONDITIONS = (
    *(
        "age > 3",
        "city = 'a'",
        "vip",
        "true",
        "false",
        "not listed",
        "rev >= 0.3",
        "age is missing",
    ),
    *("count(order in last 2 days) >= 2", "sum(order.amount) > 0.5", "count(visit) = 0"),
    *("last(content) > now - 3 hours", "joined < now - 1 day", "size is present"),
    "sequence(visit then order within 3 days)",
)
STEPS = (
    *("order", "visit", "any", "content in last 3 hours", "order in last 31 days", "any today"),
    *("visit where page = 'a'", "order where amount >= 0.3 in last 366 days", "register"),
    "any between 3 days and 1 hour ago",
)
POINTS = ("5", "20", "-15", "30", "0.125", "-0.001", "1.5", "40", "0", "1000", "-5")
MOST = ("5", "25", "0.2", "100")
HALF_LIVES_US = (HOUR_US, 36 * HOUR_US, 90 * 60_000_000, 720 * HOUR_US, 7_000_000)


class ScoredModel:
    """A model with scores s0, s1, ... and segments g0, g1, ... that mention earlier ones."""

    def __init__(self, model: Model, picks: random.Random) -> None:
        self._picks = picks
        self._mentions: list[str] = []
        self.score_names: list[str] = []
        scores: dict[str, Any] = {}
        segments: dict[str, str] = {}
        for at in range(picks.randint(1, 4)):
            name = f"s{at}"
            scores[name] = self._score()
            self.score_names.append(name)
            edge = picks.choice(["0", "5", "20", "-15", "40.125"])
            segments[f"g{at}"] = f"score('{name}') {picks.choice(['>=', '<', '='])} {edge}"
            self._mentions += [segments[f"g{at}"], f"segment('g{at}')"]
        self.model = replace(
            model,
            scores=scores,
            segments={name: Segment(name, rule) for name, rule in segments.items()},
        )

    @property
    def segments(self) -> dict[str, tree.Expr]:
        """The definitions of the segments."""
        return {name: parse(segment.rule) for name, segment in self.model.segments.items()}

    @property
    def references(self) -> Mapping[str, ReferenceScore]:
        """The scores as the reference takes them."""
        return {
            name: read_score(score, parse, parse_step) for name, score in self.model.scores.items()
        }

    def asked(self, values: Mapping[str, list[Fraction]]) -> str:
        """An expression that reads scores; `values` are some of theirs, to stand beside."""
        picks = self._picks
        one, other = picks.choice(self.score_names), picks.choice(self.score_names)
        near = picks.choice(values[one]) + Fraction(picks.choice([-1, 0, 0, 0, 1]), 1000)
        edge = ("-" if near < 0 else "") + f"{Decimal(abs(near).numerator) / near.denominator:f}"
        op = picks.choice(["=", "!=", "<", "<=", ">", ">="])
        return picks.choice(
            [
                f"score('{one}') {op} {edge}",
                f"score('{one}') {op} {edge}",
                f"score('{one}') between {edge} and 100",
                f"score('{one}') in ({edge}, 5, 20.001)",
                f"score('{one}') not in ({edge}, 20)",
                f"2 * score('{one}') - score('{other}') {op} age",
                f"score('{one}') {op} count(order)",
                f"score('{one}') {op} weight",
                f"score('{one}') is present and not segment('g0')",
                f"{self._condition()} and score('{one}') {op} {edge}",
                f"score('{one}') {op} {edge} or {self._condition()}",
                f"not (score('{one}') {op} {edge}) and score('{other}') > 0",
            ]
        )

    def _score(self) -> dict[str, Any]:
        picks = self._picks
        score: dict[str, Any] = {"bands": {}, "hold": {}}
        score["rules"] = tuple(self._rule() for _ in range(picks.randint(1, 6)))
        if picks.random() < 0.4:
            score["floor"] = Decimal(picks.choice(["0", "-10", "2.5", "-2000"]))
        if picks.random() < 0.4:
            score["ceiling"] = Decimal(picks.choice(["30", "100.001", "5", "70000"]))
        return score

    def _rule(self) -> dict[str, Any]:
        picks = self._picks
        rule: dict[str, Any] = {"points": Decimal(picks.choice(POINTS))}
        if picks.random() < 0.5:
            return {**rule, "when": self._condition()}
        rule["each"] = picks.choice(STEPS)
        if picks.random() < 0.4:
            rule["at_most"] = Decimal(picks.choice(MOST))
        if picks.random() < 0.5:
            rule["half_life_us"] = picks.choice(HALF_LIVES_US)
        return rule

    def _condition(self) -> str:
        picks = self._picks
        chosen = picks.choice([picks.choice(CONDITIONS), *picks.sample(self._mentions, 1)]
                              if self._mentions else CONDITIONS)  # fmt: skip
        if picks.random() < 0.3:
            chosen = f"({chosen} {picks.choice(['and', 'or'])} {picks.choice(CONDITIONS)})"
        return f"not {chosen}" if picks.random() < 0.2 else chosen
