"""What fading does over a long time, found between bounds: the same as when each hour is judged.

Definitions that hold only for a while, so that they say the same at both ends of the time: bounds
that are too narrow leave that out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.live import moving_plan
from tests.moving_events import EventDatabase
from tests.moving_worlds import DAY_US, START_US

pytestmark = pytest.mark.usefixtures("whole_feed")

RULES = """\
scores:
  slow: {rules: [{each: read, points: 50, half_life: 20 days}]}
  fast: {rules: [{each: read, points: 100, half_life: 2 days}]}
  dip:
    rules:
    - {each: read, points: 60, half_life: 20 days}
    - {each: order, points: -80, half_life: 3 days, at_most: 75}
    - {when: "score('slow') < 20", points: -5}
    - {when: "not score('fast') > 30", points: 7}
    floor: -10
    ceiling: 58.5
"""
SEGMENTS = {
    "over": "score('slow') > score('fast')",
    "under": "0 > score('fast') - score('slow')",
    "twice": "2 * score('fast') - 3 * score('slow') < -0.5",
    "near": "score('slow') - score('fast') between 5 and 20",
    "exact": "score('dip') in (20, 30, 33.75) or score('slow') = 25",
    "not_exact": "score('slow') != 25",
    "top": "score('dip') >= 58.5",
    "bottom": "score('dip') <= -10",
    "mid": "score('dip') > 10 and not score('dip') > 50",
    "doubles": "weight + score('dip') > 40.5",
    "apart": "score('dip') > 30 or score('fast') > 60 and score('slow') < 49",
}


def test_what_holds_for_a_while_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stretches, hours = (
        EventDatabase(tmp_path / name, SEGMENTS, rules=RULES) for name in ("stretches", "hours")
    )
    end_us = START_US + 700 * DAY_US
    try:
        for live in (stretches, hours):
            live.database._live.pipeline._time.slices.length_us = 1 << 62  # all of it in one tick
            live.send(
                {"member": "a", "weight": 1.5, "read": {"time": START_US}},
                {"member": "b", "read": {"time": START_US - DAY_US}, "order": {"time": START_US}},
                {"member": "c", "weight": -3.0, "order": {"time": START_US - 9}},
            )
            live.now_us = end_us
        stretches.agree()
        monkeypatch.setattr(moving_plan, "FADING_US", 1 << 62)
        hours.agree()
        assert stretches.entries() == hours.entries()
        told = [what for what, _, _ in stretches.by_clock()]
        for name in ("over", "under", "twice", "near", "exact", "not_exact", "mid"):
            assert f"+{name}" in told and f"-{name}" in told, name
    finally:
        stretches.close()
        hours.close()
