"""Actions with `each`: one entry for every event as it comes to count, whatever is brought again,
corrected, taken away or loaded, and however many steps time takes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.actions import ToDo
from engine.live.feed import FeedPosition
from engine.live.profile_event import ProfileEvent
from engine.model.definitions import Source
from tests.event_stores import event_batch
from tests.live_databases import only_the_log
from tests.moving_events import EventDatabase
from tests.moving_worlds import DAY_US, START_US

pytestmark = pytest.mark.usefixtures("whole_feed")

RULES = """\
actions:
  saw:
    each: read where page != 'r'
    do: call
    owner: {by: stage, table: {x: east}, else: hub}
    due: 2 hours
    send: [size]
  recent: {each: order in last 2 days, do: thank}
  old: {each: "order between 3 days and 1 day ago", do: ask}
  overdue: {each: order where due < now, do: remind}
"""
Asked = tuple[str, str, int, int, int]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[EventDatabase]:
    opened = EventDatabase(tmp_path / "store", {}, rules=RULES)
    yield opened
    opened.close()


def event(member: str, type_: str, at_us: int = START_US, **given: Any) -> dict[str, Any]:
    """An update with one event."""
    return {"member": member, type_: {"time": at_us} | given}


def asked(live: EventDatabase, *names: str) -> list[Asked]:
    """(cause, action, row, instant, time of the event) of the whole feed, or of some actions."""
    live.entries()  # waits until they are durable
    chunk = live.database.feed.read(
        FeedPosition(1), lambda key: key.startswith("actions.") and (not names or key[8:] in names)
    )
    assert chunk.caught_up
    return [
        (str(run.cause), run.definition[8:], row, run.instant_us, run.event.time_us)
        for run in chunk.runs
        for row in run.rows.tolist()
        if run.event is not None
    ]


def to_do(live: EventDatabase) -> list[ToDo]:
    """What there is to do by the whole feed."""
    live.entries()
    chunk = live.database.feed.read(FeedPosition(1), lambda key: key.startswith("actions."))
    with live.database.feed.snapshot() as snapshot:
        lists = [live.database.actions.of_run(snapshot, run) for run in chunk.runs]
    return [one for found in lists for one in found or ()]


def test_every_event_asks_once(live: EventDatabase) -> None:
    live.send(event("a", "read", page="p"), event("b", "read", page="r"), event("b", "read"))
    live.send(event("a", "read", page="p"), event("b", "read", page="q", id="1"))
    live.send(event("b", "read", page="q", id="1"), event("a", "read", START_US - 5, page="p"))
    saw = [
        ("update", "saw", 0, START_US, START_US),
        ("update", "saw", 0, START_US, START_US),
        ("update", "saw", 1, START_US, START_US),
        ("update", "saw", 0, START_US, START_US - 5),
    ]
    assert asked(live) == saw
    # Two of one time, in one batch.
    live.send(event("c", "read", page="p"), event("c", "read", page="q"))
    saw += 2 * [("update", "saw", 2, START_US, START_US)]
    assert asked(live) == saw
    live.reopen()
    assert asked(live) == saw


def test_a_correction_asks_where_the_event_did_not_count(live: EventDatabase) -> None:
    live.send(event("a", "read", page="r", id="1"), event("b", "read", page="p", id="1"))
    assert [row for *_, row, _, _ in asked(live)] == [1]
    live.send(event("a", "read", page="p", id="1"), event("b", "read", page="q", id="1"))
    assert [row for *_, row, _, _ in asked(live)] == [1, 0]
    # Another time, too; taken away it asks nothing, and brought again it counts again.
    live.send(event("a", "read", START_US - 7, page="p", id="1"))
    live.send(event("b", "read", id="1", gone=True))
    assert len(asked(live)) == 2
    live.send(event("b", "read", page="q", id="1"))
    assert len(asked(live)) == 3
    # The last of one batch counts.
    live.send(event("c", "read", page="p", id="9"), event("c", "read", page="r", id="9"))
    assert len(asked(live)) == 3


def test_what_was_there_before_the_action_asks_nothing(tmp_path: Path) -> None:
    live = EventDatabase(tmp_path / "store", {})
    live.send(event("a", "read", page="p", id="1"), event("a", "read", START_US + 5, page="q"))
    live.apply({}, rules=RULES)
    live.go(START_US + 9)
    # Only what was ahead by then.
    assert asked(live) == [("clock", "saw", 0, START_US + 5, START_US + 5)]
    live.send(event("a", "read", page="p", id="1"), event("a", "read", page="q", id="1"))
    assert len(asked(live)) == 1
    # Another step asks about what comes.
    live.apply({}, rules=RULES.replace("page != 'r'", "page = 'r'"))
    live.send(event("b", "read", page="r"))
    assert [row for *_, row, _, _ in asked(live)] == [0, 1]
    live.close()


def test_a_load_brings_history(live: EventDatabase) -> None:
    live.send(event("a", "read", page="p", id="1"))
    with live.database.bulk_load(Source("crm", {"member": "member"})) as load:
        ahead = event("c", "read", START_US + 50, page="q")
        load.add(event_batch([event("b", "read", page="p"), ahead], live.database.model))
        load.finish()
    assert len(asked(live)) == 1
    live.go(START_US + 100)
    assert asked(live)[1:] == [("clock", "saw", 2, START_US + 50, START_US + 50)]


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_windows_and_now_however_many_steps_time_takes(live: EventDatabase, steps: int) -> None:
    first_day = START_US // DAY_US
    live.send(
        event("a", "order", START_US - 3 * DAY_US),
        event("b", "order", START_US - DAY_US, due=first_day + 1),
        event("c", "order", START_US + 60, due=first_day - 1),
    )
    for step in range(1, steps + 1):
        live.go(START_US + 4 * DAY_US * step // steps)
    # The first instant after the day that it was due on began, in Berlin.
    overdue = (first_day + 1) * DAY_US - 2 * 3_600_000_000 + 1
    assert asked(live, "recent") == [
        ("update", "recent", 1, START_US, START_US - DAY_US),
        ("clock", "recent", 2, START_US + 60, START_US + 60),
    ]
    assert asked(live, "old") == [
        ("update", "old", 1, START_US, START_US - DAY_US),
        ("clock", "old", 2, START_US + 60 + DAY_US, START_US + 60),
    ]
    assert asked(live, "overdue") == [
        ("clock", "overdue", 2, START_US + 60, START_US + 60),
        ("clock", "overdue", 1, overdue, START_US - DAY_US),
    ]


def test_what_is_to_be_done(live: EventDatabase) -> None:
    live.send({"member": "a", "size": 5, "stage": "x"}, event("a", "read", page="p", id="1"))
    live.send(event("b", "order", amount=1250, due=START_US // DAY_US, id="7"))
    live.send(event("a", "read", START_US - 60_000_000, page="q", id="1"))
    first, *others = to_do(live)
    assert first == ToDo(
        do="call",
        owner="east",
        due_us=START_US + 2 * 3_600_000_000,
        send={"size": 5},
        evidence=("read where page != 'r': 2025-10-09 10:52:20",),
        event=ProfileEvent("read", START_US - 60_000_000, {"page": "q"}),
    )
    assert [one.do for one in others] == ["thank", "remind"]
    assert others[0].event is not None
    assert others[0].event.properties["due"] == date(2025, 10, 9)
    live.send(event("b", "order", id="7", gone=True))
    assert to_do(live)[1].event == ProfileEvent("order", START_US, {})


def test_the_log_asks_the_same_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = EventDatabase(tmp_path / "store", {}, rules=RULES)
    with monkeypatch.context() as patched:
        only_the_log(patched)
        live.send(event("a", "read", page="p", id="1"), event("b", "order", START_US + 10))
        live.send(event("a", "read", page="q", id="1"), event("a", "order"))
        live.go(START_US + 2 * DAY_US)
        live.send(event("b", "read", page="p"))
        found, entries = asked(live), live.entries()
        with live.database._store._writing:
            (tmp_path / "copy").mkdir()
            (tmp_path / "copy" / "data.mdb").write_bytes((live.path / "data.mdb").read_bytes())
    again = EventDatabase(tmp_path / "copy", now_us=live.now_us)
    try:
        assert len(found) == 6
        assert asked(again) == found
        assert again.entries() == entries
    finally:
        again.close()
        live.close()


def test_ticks_look_at_nothing_that_is_not_ahead(live: EventDatabase) -> None:
    """A rule over own times alone reads no event of the past again."""
    live.apply({}, rules="actions: {saw: {each: read, do: call}}\n")
    live.send(*(event(f"m{i}", "read", page="p") for i in range(50)))
    live.go(START_US + 5)
    ticks = live.database.stats()["ticks"]
    for hours in range(1, 20):
        live.go(START_US + hours * 3_600_000_000)
    assert live.database.stats()["ticks"] == ticks
    live.send(event("m1", "read", live.now_us + 7, page="p"))
    live.go(live.now_us + 8)
    assert asked(live)[50:] == [("clock", "saw", 1, live.now_us - 1, live.now_us - 1)]
    # One before the batch, so that it is judged at its own instant.
    assert live.database.stats()["ticks"] == ticks + 2


def test_what_counts_already_asks_no_more(live: EventDatabase) -> None:
    due = START_US // DAY_US + 1
    each = "order where due < now or due < now - 1 day or now > time '2025-10-12T00:00:00Z'"
    live.apply({}, rules=f'actions: {{late: {{each: "{each}", do: call}}}}\n')
    live.send(event("a", "order", due=due))
    live.go(START_US + 9 * DAY_US)
    (found,) = asked(live)
    assert found == ("clock", "late", 0, due * DAY_US - 7_199_999_999, START_US)


def test_a_random_world_asks_what_a_slow_one_does(tmp_path: Path) -> None:
    chance = random.Random(20261122)
    live = EventDatabase(tmp_path / "store", {}, rules=RULES)
    slow = _Slow()
    for _ in range(40):
        sent = [_random(chance, live.now_us) for _ in range(chance.randrange(1, 8))]
        live.send(*sent)
        slow.take(sent, live.now_us)
        slow.go(live.now_us, later_us := live.now_us + chance.randrange(DAY_US))
        live.go(later_us)
        if chance.random() < 0.2:
            live.reopen()
    found = sorted(asked(live, "saw", "old"))
    assert found == sorted(slow.asked)
    assert len(found) > 60
    live.close()


def _random(chance: random.Random, now_us: int) -> dict[str, Any]:
    member, type_ = f"m{chance.randrange(4)}", chance.choice(("read", "order"))
    at_us = now_us + chance.choice((-2, -1, 0, 0, 1)) * (DAY_US - chance.randrange(3))
    given = {"page": chance.choice("pqr")} if type_ == "read" else {}
    if chance.random() < 0.7:
        given["id"] = str(chance.randrange(4))
        if chance.random() < 0.2:
            given["gone"] = True
    return event(member, type_, at_us, **given)


class _Slow:
    """Every event of everybody, judged before and after each batch and at each instant."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.rows: dict[str, int] = {}
        self.asked: list[Asked] = []

    def counts(self, action: str, type_: str, said: dict[str, Any], at_us: int) -> bool:
        age_us = at_us - said["time"]
        if action == "saw":
            return type_ == "read" and age_us >= 0 and said.get("page", "r") != "r"
        return type_ == "order" and DAY_US <= age_us < 3 * DAY_US

    def take(self, updates: list[dict[str, Any]], now_us: int) -> None:
        before = dict(self.events)
        for number, update in enumerate(updates):
            member = update["member"]
            self.rows.setdefault(member, len(self.rows))
            (type_,) = set(update) - {"member"}
            said = update[type_]
            key = member, type_, said.get("id", f"none {number} {len(self.events)} {now_us}")
            if said.get("gone"):
                self.events.pop(key, None)
            else:
                self.events[key] = said
        self._compare(before, now_us, now_us, "update")

    def go(self, now_us: int, later_us: int) -> None:
        instants = {
            said["time"] + offset
            for said in self.events.values()
            for offset in (0, DAY_US, 3 * DAY_US)
        }
        for at_us in sorted(at_us for at_us in instants if now_us < at_us <= later_us):
            self._compare(self.events, at_us - 1, at_us, "clock")

    def _compare(
        self, before: dict[tuple[str, str, str], Any], before_us: int, at_us: int, cause: str
    ) -> None:
        for key, said in self.events.items():
            member, type_, _ = key
            for action in ("saw", "old"):
                held = key in before and self.counts(action, type_, before[key], before_us)
                if self.counts(action, type_, said, at_us) and not held:
                    self.asked.append((cause, action, self.rows[member], at_us, said["time"]))
