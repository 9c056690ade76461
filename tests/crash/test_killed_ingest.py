"""A writer killed at random: what was acknowledged is there once, in columns, segments and feed."""

from __future__ import annotations

from pathlib import Path

from tests.crash.running import run
from tests.skips import soaking

ROUNDS = 200 if soaking() else 8


def test_kills_at_any_instant(tmp_path: Path, seed: int) -> None:
    lines = run("killed_ingest", tmp_path / "killed", seed, ROUNDS)
    assert len(lines) == ROUNDS
    assert all(line.startswith("survived at random") for line in lines)
