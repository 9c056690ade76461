"""A plan that nobody needs any more goes at once, and with it the snapshot it speaks of: it would
keep the lock of a closed store."""

from __future__ import annotations

import gc
from pathlib import Path

from engine.core.plan import Planner
from tests.live_databases import LiveDatabase


def test_planners_are_no_circle(tmp_path: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        before = _planners()
        live = LiveDatabase(tmp_path / "store", {"large": "size >= 10"})
        live.sizes(("a", 20), ("b", 3))
        assert live.members("segment('large') or size = 3") == ["a", "b"]
        live.database.close()
        assert _planners() == before
    finally:
        gc.enable()


def _planners() -> int:
    return sum(isinstance(one, Planner) for one in gc.get_objects())
