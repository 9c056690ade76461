"""A stream that comes twice and in disorder, through killed processes, ends as one ordered pass."""

from __future__ import annotations

from pathlib import Path

from tests.crash.running import run
from tests.skips import soaking

EVENTS, KILLS = (1_000_000, 100) if soaking() else (20_000, 5)


def test_it_ends_as_in_order(tmp_path: Path, seed: int) -> None:
    (line,) = run("killed_events", tmp_path / "stores", seed, EVENTS, KILLS)
    assert line.startswith(f"survived {KILLS} kills, ")
    assert f" on the way, in {EVENTS * 6 // 5:,} records" in line
