"""The programs by which whole blocks are judged, from one slice of a tick to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.live import whole_blocks
from engine.live.segment_plan import SegmentPlan
from tests.moving_worlds import DAY_US, START_US, MovingDatabase
from tests.sliced_ticks import cut_into_slices, slice_by_slice, spread_over_blocks

SEGMENTS = {"asleep": "seen < now - 2 days and stage = 'x'", "awake": "seen >= now - 2 days"}
BLOCKS = 4
PEOPLE = 6 * BLOCKS


@pytest.fixture(autouse=True)
def slices(whole_feed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one block each, of which any two rows are a mass."""
    spread_over_blocks(monkeypatch)
    cut_into_slices(monkeypatch)
    monkeypatch.setattr(whole_blocks, "MASS_ROWS", 2)


@pytest.mark.parametrize(("stage", "programs"), [("z", 1), ("x", 2)])
def test_a_program_serves_all_slices_unless_it_is_no_longer_right(
    stage: str, programs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that a segment asks for comes up between two slices, or another one."""
    made: list[int] = []

    class Counted(SegmentPlan):
        def __init__(self, *args: Any, **more: Any) -> None:
            made.append(more["now_us"])
            super().__init__(*args, **more)

    live = MovingDatabase(tmp_path / "store", SEGMENTS, now_us=START_US)
    try:
        seen_us = START_US - DAY_US
        for number in range(PEOPLE):
            live.send({"member": f"m{number}", "seen": seen_us, "stage": "y"})
        live.go(START_US + 1)
        monkeypatch.setattr(whole_blocks, "SegmentPlan", Counted)
        live.now_us = START_US + DAY_US + 1
        with slice_by_slice(live) as slices:
            slices.begin()
            slices.go(2)
            assert slices.lags and len(made) == 1
            # The row of the last is in a block that still lags.
            for number in (0, PEOPLE - 1):
                live.send({"member": f"m{number}", "stage": stage})
            slices.go(BLOCKS)
        live.agree()
        assert len(made) == programs and len(set(made)) == 1
        assert live.count("asleep") == (2 if stage == "x" else 0) and not live.count("awake")
    finally:
        live.close()
