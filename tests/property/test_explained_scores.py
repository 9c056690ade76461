"""Scores in explanations: points are those of the reference, and the ledger adds up to them."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from engine.explaining.changes import Added, Put, Wait
from engine.explaining.courses import course_of
from engine.explaining.ledgers import ledger_of
from engine.explaining.names import name_of
from engine.explaining.reading import Reading
from engine.explaining.ways import Ways
from engine.model.definitions import Model
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.parse import parse, parse_step
from engine.rules.reference import ReferenceContext, evaluate, evaluate_value
from engine.rules.reference_events import ReferenceEvent
from engine.rules.reference_scores import read_score
from engine.rules.types import Strings
from tests.explained import as_one_profile
from tests.property.test_derived_names import EVENT_TYPES, STEPS, TYPES, conditions
from tests.unit.bind_model import model

NOW_US = 1_780_000_000_000_000
HOUR_US = 3_600_000_000
BANDS = {"cold": Decimal(-5), "warm": Decimal(10), "hot": Decimal("20.5")}


def random_score(chance: random.Random) -> dict[str, Any]:
    """A score as a model has it."""
    rules: list[dict[str, Any]] = []
    for _ in range(chance.randrange(1, 5)):
        points = Decimal(chance.choice(["5", "-3", "0.125", "12.5", "30", "-20"]))
        if chance.random() < 0.4:
            rules.append({"when": conditions(chance), "points": points})
            continue
        rule: dict[str, Any] = {"each": chance.choice(STEPS), "points": points}
        if chance.random() < 0.4:
            rule["at_most"] = Decimal(chance.choice(["4", "10.5", "25"]))
        if chance.random() < 0.5:
            rule["half_life_us"] = chance.choice([HOUR_US, 3 * HOUR_US, 90 * 60_000_000])
        rules.append(rule)
    score: dict[str, Any] = {"rules": tuple(rules), "bands": BANDS, "hold": {}}
    if chance.random() < 0.4:
        score["floor"] = Decimal(chance.choice([-2, 0, 3]))
    if chance.random() < 0.4:
        score["ceiling"] = Decimal(chance.choice([9, 40]))
    return score


def random_profile(chance: random.Random) -> tuple[dict[str, Any], list[ReferenceEvent]]:
    """A profile and what it did in the last hours."""
    profile: dict[str, Any] = {
        "age": chance.choice([None, 0, 1, 2, 3]),
        "size": chance.choice([None, 1, 2]),
        "vip": chance.choice([None, True, False]),
        "city": chance.choice([None, "a", "b"]),
    }
    events = []
    for _ in range(chance.randrange(6)):
        kind = chance.choice(["order", "visit"])
        said = {"gift": chance.random() < 0.5, "pieces": chance.randrange(3)}
        at_us = NOW_US - chance.randrange(16) * HOUR_US // 3 + chance.choice([-1, 0, 1])
        events.append(ReferenceEvent(kind, at_us, said if kind == "order" else {}))
    return profile, events


def with_score(score: Any) -> Model:
    """The model of the tests with one score."""
    return replace(model("UTC"), scores={"lead": score})


def reference(score: Any, now_us: int = NOW_US) -> ReferenceContext:
    """What the reference reads beside a profile."""
    read = read_score(score, parse, parse_step)
    zone = ZoneInfo("UTC")
    return ReferenceContext(TYPES, zone, now_us, events=EVENT_TYPES, scores={"lead": read})


@given(seed=st.integers(0, 2**32))
def test_points_are_those_of_the_reference_and_add_up(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(8):
        score = random_score(chance)
        profile, events = random_profile(chance)
        context, known = reference(score), with_score(score)
        reading = Reading(as_one_profile(profile, "UTC", events), NOW_US)
        binder = Binder(known)
        found = ledger_of(binder.score("lead"), known.scores["lead"], reading)
        call = tree.Call("score", "lead")
        expected = evaluate_value(call, profile, context, events=events)
        assert Fraction(found.points, 1000) == expected, (score, profile, events)
        assert sum(line.points for line in found.lines) == found.points
        assert [line.rule for line in found.lines][: len(score["rules"])] == [
            *range(len(score["rules"]))
        ]
        band = binder.operand(tree.Call("band", "lead"))
        assert isinstance(band, Strings) and band.derived is not None
        name = name_of(band.derived, reading)
        assert [one for one in BANDS if one == name] == [
            one
            for one in BANDS
            if evaluate(parse(f"band('lead') = '{one}'"), profile, context, events=events)
        ]


@given(seed=st.integers(0, 2**32))
def test_ways_and_turns_of_scores(seed: int) -> None:
    """Every way leads there; time does what is said."""
    chance = random.Random(seed)
    for _ in range(4):
        score = random_score(chance)
        profile, events = random_profile(chance)
        text = chance.choice(
            ("score('lead') >= 12.5", "band('lead') >= 'warm'", "score('lead') < 0.5 * age + 3")
        )
        known = with_score(score)
        item = Binder(known).bind(parse(text))
        reading = Reading(as_one_profile(profile, "UTC", events), NOW_US)
        truth = reading.holds(item)
        assert truth == evaluate(parse(text), profile, reference(score), events=events)
        for way in Ways(known).find(item, not truth, reading):
            changed, happened, now_us = dict(profile), list(events), NOW_US
            for change in way.changes:
                if isinstance(change, Put):
                    changed[change.attribute] = change.value
                elif isinstance(change, Added):
                    for event in change.events:
                        happened.append(ReferenceEvent(event.type, event.time_us, event.properties))
                        now_us = max(now_us, event.time_us)
                else:
                    assert isinstance(change, Wait)
                    now_us = max(now_us, change.until_us)
            after = evaluate(parse(text), changed, reference(score, now_us), events=happened)
            assert after != truth, (score, text, profile, events, way.changes)
        course = course_of(item, reading)
        probes = {NOW_US + chance.randrange(10 * HOUR_US) for _ in range(5)}
        probes.update(at + beside for at in course.turns[:3] for beside in (-1, 0))
        for at in probes:
            if course.known_until_us is not None and at >= course.known_until_us:
                continue
            turned = sum(turn <= at for turn in course.turns) % 2 == 1
            expected = evaluate(parse(text), profile, reference(score, at), events=events)
            assert (truth != turned) == expected, (score, text, profile, events, at, course)


def test_many_scores_can_be_reached() -> None:
    """Of scores that are too low a quarter has a way; rules of others give too little."""
    chance, told, asked = random.Random(5), 0, 0
    for _ in range(120):
        score = random_score(chance)
        profile, events = random_profile(chance)
        known = with_score(score)
        item = Binder(known).bind(parse("score('lead') >= 12.5"))
        reading = Reading(as_one_profile(profile, "UTC", events), NOW_US)
        if not reading.holds(item):
            asked, told = asked + 1, told + bool(Ways(known).find(item, True, reading))
    assert asked > 40
    assert told * 4 > asked
