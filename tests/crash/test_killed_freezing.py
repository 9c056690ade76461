"""A frozen audience is there after a kill, whole, or it is not; one that was promised is there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from tests.crash.freezing_writer import PEOPLE
from tests.live_databases import LiveDatabase
from tests.skips import soaking

ROOT = Path(__file__).parents[2]
ROUNDS = 60 if soaking() else 6


def _killed(path: Path, first: int, failpoint: str, lines: int) -> list[list[str]]:
    """What a writer told before it was killed: at a named place, or after some lines."""
    command = [sys.executable, "-m", "tests.crash.freezing_writer", str(path), str(first)]
    environment = {**os.environ, "STRATA_FAILPOINTS": failpoint}
    told = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            told.append(line.split())
            if not failpoint and len(told) == lines:
                writer.kill()
        assert writer.wait() == -signal.SIGKILL
    return told


def test_killed_while_freezing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "store"
    there: dict[int, int] = {}
    first = 0
    for turn in range(ROUNDS):
        # The first edit of a new store is its model.
        place = ["", "barrier.before_commit", "barrier.after_commit"][turn % 3]
        failpoint = f"{place}=kill:{chance.randint(2, 8)}" if place else ""
        freezing = dropping = first
        for what, number, *count in _killed(path, first, failpoint, chance.randint(1, 12)):
            if what == "frozen":
                there[int(number)] = int(count[0])
                freezing = int(number) + 1
                dropping = int(number) if int(number) % 3 == 0 else -1
            else:
                del there[int(number)]
                dropping = -1
        live = LiveDatabase(path)
        with live.database as database:
            assert database.verify().is_sound
            found = {int(one.frozen.name[1:]): one.frozen for one in database.frozen.page()}
            under_way = set(found) ^ set(there)
            assert under_way <= {freezing, dropping}, (failpoint, under_way)
            for number, frozen in found.items():
                count = len(_members(live, frozen.name))
                assert count == frozen.count == there.get(number, count)
            assert set(found) >= set(there) - {dropping}
            there = {number: frozen.count for number, frozen in found.items()}
        first = freezing + 1
    assert there and max(there.values()) <= PEOPLE


def _members(live: LiveDatabase, name: str) -> list[str]:
    with live.database.frozen.members(name) as members:
        return [value for chunk in members.identifiers("member") for value in chunk]
