"""Ticks of the clock: when they are written, what they cost, and what is exact between them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import failpoints
from engine.errors import InputInvalid, NotFound, StoreUnwritable
from engine.live.change import Cause
from engine.model.definitions import Source
from engine.store.store import Store
from tests.moving_worlds import DAY_US, START_US, MovingDatabase
from tests.updates import update_batch

SECOND_US = 1_000_000
RULES = {
    "fresh": "joined > now - 3 days",
    "asleep": "seen < now - 2 days",
    "big": "size >= 50",
    "awake": "not segment('asleep') and segment('big')",
}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[MovingDatabase]:
    made = MovingDatabase(tmp_path / "store", RULES)
    made.send(
        {"member": "a", "joined": START_US, "seen": START_US, "size": 60},
        {"member": "b", "joined": START_US - DAY_US, "seen": START_US + DAY_US, "size": 60},
        {"member": "c", "size": 1},
    )
    yield made
    made.close()


def test_an_idle_store_writes_nothing(live: MovingDatabase) -> None:
    database = live.database
    live.go(START_US + 1)  # the first tick finds out who is due
    version, commits = database.data_version, database.stats()["commits"]
    database.checkpoint()
    commits = database.stats()["commits"]
    for second in range(1, 1000):
        live.go(START_US + second * SECOND_US)
    assert (database.data_version, database.stats()["commits"]) == (version, commits)
    live.go(START_US + 2 * DAY_US)  # b was due, and leaves `fresh`
    assert database.data_version == version + 1
    assert live.entries()[-1] == (Cause.CLOCK, "-fresh", 1, START_US + 2 * DAY_US)


def test_a_model_that_stands_still_has_no_ticks(tmp_path: Path) -> None:
    live = MovingDatabase(tmp_path / "store", {"big": "size >= 50"})
    live.send({"member": "a", "size": 60})
    version = live.database.data_version
    live.go(START_US + 9 * DAY_US)
    live.send({"member": "b", "size": 60})
    assert live.database.data_version == version + 1
    assert "ticks" not in live.database.stats()
    live.close()


def test_rows_evaluated_follow_who_flips(live: MovingDatabase) -> None:
    """Not how many there are, nor how often the clock is looked at."""
    live.send(*({"member": f"m{n}", "joined": START_US + n} for n in range(1000)))
    live.go(START_US + 1)
    before = live.database.stats()
    for second in range(100):
        live.go(START_US + second * SECOND_US)
    live.go(START_US + 3 * DAY_US + 9)
    after = live.database.stats()
    # a, b and ten others leave `fresh`; a and b fall asleep, which two segments read.
    assert after["tick_rows_evaluated"] - before["tick_rows_evaluated"] == 12 + 2 * 2
    assert len([what for what, _, _ in live.by_clock() if what == "-fresh"]) == 12


def test_an_answer_is_exact_between_ticks(live: MovingDatabase) -> None:
    """The stored members stand in only as long as nobody is due."""
    live.go(START_US + 1)
    assert live.count("fresh") == 2
    for now_us, fresh, asleep in (
        (START_US + 2 * DAY_US - 1, 2, 0),
        (START_US + 2 * DAY_US, 1, 0),
        (START_US + 2 * DAY_US + 1, 1, 1),
        (START_US + 9 * DAY_US, 0, 2),
        (START_US - 1, 2, 0),
    ):
        live.now_us = now_us  # without a tick
        assert (live.count("fresh"), live.count("asleep")) == (fresh, asleep)
        text = "segment('asleep') or segment('fresh')"
        asked_apart = live.database.count(text, as_of_us=now_us).count
        assert live.database.count(text).count == asked_apart
        with live.database.members(text) as members:
            assert len(members.rows) == asked_apart
        (a, b, c) = live.database.profiles([("member", name) for name in "abc"])
        assert a is not None and b is not None and c is not None
        assert ("fresh" in a.segments) + ("fresh" in b.segments) == fresh
        assert ("asleep" in a.segments) + ("asleep" in b.segments) == asleep
        assert ("big" in a.segments, "big" in c.segments) == (True, False)


def test_a_clock_that_is_set_back(live: MovingDatabase) -> None:
    """The time of the log stands still until it is passed again; answers are those of the clock."""
    live.go(START_US + 10 * DAY_US)
    told = live.entries()
    live.now_us = START_US
    live.database.tick()
    assert live.count("fresh") == 2 and live.count("asleep") == 0
    live.send({"member": "d", "joined": START_US + 8 * DAY_US, "seen": START_US})
    # Judged at the log's time: in `fresh`, and asleep already.
    assert [entry[1:] for entry in live.entries()[len(told) :]] == [
        ("+fresh", 3, START_US + 10 * DAY_US),
        ("+asleep", 3, START_US + 10 * DAY_US),
    ]
    live.reopen()
    live.now_us = START_US + 10 * DAY_US
    live.agree()
    live.now_us += 2 * DAY_US
    live.agree()
    assert live.entries()[-1] == (Cause.CLOCK, "-fresh", 3, START_US + 11 * DAY_US)


def test_a_tick_that_cannot_be_written(
    live: MovingDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has happened then, and the next one makes up for it."""
    live.go(START_US + 1)
    apply = Store.apply

    def fail(*_: object) -> None:
        raise StoreUnwritable("The disk is full.")

    told = len(live.by_clock())
    monkeypatch.setattr(Store, "apply", fail)
    live.go(START_US + 2 * DAY_US)
    with pytest.raises(StoreUnwritable):
        live.send({"member": "d"})
    monkeypatch.setattr(Store, "apply", apply)
    live.go(START_US + 2 * DAY_US + 5)
    assert live.by_clock()[told:] == [
        ("-fresh", 1, START_US + 2 * DAY_US),
        ("+asleep", 0, START_US + 2 * DAY_US + 1),
        ("-awake", 0, START_US + 2 * DAY_US + 1),
    ]
    live.agree()


def test_an_edit_is_at_the_clock(live: MovingDatabase) -> None:
    """An edit tells first what time has done, under the definitions of before."""
    live.now_us = START_US + 2 * DAY_US + 7
    before = live.entries()
    live.apply({**RULES, "fresh": "joined > now - 1 day", "slow": "joined <= now - 1 day"})
    found = live.entries()[len(before) :]
    assert found == [
        (Cause.CLOCK, "-fresh", 1, START_US + 2 * DAY_US),
        (Cause.CLOCK, "+asleep", 0, START_US + 2 * DAY_US + 1),
        (Cause.CLOCK, "-awake", 0, START_US + 2 * DAY_US + 1),
        (Cause.EDIT, "-fresh", 0, live.now_us),
        (Cause.EDIT, "+slow", 0, live.now_us),
        (Cause.EDIT, "+slow", 1, live.now_us),
    ]
    live.agree()
    live.now_us += DAY_US
    live.agree()


def test_the_first_moving_segment_begins_now(tmp_path: Path) -> None:
    live = MovingDatabase(tmp_path / "store", {"big": "size >= 50"})
    live.send({"member": "a", "joined": START_US, "size": 60})
    live.now_us += 100 * DAY_US
    live.apply(RULES)
    live.agree()
    assert not live.by_clock()
    live.close()


def test_what_will_happen(live: MovingDatabase) -> None:
    """Asked beforehand, time does what it then does; of segments that are not stored, too."""
    database = live.database
    live.now_us += 5
    coming = database.foresight.changes(within_us=10 * DAY_US)
    told = [
        (("+" if change.entered else "-") + change.segment, change.row, change.instant_us)
        for change in coming.changes
    ]
    assert coming.from_us == live.now_us and len(told) == coming.count == 6
    assert database.foresight.changes(within_us=10 * DAY_US, limit=2).changes == coming.changes[:2]
    assert database.foresight.changes(["fresh"], within_us=DAY_US).changes == ()
    (uid,) = {change.uid for change in coming.changes if change.row == 0}
    (of_a, nobody) = database.foresight.of_profiles([("member", "a"), ("member", "nobody")])
    assert nobody is None and of_a is not None
    assert [(one.segment, one.entered, one.instant_us) for one in of_a] == [
        ("asleep", True, START_US + 2 * DAY_US + 1),
        ("awake", False, START_US + 2 * DAY_US + 1),
        ("fresh", False, START_US + 3 * DAY_US),
    ]
    (record,) = database.profiles([("member", "a")])
    assert record is not None and record.uid == uid
    before = len(live.by_clock())
    live.go(live.now_us + 10 * DAY_US)
    assert live.by_clock()[before:] == told
    with pytest.raises(NotFound, match=r"no segment fres .* Did you mean fresh\?"):
        database.foresight.changes(["fres"], within_us=1)
    with pytest.raises(InputInvalid, match="1,000 years"):
        database.foresight.changes(within_us=-1)


def test_time_passes_while_a_load_runs(live: MovingDatabase) -> None:
    """Who enters and leaves by time alone is no reason to refuse it."""
    database = live.database
    assert database.model is not None
    source = Source("crm", {"member": "id"})
    with database.bulk_load(source) as load:
        load.add(update_batch([{"member": "d", "size": 70}], database.model))
        before = database.data_version
        live.go(START_US + 4 * DAY_US)
        assert database.data_version > before, "somebody was due"
        load.finish()
    live.agree()
    with database.members("segment('awake')") as members:
        assert members.count == 1


def test_a_tick_waits_for_one_that_is_not_visible_yet(live: MovingDatabase) -> None:
    """Though nobody is due any more once that one has been carried out."""
    database, pipeline = live.database, live.database._live.pipeline
    live.go(START_US + 1)
    live.now_us = START_US + 2 * DAY_US  # b is due, and leaves `fresh`
    version = database.data_version
    failpoints.configure("apply.before_publish=sleep:300")
    try:
        pipeline.tick(wait=False)
        until = time.monotonic() + 5
        while pipeline.is_due and time.monotonic() < until:
            time.sleep(0.001)
        assert not pipeline.is_due and database.data_version == version
        database.tick()
    finally:
        failpoints.configure("")
    assert database.data_version == version + 1


def test_an_edit_waits_for_its_tick_and_for_nobody_else(tmp_path: Path) -> None:
    """Where others never stop writing, something is always on its way to be visible."""
    live = MovingDatabase(tmp_path / "store", {"fresh": "joined > now - 3 days"})
    database = live.database
    assert database.model is not None
    batch = update_batch([{"member": "a", "size": 1}], database.model)
    stops = threading.Event()
    failpoints.configure("apply.before_publish=sleep:20")

    def write() -> None:
        under_way: deque[Any] = deque()
        while not stops.is_set():
            under_way.append(database.submit(batch))
            while len(under_way) > 20:
                under_way.popleft().result()

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    edit = threading.Thread(target=lambda: live.apply({"old": "not joined > now - 3 days"}))
    edit.start()
    try:
        edit.join(10)
        is_done = not edit.is_alive()
    finally:
        stops.set()
        failpoints.configure("")
        for thread in (*writers, edit):
            thread.join()
        live.close()
    assert is_done
