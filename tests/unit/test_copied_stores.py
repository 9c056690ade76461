"""Copies of a store that go different ways in one process, as a restored backup may."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live_databases import copy_store
from tests.moving_events import EventDatabase
from tests.moving_worlds import START_US

RULE = "last_value(read.page) = '{}'"


@pytest.mark.parametrize("pages", ["pqr", "rqp"])
def test_strings_are_ordered_as_each_has_them(pages: str, tmp_path: Path) -> None:
    """Of two pages read at one instant the last value is the greater, whatever codes the other copy
    gave to as many pages."""
    first = EventDatabase(tmp_path / "first", {"still": "size >= 5"})
    copy_store(first.database, tmp_path / "copy")
    second = EventDatabase(tmp_path / "copy")
    try:
        for live, order in ((first, "prq"), (second, pages)):
            for page in order:
                live.send({"member": "m", "read": {"time": START_US, "page": page}})
            assert [live.database.count(RULE.format(page)).count for page in "pqr"] == [0, 0, 1]
    finally:
        second.close()
        first.close()
