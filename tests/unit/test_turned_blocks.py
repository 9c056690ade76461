"""A calendar that turns in a slice of a tick: what it does is told as in one piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.live import flip_outcome
from engine.live.event_cursors import EventCursors
from tests.moving_events import HOUR_US, EventDatabase
from tests.moving_worlds import DAY_US, MONTH_END_US
from tests.sliced_ticks import by_row, cut_into_slices, in_one_piece, spread_over_blocks

SEGMENTS = {
    "fresh": "seen > now - 3 days",
    "month": "count(read this month) >= 1",
    "today": "count(read today) >= 1 and size < 6",
    "either": "count(read today) >= 1 or seen <= now - 3 days",
    "rolling": "count(read this month) >= 1 and count(read in last 2 days) >= 1",
    "pages": "count(read where page = 'p' this month) >= 1 or size = 1",
}
PEOPLE = 24


def _people() -> list[dict[str, Any]]:
    """Some are seen, or have read, so that they flip beside midnight, some at it."""
    found = []
    for number in range(PEOPLE):
        off_us = (-2, -1, 0, 1, 2)[number % 5]
        member: dict[str, Any] = {"member": f"m{number}", "size": number % 7}
        if number % 3:
            member["seen"] = MONTH_END_US - 3 * DAY_US + off_us
        if number % 4:
            days = number % 3
            at_us = MONTH_END_US - days * DAY_US - (0 if days == 2 else HOUR_US) + off_us
            member["read"] = {"time": at_us, "page": "pq"[number % 2]}
        found.append(member)
    return found


@pytest.fixture(autouse=True)
def slices(whole_feed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four blocks."""
    spread_over_blocks(monkeypatch)
    cut_into_slices(monkeypatch)


@pytest.mark.parametrize("steps_us", [(9,), (-1, 9), (0, 1, 9), (-2, 2, DAY_US)], ids=str)
def test_a_turn_is_told_as_in_one_piece(
    steps_us: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is listed for it, and rows that flip beside it are told in the order of time."""
    taken: list[int] = []
    take = EventCursors.take

    def counted(self: EventCursors, *args: Any, **more: Any) -> Any:
        passed, turned, blocks_read = take(self, *args, **more)
        taken.append(sum(len(each.blocks) for each in turned.values()))
        return passed, turned, blocks_read

    start_us = MONTH_END_US - HOUR_US // 2
    cut, whole = (
        EventDatabase(tmp_path / name, SEGMENTS, zone="UTC", now_us=start_us) for name in "cw"
    )
    try:
        in_one_piece(whole)
        for live in (cut, whole):
            for member in _people():
                live.send(member)
            live.go(start_us + 1)
        monkeypatch.setattr(EventCursors, "take", counted)
        for step_us in steps_us:
            for live in (cut, whole):
                live.go(MONTH_END_US + step_us)
        assert sum(taken), "a calendar turned"
        assert cut.database.stats()["tick_slices"]
        assert by_row(cut) == by_row(whole)
        cut.agree(whole_feed=False)
    finally:
        cut.close()
        whole.close()


def test_few_rows_are_judged_by_all_segments_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each of these by its own flips alone: what is told, and how many rows were evaluated, is
    the same as segment by segment."""
    found = []
    for most in (0, 1024):
        monkeypatch.setattr(flip_outcome, "_FEW_FLIPS", most)
        path = tmp_path / str(most)
        live = EventDatabase(path, SEGMENTS, zone="UTC", now_us=MONTH_END_US - HOUR_US // 2)
        try:
            for member in _people():
                live.send(member)
            for step_us in (-1, 1, 9, 2 * DAY_US):
                live.go(MONTH_END_US + step_us)
            stats = live.database.stats()
            assert stats["tick_slices"] and stats["tick_rows_evaluated"]
            found.append((by_row(live), stats["tick_rows_evaluated"]))
            live.agree(whole_feed=False)
        finally:
            live.close()
    assert found[0] == found[1]
