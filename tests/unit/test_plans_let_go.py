"""What nobody needs any more goes at once, and with it the snapshot it speaks of: it would keep the
lock of a closed store."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.plan import Planner
from engine.database import Database
from tests.live_databases import LiveDatabase

MOVING = {
    "large": "size >= 10",
    "recent": "seen > now - 7 days",
    "quiet": "not segment('recent') and size < 100",
}


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_planners_are_no_circle(tmp_path: Path) -> None:
    before = _planners()
    live = LiveDatabase(tmp_path / "store", {"large": "size >= 10"})
    live.sizes(("a", 20), ("b", 3))
    assert live.members("segment('large') or size = 3") == ["a", "b"]
    live.database.close()
    assert _planners() == before


def test_a_store_lets_go_of_its_lock_though_nothing_came_after_a_tick(tmp_path: Path) -> None:
    path = tmp_path / "store"
    live = LiveDatabase(path, MOVING)
    live.database.tick()
    live.database.foresight.changes(within_us=10**12)
    live.database.close()
    del live
    Database.open(path).close()


def _planners() -> int:
    return sum(isinstance(one, Planner) for one in gc.get_objects())
