"""What nobody needs any more goes at once, and with it the snapshot it speaks of: it would keep the
lock of a closed store."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.core.plan import Planner
from engine.live.moving_plan import MovingPlan
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
    before = _alive(Planner)
    live = LiveDatabase(tmp_path / "store", {"large": "size >= 10"})
    live.sizes(("a", 20), ("b", 3))
    assert live.members("segment('large') or size = 3") == ["a", "b"]
    live.database.close()
    assert _alive(Planner) == before


def test_a_store_lets_go_of_its_lock_though_nothing_came_after_a_tick(tmp_path: Path) -> None:
    before = _alive(MovingPlan)
    live = LiveDatabase(tmp_path / "store", MOVING)
    live.database.tick()
    assert _alive(MovingPlan) > before
    live.database.close()
    del live
    # Opening it in this process would collect what it finds in its way.
    assert _alive(MovingPlan) == before


def _alive(kind: type) -> int:
    return sum(isinstance(one, kind) for one in gc.get_objects())
