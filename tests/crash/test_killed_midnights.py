"""A writer killed within a slice of a midnight: what was acknowledged is there, and what time does
is told once."""

from __future__ import annotations

import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.crash.midnight_writer import PEOPLE, SEGMENTS
from tests.crash.tracing import ROOT
from tests.moving_events import EventDatabase
from tests.moving_worlds import DAY_US, MONTH_END_US
from tests.sliced_ticks import by_row

_WRITER = [sys.executable, "-W", "ignore", "-m", "tests.crash.midnight_writer"]


def _killed(path: Path, passage: int, *, saves: bool) -> list[int]:
    """The people of whom a writer said that they are written."""
    done = subprocess.run(
        [*_WRITER, str(path), str(passage), str(int(saves))],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return [int(line) for line in done.stdout.split()]


@pytest.mark.parametrize("saves", [False, True], ids=["from the log", "saved on the way"])
@pytest.mark.parametrize("passage", [1, 2, 3, 4])
def test_killed_within_a_slice(passage: int, saves: bool, tmp_path: Path) -> None:
    path = tmp_path / "store"
    written = _killed(path, passage, saves=saves)
    assert len(written) >= 2 * (passage - 1), "slices before it were done"
    live = EventDatabase(path, now_us=MONTH_END_US + DAY_US // 2)
    try:
        live.agree()
        asked = [("member", f"m{person}") for person in range(PEOPLE)]
        for person, profile in enumerate(live.database.profiles(asked)):
            assert profile is not None
            assert person not in written or profile.attributes["size"] == 100 + person
        for entries in by_row(live).values():
            for name in SEGMENTS:
                sides = [what[0] for _, what, _ in entries if what[1:] == name]
                assert all(one != other for one, other in pairwise(sides)), "nothing is told twice"
        assert not live.count("fresh") and not live.count("month")
        assert live.count("today") == live.count("big") >= len(written)
    finally:
        live.close()
