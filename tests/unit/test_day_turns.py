"""Days that clocks are set back from: stretches of a day, and `days` over events in them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from engine.core.day_turns import day_stretches
from engine.rules.calendar import first_instant_us, local_day
from tests.moving_events import HOUR_US, EventDatabase
from tests.moving_worlds import DAY_US

# Clocks are set back one minute after midnight in the first, by a whole day in the second.
ZONES = [
    ("America/St_Johns", 2005), ("America/St_Johns", 1988), ("America/Juneau", 1867),
    ("Asia/Shanghai", 1988), ("Europe/Berlin", 2025), ("Pacific/Apia", 2011),
    ("America/Sao_Paulo", 2018), ("UTC", 2000),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "year"), ZONES)
@pytest.mark.parametrize("length", [1, 3, 400])
def test_stretches_show_one_day_each(zone: str, year: int, length: int) -> None:
    clock = ZoneInfo(zone)
    new_year = (year - 1970) * 36525 // 100
    for first in range(new_year, new_year + 366, 2 if length < 9 else 61):
        starts, repeated = day_stretches(first, first + length - 1, clock)
        assert (np.diff(starts) >= 0).all() and len(repeated) == len(starts) - 1
        # A day that is skipped has no instant.
        is_there = np.append(np.diff(starts) > 0, True)
        starts, repeated = starts[is_there], repeated[is_there[:-1]]
        shown = [local_day(at, clock) for at in starts.tolist()]
        ends = [local_day(at - 1, clock) for at in starts[1:].tolist()]
        assert shown[:-1] == ends
        asked = [local_day(first_instant_us(day, clock), clock) for day in (first, first + length)]
        assert shown[0] <= asked[0] and shown[-1] >= asked[1] and not repeated[:2].any()
        for place, again in enumerate(repeated.tolist()):
            known = shown[:place]
            assert (shown[place] in known) == again
            assert not again or shown[place] == shown[place - 2]


@pytest.mark.parametrize("around", [datetime(2005, 10, 30, 3), datetime(2005, 4, 3, 4)])
def test_days_are_those_that_calendars_show(tmp_path: Path, around: datetime) -> None:
    """Windows that begin on each of many days, so that what is looked at together ends at every
    place around the hour that comes twice."""
    zone = "America/St_Johns"
    clock = ZoneInfo(zone)
    middle_us = int(around.replace(tzinfo=UTC).timestamp()) * 10**6
    live = EventDatabase(tmp_path / "store", {}, zone=zone, now_us=middle_us + 99 * DAY_US)
    try:
        chance = random.Random(5)
        times: dict[str, list[int]] = {}
        for _ in range(8):
            updates = []
            for number in range(12):
                off = chance.choice((1, 1, 1, 40)) * chance.randrange(-HOUR_US, HOUR_US)
                if chance.random() < 0.3:  # the one minute before the clock is set back
                    off = -29 * HOUR_US // 60 - chance.randrange(1, HOUR_US // 60)
                at = middle_us + off + chance.choice((0, 0, 0, -3, 2, 61, 66, -140)) * DAY_US
                updates.append({"member": f"m{number}", "read": {"time": at}})
                times.setdefault(f"m{number}", []).append(at)
            live.send(*updates)
        rows = {name: row for row, name in enumerate(times)}
        for back in [*range(58, 68), 0, 1, 3, 130, 150]:
            from_us = middle_us - back * DAY_US
            start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=from_us)
            text = f"days(read since time '{start.isoformat()}')"
            found: dict[int, list[int]] = {}
            for name, of_row in times.items():
                shown = {local_day(at, clock) for at in of_row if at >= from_us}
                found.setdefault(len(shown), []).append(rows[name])
            assert live.database.count(f"{text} >= 0").count == len(times)
            for count, expected in found.items():
                with live.database.members(f"{text} = {count}") as members:
                    assert members.rows.tolist() == sorted(expected), (back, count)
    finally:
        live.close()
