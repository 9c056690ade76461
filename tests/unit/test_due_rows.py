"""Rows that are due are read once for all leaves that read the same of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.live.rows_read import BlockRead, RowsRead
from tests.moving_events import EventDatabase
from tests.moving_worlds import DAY_US, MONTH_END_US

SEGMENTS = {f"fresh{days}": f"seen > now - {days} days" for days in (3, 5, 7)}
PEOPLE = 12


def test_due_rows_are_read_once(
    whole_feed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = EventDatabase(tmp_path / "store", SEGMENTS, zone="UTC", now_us=MONTH_END_US - 9)
    some, read = BlockRead.some, []

    def counted(self: BlockRead, rows: object) -> RowsRead:
        found: RowsRead = some(self, rows)  # type: ignore[arg-type]
        read.append(found.rows.tolist())
        return found

    try:
        for number in range(PEOPLE):
            # Of each leaf two rows are due at once.
            seen = MONTH_END_US - (3, 5, 7)[number % 3] * DAY_US + number // 6
            live.send({"member": f"m{number}", "seen": seen})
        live.go(MONTH_END_US - 1)
        monkeypatch.setattr(BlockRead, "some", counted)
        live.go(MONTH_END_US)
        assert len(read) == 1 and len(read[0]) == PEOPLE // 2
        live.agree()
    finally:
        live.close()
