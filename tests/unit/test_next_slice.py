"""When the next slice of a tick is logged: while the one before is written, and no sooner; with it
the feed of what is visible."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.live.committing import Logged
from engine.live.pipeline import Pipeline
from tests.moving_events import HOUR_US, EventDatabase
from tests.moving_worlds import MONTH_END_US
from tests.sliced_ticks import cut_into_slices, spread_over_blocks

SEGMENTS = {"today": "count(read today) >= 1"}
PEOPLE = 24


@pytest.fixture
def live(
    whole_feed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EventDatabase]:
    """An hour before a month's end, with people in several blocks for whom it ends a window."""
    spread_over_blocks(monkeypatch)
    cut_into_slices(monkeypatch)
    made = EventDatabase(tmp_path / "store", SEGMENTS, zone="UTC", now_us=MONTH_END_US - HOUR_US)
    try:
        for number in range(PEOPLE):
            read = {"time": MONTH_END_US - HOUR_US, "page": "p"}
            made.send({"member": f"m{number}", "read": read})
        yield made
    finally:
        made.close()


def _takes_more(logged: Logged) -> bool:
    """Whether a slice took blocks along, and left some."""
    step = logged.step
    return step is not None and step.first < step.next < step.end


def _wait_for_the_next(pipeline: Pipeline) -> None:
    until = time.monotonic() + 5
    while not pipeline._logged and time.monotonic() < until:
        time.sleep(0.001)


def test_a_slice_is_logged_while_the_one_before_is_written(
    live: EventDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = live.database._live.pipeline
    look_ahead, apply = pipeline._applier.look_ahead, pipeline._applier.apply
    while_found: list[int] = []
    while_written: list[int] = []

    def looked_ahead(logged: Logged, *args: Any) -> None:
        if _takes_more(logged):
            time.sleep(0.02)
            while_found.append(len(pipeline._logged))
        look_ahead(logged, *args)

    def applied(logged: Logged, *args: Any, **more: Any) -> None:
        if _takes_more(logged):
            _wait_for_the_next(pipeline)
            while_written.append(len(pipeline._logged))
        apply(logged, *args, **more)

    monkeypatch.setattr(pipeline._applier, "look_ahead", looked_ahead)
    monkeypatch.setattr(pipeline._applier, "apply", applied)
    live.go(MONTH_END_US + 1)
    assert set(while_found) == {0}, "whoever comes meanwhile waits for one slice"
    assert set(while_written) == {1}, "one slice is in line"
    live.agree()


def test_a_slice_takes_the_feed_of_the_one_before_along(
    live: EventDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = live.database._live.pipeline
    look_ahead, apply = pipeline._applier.look_ahead, pipeline._applier.apply
    commit = pipeline._committer.commit
    while_lagging: list[int] = []

    def looked_ahead(logged: Logged, *args: Any) -> None:
        time.sleep(0.02)
        look_ahead(logged, *args)

    def applied(logged: Logged, *args: Any, **more: Any) -> None:
        if _takes_more(logged):
            _wait_for_the_next(pipeline)
        apply(logged, *args, **more)

    def committed(*args: Any, **more: Any) -> list[Logged]:
        lags = pipeline._committer.clock.lag is not None
        logged = commit(*args, **more)
        if lags:
            while_lagging.append(len(logged))
        return logged

    monkeypatch.setattr(pipeline._applier, "look_ahead", looked_ahead)
    monkeypatch.setattr(pipeline._applier, "apply", applied)
    monkeypatch.setattr(pipeline._committer, "commit", committed)
    live.go(MONTH_END_US + 1)
    assert set(while_lagging) == {1}, "no commit is for the feed alone"
    live.agree()
