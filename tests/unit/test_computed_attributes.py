"""Attributes that are computed (`is:`): usable wherever an attribute is, as what computes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from engine.database import Database
from engine.errors import ExpressionInvalid, InputInvalid, ModelInvalid, NotFound
from tests.event_stores import event_batch

DAY_US = 86_400_000_000
NOW_US = 20_000 * DAY_US + DAY_US // 2
MODEL = """\
time_zone: UTC
identifiers: {member: }
attributes:
  city: {type: category}
  age: {type: int}
  weight: {type: float}
  height: {type: float}
  first_source: {type: category, is: "first_value(entry.code)"}
  orders: {type: int, is: "count(order in last 30 days)"}
  spent: {type: decimal, scale: 2, is: "sum(order.amount)"}
  mean: {type: decimal, scale: 2, is: "avg(order.amount)"}
  value: {type: decimal, scale: 2, is: "2 * spent - age + 0.5"}
  rate: {type: float, is: "max(order.amount)"}
  tenth: {type: float, is: "0.1 * spent"}
  body: {type: float, is: "weight + height"}
  gift: {type: bool, is: "last_value(order.gift)"}
  bought: {type: time, is: "last(order)"}
  due: {type: date, is: "min(order.due)"}
  due_at: {type: time, is: due}
  free_at: {type: time, is: "bought + 3 days"}
  words: {type: text, is: first_source}
  note: {type: text, is: "last_value(order.note)"}
  third: {type: decimal, scale: 4, is: "0.33333333333333333333 * spent"}
  town: {type: category, is: city}
  grade: {type: category, is: "band('lead')"}
  kind: {type: text, is: "grade"}
events:
  entry: {properties: {code: category}}
  order: {properties: {amount: {type: decimal, scale: 2}, gift: bool, due: date, note: text}}
segments:
  spender: "spent > 100"
scores:
  lead:
    rules: [{when: "spent > 1", points: 5}, {when: "orders > 0", points: 2}]
    bands: {little: 0, much: 6}
"""


def order(days: float, cents: int, **cells: object) -> dict[str, object]:
    return {"time": NOW_US - round(days * DAY_US), "amount": cents, **cells}


UPDATES = [
    {"member": "a", "city": "web", "age": 10, "weight": 1.5, "height": 2.0,
     "entry": {"time": NOW_US - 90 * DAY_US, "code": "web"},
     "order": order(1, 10_010, gift=True, due=20_001, note="red box")},
    {"member": "a", "entry": {"time": NOW_US - 9 * DAY_US, "code": "app"},
     "order": order(40, 5_000, gift=False, due=20_005, note="blue")},
    {"member": "b", "city": "app", "weight": 1.0,
     "entry": {"time": NOW_US - 5 * DAY_US, "code": "webinar"}},
    {"member": "c", "city": "app", "order": order(2, 3, gift=False)},
    {"member": "d", "city": "web", "age": 3},
]  # fmt: skip
CASES = {
    "first_source = 'web'": "a",
    "first_source != 'web'": "b",
    "first_source in ('webinar', 'app')": "b",
    "first_source starts with 'web'": "ab",
    "first_source is missing": "cd",
    "first_source = city": "a",
    "orders = 1": "ac",
    "orders is present": "abcd",
    "orders in (0, 7)": "bd",
    "orders between 1 and 2": "ac",
    "spent = 150.1": "a",
    "spent > 0": "ac",
    "spent + age > 160": "a",
    "mean = 75.05": "a",
    "mean is missing": "bd",
    "2 * mean >= spent": "ac",
    "value = 290.7": "a",
    "value < 0": "d",
    "value is missing": "bc",
    "rate = 100.1": "a",
    "rate + weight > 101": "a",
    "tenth = 15.01": "a",
    "tenth < 0.01": "bcd",
    # In doubles, as of any float: these are the nearest to both sides.
    "tenth = 15.0100000000000000000001": "a",
    "rate = 100.0999999999999999999999": "a",
    "spent = 150.1000000000000000000001": "",
    "tenth in (0, 0.003)": "bcd",
    "body > 3.4": "a",
    "body is missing": "bcd",
    "gift": "a",
    "not gift": "bcd",
    "gift = false": "c",
    "gift is present": "ac",
    "bought > now - 36 hours": "a",
    "due = date '2024-10-05'": "a",
    "due_at < now": "",
    "due_at < now + 1 day": "a",
    "due_at = time '2024-10-05T00:00:00Z'": "a",
    "free_at > now + 36 hours": "a",
    "words contains 'in'": "b",
    "words starts with 'web'": "ab",
    "words not contains 'in'": "a",
    "note contains 'red'": "a",
    "segment('spender')": "a",
    "count(order where amount > 1) >= 1 and orders >= 1": "a",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Database.create(tmp_path_factory.mktemp("computed") / "s", now=lambda: NOW_US) as made:
        fill(made)
        yield made


def fill(made: Database) -> None:
    made.apply_model({"m.yaml": MODEL})
    assert made.model is not None
    ack = made.ingest(event_batch(UPDATES, made.model))
    made.wait_visible(ack.offset)


def chain(levels: int, *, turned: bool = False) -> str:
    """Attributes of which each is computed from the next, but the last."""
    made = [f"a{i}: {{type: int, is: a{i + 1}}}" for i in range(levels)]
    return ", ".join([*(reversed(made) if turned else made), f"a{levels}: int"])


def who(database: Database, text: str) -> str:
    with database.members(text) as members:
        return "".join(sorted(v for owned in members.identifiers("member") for v in owned))


@pytest.mark.parametrize("text", CASES)
def test_a_condition(text: str, database: Database) -> None:
    assert who(database, text) == CASES[text]
    assert database.count(text).count == len(CASES[text])


def test_at_another_instant(database: Database) -> None:
    then_us = NOW_US - 35 * DAY_US
    assert database.count("orders = 1", as_of_us=then_us).count == 1
    assert database.count("spent = 50 and bought < now - 4 days", as_of_us=then_us).count == 1
    found = database.count("value > 0", as_of_us=then_us)
    assert (found.count, found.read_as_of_today) == (1, ("age",))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("spent", "sum(order.amount)"),
        ("value", "2 * sum(order.amount) - age + 0.5"),
        ("body", "weight + height"),
    ],
)
def test_measured(name: str, written: str, database: Database) -> None:
    assert database.measures.summarize(name).total == database.measures.summarize(written).total


LISTED = {
    "first_source": ["web", "webinar", None, None],
    "orders": [1, 0, 1, 0],
    "spent": [Decimal("150.10"), Decimal("0.00"), Decimal("0.03"), Decimal("0.00")],
    "mean": [Decimal("75.05"), None, Decimal("0.03"), None],
    "third": [Decimal("50.0333"), Decimal("0.0000"), Decimal("0.0100"), Decimal("0.0000")],
    "value": [Decimal("290.70"), None, None, Decimal("-2.50")],
    "rate": [100.1, None, 0.03, None],
    "body": [3.5, None, None, None],
    "gift": [True, None, False, None],
    "bought": [DAY_US, None, 2 * DAY_US, None],
    "due": [date(2024, 10, 5), None, None, None],
    "words": ["web", "webinar", None, None],
    "note": ["red box", None, None, None],
    "town": ["web", "app", "app", "web"],
    "grade": ["much", "little", "little", "little"],
    "kind": ["much", "little", "little", "little"],
    "age": [10, None, None, 3],
}


@pytest.mark.parametrize("order_by", [None, "spent", "count(order)"])
@pytest.mark.parametrize("name", LISTED)
def test_listed(name: str, order_by: str | None, database: Database) -> None:
    """In row order and in another, as a list of the type's own values."""
    with database.members("true", order_by=order_by) as members:
        (table,) = members.table("member", [name])
        assert table.identifiers is not None
        found = dict(zip(table.identifiers.to_list(), table.columns[0], strict=True))
    expected = dict(zip("abcd", LISTED[name], strict=True))
    if name == "bought":
        found = {
            one: None if at is None else NOW_US - round(at.timestamp()) * 10**6
            for one, at in found.items()
        }
    assert found == expected
    assert [type(found[one]) for one in "abcd"] == [type(one) for one in expected.values()]
    digits = {one.as_tuple().exponent for one in found.values() if isinstance(one, Decimal)}
    assert len(digits) < 2, "all with the digits of the type"


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        ("spent", "bdca"),
        ("mean", "cabd"),
        ("bought", "cabd"),
        ("due_at", "abcd"),
        ("tenth", "bdca"),
        ("weight + height", "abcd"),
        ("avg(order.amount)", "cabd"),
        ("score('lead')", "bdca"),
        ("now - last(order)", "acbd"),
        ("bucket('x') - bucket('x') + 2 * age", "dabc"),
    ],
)
def test_ordered(order_by: str, expected: str, database: Database) -> None:
    with database.members("true", order_by=order_by) as members:
        assert "".join(v for owned in members.identifiers("member") for v in owned) == expected
    valued = expected[: len(expected) - sum(one is None for one in LISTED.get(order_by, ()))]
    with database.members("true", order_by=order_by, descending=True, limit=1) as members:
        (first,) = [v for owned in members.identifiers("member") for v in owned]
        assert first in valued


@pytest.mark.parametrize(
    ("order_by", "told"),
    [
        ("first_source", "is of type category, which has no order"),
        ("last_value(order.note)", "is a text, which has no order"),
        ("3", "the same for every profile"),
        ("sum(order.amuont)", "did you mean 'amount'"),
        ("spnt", "Did you mean spent?"),
        ("sum(order", "expected"),
    ],
)
def test_no_order(order_by: str, told: str, database: Database) -> None:
    with pytest.raises((ExpressionInvalid, InputInvalid, NotFound), match=re.escape(told)):
        database.members("true", order_by=order_by)


def test_an_order_and_columns_name_what_is_read_as_it_is_today(database: Database) -> None:
    with database.members("true", as_of_us=NOW_US, order_by="2 * age + weight") as members:
        assert members.read_as_of_today == ("age", "weight")
        assert members.read_today_with(["spent", "body"]) == ("age", "weight", "height")
    with database.members("true", order_by="value", limit=1) as members:
        assert members.read_today_with(["body"]) == ()
    with database.members("true", as_of_us=NOW_US - 35 * DAY_US) as members:
        (table,) = members.table("member", ["orders", "spent"])
        assert table.columns == [[1, 0, 0, 0], [Decimal("50.00"), *[Decimal("0.00")] * 3]]


def test_grouped(database: Database) -> None:
    assert database.count("true", group_by="first_source").groups == {
        "web": 1, "webinar": 1, None: 2,
    }  # fmt: skip
    assert database.count("true", group_by="gift").groups == {"true": 1, "false": 1, None: 2}
    assert database.count("true", group_by="town").groups == {"web": 2, "app": 2}
    assert database.count("true", group_by="grade").groups == {"much": 1, "little": 3}
    found = database.measures.summarize("spent", group_by="first_source").groups
    assert found is not None and found["web"].sum == Decimal("150.1")
    found = database.measures.summarize("spent", group_by="grade").groups
    assert found is not None and found["little"].count == 3
    with pytest.raises(InputInvalid, match="group by a category or bool"):
        database.count("true", group_by="spent")


def test_frozen(database: Database) -> None:
    """A frozen audience has the values of now, whenever it was frozen for."""
    then_us = NOW_US - 35 * DAY_US
    frozen = database.frozen.freeze("two", "true", as_of_us=then_us, order_by="spent", limit=2)
    assert frozen.read_as_of_today == ()
    with database.frozen.members("two", order_by="spent", descending=True) as members:
        (table,) = members.table("member", ["spent"])
        assert members.read_today_with(["spent"]) == ()
        assert table.columns == [[Decimal("0.03"), Decimal("0.00")]]
    database.frozen.drop("two")


def test_an_edit_moves_segments_that_read_it(tmp_path: Path) -> None:
    """Also through others, and from what was loaded to what is computed; nothing old shines
    through."""
    with Database.create(tmp_path / "store", now=lambda: NOW_US) as made:
        fill(made)
        assert made.count("segment('spender')").count == 1
        less = MODEL.replace('"sum(order.amount)"', '"sum(order.amount in last 30 days)"')
        assert made.plan_model({"m.yaml": less}).changed_keys == ("attributes.spent",)
        made.apply_model({"m.yaml": less.replace("> 100", "> 100.1")})
        assert made.count("segment('spender')").count == 0
        aged = MODEL.replace("age: {type: int}", "age: {type: int, is: count(order)}")
        made.apply_model({"m.yaml": aged})
        assert (who(made, "age >= 1"), who(made, "value = 298.7")) == ("ac", "a")
        (profile,) = made.profiles([("member", "a")])
        assert profile is not None and "age" not in profile.attributes


def test_a_kept_segment_over_it(tmp_path: Path) -> None:
    """Updates move it, time moves it, and an edit of what computes says who enters and leaves."""
    model = """\
identifiers: {member: }
attributes:
  age: {type: int}
  joined: {type: time}
  double: {type: int, is: 2 * age}
  trial_ends: {type: time, is: joined + 3 days}
segments: {grown: double >= 36, trying: trial_ends > now}
"""
    clock = [NOW_US]
    with Database.create(tmp_path / "store", now=lambda: clock[0]) as made:
        made.apply_model({"m.yaml": model})
        assert made.model is not None

        def send(*updates: dict[str, object]) -> None:
            assert made.model is not None
            ack = made.ingest(event_batch(updates, made.model))
            made.wait_visible(ack.offset)

        def kept() -> list[list[str]]:
            found = made.profiles([("member", "a"), ("member", "b")])
            return [sorted(profile.segments) for profile in found if profile is not None]

        send({"member": "a", "age": 18}, {"member": "b", "age": 17, "joined": NOW_US - DAY_US})
        assert kept() == [["grown"], ["trying"]]
        send({"member": "a", "age": 3}, {"member": "b", "age": 20})
        assert kept() == [[], ["grown", "trying"]]
        clock[0] += 3 * DAY_US
        assert kept() == [[], ["grown"]]
        more = model.replace("2 * age", "20 * age")
        (change,) = made.plan_model({"m.yaml": more}).changes
        assert (change.definition, change.joiners, change.leavers) == ("segments.grown", 1, 0)
        made.apply_model({"m.yaml": more})
        assert kept() == [["grown"], ["grown"]]


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ("a: {type: int, is: 3}", "the same for every profile"),
        ("a: {type: category, is: \"'x'\"}", "the same for every profile"),
        ("a: {type: bool, is: 'true'}", "the same for every profile"),
        ("a: {type: int, is: a}", "circle of references: attribute 'a' -> attribute 'a'"),
        (
            "a: {type: int, is: 2 * b}, b: {type: int, is: c + 1}, c: {type: int, is: a}",
            "attribute 'a' -> attribute 'b' -> attribute 'c' -> attribute 'a'",
        ),
        ("a: {type: int, is: nobody}", "no attribute named 'nobody'"),
        ("a: {type: int, is: b}, b: {type: decimal, scale: 1, is: sum(order.x)}", "whole number"),
        (chain(17), "more than 16 below each other"),
        (chain(17, turned=True), "more than 16 below each other"),
        (chain(1500), "more than 16 below each other"),
        (
            "w: float, a: {type: float, is: w + w}, b: {type: float, is: a + w}",
            "what a sum computes cannot be added to a float",
        ),
    ],
)
def test_what_cannot_be_computed(attributes: str, told: str, tmp_path: Path) -> None:
    events = "events: {order: {properties: {x: {type: decimal, scale: 1}}}}\n"
    text = f"identifiers: {{member: }}\nattributes: {{{attributes}}}\n{events}"
    with Database.create(tmp_path / "store") as made, pytest.raises(ModelInvalid) as caught:
        made.check_model({"m.yaml": text})
    assert any(told in issue.message for issue in caught.value.issues), caught.value.issues


@pytest.mark.parametrize("turned", [False, True])
def test_as_many_levels_as_are_allowed(turned: bool, tmp_path: Path) -> None:
    text = f"identifiers: {{member: }}\nattributes: {{{chain(16, turned=turned)}}}\n"
    with Database.create(tmp_path / "store") as made:
        made.apply_model({"m.yaml": f"{text}segments: {{s: a0 = 3}}"})
        assert made.count("segment('s') or a3 > 1 or a16 is missing").count == 0


def test_operators_are_those_of_the_type(database: Database) -> None:
    with pytest.raises(ExpressionInvalid, match="words is a text, which has no ="):
        database.count("words = 'web'")


def test_attributes_are_not_read_where_events_are(database: Database) -> None:
    with pytest.raises(ExpressionInvalid, match="'spent' is an attribute"):
        database.count("count(order where spent > 1) > 0")
