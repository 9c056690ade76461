"""Databases whose clock is set by hand, with segments that move with it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.database import Database
from engine.live.change import Cause
from engine.live.feed import replay_feed
from engine.live.segments import segment_key
from tests.crash.live_check import stored_rows
from tests.live_databases import only_the_log
from tests.loads import ERASE
from tests.told import runs_told, wait_told
from tests.updates import update_batch

__all__ = [
    "DAY_US",
    "INSTANTS_AND_DAYS",
    "MONTH_END_US",
    "MOVING",
    "PEOPLE",
    "SOURCES",
    "START_US",
    "MovingDatabase",
    "in_few_and_many_steps",
    "in_spite_of_crashes",
    "random_updates",
    "until_long_after",
]

START_US = 1_760_000_000_000_000
DAY_US = 86_400_000_000
# October of 2025 ends, in UTC.
MONTH_END_US = int(datetime(2025, 11, 1, tzinfo=UTC).timestamp()) * 1_000_000

# `late` and `early` differ in closed and strict bounds, `exact` holds at single microseconds.
MOVING = {
    "fresh": "joined > now - 3 days",
    "kept_on": "joined >= now - 3 days",
    "asleep": "seen < now - 2 days and stage = 'x'",
    "renewing": "renewal - now < 4 days and not renewal < now",
    "ahead": "now - joined < seen - now",
    "either": "seen <= now or size >= 50",
    "exact": "seen = now - 1 day",
    "inexact": "seen != now - 1 day",
    "among": "now in (time '2025-10-11T00:00:00Z', time '2025-10-12T00:00:00.5Z') or size = 7",
    "shifted": "seen - joined + now in (time '2025-10-11T00:00:00Z', time '2025-10-09T08:53:20Z')",
    "opened": "now > time '2025-10-11T00:00:00Z' and size < 50",
    "closed": "not now > time '2025-10-10T12:00:00.000001Z'",
    "through": "segment('fresh') and not segment('asleep')",
    "still": "size >= 50 or stage in ('x', 'y')",
    "mixed": "segment('still') and (segment('through') or joined is missing)",
    "not_fresh": "not segment('fresh')",
    "birthday": "born - now < seen - joined",
}

# What the models of every such world begin and end with; segments come after that.
PEOPLE = """\
time_zone: {zone}
identifiers:
  member: {{per_profile: 1}}
attributes:
"""
SOURCES = """\
sources:
  crm: {{identify: {{member: member}}, attributes: {{size: size}}}}
segments:
"""
INSTANTS_AND_DAYS = """\
  joined: {{type: time}}
  seen: {{type: time}}
  renewal: {{type: date}}
  born: {{type: date}}
  size: {{type: int}}
"""
_HEAD = PEOPLE + INSTANTS_AND_DAYS + "  stage: {{type: category}}\n" + SOURCES


def moving_model(segments: dict[str, str], zone: str, rules: str = "") -> dict[str, str]:
    """The files of a model with these segments; `rules` is more of it."""
    lines = [f'  {name}: "{text}"\n' for name, text in segments.items()]
    return {"model.yaml": _HEAD.format(zone=zone) + ("".join(lines) or "  {}\n") + rules}


class MovingDatabase:
    """A database whose clock is `now_us`."""

    def __init__(
        self,
        path: Path,
        segments: dict[str, str] | None = None,
        *,
        zone: str = "Europe/Berlin",
        now_us: int = START_US,
        rules: str = "",
    ) -> None:
        self.path = path
        self.now_us = now_us
        if path.exists():
            self.database = Database.open(path, threads=1, now=lambda: self.now_us)
            return
        self.database = Database.create(path, threads=1, now=lambda: self.now_us)
        self.apply(MOVING if segments is None else segments, zone=zone, rules=rules)

    def apply(
        self, segments: dict[str, str], *, zone: str = "Europe/Berlin", rules: str = ""
    ) -> None:
        """Puts a model in force; `rules` is more of it than segments."""
        self.database.apply_model(moving_model(segments, zone, rules))

    def close(self) -> None:
        """Closes it."""
        self.database.close()

    def reopen(self, *, after_us: int = 0) -> None:
        """Closes it, and opens it again some time later."""
        self.close()
        self.now_us += after_us
        self.database = Database.open(self.path, threads=1, now=lambda: self.now_us)

    def send(self, *updates: dict[str, Any]) -> None:
        """Ingests updates as one batch, and waits until they are visible."""
        assert self.database.model is not None
        batch = update_batch(updates, self.database.model)
        ack = self.database.ingest(batch)
        assert not ack.refused
        self.database.wait_visible(ack.offset)

    def go(self, to_us: int) -> None:
        """Sets the clock and ticks."""
        self.now_us = to_us
        self.database.tick()

    def count(self, name: str) -> int:
        """The size of a segment by its name."""
        return self.database.count(f"segment('{name}')").count

    def entries(self) -> list[tuple[str, str, int, int]]:
        """(cause, `+` or `-` and the segment, row, instant) of the whole feed, in order; of tiers
        and bands the key path and both names."""
        found = []
        for run in runs_told(self.database):
            name = ("+" if run.entered else "-") + run.definition.removeprefix("segments.")
            if run.old is not None:
                name = f"{run.definition}: {run.old or '-'} -> {run.new or '-'}"
            if run.points is not None:
                name = f"{run.definition}: {run.points[0]} -> {run.points[1]}"
            found += [(str(run.cause), name, row, run.instant_us) for row in run.rows.tolist()]
        return found

    def by_clock(self) -> list[tuple[str, int, int]]:
        """What time did: (`+` or `-` and the segment, row, instant), in order."""
        return [(what, row, at) for cause, what, row, at in self.entries() if cause == Cause.CLOCK]

    def agree(self, *, whole_feed: bool = True) -> None:
        """The stored members of each segment are those of the clock, in every form."""
        database = self.database
        model = database.model
        assert model is not None and not database.unkept_segments()
        database.tick()
        told = {}
        if whole_feed:
            wait_told(database)
            told = replay_feed(database.feed)
        for name, segment in model.segments.items():
            with database.members(segment.rule, as_of_us=self.now_us) as members:
                rows = members.rows.tolist()
            with database._store.snapshot() as snapshot:
                assert stored_rows(snapshot, name) == rows, name
                assert snapshot.segment_counts[name] == len(rows), name
            assert self.count(name) == len(rows), name
            if whole_feed:
                assert told.get(segment_key(name), np.zeros(0)).tolist() == rows, name


def in_few_and_many_steps(
    few: MovingDatabase,
    many: MovingDatabase,
    chance: random.Random,
    steps_us: Iterable[int],
    updates: Callable[[int], list[dict[str, Any]]],
) -> None:
    """Sends both the same updates after each step, which one of them takes at once and the other
    in twelve; each is right after every step. `updates` draws what comes at an instant."""
    for step_us in steps_us:
        now_us, later_us = few.now_us, few.now_us + step_us
        for at_us in sorted(chance.randint(now_us, later_us) for _ in range(12)):
            many.go(at_us)
        many.now_us = few.now_us = later_us
        sent = updates(later_us)
        few.send(*sent)
        many.send(*sent)
        few.agree()
        many.agree()
        if chance.random() < 0.3:
            many.reopen()


def until_long_after(few: MovingDatabase, many: MovingDatabase, chance: random.Random) -> None:
    """Until nearly everything that there is has left its windows, and is worth nothing."""
    end_us = few.now_us + 20 * DAY_US
    for at_us in sorted(chance.randint(few.now_us, end_us) for _ in range(12)):
        many.go(at_us)
    for live in (few, many):
        live.go(end_us)
        live.agree()


def in_spite_of_crashes(
    opened: Callable[[Path], MovingDatabase],
    chance: random.Random,
    steps_us: Iterator[int],
    rounds: int,
    updates: Callable[[int], list[dict[str, Any]]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    ticked: bool = False,
) -> None:
    """What the disk has, at any moment, is opened days later and catches up: with the same members
    and the same feed as a store that never stopped. `updates` draws what comes at an instant, and
    `ticked` says whether the clock ticks right after it."""
    kept, twin = opened(folder / "kept"), opened(folder / "twin")
    try:
        for round_ in range(rounds):
            with monkeypatch.context() as patched:
                if round_ % 3:
                    only_the_log(patched)
                for _ in range(chance.randrange(1, 4)):
                    sent = updates(twin.now_us)
                    for live in (kept, twin):
                        live.send(*sent)
                        if ticked:
                            live.go(live.now_us)
                    later_us = twin.now_us + next(steps_us)
                    kept.go(later_us)
                    twin.go(later_us)
                copy = folder / f"copy{round_}"
                copy.mkdir()
                with twin.database._store._writing:
                    shutil.copy(twin.path / "data.mdb", copy)
            twin.close()
            # Away for a while, and the first thing that comes is a batch or a tick.
            later_us = twin.now_us + next(steps_us)
            twin = type(twin)(copy, now_us=later_us)
            kept.now_us = later_us
            if chance.random() < 0.5:
                twin.agree()
                kept.agree()
        twin.agree()
        kept.agree()
        assert twin.entries() == kept.entries()
    finally:
        twin.close()
        kept.close()


def random_updates(
    chance: random.Random, now_us: int, people: int, size: int
) -> list[dict[str, Any]]:
    """Updates of random people: times around now, at borders of the segments' windows."""
    return [_update(chance, now_us, chance.randrange(people)) for _ in range(size)]


def _update(chance: random.Random, now_us: int, number: int) -> dict[str, Any]:
    def instant() -> int:
        near = now_us + chance.choice((-3, -2, -1, 0, 0, 1, 4)) * DAY_US
        return near + chance.choice((0, 0, 1, -1, chance.randrange(DAY_US), 10**6))

    def maybe(value: Any) -> Any:
        return ERASE if chance.random() < 0.1 else value

    cells = {
        "joined": lambda: maybe(instant()),
        "seen": lambda: maybe(instant()),
        "renewal": lambda: maybe(instant() // DAY_US),
        "born": lambda: maybe(instant() // DAY_US),
        "size": lambda: maybe(chance.randrange(100)),
        "stage": lambda: maybe(chance.choice("xyz")),
    }
    chosen = chance.sample(sorted(cells), chance.randrange(1, 7))
    return {"member": f"m{number}", **{name: cells[name]() for name in chosen}}
