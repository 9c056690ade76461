"""What a card costs: conditions are made ready once for a model, and a profile is read once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.database import Database
from engine.profile_cards import ProfileCard
from strata.cli.embedded import EmbeddedTransport
from strata.client import Client
from strata.updates import Event, Update

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


def ordered(sku: str) -> Event:
    """An order of the day before."""
    return Event("order", {"sku": sku}, datetime.fromtimestamp(NOW_US / 1e6 - 86_400, UTC))


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
