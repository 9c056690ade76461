"""A writer killed at every named place of the engine, on one store."""

from __future__ import annotations

import random
from pathlib import Path

from engine.failpoints import NAMES
from tests.crash.running import run
from tests.skips import soaking

TIMES = 10 if soaking() else 1


def test_kills_at_every_failpoint(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    # In a slice of a tick writers are killed by tests of their own (test_killed_midnights.py).
    names = [name for name in NAMES if name != "apply.in_slice"]
    failpoints = [f"{name}=kill:{_count(name, chance)}" for name in names]
    lines = run("killed_ingest", tmp_path / "killed", seed, TIMES * len(names), *failpoints)
    assert [line.split(":")[0] for line in lines] == [
        f"survived {failpoint.split(':')[0]}" for failpoint in TIMES * failpoints
    ]


def _count(name: str, chance: random.Random) -> int:
    """At which passage of a place the writer ends. Its feed is trimmed once, at its first
    commit, and edits are rare."""
    if name.startswith("trim."):
        return 1
    return chance.randint(1, 2 if name.startswith("barrier.") else 4)
