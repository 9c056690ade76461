"""Power cuts and failing calls: whatever was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.crash.running import run
from tests.crash.tracing import build_tracer, environment_for
from tests.skips import soaking

WRITERS = ("create", "commits", "load")
IMAGES = 700 if soaking() else 40
FAILURES = 2_000 if soaking() else 12


@pytest.mark.parametrize("writer", WRITERS)
def test_a_power_cut_loses_nothing_acknowledged(writer: str, tmp_path: Path, seed: int) -> None:
    *failures, outcomes = run("power_cuts", writer, tmp_path / "cuts", seed, IMAGES)
    assert failures == []
    tally = ast.literal_eval(outcomes)
    assert sum(tally.values()) == IMAGES and len(tally) == 4


def test_a_disk_that_lies_about_syncs_is_noticed(tmp_path: Path, seed: int) -> None:
    """Without syncs something must be lost; otherwise these images show nothing."""
    *failures, outcomes = run("power_cuts", "commits", tmp_path / "cuts", seed, 40, "--lying")
    assert len(failures) >= ast.literal_eval(outcomes)["failed"] > 5


@pytest.mark.parametrize("writer", WRITERS)
def test_a_failing_call_is_refused_in_words(writer: str, tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "failing"
    folder.mkdir()
    environment = environment_for(build_tracer(tmp_path), folder)
    arguments = (writer, folder, seed, FAILURES)
    *failures, outcomes = run("failing_calls", *arguments, environment=environment)
    assert failures == []
    assert {"done", "refused"} >= set(ast.literal_eval(outcomes))
