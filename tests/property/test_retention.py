"""Events dropped by age, under simulated time: kept segments, the feed, lists of events and answers
see exactly the events from the border on, whatever the clock did and whenever the store was killed,
and in the end the bytes are gone."""

from __future__ import annotations

import random
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.database import Database
from engine.live.profile_events import EventsAsked
from engine.rules.retention import border_us
from engine.store import open_events
from engine.store.catalog import event_field
from tests.event_stores import event_batch
from tests.live_databases import copy_store, only_the_log
from tests.moving_events import EVENT_SEGMENTS, HOUR_US, EventDatabase, event_updates
from tests.moving_worlds import DAY_US, in_few_and_many_steps
from tests.skips import soaking

pytestmark = pytest.mark.usefixtures("whole_feed")

ROUNDS = 30 if soaking() else 5

# Clocks are set back in Berlin on 2025-10-26; in Shanghai they were on 1988-09-11.
STARTS = {
    "Europe/Berlin": datetime(2025, 10, 23, 22, 30, tzinfo=UTC),
    "Asia/Shanghai": datetime(1988, 9, 9, 12, tzinfo=UTC),
}
KEPT_US = {"read": 3 * DAY_US, "order": 7 * DAY_US + HOUR_US}


class RetainedDatabase(EventDatabase):
    """Reads are kept for three days, orders for seven and an hour; what was accepted is known."""

    lengths = "3 days", "169 hours"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.accepted: list[tuple[str, str, int, str | None]] = []
        super().__init__(*arguments, **options)

    def files(self, segments: dict[str, str], zone: str, rules: str = "") -> dict[str, str]:
        files = super().files(segments, zone, rules)
        reads, orders = self.lengths
        text = files["model.yaml"]
        if reads:
            text = text.replace("  read: {", f"  read: {{retention: {reads}, ")
        if orders:
            text = text.replace("  order:\n", f"  order:\n    retention: {orders}\n")
        return {"model.yaml": text}

    def send(self, *updates: dict[str, Any]) -> None:
        """Ingests updates; those that bring events which are too old are refused, and no others."""
        assert self.database.model is not None
        ack = self.database.ingest(event_batch(updates, self.database.model), giver="shop")
        self.database.wait_visible(ack.offset)
        zone = self.database.model.time_zone
        refused = {place for place, _ in ack.refused}
        for place, update in enumerate(updates):
            happening = [
                (name, update[name])
                for name in KEPT_US
                if name in update and not update[name].get("gone")
            ]
            is_old = any(
                event["time"] < border_us(self.now_us, KEPT_US[name], zone)
                for name, event in happening
            )
            assert (place in refused) == is_old, (update, ack.refused)
            if place not in refused:
                self.note(update)

    def note(self, update: dict[str, Any]) -> None:
        """Remembers the events of an update that was taken."""
        for name in KEPT_US:
            if name not in update:
                continue
            event, member = update[name], update["member"]
            id_ = event.get("id")
            if id_ is not None:
                self.accepted = [
                    one for one in self.accepted if (one[0], one[1], one[3]) != (member, name, id_)
                ]
            if not event.get("gone"):
                self.accepted.append((member, name, event["time"], id_))

    def lists_what_is_there(self) -> None:
        """ListEvents and counts of all events are those from the border on."""
        database = self.database
        assert database.model is not None
        zone = database.model.time_zone
        borders = {name: border_us(self.now_us, kept, zone) for name, kept in KEPT_US.items()}
        there = [one for one in self.accepted if borders[one[1]] <= one[2] <= self.now_us]
        for member in {one[0] for one in self.accepted}:
            page = database.events(("member", member), EventsAsked(1000))
            assert page is not None
            found = sorted((event.type, event.time_us) for event in page.events)
            assert found == sorted((name, at) for who, name, at, _ in there if who == member)
        for name in KEPT_US:
            whose = {one[0] for one in there if one[1] == name}
            assert database.count(f"count({name}) >= 1").count == len(whose)
            for member in {one[0] for one in self.accepted}:
                told = database.explanations.explain(("member", member), f"count({name}) >= 1")
                assert told is not None and told.truth == (member in whose)
        for days in (1, 3, 5):
            # At an earlier instant no more is there than now.
            as_of_us = self.now_us - days * DAY_US
            some = {one[0] for one in there if one[2] <= as_of_us}
            assert database.count("count(any) > 0", as_of_us=as_of_us).count == len(some)


@pytest.mark.parametrize("zone", STARTS)
def test_stored_is_recomputed_and_steps_do_not_matter(zone: str, seed: int, tmp_path: Path) -> None:
    chance = random.Random(f"{seed} {zone}")
    start_us = int(STARTS[zone].timestamp()) * 10**6
    with (
        closing(
            RetainedDatabase(tmp_path / "few", EVENT_SEGMENTS, zone=zone, now_us=start_us)
        ) as few,
        closing(
            RetainedDatabase(tmp_path / "many", EVENT_SEGMENTS, zone=zone, now_us=start_us)
        ) as many,
    ):
        steps = (
            chance.choice((0, 1, HOUR_US, DAY_US, chance.randrange(3 * DAY_US), 2 * DAY_US - 1))
            for _ in range(ROUNDS)
        )

        def updates(now_us: int) -> list[dict[str, Any]]:
            for live in (few, many):
                live.lists_what_is_there()
            return event_updates(chance, now_us, 12, chance.randrange(1, 16))

        in_few_and_many_steps(few, many, chance, steps, updates)
        end_us = few.now_us + 10 * DAY_US
        for at_us in sorted(chance.randint(few.now_us, end_us) for _ in range(12)):
            many.go(at_us)
        for live in (few, many):
            live.go(end_us)
            live.agree()
            live.lists_what_is_there()
            assert live.count("buyers") == 0
        assert few.entries() == many.entries()
        assert few.accepted == many.accepted


def test_a_kill_while_the_border_moves_changes_nothing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk has at any moment, with some blocks saved and some not, is opened later."""
    chance = random.Random(seed)
    live = RetainedDatabase(tmp_path / "store", EVENT_SEGMENTS, now_us=_start("Europe/Berlin"))
    try:
        for turn in range(4):
            with monkeypatch.context() as patched:
                if turn % 2:
                    only_the_log(patched)
                live.send(*event_updates(chance, live.now_us, 12, 12))
                live.go(live.now_us + chance.choice((DAY_US, 2 * DAY_US, HOUR_US)))
                live.agree()
                live.lists_what_is_there()
                killed = tmp_path / f"killed{turn}"
                copy_store(live.database, killed)
            later_us = live.now_us + chance.choice((0, HOUR_US, 3 * DAY_US))
            other = RetainedDatabase(killed, now_us=later_us)
            try:
                other.accepted = list(live.accepted)
                other.agree()
                other.lists_what_is_there()
                live.go(later_us)
                assert other.entries() == live.entries()
                assert other.database.verify().is_sound
            finally:
                other.close()
    finally:
        live.close()


def _start(zone: str) -> int:
    return int(STARTS[zone].timestamp()) * 10**6


def _stored(database: Database) -> dict[str, tuple[int, int]]:
    """Events and bytes that the disk has of each type."""
    with database._store.snapshot() as snapshot:
        found = {}
        for name in KEPT_US:
            number = snapshot.fields[event_field(name)].id
            entries = [
                entry
                for manifest in snapshot.version.state.manifests
                for entry in manifest.field(number)
            ]
            zones = [snapshot.zone(number, block) for block in range(snapshot.block_count)]
            count = sum(zone.present_count for zone in zones if zone is not None)
            found[name] = count, sum(int(entry["length"]) for entry in entries)
    return found


def test_the_bytes_go_and_the_file_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_events, "SEALED_EVENTS", 64)
    live = RetainedDatabase(tmp_path / "store", {"some": "count(order) > 2"})
    sizes = []
    try:
        for day in range(40):
            live.now_us += DAY_US // 2
            live.send(
                *(
                    {
                        "member": f"m{number % 50}",
                        "read": {"time": live.now_us - number, "page": "p"},
                        "order": {"time": live.now_us - number, "pieces": 3},
                    }
                    for number in range(500)
                )
            )
            live.go(live.now_us + DAY_US // 2)
            live.database._live.pipeline.checkpoint()
            if day in (15, 39):
                sizes.append(live.database.stats()["file_bytes"])
                stored = _stored(live.database)
                # A share of what is there may be old still.
                assert 500 * 3 <= stored["read"][0] <= 500 * 5, stored
                assert 500 * 7 <= stored["order"][0] <= 500 * 9, stored
        assert sizes[1] <= 1.2 * sizes[0]
        live.go(live.now_us + 30 * DAY_US)
        live.database._live.pipeline.checkpoint()
        assert _stored(live.database) == {"read": (0, 0), "order": (0, 0)}
        assert live.database.count("count(any) = 0").count == 50
        assert live.database.verify().is_sound
        live.reopen()
        live.agree()
    finally:
        live.close()


def test_a_border_is_the_beginning_of_a_day_of_the_model() -> None:
    def us(text: str) -> int:
        return int(datetime.fromisoformat(text).timestamp()) * 10**6

    berlin, shanghai = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")
    # A day of 25 hours: 40 hours before 15:00 of the day after it is 00:00 of its own.
    for at, border in (
        ("2025-10-27T15:00:00+01:00", "2025-10-26T00:00:00+02:00"),
        ("2025-10-27T14:59:59+01:00", "2025-10-25T00:00:00+02:00"),
    ):
        assert border_us(us(at), 40 * HOUR_US, berlin) == us(border)
    # Clocks went forward at 2 in the morning, so this day had 23 hours.
    assert border_us(us("1988-04-18T00:00:00+09:00"), 23 * HOUR_US, shanghai) == us(
        "1988-04-17T00:00:00+08:00"
    )
    assert border_us(us("1988-04-17T23:59:59+09:00"), 23 * HOUR_US, shanghai) == us(
        "1988-04-16T00:00:00+08:00"
    )
    # One minute after midnight clocks were set back: the day before does not come back.
    johns = ZoneInfo("America/St_Johns")
    moments = [us("2005-10-30T02:20:00+00:00") + minute * 60 * 10**6 for minute in range(90)]
    borders = [border_us(at, HOUR_US, johns) for at in moments]
    assert borders == sorted(borders) and len(set(borders)) == 2


def test_edits_of_a_retention_drop_what_is_too_old_and_bring_nothing_back(tmp_path: Path) -> None:
    live = RetainedDatabase(tmp_path / "store", EDITED, now_us=_start("Europe/Berlin"))
    try:
        live.send(
            {"member": "a", "read": {"time": live.now_us - 2 * DAY_US}},
            {"member": "b", "read": {"time": live.now_us - HOUR_US}},
            {"member": "c", "order": {"time": live.now_us - 6 * DAY_US}},
        )
        live.agree()
        assert live.count("reads") == 2
        # Shorter: who had nothing else leaves, by the edit.
        live.lengths = "1 day", "169 hours"
        plan = live.database.plan_model(live.files(EDITED, "Europe/Berlin"))
        assert plan.changed_keys == ("events.read",)
        assert {(one.definition, one.joiners, one.leavers) for one in plan.changes} == {
            ("segments.reads", 0, 1),
            ("segments.any", 0, 1),
        }
        live.apply(EDITED)
        live.agree()
        assert [one for one in live.entries() if one[0] == "edit"][-1][1] in ("-reads", "-any")
        assert (live.count("reads"), live.count("orders")) == (1, 1)
        # Longer, or for ever: what is dropped stays dropped, and is not taken again.
        for lengths in (("300 days", "169 hours"), ("", "")):
            live.lengths = lengths
            plan = live.database.plan_model(live.files(EDITED, "Europe/Berlin"))
            assert not any(one.joiners or one.leavers for one in plan.changes)
            live.apply(EDITED)
            live.agree()
            assert (live.count("reads"), live.count("orders")) == (1, 1)
            # Somebody whose dropped event has bytes still comes, and goes again.
            passing = {"time": live.now_us, "id": "1"}
            live.send({"member": "a", "read": passing})
            live.agree()
            live.send({"member": "a", "read": {**passing, "gone": True}})
            live.agree()
            assert (live.count("reads"), live.count("orders")) == (1, 1)
            old = {"member": "d", "read": {"time": live.now_us - 2 * DAY_US}}
            assert live.database.model is not None
            ack = live.database.ingest(event_batch([old], live.database.model), giver="shop")
            ((place, reason),) = ack.refused
            assert place == 0 and "is before 2025-10-23T00:00:00+02:00" in reason
            live.reopen(after_us=HOUR_US)
            live.agree()
        live.go(live.now_us + 400 * DAY_US)
        assert (live.count("reads"), live.count("orders")) == (1, 0)
        live.agree()
    finally:
        live.close()


def test_answers_say_what_they_could_not_read(tmp_path: Path) -> None:
    live = RetainedDatabase(tmp_path / "store", EDITED, now_us=_start("Europe/Berlin"))
    count = live.database.count

    def note(what: str, name: str = "read", day: str = "2025-10-21") -> str:
        return f"events of `{name}` before {day} are dropped: {what} reads what is left"

    try:
        live.send({"member": "a", "read": {"time": live.now_us}})
        orders = "2025-10-16"
        assert count("count(read in last 3 days) > 0").notes == ()
        assert count("count(read in last 4 days) > 0").notes == (
            note("count(read in last 4 days)"),
        )
        where = "sum(order.amount where pieces > 1 since date '2025-10-01')"
        assert count(f"{where} > 5").notes == (note(where, "order", orders),)
        both = "count(read, order)"
        assert count("count(any) > 0").notes == (note(both), note(both, "order", orders))
        # Also where the answer is a counter, through segments, and of a measured value.
        assert count("segment('reads')").notes == (note("count(read)"),)
        assert count("not segment('reads')", nodes=True).notes == (note("count(read)"),)
        told = "sequence(read then order within 1 day)"
        (first, second) = count(told).notes
        assert first == note(told) and second == note(told, "order", orders)
        with live.database.members("last(read) is missing") as members:
            assert members.notes == (note("last(read)"),)
        summed = live.database.measures.summarize("count(read)", "size > 1")
        assert summed.answer.notes == (note("count(read)"),)
        (funnel,) = (live.database.measures.funnel("sequence(read then order within 1 day)"),)
        assert funnel.answer.notes == (note(told), note(told, "order", orders))
        # An instant before the border: nothing of it is there.
        early_us = live.now_us - 40 * DAY_US
        assert count("count(read in last 3 days) > 0", as_of_us=early_us).notes == (
            note("count(read in last 3 days)"),
        )
    finally:
        live.close()


EDITED = {
    "reads": "count(read) > 0",
    "orders": "count(order in last 100 days) > 0",
    "any": "count(any) > 0 and size is missing",
    "others": "size > 3",
}
