"""Scores, bands, tiers and tags over them under simulated time: after every step what is stored is
what they come to at that instant, however many steps the clock took and whatever went down."""

from __future__ import annotations

import random
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from tests.moving_events import HOUR_US, EventDatabase, event_updates
from tests.moving_worlds import (
    DAY_US,
    in_few_and_many_steps,
    in_spite_of_crashes,
    until_long_after,
)
from tests.scored_worlds import SCORE_RULES, SCORE_SEGMENTS
from tests.skips import soaking

pytestmark = pytest.mark.usefixtures("whole_feed")

ROUNDS = 30 if soaking() else 5


def _open(path: Path) -> EventDatabase:
    return EventDatabase(path, SCORE_SEGMENTS, rules=SCORE_RULES)


def _step_us(chance: random.Random) -> int:
    return chance.choice(
        (0, 1, HOUR_US, 7 * HOUR_US - 1, DAY_US, chance.randrange(3 * HOUR_US),
         chance.randrange(3 * DAY_US))
    )  # fmt: skip


def test_stored_is_recomputed_and_steps_do_not_matter(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    with closing(_open(tmp_path / "few")) as few, closing(_open(tmp_path / "many")) as many:
        steps = (_step_us(chance) for _ in range(ROUNDS))
        in_few_and_many_steps(
            few, many, chance, steps,
            lambda now_us: event_updates(chance, now_us, 12, chance.randrange(1, 12)),
        )  # fmt: skip
        until_long_after(few, many, chance)
        assert few.entries() == many.entries()
        assert few.database.stats()["hidden_events"] == many.database.stats()["hidden_events"]
        assert len(few.by_clock()) > ROUNDS


def test_a_crash_between_ticks_changes_nothing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    in_spite_of_crashes(
        _open,
        chance,
        (_step_us(chance) for _ in count()),
        ROUNDS,
        lambda now_us: event_updates(chance, now_us, 12, chance.randrange(1, 9)),
        tmp_path,
        monkeypatch,
    )
