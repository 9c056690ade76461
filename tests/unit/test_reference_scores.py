"""The reference evaluator of scores and bands, against sums made by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.rules.parse import parse, parse_step, parse_value
from engine.rules.reference import ReferenceContext, evaluate, evaluate_value
from engine.rules.reference_events import EventTypes, ReferenceEvent
from engine.rules.reference_scores import read_score

HOUR_US = 3_600_000_000
NOW_US = 1_790_000_000_000_000
BANDS = {"hot": Decimal(70), "cold": Decimal(0), "warm": Decimal(40)}


def context(**scores: dict[str, Any]) -> ReferenceContext:
    read = {
        name: read_score({"bands": {}, "hold": {}, **score}, parse, parse_step)
        for name, score in scores.items()
    }
    types = EventTypes({"visit": {"page": "category"}, "order": {}})
    segments = {"warm": parse("score('lead') >= 40")}
    return ReferenceContext(
        {"age": "int"}, ZoneInfo("UTC"), NOW_US, segments=segments, events=types, scores=read
    )


def points(
    rules: list[dict[str, Any]], *ages_us: int, age: int = 1, **ends: Decimal
) -> Fraction | None:
    events = [ReferenceEvent("visit", NOW_US - us, {"page": "p"}) for us in ages_us]
    lead = {"rules": [{**rule, "points": Decimal(rule["points"])} for rule in rules], **ends}
    value: Fraction | None = evaluate_value(
        parse_value("score('lead')"), {"age": age}, context(lead=lead), events=events
    )
    return value


@pytest.mark.parametrize(
    ("rules", "ages_us", "expected"),
    [
        ([{"when": "age > 3", "points": "20"}], (), "0"),
        ([{"when": "age > 0", "points": "-0.125"}, {"when": "true", "points": 2}], (), "1.875"),
        ([{"each": "visit", "points": 5}], (0, 0, 10**12, -1), "15"),
        ([{"each": "visit where page = 'q'", "points": 5}], (0, 0), "0"),
        ([{"each": "visit in last 1 hour", "points": 5}], (HOUR_US, HOUR_US - 1), "5"),
        ([{"each": "visit", "points": -5, "at_most": Decimal(8)}], (0, 0), "-8"),
        # At exactly one hour two thirds are left; a microsecond before all of it.
        ([{"each": "visit", "points": 3, "half_life_us": HOUR_US}], (HOUR_US,), "1.5"),
        ([{"each": "visit", "points": 3, "half_life_us": HOUR_US}], (HOUR_US - 1,), "3"),
        # 0.005 halves to 0.0025: a tie, away from zero.
        ([{"each": "visit", "points": "0.005", "half_life_us": HOUR_US}], (HOUR_US,), "0.003"),
        ([{"each": "visit", "points": "-0.005", "half_life_us": HOUR_US}], (HOUR_US,), "-0.003"),
        # 30 * 2^(-1/720) = 29.97113...
        (
            [{"each": "visit", "points": 30, "half_life_us": 720 * HOUR_US}],
            (HOUR_US, HOUR_US + 1),
            "59.942",
        ),
    ],
)
def test_sums(rules: list[dict[str, Any]], ages_us: tuple[int, ...], expected: str) -> None:
    assert points(rules, *ages_us) == Fraction(expected)


def test_floor_and_ceiling_come_last() -> None:
    rules = [{"when": "true", "points": -50}, {"when": "age = 2", "points": 500}]
    assert points(rules, floor=Decimal(-10)) == -10
    assert points(rules, age=2, floor=Decimal(0), ceiling=Decimal("99.5")) == Fraction("99.5")


@pytest.mark.parametrize(
    ("given", "held", "not_held"),
    [
        (39, ["band('lead') = 'cold'", "band('lead') < 'warm'"], ["band('lead') >= 'warm'"]),
        (40, ["band('lead') = 'warm'", "band('lead') between 'cold' and 'hot'"], []),
        (70, ["band('lead') in ('hot')", "band('lead') starts with 'h'"], ["band('lead') < 'hot'"]),
        (-1, ["band('lead') is missing"], ["band('lead') = 'cold'", "band('lead') != 'hot'"]),
    ],
)
def test_bands(given: int, held: list[str], not_held: list[str]) -> None:
    lead = {"rules": [{"when": "true", "points": Decimal(given)}], "bands": BANDS}
    for texts, expected in ((held, True), (not_held, False)):
        for text in texts:
            assert evaluate(parse(text), {}, context(lead=lead)) is expected


def test_scores_of_scores() -> None:
    lead = {"rules": [{"each": "visit", "points": Decimal(20)}]}
    outer = {
        "rules": [
            {"when": "segment('warm') and score('lead') < 60", "points": Decimal(1)},
            {"when": "score('lead') = 0", "points": Decimal(7)},
        ]
    }
    for count, expected in ((0, 7), (1, 0), (2, 1), (3, 0)):
        events = [ReferenceEvent("visit", NOW_US) for _ in range(count)]
        both = context(lead=lead, outer=outer)
        assert evaluate_value(parse_value("score('outer')"), {}, both, events=events) == expected
