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
    # Once is enough for the feed to be trimmed: it happens at the first commit of a writer.
    counts = {name: 1 if name.startswith("trim.") else chance.randint(1, 4) for name in NAMES}
    failpoints = [f"{name}=kill:{count}" for name, count in counts.items()]
    lines = run("killed_ingest", tmp_path / "killed", seed, TIMES * len(NAMES), *failpoints)
    assert [line.split(":")[0] for line in lines] == [
        f"survived {failpoint.split(':')[0]}" for failpoint in TIMES * failpoints
    ]
