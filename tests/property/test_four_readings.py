"""Scores, bands, tiers and tags of random models in force: blocks, rows, explanations and the
reference agree on everybody, now and at other instants, and every ledger adds up.

The reference is given the attributes, the events and the facts as they are stored.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from engine.explaining.explain import Explanation
from engine.explaining.of_store import as_one_profile
from engine.explaining.standings import ScoreStanding
from engine.explaining.subjects import Subject
from engine.live.profiles import read_profiles
from engine.rules import tree
from engine.rules.parse import parse, parse_step
from engine.rules.reference import ReferenceContext, evaluate, evaluate_value
from engine.rules.reference_events import EventTypes, ReferenceEvent
from engine.rules.reference_scores import read_score
from engine.rules.reference_tiers import ReferenceTagRule, ReferenceTier
from tests.moving_events import HOUR_US, EventDatabase, event_updates
from tests.moving_worlds import DAY_US
from tests.skips import soaking

ZONE = "Europe/Berlin"
WORLDS = 8 if soaking() else 1
PEOPLE = 10
CONDITIONS = (
    "size >= 5", "stage = 'x'", "weight > 0.2", "count(order in last 2 days) >= 2",
    "sum(order.amount) > 20", "count(read) = 0", "last(order) < now - 36 hours",
    "sequence(read then order within 2 days)", "stage is missing",
)  # fmt: skip
STEPS = (
    "order", "any", "read where page = 'p'", "read in last 3 days", "order where pieces > 1",
    "order between 3 days and 6 hours ago",
)  # fmt: skip


def random_rules(chance: random.Random) -> dict[str, Any]:
    """The scores, tiers and tag rules of a model."""
    scores: dict[str, Any] = {}
    for name in ("a", "b"):
        worth = chance.choice(["90 minutes", "1 day", "7 hours"])
        fading: dict[str, Any] = {
            "each": chance.choice(STEPS[:2]),
            "points": 12.5,
            "half_life": worth,
        }
        rules = [fading]
        for _ in range(chance.randrange(1, 6)):
            rule: dict[str, Any] = {"points": chance.choice([20, -15, 5, 0.125, 30.5, -3])}
            if chance.random() < 0.5:
                others = ("score('a') >= 20", "tag = 'LIVE'") if name == "b" else ()
                rule["when"] = chance.choice((*CONDITIONS, *others))
            else:
                rule["each"] = chance.choice(STEPS)
                if chance.random() < 0.5:
                    rule["at_most"] = chance.choice([4, 12.5, 60])
                if chance.random() < 0.5:
                    rule["half_life"] = chance.choice(["90 minutes", "1 day", "7 hours"])
            rules.append(rule)
        score: dict[str, Any] = {"rules": rules, "bands": {"low": 1, "mid": 8, "high": 30}}
        if chance.random() < 0.5:
            score["floor"] = chance.choice([-10, -2])
        if chance.random() < 0.5:
            score["ceiling"] = chance.choice([31, 60])
        scores[name] = score
    scores["b"]["hold"] = {"mid": 2, "high": 12.5}
    stages = [
        {"name": "best", "when": "band('a') = 'high'"},
        {"name": "some", "when": f"{chance.choice(CONDITIONS)} and score('b') > 3"},
        {"name": "kept", "when": "tag = 'KEPT'"},
    ]
    chance.shuffle(stages)
    tier: dict[str, Any] = {"stages": stages}
    if chance.random() < 0.5:
        tier["default"] = "rest"
    tags = [
        {"tag": "LIVE", "when": chance.choice(CONDITIONS), "keep": "live"},
        {"tag": "KEPT", "when": chance.choice(CONDITIONS), "keep": "sticky"},
        {"tag": "on {page}", "each": "read in last 2 days", "keep": "live"},
        {"tag": "saw {page}", "each": "read", "keep": "sticky"},
    ]
    return {"scores": scores, "tiers": {"grade": tier}, "tag_rules": tags}


@dataclass
class _Asked:
    """Texts, and those of which the reference says what facts there are by what it is given."""

    texts: list[str]
    held: list[str]


def asked(chance: random.Random) -> _Asked:
    """What is asked of everybody."""
    edges = [chance.choice(["20", "0.125", "-5", "8", "12.5", "30"]) for _ in range(2)]
    texts = [f"score('{name}') >= {edge}" for name, edge in zip("ab", edges, strict=True)]
    texts += [
        "score('a') < score('b')",
        "band('a') = 'mid'",
        "band('a') = 'high'",
        "band('a') is missing",
    ]
    texts += [f"tier('grade') = '{name}'" for name in ("best", "some", "kept")]
    texts += [f"tag = '{tag}'" for tag in ("LIVE", "KEPT", "on p", "saw p", "saw q")]
    texts += ["tier('grade') is missing", "not tag = 'KEPT' and band('a') >= 'low'"]
    return _Asked(texts, ["band('b') = 'mid'", "band('b') >= 'mid'", "band('b') is present"])


class World:
    """A database with a random model."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        rules = random_rules(chance)
        text = yaml.safe_dump(rules, allow_unicode=True, sort_keys=False)
        self.live = EventDatabase(path, {"all": "true"}, zone=ZONE, rules=text)
        model = self.live.database.model
        assert model is not None
        self.model = model

    def truths(self, texts: list[str], at_us: int) -> list[list[bool]]:
        """Of each text, whether it holds for the profile of each row: blocks and rows alike."""
        database = self.live.database
        with database._store.snapshot() as snapshot:
            audience = database._audience(snapshot, at_us, None)
            for text in texts:
                audience.add(text)
            found = audience.test_rows(list(range(PEOPLE)))
            counts = [one.count for one in audience.counts()]
        for text, truths, count in zip(texts, found, counts, strict=True):
            with database.members(text, as_of_us=at_us) as members:
                rows = members.rows.tolist()
            assert [row for row, truth in enumerate(truths) if truth] == rows, text
            assert len(rows) == count, text
        return found

    def explained(self, row: int, asked: str | Subject, at_us: int) -> Explanation:
        """What is said of one of the people."""
        found = self.live.database.explanations.explain(
            ("member", f"m{row}"), asked, as_of_us=at_us, with_ways=False
        )
        assert found is not None
        return found

    def stored(self, row: int, at_us: int) -> tuple[dict[str, Any], list[ReferenceEvent]]:
        """Attributes and events of a row."""
        with self.live.database._store.snapshot() as snapshot:
            (record,) = read_profiles(snapshot, self.model, [row])
            assert record is not None and record.identifiers["member"] == [f"m{row}"]
            types = tuple(self.model.events)
            one = as_one_profile(snapshot, self.model, record, types, (), at_us)
        happened = [
            ReferenceEvent(event.type, event.time_us, event.properties)
            for some in one.events.values()
            for event in some
        ]
        return dict(one.attributes), happened

    def context(self, at_us: int) -> ReferenceContext:
        """What the reference reads of the model."""
        model = self.model
        types = {name: one.type for name, one in model.attributes.items()}
        tier = model.tiers["grade"]
        rules = []
        for rule in model.tag_rules:
            sticky = rule["keep"] == "sticky"
            if "when" in rule:
                rules.append(ReferenceTagRule(rule["tag"], sticky, when=parse(rule["when"])))
            else:
                step, window = parse_step(rule["each"])
                rules.append(ReferenceTagRule(rule["tag"], sticky, each=step, window=window))
        return ReferenceContext(
            types,
            ZoneInfo(ZONE),
            at_us,
            events=EventTypes(
                {
                    name: {key: one.type for key, one in event.properties.items()}
                    for name, event in model.events.items()
                }
            ),
            scores={k: read_score(v, parse, parse_step) for k, v in model.scores.items()},
            tiers={
                "grade": ReferenceTier(
                    stages=[(one["name"], parse(one["when"])) for one in tier["stages"]],
                    default=tier.get("default"),
                )
            },
            tag_rules=rules,
        )

    def check(self, chance: random.Random, at_us: int) -> int:
        """All readings agree at an instant; how many truths there were."""
        questions, context = asked(chance), self.context(at_us)
        texts = [*questions.texts, *questions.held]
        truths = self.truths(texts, at_us)
        for row in range(PEOPLE):
            attributes, events = self.stored(row, max(at_us, self.live.now_us))
            kept = [
                tag
                for tag in ("KEPT", "saw p", "saw q", "saw r")
                if self.explained(row, Subject("tag", tag), at_us).truth
            ]
            for text, column in zip(texts, truths, strict=True):
                assert self.explained(row, text, at_us).truth == column[row], (text, row)
                if text in questions.texts:
                    expected = evaluate(
                        parse(text), attributes, context, events=events, sticky_tags=kept
                    )
                    assert expected == column[row], (text, row, events)
            for name in "ab":
                found = self.explained(row, Subject("score", name), at_us).standing
                assert isinstance(found, ScoreStanding)
                ledger = found.ledger
                assert sum(line.points for line in ledger.lines) == ledger.points
                call = tree.Call("score", name)
                points = evaluate_value(call, attributes, context, events=events)
                assert Fraction(ledger.points, 1000) == points, (name, row)
                band = None if found.band is None else f"band('{name}') = '{found.band}'"
                is_so = f"band('{name}') is missing" if band is None else band
                assert self.explained(row, is_so, at_us).truth
            self._card(row, dict(zip(texts, [one[row] for one in truths], strict=True)), at_us)
        return sum(map(sum, truths))

    def _card(self, row: int, truths: dict[str, bool], at_us: int) -> None:
        """The card of a profile says the same, also that of another instant than now."""
        database, asked = self.live.database, [("member", f"m{row}")]
        (found,) = then = database.cards_then(asked, at_us).cards
        if at_us == self.live.now_us:
            assert database.cards(asked) == then
            assert database.card_at_hand(asked[0]) == found
        assert found is not None and not found.card.notes
        card = found.card
        said = {f"tag = '{tag}'" for tag in {*card.tags, *found.record.tags}}
        said |= {f"tier('{tier}') = '{name}'" for tier, name in card.tiers.items()}
        said |= {f"band('{score}') = '{band}'" for score, band in card.bands.items()}
        for text, truth in truths.items():
            if " = '" in text and " and " not in text:
                assert (text in said) == truth, (text, row)


def test_all_readings_agree(seed: int, tmp_path: Path) -> None:
    for place in range(WORLDS):
        chance = random.Random(f"{seed} {place}")
        world = World(tmp_path / str(place), chance)
        live = world.live
        try:
            live.send(*({"member": f"m{n}", "size": n % 10} for n in range(PEOPLE)))
            told = 0
            for _ in range(3 if soaking() else 2):
                live.send(*event_updates(chance, live.now_us, PEOPLE, 40))
                if chance.random() < 0.5:
                    live.send({"member": "m1", "-tag": ["KEPT", "saw p"]})
                told += world.check(chance, live.now_us)
                past_us = live.now_us - chance.choice([1, HOUR_US, DAY_US, 5 * DAY_US])
                told += world.check(chance, past_us)
                live.go(live.now_us + chance.choice([1, 3 * HOUR_US, 2 * DAY_US]))
            told += world.check(chance, live.now_us + chance.choice([HOUR_US, DAY_US]))
            assert told > PEOPLE
        finally:
            live.close()
