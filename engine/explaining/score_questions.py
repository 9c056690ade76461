"""A score explained: its ledger, its bands, and what is missing to the next one up."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from engine.explaining.fact_intervals import fact_interval
from engine.explaining.ledgers import ledger_of
from engine.explaining.outline import reads_of
from engine.explaining.standings import BandStanding, ScoreStanding, ScoreWay
from engine.explaining.subjects import Nodes
from engine.explaining.ways import Ways
from engine.model.hidden_events import band_fact, fact_event
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.bound_facts import fact_holds

__all__ = ["ScoreQuestion"]


class ScoreQuestion:
    """Asks for a score of a model. Raises ExpressionInvalid where there is none of the name."""

    def __init__(self, name: str, binder: Binder, where: str) -> None:
        binder.operand(tree.Call("score", name), where=where)
        self._score = binder.score(name)
        self._declared = binder.model.scores[name]
        self._bands = binder.model.bands(name)
        source = bound.ScoreSource(name, self._score)
        self._reached = {
            band: bound.BoundCompare(
                bound.Linear((bound.LinearTerm(Fraction(1), source),), -Fraction(least)), ">=", None
            )
            for band, least in self._bands.items()
        }
        self._facts = {
            band: fact_holds(fact_event(band_fact(name, band))) for band in self._declared["hold"]
        }
        self.reads = reads_of([*self._reached.values(), *self._facts.values()], [self._score])

    def stand(self, nodes: Nodes, givers: Sequence[str]) -> ScoreStanding:
        """The answer for the profile of a reading. Raises NotYet."""
        reading = nodes.reading
        ledger = ledger_of(self._score, self._declared, reading)
        bands = []
        for band, least in reversed([*self._bands.items()]):
            on, since_us = reading.holds(self._reached[band]), None
            if band in self._facts:
                on, since_us = fact_interval(self._facts[band], reading)
            left_below = self._declared["hold"].get(band, least)
            bands.append(
                BandStanding(band, int(1000 * least), int(1000 * left_below), on, since_us)
            )
        place = next((at for at, one in enumerate(bands) if one.on), len(bands))
        here = bands[place].name if place < len(bands) else None
        if not place:
            return ScoreStanding(ledger, here, tuple(bands))
        above = bands[place - 1]
        ways = self._ways(above.name, nodes) if nodes.with_ways else ()
        missing = max(above.bound - ledger.points, 0)
        return ScoreStanding(ledger, here, tuple(bands), above.name, missing, ways)

    def _ways(self, band: str, nodes: Nodes) -> tuple[ScoreWay, ...]:
        reading = nodes.reading
        before = [reading.rule_points(rule)[0] for rule in self._score.rules]
        found = []
        if not reading.holds(self._reached[band]):
            known: set[str] = set()
            for way in Ways(nodes.model).find(self._reached[band], True, reading):
                # A rule alone, and the sum of the best rules, may be one and the same.
                if repr(way.changes) in known:
                    continue
                known.add(repr(way.changes))
                after = [way.after.rule_points(rule)[0] for rule in self._score.rules]
                gains = [new - old for new, old in zip(after, before, strict=True)]
                found.append(ScoreWay(way, tuple((at, one) for at, one in enumerate(gains) if one)))
        return tuple(found)
