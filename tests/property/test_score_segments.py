"""Scores, bands, tiers and tags over them under simulated time: after every step what is stored is
what they come to at that instant, however many steps the clock took and whatever went down."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from engine.live import committing, flips
from tests.live_databases import only_the_log
from tests.moving_events import HOUR_US, EventDatabase, event_updates
from tests.moving_worlds import DAY_US, in_few_and_many_steps
from tests.scored_worlds import SCORE_RULES, SCORE_SEGMENTS
from tests.skips import soaking

ROUNDS = 30 if soaking() else 5


@pytest.fixture(autouse=True)
def whole_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weeks pass within a test, and the feed is kept from its beginning; of few people more flip
    than are kept ahead."""
    monkeypatch.setattr(flips, "FLIPS_AHEAD", 3)
    monkeypatch.setattr(committing, "FEED_KEPT_US", 1 << 62)


def _open(path: Path) -> EventDatabase:
    return EventDatabase(path, SCORE_SEGMENTS, rules=SCORE_RULES)


def _step_us(chance: random.Random) -> int:
    return chance.choice(
        (0, 1, HOUR_US, 7 * HOUR_US - 1, DAY_US, chance.randrange(3 * HOUR_US),
         chance.randrange(3 * DAY_US))
    )  # fmt: skip


def test_stored_is_recomputed_and_steps_do_not_matter(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    few, many = _open(tmp_path / "few"), _open(tmp_path / "many")
    try:
        steps = (_step_us(chance) for _ in range(ROUNDS))
        in_few_and_many_steps(
            few, many, chance, steps,
            lambda now_us: event_updates(chance, now_us, 12, chance.randrange(1, 12)),
        )  # fmt: skip
        # Until nearly everything has left its windows, and is worth nothing.
        end_us = few.now_us + 20 * DAY_US
        for at_us in sorted(chance.randint(few.now_us, end_us) for _ in range(12)):
            many.go(at_us)
        for live in (few, many):
            live.go(end_us)
            live.agree()
        assert few.entries() == many.entries()
        assert few.database.stats()["hidden_events"] == many.database.stats()["hidden_events"]
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
    kept, twin = _open(tmp_path / "kept"), _open(tmp_path / "twin")
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
            later_us = twin.now_us + _step_us(chance)
            twin = EventDatabase(copy, now_us=later_us)
            kept.now_us = later_us
        twin.agree()
        kept.agree()
        assert twin.entries() == kept.entries()
    finally:
        twin.close()
        kept.close()
