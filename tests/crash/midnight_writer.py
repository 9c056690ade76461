"""A writer beside a midnight that is cut into slices, to be killed in one of them.

    python -m tests.crash.midnight_writer STORE PASSAGE SAVES

Twenty-four people in four blocks, who read; then a month ends, and behind each slice two of them
are written to. The writer ends in the slice of that number. With SAVES (1, else 0) each commit
saves what it can. The number of a person is printed once its size, 100 and that, is visible.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from engine.failpoints import configure
from tests.moving_events import HOUR_US, EventDatabase
from tests.moving_worlds import DAY_US, MONTH_END_US
from tests.sliced_ticks import cut_into_slices, slice_by_slice, spread_over_blocks

__all__ = ["PEOPLE", "SEGMENTS"]

SEGMENTS = {
    "month": "count(read this month) >= 1",
    "today": "count(read today) >= 1 or size >= 100",
    "fresh": "seen > now - 3 days",
    "big": "size >= 100",
}
BLOCKS = 4
PEOPLE = 6 * BLOCKS


def people() -> list[dict[str, Any]]:
    """Most flip at midnight, some a little later."""
    return [
        {
            "member": f"m{number}",
            "size": number % 7,
            "seen": MONTH_END_US - 3 * DAY_US + number % 3,
            "read": {"time": MONTH_END_US - (number % 4) * DAY_US - HOUR_US, "page": "p"},
        }
        for number in range(PEOPLE)
    ]


def main(path: Path, passage: int, *, saves: bool) -> None:
    """Writes until it is killed."""
    monkeypatch = pytest.MonkeyPatch()
    spread_over_blocks(monkeypatch)
    cut_into_slices(monkeypatch)
    live = EventDatabase(path, SEGMENTS, zone="UTC", now_us=MONTH_END_US - HOUR_US)
    for one in people():
        live.send(one)
    live.go(MONTH_END_US - 1)
    configure(f"apply.in_slice=kill:{passage}")
    live.now_us = MONTH_END_US + 5
    with slice_by_slice(live, saves=saves) as slices:
        slices.begin()
        for number in range(BLOCKS):
            slices.go(1)
            for person in (number, PEOPLE - 1 - number):
                live.send({"member": f"m{person}", "size": 100 + person})
                print(person, flush=True)
    live.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), saves=sys.argv[3] == "1")
