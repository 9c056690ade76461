"""A tick cut into slices, with batches in between, comes to the same as in one piece: the same
members, the same feed of each profile, before and after a crash in the middle of it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.live import whole_blocks
from engine.rules.bound_facts import facts_read
from tests.fact_worlds import FACT_RULES, FACT_SEGMENTS, fact_updates
from tests.live_databases import only_the_log
from tests.moving_events import EVENT_SEGMENTS, HOUR_US, EventDatabase, event_updates
from tests.moving_worlds import (
    DAY_US,
    MovingDatabase,
    random_updates,
)
from tests.property.test_event_segments import EACH_RULES
from tests.scored_worlds import SCORE_RULES, SCORE_SEGMENTS
from tests.skips import soaking
from tests.sliced_ticks import (
    by_row,
    cut_into_slices,
    in_one_piece,
    slice_by_slice,
    spread_over_blocks,
)

ROUNDS = 40 if soaking() else 8
PEOPLE = 24

World = tuple[
    Callable[[Path], MovingDatabase], Callable[[random.Random, int, int], list[dict[str, Any]]]
]
WORLDS: dict[str, World] = {
    "instants": (
        lambda path: MovingDatabase(path),
        lambda chance, now_us, size: random_updates(chance, now_us, PEOPLE, size),
    ),
    "events": (
        lambda path: EventDatabase(path, EVENT_SEGMENTS),
        lambda chance, now_us, size: event_updates(chance, now_us, PEOPLE, size),
    ),
    "scores": (
        lambda path: EventDatabase(path, SCORE_SEGMENTS, rules=SCORE_RULES),
        lambda chance, now_us, size: event_updates(chance, now_us, PEOPLE, size),
    ),
    "facts": (
        lambda path: MovingDatabase(path, FACT_SEGMENTS, rules=FACT_RULES),
        lambda chance, now_us, size: fact_updates(chance, now_us, PEOPLE, size),
    ),
    "each": (
        lambda path: EventDatabase(
            path,
            {"fresh": "count(read in last 2 days) > 0"},
            # Where tags are told that events name, ticks are in one piece.
            rules=EACH_RULES[EACH_RULES.index("actions:") :],
        ),
        lambda chance, now_us, size: event_updates(chance, now_us, PEOPLE, size),
    ),
}


@pytest.fixture(autouse=True)
def slices(whole_feed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the beginning of a test."""
    spread_over_blocks(monkeypatch)
    cut_into_slices(monkeypatch)


def _step_us(chance: random.Random) -> int:
    return chance.choice(
        (1, 10**6, HOUR_US, DAY_US, DAY_US - 1, 2 * DAY_US, chance.randrange(3 * DAY_US))
    )


def _read_alike(cut: MovingDatabase, whole: MovingDatabase) -> None:
    """Whoever asks in the middle of a tick is told what is so at that instant; but facts come with
    their block."""
    in_force = cut.database._live.in_force
    assert in_force is not None
    for name in in_force.model.segments:
        if facts_read(in_force.segments.definitions[name].says):
            continue
        with whole.database.members(f"segment('{name}')") as there:
            rows = there.rows.tolist()
        with cut.database.members(f"segment('{name}')") as here:
            assert here.rows.tolist() == rows, name


def _slices(live: MovingDatabase) -> int:
    found: int = live.database.stats().get("tick_slices", 0)
    return found


@pytest.mark.parametrize("world", WORLDS)
def test_slices_and_one_piece_are_the_same(
    world: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, updates = WORLDS[world]
    chance = random.Random(f"{seed} {world}")
    if chance.random() < 0.5:
        # Two are a mass of those who flip together.
        monkeypatch.setattr(whole_blocks, "MASS_ROWS", 2)
    cut, whole = opened(tmp_path / "cut"), opened(tmp_path / "whole")
    in_one_piece(whole)
    beside = 0
    try:
        for round_ in range(5 * ROUNDS):
            if round_ >= ROUNDS and beside and _slices(cut):
                break
            cut.now_us = whole.now_us = cut.now_us + _step_us(chance)
            whole.database.tick()
            with slice_by_slice(cut, saves=chance.random() < 0.5) as slices:
                slices.begin()
                for _ in range(chance.randrange(4)):
                    beside += slices.lags
                    slices.go(chance.randrange(3))
                    _read_alike(cut, whole)
                    sent = updates(chance, cut.now_us, chance.randrange(1, 9))
                    for live in (cut, whole):
                        live.send(*sent)
                    if chance.random() < 0.7:
                        cut.now_us = whole.now_us = cut.now_us + chance.choice((0, 1, HOUR_US))
                if chance.random() < 0.4:
                    # What the disk has now is opened, and goes on from there.
                    copy = tmp_path / f"copy{round_}"
                    copy.mkdir()
                    with cut.database._store._writing:
                        shutil.copy(cut.path / "data.mdb", copy)
                else:
                    copy = None
            if copy is not None:
                cut.close()
                cut = type(cut)(copy, now_us=whole.now_us)
            whole.agree()
            cut.agree()
            assert by_row(cut) == by_row(whole)
            if chance.random() < 0.3:
                with monkeypatch.context() as patched:
                    only_the_log(patched)
                    sent = updates(chance, cut.now_us, 5)
                    for live in (cut, whole):
                        live.send(*sent)
        # Of the database that was opened last.
        assert beside and _slices(cut) > 0
    finally:
        cut.close()
        whole.close()
