"""What bound trees say, and whether it moves with the clock."""

from __future__ import annotations

import pytest

from engine.model.definitions import Attribute
from engine.model.load import load_model
from engine.rules.bind import Binder
from engine.rules.meaning import meaning_of
from engine.rules.parse import parse
from engine.rules.time_dependence import moves_anywhere, why_unkept
from tests.worlds import MODEL

MODEL_TEXT = MODEL.replace("  level: {type: int}", "  level: {type: int, needs: a}").replace(
    "attributes:\n", "purposes: {a: {}, b: {}}\nattributes:\n"
)
BINDER = Binder(load_model({"world.yaml": MODEL_TEXT})[0])


def meaning(text: str, zone: str = "Asia/Shanghai") -> bytes:
    return meaning_of(BINDER.bind(parse(text)), zone)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("vip and active", "active AND vip -- the same"),
        ("vip or vip", "(vip)"),
        ("city in ('a', 'b')", "city in ('b', 'a')"),
        ("points > 1.0", "points > 1"),
        ("segment('rich')", "price > 50 or points >= 1000"),
        ("not (vip and active)", "not (active and vip)"),
    ],
)  # fmt: skip
def test_same_meaning(one: str, other: str) -> None:
    assert meaning(one) == meaning(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("vip and active", "vip or active"),
        ("vip", "not vip"),
        ("city = 'a'", "town = 'a'"),
        ("city = 'a'", "city != 'a'"),
        ("city in ('a', 'b')", "city in ('a, b')"),
        ("points > 1", "points >= 1"),
        ("points > 1", "points > 2"),
        ("segment('rich')", "segment('local')"),
        ("remark contains 'a'", "remark starts with 'a'"),
        ("joined > now", "joined > now - 1 day"),
        ("(vip and active) or points > 1", "vip and (active or points > 1)"),
        ("consent('a')", "consent('b')"),
    ],
)
def test_other_meaning(one: str, other: str) -> None:
    text = MODEL_TEXT
    binder = Binder(load_model({"world.yaml": text})[0])
    assert meaning_of(binder.bind(parse(one)), "UTC") != meaning_of(
        binder.bind(parse(other)), "UTC"
    )


def test_a_zone_matters_where_a_date_is_an_instant() -> None:
    dated, plain = "birthday < joined", "birthday < date '2000-01-01'"
    assert meaning(dated) != meaning(dated, "Europe/Paris")
    assert meaning(plain) == meaning(plain, "Europe/Paris")


def test_labels_do_not_matter_and_scales_do() -> None:
    one, same = BINDER.bind(parse("price > 1")), BINDER.bind(parse("price > 1"))
    assert meaning_of(one, "UTC") == meaning_of(same, "UTC")
    other = Binder(load_model({"w.yaml": MODEL_TEXT.replace("scale: 2", "scale: 3")})[0])
    assert meaning_of(other.bind(parse("price > 1")), "UTC") != meaning_of(one, "UTC")
    labelled = Binder(
        load_model({"w.yaml": MODEL_TEXT.replace("scale: 2", "scale: 2, label: P")})[0]
    )
    assert isinstance(labelled.model.attributes["price"], Attribute)
    assert meaning_of(labelled.bind(parse("price > 1")), "UTC") == meaning_of(one, "UTC")


@pytest.mark.parametrize(
    "text",
    [
        "joined > now - 7 days",
        "now > time '2020-01-01T00:00:00Z'",
        "birthday < now",
        "not (vip or (active and now - joined > 1 day))",
        "now in (time '2020-01-01T00:00:00Z')",
    ],
)
def test_what_moves_with_the_clock(text: str) -> None:
    expression = BINDER.bind(parse(text))
    assert moves_anywhere(expression) and not why_unkept(expression)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("level > 3", "it reads level, which needs consent"),
        ("level is missing", "it reads level, which needs consent"),
        ("points + level in (1, 2)", "it reads level, which needs consent"),
        ("weight > level", "it reads level, which needs consent"),
    ],
)
def test_what_nobody_can_foresee(text: str, reason: str) -> None:
    assert why_unkept(BINDER.bind(parse(text))) == reason


EVENTS = """
events:
  order: {properties: {amount: {type: decimal, scale: 2}, rate: float, due: time, page: category}}
"""
EVENT_BINDER = Binder(load_model({"world.yaml": MODEL_TEXT + EVENTS})[0])


@pytest.mark.parametrize(
    "text",
    [
        "count(order) > 0",
        "sum(order.amount in last 3 days) > 5 + points",
        "last(order) < now - 3 days",
        "last_value(order.page today) in ('a', 'b')",
        "max(order.due) is missing",
        "max(order.rate) > 0.5 + points",
        "count(order where amount > 5 and rate > 0.5) = 0",
        "count(order where due < now) > 0",
        "sequence(order then order within 3 days)",
        "count(order) > bucket('x')",
        "max(order.rate) > weight",
        "last_value(order.page) = city",
        "sequence(order then no order where due < now within 3 days)",
    ],
)
def test_events_move_with_the_clock(text: str) -> None:
    expression = EVENT_BINDER.bind(parse(text))
    assert moves_anywhere(expression) and not why_unkept(expression)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("count(order) > level", "it reads level, which needs consent"),
    ],
)
def test_what_nobody_can_foresee_of_events(text: str, reason: str) -> None:
    assert why_unkept(EVENT_BINDER.bind(parse(text))) == reason


@pytest.mark.parametrize(
    "text",
    [
        "now - now < 1 day",
        "birthday < joined",
        "birthday < time '2020-01-01T00:00:00Z'",
        "segment('local')",
        "list('some') and bucket('x') < 100",
        "weight > 1 + points",
        "true",
        "tag contains 'x' or remark is missing",
    ],
)
def test_what_stands_still(text: str) -> None:
    expression = BINDER.bind(parse(text))
    assert not moves_anywhere(expression) and not why_unkept(expression)
