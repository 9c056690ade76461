"""A store whose clock is far behind: it catches up in slices of time, and can be closed between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine import failpoints
from engine.errors import StoreUnwritable
from engine.live import pipeline, time_slices
from engine.live.change import Cause
from engine.live.time_slices import TimeSlices
from tests.moving_events import HOUR_US, EventDatabase
from tests.moving_worlds import DAY_US, START_US
from tests.updates import update_batch

pytestmark = pytest.mark.usefixtures("whole_feed")

YEAR_US = 366 * DAY_US
RULES = """\
scores:
  heat:
    rules:
    - {each: read, points: 1000, half_life: 60 days}
    - {each: order, points: -300, half_life: 100 days}
    - {when: "count(read in last 10 days) > 0", points: 5}
    bands: {cold: 0, warm: 3, hot: 200}
    hold: {hot: 150}
tag_rules:
- {tag: HOT, when: "band('heat') = 'hot'", keep: sticky}
"""
SEGMENTS = {
    "any": "score('heat') != 0",
    "warm": "score('heat') >= 3 and not size = 1",
    "fresh": "count(read in last 400 days) > 0",
}


@pytest.fixture(autouse=True)
def no_failpoints() -> Iterator[None]:
    yield
    failpoints.configure("")


def _made(path: Path) -> EventDatabase:
    live = EventDatabase(path, SEGMENTS, rules=RULES)
    for number in range(6):
        member = {"member": f"m{number}", "size": number}
        live.send({**member, "read": {"time": START_US - number * HOUR_US}})
        live.send({**member, "order": {"time": START_US + number * 40 * DAY_US % (DAY_US - 1)}})
    return live


def test_slices_grow_while_they_take_little_time() -> None:
    slices = TimeSlices()
    first = slices.length_us
    slices.took(1_000_000, 60)  # a tick that has not far to go says nothing of that
    assert slices.length_us == first
    slices.took(first, 0.01)
    assert slices.length_us > first
    for _ in range(9):
        slices.took(slices.length_us, 1000 * time_slices.TIME_SLICE_S)
    assert slices.length_us < first
    # Where each takes long whatever its length, shorter ones would only be more of them.
    slices = TimeSlices()
    for _ in range(5):
        slices.took(slices.length_us, 1000 * time_slices.TIME_SLICE_S)
    assert slices.length_us > first
    for _ in range(99):
        slices.took(slices.length_us, 9e9)
        slices.took(slices.length_us, 1.0)
    assert slices.length_us >= time_slices.TIME_SLICE_LEAST_US


def test_years_in_slices_are_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(_made(tmp_path / "few")) as few, closing(_made(tmp_path / "many")) as many:
        for live in (few, many):
            live.go(START_US + DAY_US)
        ticks = few.database.stats()["ticks"]
        monkeypatch.setattr(few.database._live.pipeline._time.slices, "length_us", 1 << 62)
        few.go(START_US + 9 * YEAR_US)
        assert few.database.stats()["ticks"] == ticks + 1
        few.agree()
        many.go(START_US + 9 * YEAR_US)
        assert many.database.stats()["ticks"] > ticks + 3
        many.agree()
        assert few.entries() == many.entries() and len(few.by_clock()) > 30


def test_what_fades_is_judged_where_somebody_may_enter_or_leave(tmp_path: Path) -> None:
    """Hours are 79,000, instants at which an event is worth something else about 5,000 each."""
    live = _made(tmp_path / "store")
    try:
        live.go(START_US + DAY_US)
        before = live.database.stats()
        live.go(START_US + 9 * YEAR_US)
        after = live.database.stats()
        told = len(live.by_clock())
        judged = after["tick_rows_evaluated"] - before["tick_rows_evaluated"]
        assert 0 < told < 100 and judged < 200 * told
        live.go(START_US + 19 * YEAR_US)  # nothing is left to fade
        later = live.database.stats()
        assert later["tick_rows_evaluated"] == after["tick_rows_evaluated"]
    finally:
        live.close()


def test_a_store_is_closed_while_it_catches_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two slices; the next opening goes on, and nothing is lost nor told twice."""
    whole = _made(tmp_path / "whole")
    whole.go(START_US + 9 * YEAR_US)
    expected = whole.entries()
    whole.close()
    monkeypatch.setattr(TimeSlices, "took", lambda *_: None)  # days, for years
    live = _made(tmp_path / "store")
    openings = 0
    for length_us in (DAY_US, 30 * DAY_US, 1 << 62):
        live.now_us = START_US + 9 * YEAR_US
        slices = live.database._live.pipeline._time.slices
        slices.length_us = length_us
        ticks = live.database.stats().get("ticks", 0)
        live.database._live.pipeline.tick(force=True, wait=length_us > YEAR_US)
        while live.database.stats().get("ticks", 0) < ticks + 1:
            time.sleep(0.001)
        openings += live.database._live.pipeline.behind_us > 0
        live.reopen()
    assert openings == 2
    live.agree()
    assert live.entries() == expected
    live.close()


def test_closing_waits_for_no_long_tick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left to the next opening, which finds it in the log."""
    monkeypatch.setattr(pipeline, "CLOSING_TICK_S", 0.0)
    live = _made(tmp_path / "store")
    live.go(START_US + DAY_US)
    live.now_us = START_US + 2 * DAY_US
    told = live.entries()
    ticks = live.database.stats()["ticks"]
    failpoints.configure("apply.before_block=sleep:300")
    live.database._live.pipeline.tick(force=True, wait=False)
    while not live.database._live.pipeline._applying:
        time.sleep(0.001)
    live.database.close()
    assert live.database._live.figures.all()["ticks"] == ticks
    failpoints.configure("")
    live.reopen()
    assert live.database.stats()["replayed_records"] == 1
    live.agree()
    assert live.entries()[: len(told)] == told and live.count("any") == 6
    live.close()


def test_batches_wait_until_the_clock_has_caught_up(tmp_path: Path) -> None:
    """They are judged at the time at which they come, not at that of the slice before."""
    live = _made(tmp_path / "store")
    try:
        live.now_us = START_US + 3 * YEAR_US
        live.send({"member": "late", "read": {"time": live.now_us}})
        entered = [one for one in live.entries() if one[2] == 6]
        assert {at for _, _, _, at in entered} == {START_US + 3 * YEAR_US}
        assert all(cause == Cause.UPDATE for cause, _, _, _ in entered)
    finally:
        live.close()


def test_what_waits_for_the_clock_is_refused_at_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TimeSlices, "took", lambda *_: None)
    live = _made(tmp_path / "store")
    live.now_us = START_US + 9 * YEAR_US
    answer = live.database.submit(update_batch([{"member": "late"}]))
    live.database.close()
    with pytest.raises(StoreUnwritable, match="before it had caught up"):
        answer.result(timeout=60)
    live.reopen()
    assert live.database.profile_count == 6
    live.close()


def test_commits_do_not_spin_while_a_tick_is_worked_out(tmp_path: Path) -> None:
    """Neither while somebody waits for it nor in closing: there is nothing to save until then."""
    live = _made(tmp_path / "store")
    live.go(START_US + DAY_US)
    live.now_us += DAY_US
    failpoints.configure("apply.before_block=sleep:1000")
    before = live.database.stats()["commits"]
    live.database._live.pipeline.tick(force=True)
    during = live.database.stats()["commits"] - before
    live.now_us += DAY_US
    live.database._live.pipeline.tick(force=True, wait=False)
    while not live.database._live.pipeline._applying:
        time.sleep(0.001)
    live.database.close()
    assert during < 15
    assert live.database._live.figures.all()["commits"] - before - during < 15
