"""A month's end: the clock passes a local midnight at which `this month` and `today` turn.

In process, with a clock of its own a minute before the end of the last month of the data. Every 50
ms somebody writes ten profiles and waits until that is visible, before midnight and while the
clock passes it. What is told: seconds until the tick is visible, how many rows were evaluated and
by how many the sizes of segments changed, and how soon the others' writes were visible before and
meanwhile. Kept members are compared with a recomputation.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from bench.data.people import NOW
from bench.live.behaviour import rules_of
from bench.live.load import percentiles
from bench.machine import fixed_work_ms
from engine.columns.strings import Strings
from engine.database import Database
from engine.live.batch import Ints, ProfileBatch

__all__ = ["ZONE", "months_end"]

ZONE = "Asia/Shanghai"
_PAUSE_S = 0.05
_MINUTE_US = 60_000_000
# Writes that are not counted, and those before midnight that are.
_FIRST_WRITES = 5
_WRITES_BEFORE = 50


class _Clock:
    """Stands still where it is set first, and goes on like any other once it is let go."""

    def __init__(self, at_us: int) -> None:
        self._at_us = at_us
        self._since_us: int | None = None

    def stand(self, at_us: int) -> None:
        """Stands still at another instant."""
        self._at_us, self._since_us = at_us, None

    def go_on(self, at_us: int) -> None:
        """Goes on from an instant."""
        self._at_us, self._since_us = at_us, time.monotonic_ns() // 1000

    def __call__(self) -> int:
        if self._since_us is None:
            return self._at_us
        return time.monotonic_ns() // 1000 - self._since_us + self._at_us


class _Others:
    """Somebody who writes a little all the time, and looks when it is visible: milliseconds."""

    def __init__(self, database: Database, profiles: int) -> None:
        self._database = database
        self._profiles = profiles
        self._stop = threading.Event()
        self._waits_ms: list[float] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def taken(self, least: int = 1) -> dict[str, Any]:
        """What it waited since it was asked last, for so many writes at least."""
        while len(self._waits_ms) < least and self._thread.is_alive():
            time.sleep(_PAUSE_S)
        waits, self._waits_ms = self._waits_ms, []
        return {"writes": len(waits), "visible_ms": percentiles(waits), "most_ms": max(waits)}

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        rng = np.random.default_rng(3)
        while not self._stop.wait(_PAUSE_S):
            persons = [f"P{number:09}" for number in rng.integers(0, self._profiles, 10).tolist()]
            ages = Ints(rng.integers(18, 90, 10), np.ones(10, np.bool_))
            batch = ProfileBatch(10, {"person": Strings.from_list(persons)}, {"age": ages})
            began = time.perf_counter()
            self._database.wait_visible(self._database.ingest(batch, source="others").offset)
            self._waits_ms.append(1000 * (time.perf_counter() - began))


def months_end(store: Path, text: str, profiles: int, names: Sequence[str]) -> dict[str, Any]:
    """The figures of a store of the people with their events, under the model `text`."""
    local = NOW.astimezone(ZoneInfo(ZONE)).replace(day=1, hour=0)
    midnight_us = int(local.astimezone(datetime.UTC).timestamp()) * 1_000_000
    # However long it takes to make everything ready, it is a minute before midnight then.
    clock = _Clock(midnight_us - _MINUTE_US - 1)
    with Database.open(store, now=clock) as database:
        database.apply_model({"model.yaml": text})
        # The first tick finds out who is due when; it is none where no time has passed.
        clock.stand(midnight_us - _MINUTE_US)
        began = time.perf_counter()
        database.tick()
        first_s = time.perf_counter() - began
        clock.go_on(clock())
        others = _Others(database, profiles)
        try:
            # What is written to first is read from the disk.
            others.taken(_FIRST_WRITES)
            before = others.taken(_WRITES_BEFORE)
            stats, told = database.stats(), _told(database, names)
            work_ms = fixed_work_ms()
            clock.go_on(midnight_us + 1_000_000)
            began = time.perf_counter()
            database.tick()
            seconds = time.perf_counter() - began
            # Whoever waited for the tick has been told by then.
            time.sleep(20 * _PAUSE_S)
            meanwhile = others.taken()
        finally:
            others.stop()
        after, sizes = database.stats(), _told(database, names)
        rules = rules_of(text)
        for name in names:
            kept, computed = database.count_many(
                [f"segment('{name}')", f"({rules[name]}) and true"]
            )
            assert kept.count == computed.count, f"{name}: {kept} kept, {computed} match"
    return {
        "first_tick_s": round(first_s, 2),
        "fixed_work_ms": work_ms,
        "seconds": round(seconds, 2),
        "tick_rows_evaluated": after["tick_rows_evaluated"] - stats["tick_rows_evaluated"],
        "sizes_changed_by": sum(abs(sizes[name] - told[name]) for name in names),
        "others_before": before,
        "others_meanwhile": meanwhile,
        "segments_checked": len(names),
    }


def _told(database: Database, names: Sequence[str]) -> dict[str, int]:
    answers = database.count_many([f"segment('{name}')" for name in names])
    return {name: answer.count for name, answer in zip(names, answers, strict=True)}
