"""A live database with tiers of every kind, and what the contract makes of its customers."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from engine.model.plain import CELLS
from engine.rules import tree
from engine.rules.parse import parse, parse_value
from engine.rules.reference import ReferenceContext, evaluate, evaluate_value
from engine.rules.reference_events import EventTypes, ReferenceEvent
from engine.rules.reference_scores import ReferenceScore
from engine.rules.reference_tiers import ReferenceTagRule, ReferenceTier
from tests.moving_events import HOUR_US, EventDatabase
from tests.moving_worlds import DAY_US

__all__ = ["SEGMENTS", "TIERS", "Customers", "TieredDatabase"]

MONEY = "sum(order.amount in last 20 days)"
TIERS = f"""\
tiers:
  life:
    stages:
      - {{name: new, when: "first(any) >= now - 2 days"}}
      - {{name: lost, when: "last(any) < now - 9 days"}}
      - {{name: buyer, when: "count(order) >= 1"}}
    default: looker
  plain:
    stages: [{{name: 'on', when: "tier('life') = 'buyer' and tier('mean') contains '重要'"}}]
  mean: {{rfm: {{recency: last(order), frequency: "count(order in last 9 days)",
    monetary: max(order.amount in last 20 days), cut: mean}}}}
  median: {{rfm: {{recency: last(order), frequency: "count(order in last 9 days)",
    monetary: "{MONEY}", cut: median, cells: {{HHH: best}}}}}}
  quintile: {{rfm: {{recency: last(any), frequency: days(any), monetary: "avg(order.amount)",
    cut: quintile}}}}
  fixed: {{rfm: {{recency: last(order), frequency: count(order), monetary: "{MONEY}",
    cut: {{recency: 3 days, frequency: 2, monetary: 50}}}}}}
  rfe: {{rfe: {{recency: last(any), frequency: days(read), engagement: {{read: 1, order: 2.5}},
    in_last: 12 days, cut: median}}}}
  top: {{top: {{by: count(order), shares: {{core: 20%, near: 25.5%}}}}, default: rest}}
  dear: {{top: {{by: max(order.rate), shares: {{first: 30%}}}}}}
"""
SEGMENTS = {
    "valued": "tier('mean') in ('重要价值', '重要保持')",
    "lost_best": "tier('median') = 'best' and tier('life') != 'new'",
    "core": "tier('top') = 'core'",
    "other": "tier('rfe') is missing or tier('quintile') not starts with '重要'",
    "fixed": "tier('fixed') = '一般挽留'",
    "same": "tier('mean') = tier('quintile')",
    "chain": "tier('plain') is present",
}

_EVENTS = EventTypes(
    {
        "read": {"page": "category"},
        "order": {"amount": "decimal", "pieces": "int", "paid": "bool", "rate": "float"},
    }
)
_HEAD = """\
time_zone: Europe/Berlin
identifiers:
  member: {per_profile: 1}
attributes:
  size: {type: int}
events:
  read: {properties: {page: category}}
  order: {properties: {amount: {type: decimal, scale: 2}, pieces: int, paid: bool, rate: float}}
"""


class TieredDatabase(EventDatabase):
    """A database of reads and orders with TIERS."""

    def apply(
        self, segments: dict[str, str], *, zone: str = "", rules: str = "", tiers: str = TIERS
    ) -> None:
        """Puts a model in force."""
        lines = [f'  {name}: "{text}"\n' for name, text in segments.items()]
        listed = "segments:\n" + "".join(lines) if lines else ""
        self.database.apply_model({"model.yaml": _HEAD + rules + tiers + listed})


class Customers:
    """Everything that was sent, kept plainly, and what follows from it."""

    def __init__(self) -> None:
        self.events: dict[str, list[ReferenceEvent]] = {}

    def updates(self, chance: random.Random, now_us: int, size: int) -> list[dict[str, Any]]:
        """Reads and orders of random customers, some of them months ago; some do nothing."""
        found = []
        for _ in range(size):
            member = f"m{chance.randrange(size)}"
            events = self.events.setdefault(member, [])
            update: dict[str, Any] = {"member": member, "size": 1}
            at_us = now_us - chance.choice((0, 1, 2, 3, 5, 9, 15, 30)) * DAY_US
            at_us -= chance.choice((0, 1, HOUR_US, chance.randrange(DAY_US)))
            if chance.random() < 0.4:
                update["read"] = {"time": at_us, "page": chance.choice("pq")}
                events.append(ReferenceEvent("read", at_us, {"page": update["read"]["page"]}))
            if chance.random() < 0.5:
                cents = chance.choice((0, 1000, 5000, 5000, chance.randrange(9000)))
                rate = chance.choice((0.1, 0.2, 2.5, -1.0))
                update["order"] = {"time": at_us, "amount": cents, "rate": rate}
                values = {"amount": Decimal(cents) / 100, "rate": rate}
                events.append(ReferenceEvent("order", at_us, values))
            found.append(update)
        return found

    def context(
        self,
        now_us: int,
        tiers: dict[str, ReferenceTier],
        zone: Any,
        rules: Sequence[ReferenceTagRule] = (),
        scores: Mapping[str, ReferenceScore] | None = None,
    ) -> ReferenceContext:
        """What the reference reads beside the events of one customer."""
        types = {"size": "int", "tag": "set"}
        return ReferenceContext(
            types, zone, now_us, events=_EVENTS, tiers=tiers, tag_rules=rules, scores=scores or {}
        )

    def holding(self, expression: str, context: ReferenceContext) -> int:
        """How many customers an expression holds for."""
        node = parse(expression)
        return sum(evaluate(node, {"size": 1}, context, events=one) for one in self.events.values())

    def values(self, node: tree.Value, context: ReferenceContext) -> list[Any]:
        """A value of each customer."""
        return [
            evaluate_value(node, {"size": 1}, context, events=one) for one in self.events.values()
        ]

    def tiers(self, now_us: int, zone: Any) -> dict[str, ReferenceTier]:
        """TIERS, cut at an instant by the words of the contract."""
        found: dict[str, ReferenceTier] = {
            "life": ReferenceTier(
                stages=[
                    ("new", parse("first(any) >= now - 2 days")),
                    ("lost", parse("last(any) < now - 9 days")),
                    ("buyer", parse("count(order) >= 1")),
                ],
                default="looker",
            ),
            "plain": ReferenceTier(
                stages=[
                    ("on", parse("tier('life') = 'buyer' and tier('mean') contains '重要'")),
                ]
            ),
            "fixed": ReferenceTier(
                cells=CELLS,
                metrics=_trees("last(order)", "count(order)", MONEY),
                age_us=3 * DAY_US,
                cuts=(None, Fraction(2), Fraction(50)),
            ),
        }
        plain = self.context(now_us, {}, zone)

        def cells(
            texts: Sequence[str], cut: Callable[[list[Fraction]], Fraction | None], names: Any
        ) -> ReferenceTier:
            metrics = _trees(*texts)
            columns = [self.values(metric, plain) for metric in metrics]
            rows = [row for row in zip(*columns, strict=True) if row[0] is not None]
            if not rows:
                # Nobody is cut, so that nobody has a cell until somebody is.
                return ReferenceTier()
            cuts = [cut([row[at] or Fraction(0) for row in rows]) for at in range(3)]
            return ReferenceTier(cells=names, metrics=metrics, cuts=cuts)

        frequent = ("last(order)", "count(order in last 9 days)", MONEY)
        dearest = (*frequent[:2], "max(order.amount in last 20 days)")
        found["mean"] = cells(dearest, _mean, CELLS)
        found["median"] = cells(frequent, _median, {**CELLS, "HHH": "best"})
        often = ("last(any)", "days(any)", "avg(order.amount)")
        found["quintile"] = cells(often, _quintile, CELLS)
        weighed = "count(read in last 12 days) + 2.5 * count(order in last 12 days)"
        found["rfe"] = cells(("last(any)", "days(read)", weighed), _median, CELLS)
        for name, by, shares, default in (
            ("top", "count(order)", {"core": Fraction(20), "near": Fraction(51, 2)}, "rest"),
            ("dear", "max(order.rate)", {"first": Fraction(30)}, None),
        ):
            node = parse_value(by)
            ranked = sorted((v for v in self.values(node, plain) if v is not None), reverse=True)
            through, cuts = Fraction(0), []
            for share in shares.values():
                through += share
                full = [at for at in range(len(ranked)) if (at + 1) * 100 >= through * len(ranked)]
                cuts.append(ranked[full[0]] if full else None)
            found[name] = ReferenceTier(shares=tuple(shares), by=node, cuts=cuts, default=default)
        return found


def _trees(*texts: str) -> list[tree.Value]:
    return [parse_value(text) for text in texts]


def _mean(values: list[Fraction]) -> Fraction | None:
    return sum(values, Fraction(0)) / len(values) if values else None


def _median(values: list[Fraction]) -> Fraction | None:
    ranked = sorted(values)
    if not ranked:
        return None
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2


def _quintile(values: list[Fraction]) -> Fraction | None:
    high = [
        value
        for value in values
        if 1 + 5 * sum(other < value for other in values) // len(values) >= 4
    ]
    return min(high, default=None)
