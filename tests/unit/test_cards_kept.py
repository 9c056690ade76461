"""What a card costs: conditions are made ready once for a model, and a profile is read once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from engine.core.control import Control
from engine.database import Database
from engine.live.profile_events import EventsAsked
from engine.profile_cards import AT_HAND_EVENTS, ProfileCard
from server.call import Call
from server.lanes import Lane
from server.profiles import ProfileService
from server.visibility import Visibility
from strata.cli.embedded import EmbeddedTransport
from strata.client import Client
from strata.updates import Event, Update
from strata.v1 import profile_pb2

T = TypeVar("T")

DAY_US = 86_400_000_000
NOW_US = 20_000 * DAY_US
MODEL = """\
time_zone: UTC
identifiers: {member: {}}
attributes: {size: {type: int}}
events: {order: {properties: {sku: category}}}
segments:
  large: "size >= 50"
  fresh: "count(order in last 2 days) >= 1"
scores:
  lead:
    rules:
    - {when: "segment('large')", points: 20}
    - {each: order, points: 8, half_life: 24 hours}
    bands: {cold: 0, hot: 20}
tiers: {life: {stages: [{name: buyer, when: "count(order) >= 1"}], default: none}}
tag_rules: [{tag: asks, when: "count(order where sku = 'a') >= 1", keep: live}]
"""


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now_us = NOW_US

    def __call__(self) -> int:
        return self.now_us


def ordered(sku: str, second: int = 0) -> Event:
    """An order of the day before."""
    return Event("order", {"sku": sku}, datetime.fromtimestamp(NOW_US / 1e6 - 86_400 + second, UTC))


def send(database: Database, *updates: Update) -> None:
    """Ingests updates, and waits until they are visible."""
    with Client(transport=EmbeddedTransport(database)) as client:
        database.wait_visible(client.ingest_batch(updates, source="shop").offset)


@pytest.fixture
def clock() -> Clock:
    """Of the database."""
    return Clock()


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[Database]:
    """Three members, of whom `a` and `b` have ordered."""
    with Database.create(tmp_path / "store", threads=1, now=clock) as made:
        made.apply_model({"model.yaml": MODEL})
        send(
            made,
            Update({"member": "a"}, {"size": 60}, events=[ordered("a")]),
            Update({"member": "b"}, {"size": 10}, events=[ordered("b")]),
            Update({"member": "c"}, {"size": 70}),
        )
        yield made


def card(database: Database, member: str) -> ProfileCard:
    """The card of a member."""
    (found,) = database.cards([("member", member)])
    assert found is not None
    return found


def points(found: ProfileCard) -> dict[str, int]:
    """Thousandths by score."""
    return {name: ledger.points for name, ledger in found.card.scores.items()}


def test_a_second_card_makes_nothing_and_an_apply_does(database: Database) -> None:
    first = card(database, "a")
    assert (points(first), first.card.tags) == ({"lead": 24_000}, ("asks",))
    made = database.profile_conditions_made
    assert made > 0
    assert points(card(database, "b")) == {"lead": 4_000}
    assert card(database, "a") == first and card(database, "c").card.tiers == {"life": "none"}
    assert database.profile_conditions_made == made
    database.apply_model({"model.yaml": MODEL.replace("size >= 50", "size >= 5")})
    assert points(card(database, "b")) == {"lead": 24_000}
    assert made < database.profile_conditions_made <= 2 * made
    made = database.profile_conditions_made
    assert card(database, "b").card.bands == {"lead": "hot"}
    assert database.profile_conditions_made == made


def test_the_same_says_of_a_profile_what_its_events_say_by_now(
    database: Database, clock: Clock
) -> None:
    """Memory of what was made is none of what was found."""
    assert card(database, "a").record.segments == ["large", "fresh"]
    clock.now_us += DAY_US // 2
    assert points(card(database, "a")) == {"lead": 20_000 + round(8_000 * 2**-1.5)}
    clock.now_us += DAY_US
    # Nobody has ticked, so what is stored says that it is in `fresh` still.
    assert card(database, "a").record.segments == ["large"]
    assert database.profiles([("member", "a")])[0] == card(database, "a").record
    send(database, Update({"member": "a"}, {"size": 3}))
    assert card(database, "a").record.segments == []
    assert points(card(database, "a")) == {"lead": round(8_000 * 2**-2.5)}


def at_hand(database: Database, member: str) -> ProfileCard | None:
    """The card of a member, where it takes microseconds."""
    return database.card_at_hand(("member", member))


def test_a_card_is_at_hand_once_its_block_was_read(database: Database) -> None:
    assert at_hand(database, "a") is None
    whole = card(database, "a")
    assert at_hand(database, "a") == whole
    assert at_hand(database, "c") == card(database, "c")
    assert at_hand(database, "nobody") is None
    send(database, Update({"member": "a"}, {"size": 3}))
    assert at_hand(database, "a") is None
    # Where its events are is known by this, but nothing else of the block.
    assert database.events(("member", "a"), EventsAsked(1)) is not None
    assert at_hand(database, "a") is None
    assert card(database, "a") == at_hand(database, "a") != whole


def test_a_card_of_many_events_is_not_at_hand(database: Database) -> None:
    orders = [ordered("b", second) for second in range(1, AT_HAND_EVENTS)]
    send(database, *(Update({"member": "a"}, events=[one]) for one in orders))
    assert card(database, "a") == at_hand(database, "a")
    send(database, Update({"member": "a"}, events=[ordered("c")]))
    assert card(database, "a") is not None and at_hand(database, "a") is None
    assert at_hand(database, "b") is not None


def test_no_card_is_at_hand_while_a_record_is_applied(database: Database) -> None:
    whole = card(database, "a")
    with database._store._pins.changing():
        assert at_hand(database, "a") is None
    assert at_hand(database, "a") == whole


class CountingLane(Lane):
    """A lane that counts what it is given."""

    def __init__(self) -> None:
        super().__init__("read", 1, 1)
        self.runs = 0

    async def run(self, work: Callable[[], T], control: Control | None = None) -> T:
        self.runs += 1
        return await super().run(work, control)


def test_a_card_at_hand_takes_no_thread_unless_cards_take_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its bytes are the same."""
    # While something is being written, no card is at hand.
    database.checkpoint()
    lane = CountingLane()
    service = ProfileService(database, lane, Visibility(database, lane, 1.0))
    asked = profile_pb2.GetProfileRequest(identifier={"kind": "member", "value": "a"})
    runs = []

    async def calls() -> set[bytes]:
        found = set()
        for most_s in (1.0, 1.0, 1.0, 0.0, 0.0):
            monkeypatch.setattr("server.profiles.AT_ONCE_S", most_s)
            found.add(await service.get_profile(asked, Call("GetProfile")))
            runs.append(lane.runs)
        return found

    found = asyncio.run(calls())
    lane.close()
    assert (len(found), runs) == (1, [1, 1, 1, 2, 3])
    assert b"lead" in found.pop()
