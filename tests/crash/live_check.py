"""Holds a store against a World: profiles, segments in every form, counts, and the feed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from engine.columns.sets import decode_rows
from engine.database import Database
from engine.live.feed import ACTIONS, FeedPosition, FeedSource
from engine.live.profile_events import EventsAsked
from engine.model.hidden_events import fact_event, tag_fact
from engine.store.catalog import event_field
from engine.store.snapshot import Snapshot
from tests.crash.live_world import EVENT_RULES, KEPT, Person, World
from tests.told import wait_told

__all__ = [
    "BLOCK_ROWS",
    "FeedPlayer",
    "check_kept",
    "check_profiles",
    "check_segments",
    "check_store",
]

BLOCK_ROWS = 65_536


def check_store(
    database: Database,
    world: World,
    feed: FeedPlayer,
    *,
    trimmed: bool = False,
    strangers: int = 0,
) -> None:
    """Everything; AssertionError with what differs. `feed` has read on from where it was;
    with `trimmed` the feed need not go back to its beginning. There are so many `strangers`
    whom the World does not know."""
    wait_told(database)
    rows = check_profiles(database, world, world.people)
    assert database.profile_count == len(world.people) + strangers
    check_segments(database, world, rows)
    check_events(database, rows)
    for player in (feed,) if trimmed else (feed, FeedPlayer()):
        check_feed(database, world, rows, player)
        check_kept(database, rows, player)
    report = database.verify()
    assert report.is_sound, report.faults[:5]


def check_profiles(database: Database, world: World, people: Iterable[Person]) -> dict[Person, int]:
    """Every identifier of these people finds them, with what they should have; their rows."""
    pairs, owners = [], []
    for person in people:
        for kind, values in person.identifiers.items():
            pairs += [(kind, value) for value in values]
            owners += [person] * len(values)
    rows: dict[Person, int] = {}
    uids: set[bytes] = set()
    for pair, owner, record in zip(pairs, owners, database.profiles(pairs), strict=True):
        assert record is not None, f"{pair} finds nobody"
        found = dict(record.identifiers), dict(record.attributes)
        assert found == owner.visible(), f"{pair} is\n{found}, and should be\n{owner.visible()}"
        if owner not in rows:
            assert record.uid not in uids, f"{pair} has the uid of another"
            uids.add(record.uid)
        assert rows.setdefault(owner, record.row) == record.row, f"{pair} is in two rows"
    strangers = [("member", "nobody"), ("phone", "000")]
    assert database.profiles(strangers) == [None] * len(strangers)
    assert len(set(rows.values())) == len(rows)
    return rows


def check_events(database: Database, rows: dict[Person, int]) -> None:
    """Everybody did what they should have done, each thing once, and rules see it so."""
    everything = EventsAsked(limit=1 << 30)
    for person in rows:
        pair = person.any_identifier()
        page = database.events(pair, everything)
        assert page is not None
        found = Counter(_as_text(one.type, one.time_us, one.properties) for one in page.events)
        wanted = Counter(_as_text(one.type, one.time, one.properties) for one in person.events)
        assert found == wanted, f"{pair} lacks {wanted - found}, has besides {found - wanted}"
    assert database.stats()["events"] == sum(len(person.events) for person in rows)
    for rule, test in EVENT_RULES.items():
        expected = sorted(row for person, row in rows.items() if test(person))
        with database.members(rule) as members:
            by_rule = members.rows.tolist()
        assert by_rule == expected, _difference(rule, by_rule, expected)


def _as_text(type_: str, time_us: int, properties: Mapping[str, Any]) -> str:
    return f"{type_} at {time_us}: {sorted(properties.items())}"


def _expected(world: World, rows: dict[Person, int]) -> dict[str, list[int]]:
    """Segment -> rows that should be in it, sorted."""
    members: dict[str, list[int]] = {name: [] for name in world.segment_texts()}
    for person, row in rows.items():
        for name in world.segments_of(person):
            members[name].append(row)
    return {name: sorted(found) for name, found in members.items()}


def check_segments(database: Database, world: World, rows: dict[Person, int]) -> None:
    """A segment is the same by its rule, by what is stored of it, and by the World."""
    expected = _expected(world, rows)
    for name, text in world.segment_texts().items():
        with database.members(text) as members:
            by_rule = members.rows.tolist()
        assert by_rule == expected[name], _difference(
            f"{name} by its rule", by_rule, expected[name]
        )
        with database.members(f"segment('{name}')") as members:
            named = members.rows.tolist()
        assert named == expected[name], _difference(f"{name} by its name", named, expected[name])
        assert database.count(f"segment('{name}')").count == len(named), name
        with database._store.snapshot() as snapshot:
            stored = stored_rows(snapshot, name)
        assert stored == expected[name], _difference(f"{name} as stored", stored, expected[name])


def stored_rows(snapshot: Snapshot, name: str) -> list[int]:
    """The rows in the membership field of a segment."""
    field = snapshot.fields[f":segment:{name}"]
    found: list[int] = []
    for block in range(snapshot.block_count):
        parts = snapshot.payloads(field.id, block)
        if parts:
            found += (decode_rows(parts).astype(np.int64) + block * BLOCK_ROWS).tolist()
    return found


class FeedPlayer:
    """Who is in what by the feed alone, read on from where the last reading ended."""

    def __init__(self) -> None:
        self.members: dict[str, set[int]] = {}
        self.position: FeedPosition | None = None
        # Rows that enter what, and those for which there is something to do, in order.
        self.entered: list[tuple[str, int]] = []
        self.asked: list[int] = []

    def play(self, source: FeedSource) -> None:
        """Read what is new. Nobody may enter who is in, or leave who is not."""
        position, caught_up = self.position or source.oldest(), False
        while not caught_up:
            chunk = source.read(position, lambda _: True)
            for run in chunk.runs:
                if run.definition.startswith(ACTIONS):
                    assert run.entered
                    self.asked += run.rows.tolist()
                if run.old is not None or run.definition.startswith(ACTIONS):
                    continue
                if run.entered:
                    self.entered += [(run.definition, row) for row in run.rows.tolist()]
                members = self.members.setdefault(run.definition, set())
                rows = set(run.rows.tolist())
                assert len(rows) == len(run.rows), f"record {run.sequence} repeats rows"
                wrong = rows & members if run.entered else rows - members
                assert not wrong, f"record {run.sequence}, {run.definition}: {sorted(wrong)[:5]}"
                members.symmetric_difference_update(rows)
            position, caught_up = chunk.end, chunk.caught_up
        self.position = position


def check_feed(database: Database, world: World, rows: dict[Person, int], feed: FeedPlayer) -> None:
    """Played on, the feed leads to the members that there are."""
    feed.play(database.feed)
    for name, members in _expected(world, rows).items():
        found = sorted(feed.members.get(f"segments.{name}", set()))
        assert found == members, _difference(f"{name} by the feed", found, members)
    check_gone(world, feed)
    # Something is to be done for whoever enters that segment, as often as that is.
    large = sorted(row for name, row in feed.entered if name == "segments.large")
    assert sorted(feed.asked) == large, _difference("asked", feed.asked, large)


def check_kept(database: Database, rows: dict[Person, int], feed: FeedPlayer) -> None:
    """Who must have a sticky tag has it, and nobody who may not; facts are there once, in the
    condition, in what is stored, and by the feed."""
    with database.members(f"tag = '{KEPT}'") as members:
        held = members.rows.tolist()
    lacking = {row for person, row in rows.items() if person.is_large} - set(held)
    assert not lacking, f"the rows {sorted(lacking)[:10]} lack their tag"
    more = set(held) - {row for person, row in rows.items() if person.was_large}
    assert not more, f"the rows {sorted(more)[:10]} have a tag that nothing set"
    with database._store.snapshot() as snapshot:
        stored = stored_rows(snapshot, f":tags.{KEPT}")
        field = snapshot.fields[event_field(fact_event(tag_fact(KEPT)).name)]
        zones = [snapshot.zone(field.id, block) for block in range(snapshot.block_count)]
        facts = sum(int(zone.present_count) for zone in zones if zone is not None)
    assert stored == held, _difference("the tag as stored", stored, held)
    found = sorted(feed.members.get(f"tags.{KEPT}", set()))
    assert found == held, _difference("the tag by the feed", found, held)
    assert facts == len(held)


def check_gone(world: World, feed: FeedPlayer) -> None:
    """Everybody left a segment that is no longer in the model."""
    names = {f"segments.{name}" for name in world.segment_texts()} | {f"tags.{KEPT}"}
    others = {name for name, held in feed.members.items() if held and name not in names}
    assert not others, f"the feed has members of {sorted(others)}"


def _difference(what: str, found: list[int], expected: list[int]) -> str:
    lacks = sorted(set(expected) - set(found))[:10]
    more = sorted(set(found) - set(expected))[:10]
    return f"{what}: {len(found)} rows of {len(expected)}; lacks {lacks}, has besides {more}"
