"""Power cuts: whatever was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.crash.running import run
from tests.crash.traced_writers import WRITERS
from tests.skips import soaking

IMAGES = 500 if soaking() else 40
LYING_IMAGES = 40


@pytest.mark.parametrize("writer", WRITERS)
def test_a_power_cut_loses_nothing_acknowledged(writer: str, tmp_path: Path, seed: int) -> None:
    *failures, outcomes = run("power_cuts", writer, tmp_path / "cuts", seed, IMAGES)
    assert failures == []
    tally = ast.literal_eval(outcomes)
    assert sum(tally.values()) == IMAGES and len(tally) == 4


@pytest.mark.parametrize("writer", ["commits", "ahead", "live"])
def test_a_disk_that_lies_about_syncs_is_noticed(writer: str, tmp_path: Path, seed: int) -> None:
    """Without syncs something must be lost; otherwise these images show nothing."""
    cuts = tmp_path / "cuts"
    *failures, outcomes = run("power_cuts", writer, cuts, seed, LYING_IMAGES, "--lying")
    assert len(failures) >= ast.literal_eval(outcomes)["failed"] > 5
