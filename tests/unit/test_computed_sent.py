"""Computed attributes in what an action sends, and by which its owner is found: what they come to
at the instant of the entry, whenever it is read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from engine.actions import ToDo
from engine.live.feed import FeedPosition
from tests.moving_events import EventDatabase
from tests.moving_worlds import DAY_US, START_US

pytestmark = pytest.mark.usefixtures("whole_feed")

COMPUTED = """\
  orders: {type: int, is: "count(order in last 2 days)"}
  spent: {type: decimal, scale: 2, is: "sum(order.amount)"}
  page: {type: category, is: "last_value(read.page)"}
  grade: {type: category, is: "band('lead')"}
  paid: {type: bool, is: "last_value(order.paid)"}
  bought: {type: time, is: "last(order)"}
  twice: {type: decimal, scale: 1, is: "2 * orders + size"}
  note: {type: text, is: "last_value(order.note)"}
"""
RULES = """\
scores:
  lead:
    rules: [{each: order, points: 10}]
    bands: {cold: 0, hot: 20}
actions:
  buyer:
    on: "count(order) >= 2"
    do: call
    owner: {by: grade, table: {hot: ann, cold: bob}, else: none}
    send: [stage, orders, spent, page, grade, paid, bought, twice, note]
  gone:
    on: "count(order in last 2 days) = 0 and count(order) > 0"
    do: mail
    owner: {by: orders, table: {0: zero, 1: one}}
    send: [orders, spent]
  each: {each: order, do: thank, owner: {by: paid, table: {true: yes, false: no}}, send: [orders]}
"""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[EventDatabase]:
    opened = EventDatabase(tmp_path / "store", {})
    files = opened.files({}, "UTC", RULES)
    text = files["model.yaml"].replace("  weight:", COMPUTED + "  weight:")
    opened.database.apply_model({"model.yaml": text})
    yield opened
    opened.close()


def asked(live: EventDatabase, action: str) -> list[ToDo]:
    """What there is to do by an action, of the whole feed."""
    live.entries()  # waits until they are durable
    chunk = live.database.feed.read(FeedPosition(1), lambda key: key == f"actions.{action}")
    with live.database.feed.snapshot() as snapshot:
        lists = [live.database.actions.of_run(snapshot, run) for run in chunk.runs]
    return [one for found in lists for one in found or ()]


def order(member: str, at_us: int, cents: int, **cells: object) -> dict[str, object]:
    return {"member": member, "order": {"time": at_us, "amount": cents, **cells}}


def test_every_type_is_sent_as_it_was_at_the_instant(live: EventDatabase) -> None:
    live.send({"member": "a", "size": 5, "stage": "x"}, {"member": "b"})
    live.send(order("a", START_US - 9, 1050, paid=True), {"member": "a", "read": {
        "time": START_US - 5, "page": "p"}})  # fmt: skip
    live.send(order("a", START_US, 200, paid=False, note="so"), order("b", START_US - 3, 1),
              order("b", START_US - 2, 2))  # fmt: skip
    first, second = asked(live, "buyer")
    bought = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=START_US)
    expected = {
        "stage": "x", "orders": 2, "spent": Decimal("12.50"), "page": "p", "grade": "hot",
        "paid": False, "bought": bought, "twice": Decimal("9.0"), "note": "so",
    }  # fmt: skip
    assert dict(first.send) == expected and list(first.send) == list(expected)
    assert first.owner == "ann"
    # Missing is left out.
    assert sorted(second.send) == ["bought", "grade", "orders", "spent"]
    # What happens later is not of that instant; what is stored is as it is by now.
    live.go(START_US + 10)
    live.send(order("a", START_US + 10, 700, paid=True), {"member": "a", "stage": "y"})
    live.go(START_US + 9 * DAY_US)
    again, _ = asked(live, "buyer")
    assert dict(again.send) == {**expected, "stage": "y"} and again.owner == "ann"


def test_owners_and_entries_of_the_clock(live: EventDatabase) -> None:
    live.send(order("a", START_US - 60, 100), order("b", START_US, 150))
    live.send(order("c", START_US - 3, 200), order("c", START_US + 50, 300))
    live.go(START_US + 3 * DAY_US)
    gone = asked(live, "gone")
    assert [(one.owner, one.send["orders"], one.send["spent"]) for one in gone] == [
        ("zero", 0, Decimal("1.00")), ("zero", 0, Decimal("1.50")), ("zero", 0, Decimal("5.00"))
    ]  # fmt: skip
    # Of each event: at the instant at which it came to count.
    assert sorted((one.owner or "-", one.send["orders"]) for one in asked(live, "each")) == [
        ("-", 1), ("-", 1), ("-", 1), ("-", 2)
    ]  # fmt: skip


def test_many_at_once(live: EventDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as are not asked one by one for the name of their band."""
    live.send(*(order(f"m{n}", START_US - n, n) for n in range(90)))
    live.send(*(order(f"m{n}", START_US - n, n) for n in range(90)))
    found = asked(live, "buyer")
    monkeypatch.setattr("engine.member_values._FEW_ROWS", 80)
    assert asked(live, "buyer") == found and len(found) == 90
    for n, one in enumerate(found):
        assert (one.owner, one.send["grade"], one.send["orders"]) == ("ann", "hot", 2)
        assert one.send["spent"] == Decimal(2 * n) / 100
