"""Attributes with history at any instant: block = row = the reference over the plain changes, for
random changes that come in time, late, twice and as erasures, live, loaded and after restarts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.database import Database
from engine.members import Members
from engine.rules.parse import parse
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_histories import as_it_was
from tests.loads import ERASE
from tests.moving_worlds import START_US, MovingDatabase
from tests.updates import update_batch

NAMES = ("stage", "size", "spent", "rate", "open", "day", "seen", "remark")
TYPES = ("category", "int", "decimal", "float", "bool", "date", "time", "text")
FILES = {
    "model.yaml": """\
time_zone: UTC
identifiers:
  member: {per_profile: 1}
attributes:
  stage: {type: category, history: true}
  size: {type: int, history: true}
  spent: {type: decimal, scale: 2, history: true}
  rate: {type: float, history: true}
  open: {type: bool, history: true}
  day: {type: date, history: true}
  seen: {type: time, history: true}
  remark: {type: text, history: true}
  level: {type: int}
sources:
  crm: {identify: {member: member}, attributes: {size: size}}
segments:
  large: "size >= 2"
"""
}
EXPRESSIONS = (
    "stage = 'x'",
    "stage != 'x'",
    "stage in ('y', 'w') or stage is missing",
    "stage starts with 'x' and not open",
    "size >= 2",
    "not size = 1",
    "2 * size - level > 1",
    "size in (0, 3)",
    "spent > 1.5",
    "spent between 0.5 and 2",
    "spent > size",
    "rate > 1.5",
    "rate + size <= 3",
    "open",
    "open = false",
    "day is missing",
    "day > date '1970-01-02'",
    "seen > day",
    "now - seen < 20 days",
    "remark contains 'a'",
    "remark is present",
    "not segment('large') and level > 0",
)


def drawn(chance: random.Random, name: str) -> Any:
    """A value as updates write it."""
    if chance.random() < 0.15:
        return ERASE
    number = chance.randrange(4)
    match name:
        case "stage":
            return "xyz"[number % 3]
        case "spent":
            return number * 75
        case "rate":
            return number / 2 + 0.5
        case "open":
            return number > 1
        case "seen":
            return START_US - number * 10**12
        case "remark":
            return ("a", "b", "ab", "ba")[number]
        case _:
            return number


def plain(name: str, cell: Any) -> Any:
    """The same as the reference takes it."""
    if cell is ERASE:
        return None
    match name:
        case "spent":
            return Decimal(cell) / 100
        case "day":
            return date(1970, 1, 1) + timedelta(days=cell)
        case "seen":
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=cell)
        case _:
            return cell


def read_table(members: Members, names: Sequence[str]) -> tuple[list[str], list[list[Any]]]:
    """The members of a list, and a column for each name."""
    tables = list(members.table("member", names))
    owned = [table.identifiers for table in tables]
    entries = [one or "" for some in owned if some is not None for one in some.to_list()]
    return entries, [[one for table in tables for one in table.columns[i]]
                     for i in range(len(names))]  # fmt: skip


def total(profile: Mapping[str, Any], factor: int) -> Any:
    """factor * size - level."""
    if profile["size"] is None or profile["level"] is None:
        return None
    return factor * profile["size"] - profile["level"]


# What lists are ordered by, and the same of a profile.
ORDERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "size": lambda profile: profile["size"],
    "spent": lambda profile: profile["spent"],
    "rate": lambda profile: profile["rate"],
    "day": lambda profile: profile["day"],
    "seen": lambda profile: profile["seen"],
    "2 * size - level": lambda profile: total(profile, 2),
    "1_000_000_000_000_000_000 * size - level": lambda profile: total(profile, 10**18),
}


class Simulated:
    """What members are and were, worked out update by update."""

    def __init__(self) -> None:
        self.changes: dict[str, dict[str, list[tuple[int, Any]]]] = {}
        self.stands: dict[tuple[str, str], tuple[int, Any]] = {}
        self.levels: dict[str, Any] = {}

    def take(self, updates: list[dict[str, Any]], now_us: int) -> None:
        """The updates of a record, which comes at an instant."""
        brought = Counter((one["member"], name) for one in updates for name in one)
        for update in updates:
            alone = {name for name in update if brought[update["member"], name] == 1}
            self._take(update, now_us, alone)

    def _take(self, update: Mapping[str, Any], now_us: int, alone: set[str]) -> None:
        member, time_us = update["member"], update.get("time")
        mine = self.changes.setdefault(member, {name: [] for name in NAMES})
        for name in NAMES:
            if name not in update:
                continue
            value = plain(name, update[name])
            at_us = now_us if time_us is None else time_us
            since_us, standing = self.stands.get((member, name), (-(1 << 62), None))
            if time_us is None and value == standing and name in alone:
                continue
            mine[name].append((at_us, value))
            if at_us >= since_us:
                self.stands[member, name] = at_us, value
        if "level" in update:
            self.levels[member] = update["level"]

    def profile(self, member: str, as_of_us: int | None) -> dict[str, Any]:
        """A member at an instant, or as it stands."""
        found = {"level": self.levels.get(member)}
        if as_of_us is not None:
            return as_it_was(found, self.changes[member], as_of_us)
        return found | {name: self.stands.get((member, name), (0, None))[1] for name in NAMES}


class World(MovingDatabase):
    """A database of the model, and what it should be."""

    def __init__(self, path: Path) -> None:
        self.path, self.now_us = path, START_US
        self.database = Database.create(path, threads=1, now=lambda: self.now_us)
        self.database.apply_model(FILES)
        self.should = Simulated()

    def take(self, updates: list[dict[str, Any]]) -> None:
        """Sends updates, and tells the simulation."""
        self.send(*updates)
        self.should.take(updates, self.now_us)

    def load(self, updates: list[dict[str, Any]], chance: random.Random) -> None:
        """The same as a load, each member once: all with times, or none."""
        once = list({update["member"]: update for update in updates}.values())
        if chance.random() < 0.5:
            for update in once:
                update.pop("time", None)
        assert self.database.model is not None
        for _ in range(2):  # what is loaded twice is there once
            with self.database.bulk_load(self.database.model.sources["crm"]) as load:
                load.add(update_batch(once, self.database.model))
                outcome = load.finish()
        assert outcome.blocks_written == 0
        self.should.take(once, self.now_us)

    def listed_at(self, as_of_us: int | None) -> None:
        """Lists show the values of an instant, and stand in their order."""
        names = (*NAMES, "level")
        with self.database.members("true", as_of_us=as_of_us) as everybody:
            entries, columns = read_table(everybody, names)
            told = everybody.read_today_with(names)
            assert told == (() if as_of_us is None else ("level",))
        profiles = [self.should.profile(member, as_of_us) for member in entries]
        for name, column in zip(names, columns, strict=True):
            expected = [profile[name] for profile in profiles]
            assert column == expected, (name, as_of_us)
            assert list(map(type, column)) == list(map(type, expected)), name
        rows = dict(zip(entries, profiles, strict=True))
        for text, key in ORDERS.items():
            for descending in (False, True):
                found = self.database.members(
                    "true", as_of_us=as_of_us, order_by=text, descending=descending, limit=5
                )
                with found as members:
                    listed, columns = read_table(members, ("size",))
                assert columns[0] == [rows[member]["size"] for member in listed]
                valued = [one for one in entries if key(rows[one]) is not None]
                # Equal ones stay in row order either way.
                valued.sort(key=lambda one: key(rows[one]), reverse=descending)
                ordered = valued + [one for one in entries if one not in valued]
                assert listed == ordered[:5], (text, descending, as_of_us)

    def agree_at(self, as_of_us: int | None) -> None:
        """Blocks, rows and the reference say the same of an instant."""
        types = dict(zip(NAMES, TYPES, strict=True)) | {"level": "int"}
        now_us = self.now_us if as_of_us is None else as_of_us
        segments = {"large": parse("size >= 2")}
        context = ReferenceContext(types, ZoneInfo("UTC"), now_us, segments=segments)
        database = self.database
        with database.members("true") as everybody:
            rows = everybody.rows.tolist()
            members = [one for some in everybody.identifiers("member") for one in some]
        with database._store.snapshot() as snapshot:
            audience = database._audience(snapshot, as_of_us, None)
            for text in EXPRESSIONS:
                audience.add(text)
            by_row = audience.test_rows(rows)
            by_block = audience.counts()
        for text, of_row, of_block in zip(EXPRESSIONS, by_row, by_block, strict=True):
            expected = [
                evaluate(parse(text), self.should.profile(member, as_of_us), context)
                for member in members
            ]
            assert of_row == expected, (text, as_of_us, members)
            assert of_block.count == sum(expected), (text, as_of_us)
            with database.members(text, as_of_us=as_of_us) as found:
                chosen = [row for row, is_in in zip(rows, expected, strict=True) if is_in]
                assert found.rows.tolist() == chosen, (text, as_of_us)

    def agree_everywhere(self, chance: random.Random) -> None:
        """At random instants, at those of changes and beside them, and as it stands."""
        times = [
            at for mine in self.should.changes.values() for of in mine.values() for at, _ in of
        ]
        near = [chance.choice(times) + chance.choice((-1, 0, 0, 1)) for _ in range(4)]
        for as_of_us in (None, *near, self.now_us + 10**12):
            self.agree_at(as_of_us)
            self.listed_at(as_of_us)


def some_updates(chance: random.Random, now_us: int, people: int) -> list[dict[str, Any]]:
    """Updates of a batch: several of one member, many without times, others late or at one time."""
    updates = []
    for _ in range(chance.randrange(1, 6)):
        update: dict[str, Any] = {"member": f"m{chance.randrange(people)}"}
        for name in chance.sample(NAMES, chance.randrange(1, 5)):
            update[name] = drawn(chance, name)
        if chance.random() < 0.3:
            update["level"] = chance.randrange(3)
        elif chance.random() < 0.6:
            update["time"] = now_us - chance.choice((0, 1, 5, 10**9, 3 * 10**12))
        updates.append(update)
    return updates


@pytest.mark.parametrize("seed", range(3))
def test_any_instant_is_what_the_reference_makes_of_the_changes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    world = World(tmp_path / "store")
    for step in range(25):
        world.now_us += chance.choice((0, 1, 10**6, 10**12))
        updates = some_updates(chance, world.now_us, people=5)
        if step % 5 == 4:
            world.load(updates, chance)
        else:
            world.take(updates)
        if step % 8 == 7:
            world.agree_everywhere(chance)
        if step % 10 == 9:
            world.reopen()
    world.agree_everywhere(chance)
    assert world.database.verify().faults == ()
    world.close()
