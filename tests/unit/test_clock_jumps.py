"""A clock that jumps by days, both ways: no change is lost, and none is told twice.

The time of the log stands still where the clock is set back, until it is passed again. So a store
whose clock jumps is one whose clock only ever went forward, to the latest instant there was so far:
with the same feed, entry by entry.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.moving_events import EVENT_SEGMENTS, EventDatabase, event_updates
from tests.moving_worlds import DAY_US, START_US
from tests.scored_worlds import SCORE_RULES, SCORE_SEGMENTS
from tests.skips import soaking

pytestmark = pytest.mark.usefixtures("whole_feed")
ROUNDS = 200 if soaking() else 12
PEOPLE = 12
CHOSEN = ("readers", "silent", "gone", "today", "this_week", "answered", "overdue_kept", "soon")


def _open(path: Path) -> EventDatabase:
    segments = {name: EVENT_SEGMENTS[name] for name in CHOSEN} | SCORE_SEGMENTS
    return EventDatabase(path, segments, rules=SCORE_RULES)


def test_jumps_of_two_days_both_ways(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    jumping, steady = _open(tmp_path / "jumping"), _open(tmp_path / "steady")
    now_us = latest_us = START_US
    back = 0
    try:
        for _ in range(ROUNDS):
            now_us += chance.choice((-2 * DAY_US, 2 * DAY_US, chance.randrange(DAY_US), 1))
            back += now_us < latest_us
            latest_us = max(latest_us, now_us)
            jumping.now_us, steady.now_us = now_us, latest_us
            # What comes is dated as of the outside: late by days where the clock is set back.
            sent = event_updates(chance, now_us, PEOPLE, chance.randrange(1, 9))
            for live in (jumping, steady):
                if chance.random() < 0.3:
                    live.reopen()
                live.send(*sent)
                live.database.tick()
        jumping.now_us = steady.now_us = latest_us + 9 * DAY_US
        jumping.agree()
        steady.agree()
        assert jumping.entries() == steady.entries()
        told = jumping.by_clock()
        assert back and len(told) > ROUNDS
        inside: dict[tuple[str, int], str] = {}
        for _, what, row, _ in jumping.entries():
            if what[0] in "+-":
                assert inside.get((what[1:], row), "-") != what[0], "told twice"
                inside[what[1:], row] = what[0]
    finally:
        jumping.close()
        steady.close()
