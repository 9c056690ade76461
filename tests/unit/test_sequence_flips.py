"""Sequences, and conditions with `now`, as time passes: the exact instants."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.live import event_timelines
from tests.moving_events import EventDatabase
from tests.moving_worlds import DAY_US, START_US


def told(live: EventDatabase) -> dict[str, int]:
    """Everything that time did: what, and how long after the start."""
    return {what: at - START_US for what, _, at in live.by_clock()}


def opened(path: Path, segments: dict[str, str]) -> EventDatabase:
    """A database in Shanghai, where START_US is 16:53:20."""
    return EventDatabase(path / "store", segments, zone="Asia/Shanghai")


def test_read_and_not_ordered_within_three_days(tmp_path: Path) -> None:
    """At exactly three days, without a microsecond more; and nobody looks at anybody before."""
    silent = "sequence(read where page = 'p' then no order within 3 days)"
    live = opened(tmp_path, {"lost": f"{silent} and count(order) = 0"})
    try:
        live.send(
            {"member": "a", "read": {"time": START_US, "page": "p"}},
            {"member": "b", "read": {"time": START_US, "page": "q"}},
            {"member": "c", "read": {"time": START_US, "page": "p"}},
        )
        live.go(START_US + 2 * DAY_US)
        live.send({"member": "c", "order": {"time": START_US + 2 * DAY_US}})
        live.go(START_US + 2 * DAY_US + 1)
        before = live.database.stats()["tick_blocks_read"]
        live.go(START_US + 3 * DAY_US - 1)
        assert live.count("lost") == 0 and live.by_clock() == []
        assert live.database.stats()["tick_blocks_read"] == before, "nobody was due"
        live.go(START_US + 3 * DAY_US)
        assert live.by_clock() == [("+lost", 0, START_US + 3 * DAY_US)]
        live.agree()
        live.go(START_US + 9 * DAY_US)
        assert len(live.by_clock()) == 1
        live.send({"member": "a", "order": {"time": START_US + 9 * DAY_US}})
        assert live.count("lost") == 0
        live.agree()
    finally:
        live.close()


@pytest.mark.parametrize(("late_us", "stays"), [(3 * DAY_US, False), (3 * DAY_US + 1, True)])
def test_a_late_event_breaks_the_silence(tmp_path: Path, late_us: int, stays: bool) -> None:
    """One that lies exactly D after the step, or a microsecond later; and none once it is gone."""
    live = opened(tmp_path, {"lost": "sequence(read then no order within 3 days)"})
    try:
        live.send({"member": "a", "read": {"time": START_US}})
        live.go(START_US + 5 * DAY_US)
        assert live.count("lost") == 1
        live.send({"member": "a", "order": {"time": START_US + late_us, "id": "o"}})
        assert live.count("lost") == stays
        live.agree()
        live.send({"member": "a", "order": {"time": START_US + late_us, "id": "o", "gone": True}})
        assert live.count("lost") == 1
        live.agree()
    finally:
        live.close()


def test_steps_windows_and_silence(tmp_path: Path) -> None:
    live = opened(
        tmp_path,
        {
            "both": "sequence(read then order within 1 day)",
            "recent": "sequence(read then order within 1 day in last 2 days)",
            "early": "sequence(read then order within 1 day before now - 1 day)",
            "quiet": "sequence(read then order within 1 day then no read within 36 hours)",
            "other_day": "sequence(read then order within 1 day yesterday)",
            "after_silence": "sequence(read then no read within 1 hour then order within 3 hours)",
            "too_soon": "sequence(read then no read within 3 hours then order within 4 hours)",
        },
    )
    try:
        hour_us = DAY_US // 24
        live.send(
            {"member": "a", "read": {"time": START_US}},
            {"member": "a", "order": {"time": START_US + 2 * hour_us}},
        )
        live.go(START_US + 20 * DAY_US)
        midnight_us = 7 * hour_us + 400 * 10**6
        assert told(live) == {
            "+both": 2 * hour_us,
            "+after_silence": 2 * hour_us,
            "+recent": 2 * hour_us,
            "-recent": 2 * DAY_US,
            "+early": DAY_US + 1,
            "+quiet": 38 * hour_us,
            "+other_day": midnight_us,
            "-other_day": midnight_us + DAY_US,
        }
        live.agree()
    finally:
        live.close()


def test_conditions_with_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event starts to pass its condition, and ceases to, at an instant of its own."""
    # Events of several rows and instants are looked at a few at a time.
    monkeypatch.setattr(event_timelines, "EVENTS_AT_A_TIME", 2)
    live = opened(
        tmp_path,
        {
            "overdue": "count(order where due < now) > 0",
            "all_due": "count(order where due <= now and pieces > 1) >= 2",
            "ahead": "sum(order.pieces where due > now in last 30 days) >= 3",
            "at": "count(order where now - due = 1 day) > 0",
            "late_quiet": "sequence(order where due < now then no read within 10 days)",
            "opened": "count(order where now > time '2025-10-12T00:00:00Z') > 0",
        },
    )
    try:
        day = 20_371  # in Shanghai it begins 2025-10-09T16:00Z
        zone_us = 8 * DAY_US // 24
        live.send(
            {"member": "a", "order": {"time": START_US, "due": day + 2, "pieces": 2, "id": "1"}},
            {"member": "a", "order": {"time": START_US, "due": day + 3, "pieces": 2, "id": "2"}},
        )
        live.agree()
        live.go(START_US + 40 * DAY_US)
        first_us = (day + 2) * DAY_US - zone_us - START_US
        assert told(live) == {
            "+overdue": first_us + 1,
            "+all_due": first_us + DAY_US,
            "-ahead": first_us,
            "+at": first_us + 2 * DAY_US,
            "-at": first_us + 2 * DAY_US + 1,
            "+late_quiet": 10 * DAY_US,
            "+opened": 1_760_227_200_000_001 - START_US,
        }
        assert [what for what, _, _ in live.by_clock()].count("+at") == 2
        live.agree()
    finally:
        live.close()
