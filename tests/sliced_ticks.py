"""Ticks that are cut into slices of one block, with whatever comes in between, held against a
database whose ticks are in one piece."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any, Protocol

import pytest

from engine.database import Database
from engine.live import committing, due_time, moving_plan
from engine.live.resolving import Resolver
from tests.moving_worlds import MovingDatabase

__all__ = ["by_row", "cut_into_slices", "in_one_piece", "slice_by_slice", "spread_over_blocks"]

_BLOCK_ROWS = 1 << 16
_BLOCKS = 4


def spread_over_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """New profiles come at the beginning and at the end of four blocks, and leave the rows between
    to nobody."""
    resolve = Resolver.resolve

    def spread(self: Resolver, *args: Any, **more: Any) -> Any:
        block, inside = divmod(self._next_row, _BLOCK_ROWS)
        if 3 <= inside < _BLOCK_ROWS - 3 and block < _BLOCKS:
            self._next_row += _BLOCK_ROWS - 3 - inside
        return resolve(self, *args, **more)

    monkeypatch.setattr(Resolver, "resolve", spread)


def cut_into_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tick that has anything to do, however far it goes."""
    monkeypatch.setattr(due_time, "SLICED_BLOCK_LOOKS", -1)
    for module in (due_time, committing):
        monkeypatch.setattr(module, "LAG_MOST_US", 1 << 62)
    monkeypatch.setattr(moving_plan, "FADING_US", 1 << 62)


def in_one_piece(live: MovingDatabase) -> None:
    """No tick of a database is cut, for as long as it is open."""
    live.database._live.pipeline._time.is_much = lambda in_force: False  # type: ignore[method-assign]


class _Live(Protocol):
    """Whoever has an open database."""

    @property
    def database(self) -> Database: ...


class slice_by_slice:
    """While it is entered, a database whose ticks are cut goes on by as many slices as it is told
    to; then on to the end. With `saves` each commit saves what it can."""

    def __init__(self, live: _Live, *, saves: bool = False) -> None:
        self._saves = saves
        self._live = live
        self._committer = live.database._live.pipeline._committer
        self._left = 0

    def __enter__(self) -> slice_by_slice:
        commit = self._committer.commit

        def held_up(batches: Any, resolver: Any, **more: Any) -> Any:
            if not batches and not self._left:
                time.sleep(0.002)
            more["blocks"] = min(1, self._left)
            more["save_more"] |= self._saves
            logged = commit(batches, resolver, **more)
            self._left -= sum(one.step.next - one.step.first for one in logged if one.step)
            return logged

        self._committer.commit = held_up  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        del self._committer.commit  # type: ignore[method-assign]

    def begin(self) -> None:
        """Asks for a tick, of which nothing is done before it is told to."""
        pipeline = self._live.database._live.pipeline
        version = self._live.database.data_version
        pipeline.tick(force=True, wait=False)
        until = time.monotonic() + 5
        while self._live.database.data_version == version and time.monotonic() < until:
            time.sleep(0.001)

    def go(self, slices: int) -> None:
        """Waits until so many more slices are done, or all."""
        self._left = slices
        clock = self._committer.clock
        until = time.monotonic() + 20
        while self._left and clock.lag is not None:
            assert time.monotonic() < until, "slices are done"
            time.sleep(0.001)
        self._left = 0

    @property
    def lags(self) -> bool:
        """Whether some blocks lag."""
        return self._committer.clock.lag is not None


def by_row(live: MovingDatabase) -> dict[int, list[tuple[str, str, int]]]:
    """What happened to each row, in order."""
    found = defaultdict(list)
    for cause, what, row, at_us in live.entries():
        found[row].append((cause, what, at_us))
    return dict(found)
