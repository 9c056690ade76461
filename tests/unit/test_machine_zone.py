"""Answers do not depend on the time zone of the machine: days are those of the model's zone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Half an hour off full hours; one has summer time.
ZONES = ("America/St_Johns", "Asia/Kolkata")
# What reads and writes times: the calendar, files, text, windows, ticks, and the client.
TESTS = (
    "tests/unit/test_calendar.py",
    "tests/unit/test_day_starts.py",
    "tests/unit/test_reference_events.py",
    "tests/unit/test_event_borders.py",
    "tests/unit/test_cli_text.py",
    "tests/unit/test_loaders_cells.py",
    "tests/unit/test_loaders_query.py",
    "tests/unit/test_loaders_events.py",
    "tests/unit/test_ticks.py",
)


@pytest.mark.parametrize("zone", ZONES)
def test_tests_of_times_pass_anywhere(zone: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *TESTS],
        cwd=ROOT,
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"with TZ={zone}:\n{done.stdout[-4_000:]}{done.stderr[-1_000:]}"
