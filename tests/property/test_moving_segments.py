"""Segments that move with the clock, under simulated time: after every step the stored members
are those of the definition at that instant, the feed leads to them, and it is the same in however
many steps the clock moved."""

from __future__ import annotations

import random
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from tests.fact_worlds import FACT_RULES, OTHER_RULES, FactDatabase, fact_updates
from tests.moving_worlds import (
    DAY_US,
    START_US,
    MovingDatabase,
    in_few_and_many_steps,
    in_spite_of_crashes,
    random_updates,
)
from tests.skips import soaking

pytestmark = pytest.mark.usefixtures("whole_feed")

ROUNDS = 60 if soaking() else 8
ZONES = ("Europe/Berlin", "Asia/Shanghai", "UTC")


def _step_us(chance: random.Random) -> int:
    """From nothing to some days; often to the microsecond at which something may happen."""
    return chance.choice(
        (0, 1, 2, 10**6, 10**6 + 1, DAY_US, DAY_US - 1, 2 * DAY_US, chance.randrange(3 * DAY_US))
    )


@pytest.mark.parametrize("zone", ZONES)
def test_stored_is_recomputed_and_steps_do_not_matter(zone: str, seed: int, tmp_path: Path) -> None:
    chance = random.Random(f"{seed} {zone}")
    with (
        closing(MovingDatabase(tmp_path / "few", zone=zone)) as few,
        closing(MovingDatabase(tmp_path / "many", zone=zone)) as many,
    ):
        # The last ones are long, so that time moves whatever is drawn.
        drawn = (_step_us(chance) for _ in range(ROUNDS - 2))
        steps = (*drawn, 3 * DAY_US, 2 * DAY_US)
        in_few_and_many_steps(
            few, many, chance, steps,
            lambda now_us: random_updates(chance, now_us, 30, chance.randrange(1, 12)),
        )  # fmt: skip
        assert few.entries() == many.entries()
        assert len(few.by_clock()) > ROUNDS


@pytest.mark.parametrize("zone", ZONES[:1])
def test_facts_are_those_of_a_slow_model(zone: str, seed: int, tmp_path: Path) -> None:
    """Sticky tags that read each other, live ones and tiers, through updates that take tags away,
    time in few steps and many, edits and restarts."""
    chance = random.Random(f"{seed} {zone} facts")
    with (
        closing(FactDatabase(tmp_path / "few", zone=zone)) as few,
        closing(FactDatabase(tmp_path / "many", zone=zone)) as many,
    ):
        for round_ in range(ROUNDS):
            in_few_and_many_steps(
                few, many, chance, [_step_us(chance)],
                lambda now_us: fact_updates(chance, now_us, 30, chance.randrange(1, 12)),
            )  # fmt: skip
            if round_ % 4 == 3:
                rules = OTHER_RULES if round_ % 8 == 3 else FACT_RULES
                few.edit(rules)
                many.edit(rules)
        assert few.entries() == many.entries()
        assert few.database.stats()["hidden_events"] == many.database.stats()["hidden_events"]


def test_a_crash_between_ticks_changes_nothing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    in_spite_of_crashes(
        MovingDatabase,
        chance,
        (_step_us(chance) for _ in count()),
        ROUNDS,
        lambda now_us: random_updates(chance, now_us, 30, chance.randrange(1, 9)),
        tmp_path,
        monkeypatch,
        ticked=True,
    )


def test_the_exact_instants_are_told(tmp_path: Path) -> None:
    """Closed and strict bounds differ by a microsecond, and equality lasts for one."""
    live = MovingDatabase(tmp_path / "store")
    try:
        live.send({"member": "a", "joined": START_US, "seen": START_US, "size": 1})
        live.go(START_US + 10 * DAY_US)
        found = {what: at - START_US for what, _, at in live.by_clock()}
        assert found["-fresh"] == 3 * DAY_US and found["-kept_on"] == 3 * DAY_US + 1
        assert found["+exact"] == DAY_US and found["-exact"] == DAY_US + 1
        live.agree()
    finally:
        live.close()
