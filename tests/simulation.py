"""A small store lives through weeks in a moment, and is held against recomputation all the time.

    python -m tests.simulation SEED [SEED ...]

A seed chooses random segments that are kept, and then what happens: updates, events late, ahead,
corrected and taken away, and the clock, which moves by microseconds or days. After
every step who is stored in a segment is who its rule is true for, with segments inside it written
out, so that nothing stored stands in. In the end the feed, played from nothing, leads there too,
and judging somebody again where nothing is due is what no tick has done.
"""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.columns.strings import Strings
from engine.database import Database
from engine.errors import ExpressionInvalid
from tests.crash.live_check import FeedPlayer, stored_rows
from tests.event_stores import event_batch
from tests.loads import ERASE
from tests.moving_events import HOUR_US, event_updates
from tests.moving_worlds import DAY_US
from tests.simulated_rules import MODEL_HEAD, random_rule
from tests.told import wait_told
from tests.whole_feed import keep_the_whole_feed

__all__ = ["Simulations", "Told"]

# So many seeds in a row share a model.
SHARING = 25
SEGMENTS, STEPS, PEOPLE = 6, 4, 8
_ZONES = ("Europe/Berlin", "Asia/Shanghai", "UTC", "America/St_Johns")
# A week that has a change of clocks, where there is one.
_START_US = int(datetime(2025, 10, 20, 10, tzinfo=UTC).timestamp()) * 1_000_000
_LENGTHS_US = (
    0, 0, 90 * 10**6, HOUR_US, 36 * HOUR_US, DAY_US, 2 * DAY_US, 3 * DAY_US, 7 * DAY_US, 14 * DAY_US
)  # fmt: skip
_MEMORY = Path("/dev/shm")
_REFERENCE = re.compile(r"segment\('(\w+)'\)")


@dataclass
class Told:
    """What happened in some simulations, added up."""

    seeds: int = 0
    steps: int = 0
    entries: int = 0
    by_clock: int = 0
    tick_rows: int = 0
    kept: int = 0
    unkept: int = 0


class _Clock:
    now_us = _START_US

    def __call__(self) -> int:
        return self.now_us


class Simulations:
    """Runs seeds. Stores are kept in memory where there is a file system for that, since how they
    survive the loss of power is not what is simulated."""

    def __init__(self) -> None:
        place = _MEMORY if _MEMORY.is_dir() else None
        self._folder = Path(tempfile.mkdtemp(prefix="strata-simulated-", dir=place))
        self._models: dict[int, tuple[Path, dict[str, str]]] = {}
        self.told = Told()

    def close(self) -> None:
        """Removes the stores."""
        shutil.rmtree(self._folder)

    def run(self, seed: int) -> None:
        """One seed; AssertionError with what is wrong and how to see it again."""
        template, rules = self._model(seed // SHARING)
        store = self._folder / "run"
        shutil.copytree(template, store)
        clock = _Clock()
        chance = random.Random(seed)
        database = Database.open(store, threads=1, now=clock)
        try:
            self._live(database, rules, clock, chance)
        except Exception as error:
            error.add_note(f"to repeat it: python -m tests.simulation {seed}")
            raise
        finally:
            database.close()
            shutil.rmtree(store)
        self.told.seeds += 1

    def _live(
        self, database: Database, rules: dict[str, str], clock: _Clock, chance: random.Random
    ) -> None:
        assert database.model is not None
        told_us: set[int] = set()
        for _ in range(STEPS):
            updates = _updates(chance, clock.now_us)
            told_us |= _instants(updates)
            ack = database.ingest(event_batch(updates, database.model), giver="shop")
            assert not ack.refused
            database.wait_visible(ack.offset)
            if chance.random() < 0.3:
                _check(database, rules, clock.now_us)
            clock.now_us = _next_us(chance, clock.now_us, told_us)
            _tick(database, is_twice=chance.random() < 0.3)
            _check(database, rules, clock.now_us)
        self.told.steps += STEPS
        self._play(database, rules)

    def _play(self, database: Database, rules: dict[str, str]) -> None:
        wait_told(database)
        player = FeedPlayer()
        player.play(database.feed)
        with database._store.snapshot() as snapshot:
            for name in rules:
                told = sorted(player.members.pop(f"segments.{name}", ()))
                assert told == stored_rows(snapshot, name), f"{name} by the feed"
        assert not any(player.members.values()), "the feed has members of other segments"
        figures = database.stats()
        self.told.tick_rows += figures.get("tick_rows_evaluated", 0)
        for run in database.feed.read(database.feed.oldest(), lambda _: True).runs:
            self.told.entries += len(run.rows)
            self.told.by_clock += len(run.rows) * (run.cause == "clock")

    def _model(self, number: int) -> tuple[Path, dict[str, str]]:
        """A store with a model and nobody in it, and its kept segments with all written out."""
        if number in self._models:
            return self._models[number]
        for earlier, _ in self._models.values():
            shutil.rmtree(earlier)
        self._models.clear()
        chance, clock = random.Random(f"model {number}"), _Clock()
        path = self._folder / f"model {number}"
        head = MODEL_HEAD.format(zone=_ZONES[number % len(_ZONES)])
        texts: dict[str, str] = {}
        written: dict[str, str] = {}
        with Database.create(path, threads=1, now=clock) as database:
            database.apply_model({"model.yaml": head + "  {}\n"})
            invited = Strings.from_list([f"m{n}" for n in range(0, PEOPLE, 2)])
            database.upload_list("invited", "member", invited)
            while len(texts) < SEGMENTS:
                name, text = f"s{len(texts)}", random_rule(chance, texts)
                whole = _REFERENCE.sub(lambda found: f"({written[found[1]]})", text)
                try:
                    database.count(whole)
                except ExpressionInvalid:
                    # A window or a sequence that cannot hold.
                    continue
                texts[name], written[name] = text, whole
            lines = [f'  {name}: "{text}"\n' for name, text in texts.items()]
            database.apply_model({"model.yaml": head + "".join(lines)})
            for name in database.unkept_segments():
                del written[name]
                self.told.unkept += 1
        self.told.kept += len(written)
        self._models[number] = path, written
        return self._models[number]


def _tick(database: Database, *, is_twice: bool) -> None:
    """Time has passed, and by another tick at the same instant nobody is due."""
    database.tick()
    if is_twice:
        before = database.stats().get("tick_rows_evaluated", 0)
        database.tick()
        assert database.stats().get("tick_rows_evaluated", 0) == before


def _check(database: Database, rules: dict[str, str], now_us: int) -> None:
    """Who is stored is who the rules are true for."""
    with database._store.snapshot() as snapshot:
        stored = {name: stored_rows(snapshot, name) for name in rules}
        counts = {name: snapshot.segment_counts[name] for name in rules}
    for name, rule in rules.items():
        with database.members(rule, as_of_us=now_us) as members:
            rows = members.rows.tolist()
        assert stored[name] == rows, f"{name} at {now_us}: {stored[name]}, not {rows}: {rule}"
        assert counts[name] == len(rows), f"{name} counts {counts[name]} of {len(rows)}"


def _next_us(chance: random.Random, now_us: int, told_us: set[int]) -> int:
    """From this very instant to more than a week later; often where something may happen: so long
    as a window is after an instant that somebody told of, or a microsecond beside."""
    if told_us and chance.random() < 0.6:
        for _ in range(8):
            at_us = chance.choice(sorted(told_us)) + chance.choice(_LENGTHS_US)
            at_us += chance.choice((-1, 0, 0, 1))
            if now_us < at_us < now_us + 9 * DAY_US:
                return at_us
    return now_us + chance.choice(
        (0, 1, 10**6, HOUR_US, DAY_US, 7 * DAY_US, chance.randrange(3 * HOUR_US),
         chance.randrange(3 * DAY_US), chance.randrange(9 * DAY_US))
    )  # fmt: skip


def _instants(updates: list[dict[str, Any]]) -> set[int]:
    """The times of events and of attributes."""
    found = {update[name] for update in updates for name in ("joined", "seen") if name in update}
    found |= {
        update[name]["time"] for update in updates for name in ("read", "order") if name in update
    }
    return found - {ERASE}


def _updates(chance: random.Random, now_us: int) -> list[dict[str, Any]]:
    """Events of some people, and what is written on them."""
    found = event_updates(chance, now_us, PEOPLE, chance.randrange(1, 9))
    for update in found:
        if chance.random() < 0.5:
            update |= _attributes(chance, now_us)
    return found


def _attributes(chance: random.Random, now_us: int) -> dict[str, Any]:
    def instant() -> int:
        near = now_us + chance.choice((-3, -2, -1, 0, 0, 1, 4)) * DAY_US
        return near + chance.choice((0, 0, 1, -1, chance.randrange(DAY_US), 10**6))

    cells: dict[str, Any] = {
        "joined": instant(),
        "seen": instant(),
        "renewal": instant() // DAY_US,
        "born": instant() // DAY_US,
        "size": chance.randrange(10),
        "spent": chance.randrange(-100, 3_000),
        "rating": chance.choice((0.1, 0.2, 0.3, 2.5)),
        "vip": chance.random() < 0.5,
        "stage": chance.choice("xyz"),
        "remark": chance.choice(("abc", "b", "x")),
    }
    chosen = {name: cells[name] for name in chance.sample(sorted(cells), chance.randrange(1, 7))}
    return {name: ERASE if chance.random() < 0.1 else value for name, value in chosen.items()}


def main(seeds: list[int]) -> None:
    """Runs seeds, and tells what happened."""
    simulations = Simulations()
    with pytest.MonkeyPatch.context() as patched, contextlib.closing(simulations):
        keep_the_whole_feed(patched)
        for seed in seeds:
            simulations.run(seed)
    print(simulations.told)


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]])
