"""Sticky tags and held bands of one profile over the wire, as updates come and tags are removed."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.database import Database
from strata.cli.embedded import EmbeddedTransport
from strata.client import Client
from strata.explaining import explain
from strata.standings import ScoreStanding, TagStanding
from strata.updates import Event, Update

MODEL = """\
time_zone: Asia/Shanghai
identifiers: {member: {}}
attributes:
  size: {type: int}
events:
  download: {properties: {asset: category}}
scores:
  fit:
    rules: [{when: "size >= 50", points: 60}, {when: "size >= 100", points: 20}]
    bands: {weak: 0, good: 40, best: 80}
    hold: {best: 50}
tag_rules:
  - {tag: 大, when: "size >= 100", keep: sticky}
  - {tag: '看过{asset}', each: download, keep: sticky}
"""
NOW = datetime.datetime(2026, 11, 22, 4, tzinfo=datetime.UTC)
STEP = datetime.timedelta(minutes=1)


class World:
    """One profile, whose clock goes on by a minute with each update."""

    def __init__(self, database: Database, client: Client, clock: list[int]) -> None:
        self.database, self.client, self.clock = database, client, clock

    def send(self, update: Update) -> datetime.datetime:
        """When it was taken."""
        self.clock[0] += 60_000_000
        ack = self.client.ingest_batch([update], source="crm")
        self.client.profile("member", "m1", min_offset=ack.offset)
        return datetime.datetime.fromtimestamp(self.clock[0] / 1e6, datetime.UTC)

    def tag(self, tag: str) -> tuple[bool, datetime.datetime | None]:
        """Whether the sticky rule gives it, and since when it does or does not."""
        found = explain(self.client, "member", "m1", tag=tag).standing
        assert isinstance(found, TagStanding)
        (rule,) = found.rules
        assert found.has == rule.gives == (tag in self.client.profile("member", "m1").tags)
        return rule.gives, rule.since

    def best(self) -> tuple[str, bool, datetime.datetime | None]:
        """The band, and the latch of the highest."""
        found = explain(self.client, "member", "m1", score="fit").standing
        assert isinstance(found, ScoreStanding)
        (ledger,) = [
            one for one in self.client.profile("member", "m1").scores if one.score == "fit"
        ]
        assert ledger == found.ledger
        return found.ledger.band, found.bands[0].on, found.bands[0].since


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A store whose clock the test moves."""
    clock = [int(NOW.timestamp()) * 1_000_000]
    with Database.create(tmp_path / "store", now=lambda: clock[0]) as database:
        database.apply_model({"model.yaml": MODEL})
        with Client(transport=EmbeddedTransport(database)) as client:
            yield World(database, client, clock)


def test_a_sticky_tag_ends_when_it_is_taken_away_and_returns(world: World) -> None:
    world.send(Update({"member": "m1"}, {"size": 10}))
    assert world.tag("大") == (False, None)
    given = world.send(Update({"member": "m1"}, {"size": 100}))
    assert world.tag("大") == (True, given)
    world.send(Update({"member": "m1"}, {"size": 1}))
    assert world.tag("大") == (True, given)
    world.send(Update({"member": "m1"}, {"size": 200}))
    gone = world.send(Update({"member": "m1"}, removed={"tag": ["大"]}))
    assert world.tag("大") == (False, gone)
    world.send(Update({"member": "m1"}, {"size": 300}))
    assert world.tag("大") == (False, gone), "it was true all the time"
    world.send(Update({"member": "m1"}, {"size": 3}))
    again = world.send(Update({"member": "m1"}, {"size": 300}))
    assert world.tag("大") == (True, again)
    past = explain(world.client, "member", "m1", tag="大", as_of=gone - STEP).standing
    assert isinstance(past, TagStanding) and past.has and past.rules[0].since == given


def test_a_tag_that_a_property_names(world: World) -> None:
    read = world.send(
        Update({"member": "m1"}, events=[Event("download", {"asset": "册"}, NOW, "d")])
    )
    assert world.tag("看过册") == (True, read)
    assert world.tag("看过书") == (False, None)
    gone = world.send(Update({"member": "m1"}, removed={"tag": ["看过册"]}))
    assert world.tag("看过册") == (False, gone)
    assert world.client.profile("member", "m1").tags == ()


def test_a_held_band_ends_below_its_hold(world: World) -> None:
    world.send(Update({"member": "m1"}, {"size": 60}))
    assert world.best() == ("good", False, None)
    on = world.send(Update({"member": "m1"}, {"size": 100}))
    assert world.best() == ("best", True, on)
    world.send(Update({"member": "m1"}, {"size": 60}))
    assert world.best() == ("best", True, on)
    off = world.send(Update({"member": "m1"}, {"size": 10}))
    assert world.best() == ("weak", False, off)
