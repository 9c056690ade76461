"""What a person reads of an explanation, word for word, and how a score is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from engine.errors import NotYet
from engine.explaining.cards import asked_of, card_of
from engine.explaining.courses import course_of
from engine.explaining.evidence import as_decimal
from engine.explaining.explain import explain
from engine.explaining.one_profile import OneEvent, OneProfile, us_of
from engine.explaining.outline import outline
from engine.explaining.reading import Reading
from engine.explaining.wording import Wording, length, points
from engine.rules.bind import Binder
from engine.rules.parse import parse
from tests.unit.bind_model import model

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
NOW_US = us_of(NOW)
DAY_US = 86_400_000_000
SCORE: dict[str, Any] = {
    "rules": (
        {"when": "city = 'x'", "points": Decimal(20)},
        {"each": "visit", "points": Decimal("2.5"), "at_most": Decimal(10)},
        {"each": "order in last 30 days", "points": Decimal(30), "half_life_us": 10 * DAY_US},
        {"when": "count(download) = 0", "points": Decimal(-15)},
    ),
    "floor": Decimal(0),
    "ceiling": Decimal(60),
    "bands": {"cold": Decimal(0), "hot": Decimal(40)},
    "hold": {},
}
# An event counts in its own rule, and ends what another takes away for idleness.
ACTIVE: dict[str, Any] = {
    **SCORE,
    "rules": (
        {"when": "city = 'x'", "points": Decimal(40)},
        {"each": "visit", "points": Decimal(5), "at_most": Decimal(25)},
        {"when": "last(any) < now - 60 days", "points": Decimal(-15)},
    ),
    "ceiling": None,
}
MODEL = replace(
    model(),
    scores={"lead": SCORE, "active": ACTIVE},
    tag_rules=(
        {"tag": "buyer", "when": "count(order) >= 1", "keep": "live"},
        {"tag": "reader", "when": "count(visit where page = 'p') >= 9", "keep": "live"},
    ),
)


def events(kind: str, *days: float, **said: Any) -> list[OneEvent]:
    """Events of a type so many days ago."""
    return [OneEvent(kind, NOW_US - int(ago * DAY_US), said) for ago in days]


def profile(attributes: dict[str, Any], *happened: list[OneEvent]) -> OneProfile:
    """A profile with these events."""
    by_type: dict[str, list[OneEvent]] = {}
    for some in happened:
        by_type.setdefault(some[0].type, []).extend(some)
    return OneProfile(bytes(16), MODEL.time_zone, attributes, by_type)


def said(text: str, one: OneProfile) -> list[str]:
    """The explanation of an expression, in lines."""
    binder, expression = Binder(MODEL), parse(text)
    asked = outline(expression, binder.bind(expression, text), binder)
    found = explain(asked, Reading(one, NOW_US), MODEL)
    return list(Wording(MODEL.time_zone, NOW_US).lines(found))


ANNA = profile({"city": "x"}, events("visit", 1, 2, 3, 4, 5), events("order", 10, 100))


def test_a_score_is_told_with_its_reasons() -> None:
    assert said("score('lead') >= 40", ANNA) == [
        "✗ score('lead') >= 40",
        "     score('lead') is 30",
        "     lead: 30 points",
        "        +20  city = 'x'",
        "        +15  order in last 30 days",
        "        -15  count(download) = 0",
        "        +10  visit (12.5 without at_most)",
        "     → 1 more order, or 1 more download",
    ]


def test_a_band_is_told_by_its_score() -> None:
    lines = said("band('lead') = 'hot'", ANNA)
    assert lines[:3] == [
        "✗ band('lead') = 'hot'",
        "     band('lead') is cold",
        "     lead: 30 points",
    ]


def test_the_card_of_a_profile_adds_up() -> None:
    binder = Binder(MODEL)
    card = card_of(asked_of(binder), binder, Reading(ANNA, NOW_US))
    ledger = card.scores["lead"]
    assert (ledger.points, card.bands["lead"], card.tags) == (30_000, "cold", ("buyer",))
    assert [(one.kind, one.points) for one in ledger.lines] == [
        ("when", 20_000),
        ("each", 10_000),
        ("each", 15_000),
        ("when", -15_000),
    ]
    assert ledger.lines[1].left_out == 2 and ledger.lines[1].uncapped == 12_500
    rich = profile({"city": "x"}, events("order", 0, 0, 0), events("download", 1))
    found = card_of(asked_of(binder), binder, Reading(rich, NOW_US)).scores["lead"]
    assert (found.points, found.lines[-1].kind, found.lines[-1].points) == (
        60_000,
        "ceiling",
        -50_000,
    )
    poor = profile({})
    found = card_of(asked_of(binder), binder, Reading(poor, NOW_US)).scores["lead"]
    assert (found.points, found.lines[-1].kind, found.lines[-1].points) == (0, "floor", 15_000)
    assert card_of(asked_of(binder), binder, Reading(poor, NOW_US)).tags == ()


@pytest.mark.parametrize("text", ["tag contains 'uy'", "tag starts with 'b'", "tag is present"])
def test_tags_are_shown_with_those_that_rules_give(text: str) -> None:
    assert said(text, ANNA)[:2] == [f"✓ {text}", "     tag is buyer"]
    given = profile({"tag": frozenset({"busy", "uyx"})}, events("order", 1))
    assert said(text, given)[1] == "     tag is busy, buyer, uyx"


@pytest.mark.parametrize(
    ("text", "one", "expected"),
    [
        ("age >= 18 and vip", profile({"age": 15}), "→ age 18 (3 more), then vip true"),
        ("age is missing", profile({"age": 15}), "→ no age"),
        ("not tag = 'x'", profile({"tag": frozenset({"x", "y"})}), "→ no tag x"),
        ("tag has all ('x', 'y')", profile({"tag": frozenset({"z"})}), "→ tag x, then tag y"),
        ("list('vips')", profile({}), "→ in list 'vips'"),
        ("age = 3 or city = 'x'", profile({}), "→ age 3, or city x"),
        (
            "now > time '2026-11-22T14:00:00+08:00'",
            profile({}),
            "→ in 2 h, right after 2026-11-22 14:00",
        ),
        ("now >= time '2026-11-22T14:00:00+08:00'", profile({}), "→ in 2 h, at 2026-11-22 14:00"),
        (
            "count(order in last 7 days) = 0",
            profile({}, events("order", 1.5)),
            "→ in 5 days 12 h, at 2026-11-28 00:00",
        ),
        ("days(visit) >= 3", profile({}, events("visit", 1)), "→ 2 more visit on 2 days"),
        (
            "distinct(order.sku) >= 3",
            profile({}, events("order", 1, sku="a")),
            "→ 2 more order with a new sku each",
        ),
        (
            "last_value(order.channel) = '抖音'",
            profile({}),
            "→ 1 more order with channel 抖音",
        ),
        (
            "score('active') >= 60",
            profile({"city": "x"}, events("visit", 66)),
            "→ 3 more visit",
        ),
        ("count(order) < 1", profile({}, events("order", 1)), "→ nothing is known that would turn"),
        ("bucket('x') < 0", profile({}), "→ nothing is known that would turn"),
    ],
)
def test_what_is_missing(text: str, one: OneProfile, expected: str) -> None:
    lines = said(text, one)
    assert any(line.strip().startswith(expected) for line in lines), lines


def test_who_is_not_to_blame_is_told_nothing() -> None:
    """A part of an `or` that holds, and whatever is as it has to be."""
    assert said("(city = 'x' or age = 3) and vip", profile({"city": "x"})) == [
        "✗ and",
        "     → vip true",
        "   ✓ or",
        "      ✓ city = 'x'",
        "           city is x",
        "      ✗ age = 3",
        "           age is (missing)",
        "   ✗ vip",
        "        vip is (missing)",
        "        → vip true",
    ]


def test_what_has_no_evaluator_is_told_so() -> None:
    with pytest.raises(NotYet, match="consent"):
        said("consent('marketing')", profile({}))


def test_time_turns_what_holds() -> None:
    lines = said("count(order in last 7 days) >= 1", profile({}, events("order", 1.5)))
    assert lines[-1].strip() == "by time alone false from 2026-11-28 00:00 on, in 5 days 12 h"


def test_words_say_whether_an_instant_is_still_in() -> None:
    """The end of a `within` is in it, and that of a window is out: each is told so."""
    at = OneEvent("order", NOW_US - DAY_US, {})
    one = profile({}, [at])
    (said_of,) = [
        line for line in said("sequence(order then visit within 3 days)", one) if "→" in line
    ]
    assert said_of.strip().startswith("→ 1 more visit, at 2026-11-24 12:00 at the latest, or ")
    text = "count(order in last 3 days) >= 2"
    (said_of,) = [line for line in said(text, one) if "→" in line]
    assert said_of.strip() == "→ 1 more order, before 2026-11-24 12:00"
    (said_of,) = [
        line
        for line in said(text, profile({}, [OneEvent("order", at.time_us + 7, {})]))
        if "→" in line
    ]
    assert said_of.strip() == "→ 1 more order, before 2026-11-24 12:00:00.000007"
    lines = said("last(order) >= now - 7 days", one)
    assert lines[-1].strip() == "by time alone false after 2026-11-28 12:00, in 6 days"


@pytest.mark.parametrize(
    ("text", "turn_us"),
    [
        ("last(order) > now - 7 days", NOW_US + 6 * DAY_US),
        ("last(order) >= now - 7 days", NOW_US + 6 * DAY_US + 1),
        ("joined > now - 2 days", NOW_US + DAY_US),
        ("joined >= now - 2 days", NOW_US + DAY_US + 1),
        ("count(order in last 7 days) = 1", NOW_US + 6 * DAY_US),
        ("sequence(order then no visit within 3 days)", NOW_US + 2 * DAY_US),
        ("count(order) = 1", None),
    ],
)
def test_the_microsecond_at_which_time_turns(text: str, turn_us: int | None) -> None:
    one = profile({"joined": NOW - timedelta(days=1)}, events("order", 1))
    course = course_of(Binder(MODEL).bind(parse(text)), Reading(one, NOW_US))
    assert course.next_turn == turn_us and course.known_until_us is None


def test_points_fade_to_nothing_by_the_hour() -> None:
    """0.004 points: 4, 2, 1, and a half, which is rounded up, thousandths."""
    rule = {"each": "order", "points": Decimal("0.004"), "half_life_us": 3_600_000_000}
    scores: Any = {"lead": {"rules": (rule,), "bands": {}, "hold": {}}}
    score = Binder(replace(MODEL, scores=scores)).score("lead")
    one = profile({}, events("order", 0))
    hours = [NOW_US + hour * 3_600_000_000 for hour in range(6)]
    assert [Reading(one, at).points(score) for at in hours] == [4, 2, 1, 1, 0, 0]
    assert Reading(one, hours[1] - 1).points(score) == 4


def test_points_and_lengths_and_decimals() -> None:
    assert [points(one) for one in (0, 1500, -250, 12_345)] == ["0", "1.5", "-0.25", "12.345"]
    assert points(3000, signed=True) == "+3"
    assert length(timedelta(days=1, hours=2, seconds=5)) == "1 day 2 h"
    assert length(timedelta(microseconds=1)) == "1 s"
    assert as_decimal(Fraction(1, 3)) == Decimal("0.333333")
    assert str(as_decimal(Fraction(5, 2), 2)) == "2.50"
    assert str(as_decimal(Fraction(1, 8), 2)) == "0.125"
    assert as_decimal(Fraction(-2, 3)) == Decimal("-0.666667")
