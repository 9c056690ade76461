"""A killed ingester: what was acknowledged is there once, in columns, segments and the feed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.failpoints import NAMES
from tests.crash.running import run
from tests.skips import soaking

ROUNDS = 200 if soaking() else 8


def test_kills_at_any_instant(tmp_path: Path, seed: int) -> None:
    lines = run("killed_ingest", tmp_path / "killed", seed, ROUNDS)
    assert len(lines) == ROUNDS and all(line.startswith("survived") for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_kills_at_every_named_place(name: str, tmp_path: Path, seed: int) -> None:
    count = seed % 4 + 1
    lines = run("killed_ingest", tmp_path / "killed", seed, 1, f"{name}=kill:{count}")
    assert len(lines) == 1
