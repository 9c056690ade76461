"""Segments over events that are kept, under simulated time: after every step the stored members
are those of the definition at that instant, the feed leads to them, and it is the same in however
many steps the clock moved."""

from __future__ import annotations

import random
import shutil
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.live import committing, flips
from tests.live_databases import only_the_log
from tests.moving_events import EVENT_SEGMENTS, HOUR_US, EventDatabase, event_updates
from tests.moving_worlds import DAY_US, in_few_and_many_steps
from tests.skips import soaking

ROUNDS = 40 if soaking() else 6

# Clocks are set back in Berlin on 2025-10-26; in Shanghai they were in 1986 to 1991, on Sundays; in
# St. John's in 2005, one minute after midnight, so that a day came twice.
STARTS = {
    "Europe/Berlin": datetime(2025, 10, 23, 22, 30),
    "Asia/Shanghai": datetime(1988, 9, 9, 12),
    "America/St_Johns": datetime(2005, 10, 29, 3),
}


@pytest.fixture(autouse=True)
def whole_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weeks pass within a test, and the feed is kept from its beginning; of few people more flip
    than are kept ahead."""
    monkeypatch.setattr(flips, "FLIPS_AHEAD", 3)
    monkeypatch.setattr(committing, "FEED_KEPT_US", 1 << 62)


def _start_us(zone: str) -> int:
    return int(STARTS[zone].replace(tzinfo=ZoneInfo("UTC")).timestamp()) * 10**6


def _step_us(chance: random.Random) -> int:
    return chance.choice(
        (0, 1, 10**6, HOUR_US, DAY_US, DAY_US - 1, chance.randrange(3 * HOUR_US), 2 * DAY_US,
         chance.randrange(3 * DAY_US))
    )  # fmt: skip


@pytest.mark.parametrize("zone", STARTS)
def test_stored_is_recomputed_and_steps_do_not_matter(zone: str, seed: int, tmp_path: Path) -> None:
    chance = random.Random(f"{seed} {zone}")
    start_us = _start_us(zone)
    few = EventDatabase(tmp_path / "few", EVENT_SEGMENTS, zone=zone, now_us=start_us)
    many = EventDatabase(tmp_path / "many", EVENT_SEGMENTS, zone=zone, now_us=start_us)
    try:
        steps = (_step_us(chance) for _ in range(ROUNDS))
        in_few_and_many_steps(
            few, many, chance, steps,
            lambda now_us: event_updates(chance, now_us, 12, chance.randrange(1, 12)),
        )  # fmt: skip
        # Until nearly everything that there is has left its windows.
        end_us = few.now_us + 20 * DAY_US
        for at_us in sorted(chance.randint(few.now_us, end_us) for _ in range(12)):
            many.go(at_us)
        for live in (few, many):
            live.go(end_us)
            live.agree()
        assert few.entries() == many.entries()
        assert len(few.by_clock()) > ROUNDS
    finally:
        few.close()
        many.close()


def test_a_crash_between_ticks_changes_nothing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk has, at any moment, is opened days later and catches up: with the same members
    and the same feed as a store that never stopped."""
    chance = random.Random(seed)
    start_us = _start_us("Europe/Berlin")
    kept = EventDatabase(tmp_path / "kept", EVENT_SEGMENTS, now_us=start_us)
    twin = EventDatabase(tmp_path / "twin", EVENT_SEGMENTS, now_us=start_us)
    try:
        for round_ in range(ROUNDS):
            with monkeypatch.context() as patched:
                if round_ % 3:
                    only_the_log(patched)
                for _ in range(chance.randrange(1, 4)):
                    updates = event_updates(chance, twin.now_us, 12, chance.randrange(1, 9))
                    for live in (kept, twin):
                        live.send(*updates)
                    later_us = twin.now_us + _step_us(chance)
                    kept.go(later_us)
                    twin.go(later_us)
                copy = tmp_path / f"copy{round_}"
                copy.mkdir()
                with twin.database._store._writing:
                    shutil.copy(twin.path / "data.mdb", copy)
            twin.close()
            # Away for a while, and the first thing that comes is a batch or a tick.
            later_us = twin.now_us + _step_us(chance)
            twin = EventDatabase(copy, now_us=later_us)
            kept.now_us = later_us
            if chance.random() < 0.5:
                twin.agree()
                kept.agree()
        twin.agree()
        kept.agree()
        assert twin.entries() == kept.entries()
    finally:
        twin.close()
        kept.close()
