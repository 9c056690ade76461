"""Calls that fail: refused in words, and whatever was acknowledged is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.crash.running import run
from tests.crash.traced_writers import WRITERS
from tests.crash.tracing import build_tracer, environment_for
from tests.skips import soaking

FAILURES = 2_000 if soaking() else 12


@pytest.mark.parametrize("writer", WRITERS)
def test_a_failing_call_is_refused_in_words(writer: str, tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "failing"
    folder.mkdir()
    environment = environment_for(build_tracer(tmp_path), folder)
    arguments = (writer, folder, seed, FAILURES)
    *failures, outcomes = run("failing_calls", *arguments, environment=environment)
    assert failures == []
    assert {"done", "refused"} >= set(ast.literal_eval(outcomes))
