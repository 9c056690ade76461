"""Flips of predicates over events, against truth asked microsecond by microsecond; and stores of
times when nobody kept them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from engine.core.day_turns import days_by_start, local_days, turns
from engine.database import Database
from engine.live import kept_definitions
from engine.live.event_flips import EventSources
from engine.live.flips import NEVER, FlipLeaf
from engine.live.moving_plan import flip_leaf
from engine.live.rows_read import RowsRead
from engine.live.window_edges import UnitEdge, WindowEdges, unit_flips, unit_turns
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.calendar import first_instant_us, local_day
from engine.rules.parse import parse
from engine.rules.time_dependence import why_unkept
from tests.event_stores import event_batch
from tests.moving_events import (
    DRAWN_SEGMENTS,
    EVENT_SEGMENTS,
    HOUR_US,
    EventDatabase,
    event_updates,
)
from tests.moving_worlds import DAY_US, START_US

# Clocks are set back in Berlin one day later.
NOON_US = START_US + 16 * DAY_US
PEOPLE = 12
SEGMENTS = EVENT_SEGMENTS | DRAWN_SEGMENTS
RULES = [name for name in SEGMENTS if name not in ("any", "still", "readers")]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventDatabase]:
    made = EventDatabase(tmp_path_factory.mktemp("flips") / "store", {}, now_us=NOON_US)
    chance = random.Random(7)
    for _ in range(12):
        made.send(*event_updates(chance, NOON_US, PEOPLE, 8))
    yield made
    made.close()


def leaf_of(live: EventDatabase, text: str) -> FlipLeaf:
    """The finder of a rule that is one predicate, or the negation of one."""
    model = live.database.model
    assert model is not None
    found = Binder(model).bind(parse(text))
    while isinstance(found, bound.BoundNot):
        found = found.item
    if isinstance(found, bound.BoundOr | bound.BoundAnd):
        found = found.items[0]
    return flip_leaf(found, EventSources(model), model)


@pytest.mark.parametrize("name", RULES)
def test_nothing_changes_but_at_flips(live: EventDatabase, name: str) -> None:
    """Of every row, a microsecond before each flip everything is as it was at the one before."""
    leaf = leaf_of(live, SEGMENTS[name])
    first, last = NOON_US - 20 * DAY_US, NOON_US + 20 * DAY_US
    assert live.database.model is not None
    with live.database._store.snapshot() as snapshot:
        rows = np.arange(snapshot.row_count, dtype=np.uint32)
        read = RowsRead(snapshot, rows, live.database.model.time_zone)
        found = leaf.between(read, first, last, 10**6)
        assert ((found.instants > first) & (found.instants <= last)).all()
        assert (found.ahead > last).all() and (found.ahead[1:] >= found.ahead[:-1]).all()
        assert found.horizon == NEVER - 1
        changed = 0
        soonest = leaf.next_of(read, first)
        for row in rows.tolist():
            at = np.unique(np.append(found.instants[found.rows == row], first))
            places = np.full(len(at), row)
            starts = leaf.holds(read, places, at)
            ends = leaf.holds(read, places, np.append(at[1:] - 1, last))
            assert (starts == ends).all(), (row, at[starts != ends])
            changed += int((starts[1:] != starts[:-1]).sum())
            later = np.append(at[1:], found.ahead[found.ahead_rows == row])
            assert soonest[row] == (later[0] if len(later) else NEVER)
        assert changed, "the rule was never put to the test"


@pytest.mark.parametrize("name", RULES)
def test_what_holds_is_what_the_evaluator_says(live: EventDatabase, name: str) -> None:
    text = SEGMENTS[name]
    chance = random.Random(name)
    instants = [NOON_US + chance.randrange(-20 * DAY_US, 20 * DAY_US) for _ in range(20)]
    instants += [NOON_US + day * DAY_US + off for day in (-2, 0, 1, 2, 7) for off in (-1, 0, 1)]
    negated = text.startswith("not ")
    assert live.database.model is not None
    with live.database._store.snapshot() as snapshot:
        rows = np.arange(snapshot.row_count, dtype=np.uint32)
        read = RowsRead(snapshot, rows, live.database.model.time_zone)
        if name in ("born_with", "dear"):
            text = re.split(" and | or ", text)[0]
        leaf = leaf_of(live, text)
        for at in instants:
            truths = leaf.holds(read, rows.astype(np.intp), np.full(len(rows), at))
            with live.database.members(text, as_of_us=at) as members:
                held = np.flatnonzero(truths != negated).tolist()
                assert held == members.rows.tolist(), at


def test_an_event_counts_until_it_is_exactly_so_old(tmp_path: Path) -> None:
    """`in last D` takes in D less a microsecond, and `between` begins at the second duration."""
    live = EventDatabase(
        tmp_path / "store",
        {
            "fresh": "count(read in last 2 days) > 0",
            "older": "count(read between 3 days and 2 days ago) > 0",
            "today": "count(read today) > 0",
            "yesterday": "count(read yesterday) > 0",
            "late": "last(read) < now - 2 days",
            "late_on": "last(read) <= now - 2 days",
            "ever": "count(read) > 0",
            "never": "count(read) = 0",
        },
        zone="Asia/Shanghai",
    )
    try:
        live.send({"member": "b"}, {"member": "a", "read": {"time": START_US + HOUR_US}})
        live.go(START_US + 20 * DAY_US)
        told = {what: at - START_US - HOUR_US for what, row, at in live.by_clock() if row == 1}
        midnight = first_instant_us(
            local_day(START_US + HOUR_US, ZoneInfo("Asia/Shanghai")) + 1, ZoneInfo("Asia/Shanghai")
        )
        day_end = midnight - START_US - HOUR_US
        assert told == {
            "+fresh": 0,
            "-fresh": 2 * DAY_US,
            "+older": 2 * DAY_US,
            "-older": 3 * DAY_US,
            "+today": 0,
            "-today": day_end,
            "+yesterday": day_end,
            "-yesterday": day_end + DAY_US,
            "+late": 2 * DAY_US + 1,
            "+late_on": 2 * DAY_US,
            "+ever": 0,
            "-never": 0,
        }
        assert [row for _, row, _ in live.by_clock() if row != 1] == []
        live.agree()
    finally:
        live.close()


def test_a_tick_with_nobody_due_reads_nothing(tmp_path: Path) -> None:
    live = EventDatabase(tmp_path / "store", {"fresh": "count(read in last 2 days) > 0"})
    try:
        live.send({"member": "a", "read": {"time": START_US}})
        live.go(START_US + 1)
        before = live.database.stats()
        live.go(START_US + DAY_US)
        assert live.database.stats() == before
        live.go(START_US + 2 * DAY_US)
        assert live.count("fresh") == 0
    finally:
        live.close()


def test_rows_of_several_blocks(tmp_path: Path) -> None:
    """A record that writes to two blocks, and a tick that flips rows of both."""
    chosen = {"fresh": "count(read in last 2 days) > 0", "silent": "count(read) = 0"}
    live = EventDatabase(tmp_path / "store", chosen)
    try:
        model = live.database.model
        assert model is not None
        everybody = [{"member": f"m{number}"} for number in range((1 << 16) + 10)]
        with live.database.bulk_load(model.sources["crm"]) as bulk:
            bulk.add(event_batch(everybody, model))
            bulk.finish()
        rows = (3, 7, (1 << 16) + 1, (1 << 16) + 8)
        live.send(
            *({"member": f"m{row}", "read": {"time": START_US + at}} for at, row in enumerate(rows))
        )
        live.agree()
        assert live.count("silent") == len(everybody) - 1, "three are dated ahead"
        live.go(START_US + 3 * DAY_US)
        live.agree()
        assert [(row, at - START_US) for what, row, at in live.by_clock() if what == "-fresh"] == [
            (row, 2 * DAY_US + at) for at, row in enumerate(rows)
        ]
    finally:
        live.close()


def test_what_comes_is_told_beforehand(tmp_path: Path) -> None:
    """Who enters and leaves within a week is who then does, and the next change of each profile is
    the first of them."""
    live = EventDatabase(tmp_path / "store", SEGMENTS, now_us=NOON_US)
    try:
        chance = random.Random(3)
        for _ in range(8):
            live.send(*event_updates(chance, NOON_US, PEOPLE, 8))
        live.go(NOON_US)
        before = len(live.by_clock())
        coming = live.database.foresight.changes(within_us=7 * DAY_US, limit=10**6)
        told = [
            (("+" if one.entered else "-") + one.segment, one.row, one.instant_us)
            for one in coming.changes
        ]
        members = [("member", f"m{number}") for number in range(PEOPLE)]
        next_of = live.database.foresight.of_profiles(members)
        live.go(NOON_US + 7 * DAY_US)
        assert told == live.by_clock()[before:] and len(told) > 50
        live.agree()
        first: dict[tuple[str, int], int] = {}
        for what, row, at in told:
            first.setdefault((what[1:], row), at)
        found = {
            (one.segment, one.row): one.instant_us
            for changes in next_of
            for one in changes or ()
            if one.instant_us <= NOON_US + 7 * DAY_US
        }
        assert found == first
    finally:
        live.close()


def _unkept(expression: bound.BoundExpr) -> str:
    """As a version said that kept nothing over events."""
    for predicate in bound.predicates_of(expression):
        if bound.aggregates_of(predicate):
            return "it reads events"
    return why_unkept(expression)


def test_a_store_of_a_version_that_kept_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened for reading it says that their members are not stored; opened for writing it stores
    them."""
    chosen = {"fresh": "count(read in last 2 days) > 0", "through": "not segment('fresh')"}
    with monkeypatch.context() as patched:
        patched.setattr(kept_definitions, "why_unkept", _unkept)
        live = EventDatabase(tmp_path / "store", chosen)
        live.send({"member": "a", "read": {"time": START_US}}, {"member": "b"})
        assert set(live.database.unkept_segments()) == set(chosen)
        live.close()
    with Database.open(tmp_path / "store", threads=1, read_only=True) as reading:
        assert set(reading.unkept_segments()) == set(chosen)
        assert "opened for writing" in reading.unkept_segments()["fresh"]
    live.reopen(after_us=DAY_US)
    try:
        assert live.database.unkept_segments() == {}
        live.agree()
        assert live.count("fresh") == 1 and live.count("through") == 1
        live.go(START_US + 2 * DAY_US)
        live.agree()
        assert live.count("fresh") == 0
    finally:
        live.close()


@pytest.mark.parametrize(
    ("zone", "year"),
    [("America/St_Johns", 2005), ("Europe/Berlin", 2025), ("Asia/Shanghai", 1988),
     ("Pacific/Apia", 2011), ("America/Sao_Paulo", 2018)],
)  # fmt: skip
def test_days_of_instants(zone: str, year: int) -> None:
    """Clocks that are set back over a midnight, and days that are skipped, too."""
    clock = ZoneInfo(zone)
    first = (year - 1970) * 36525 // 100
    instants = [
        at + off
        for day in range(first, first + 367)
        for at in turns(day, clock)
        for off in (-1, 0, 1, 30 * 60 * 10**6)
    ]
    asked = np.array(instants, np.int64)
    assert local_days(asked, clock).tolist() == [local_day(at, clock) for at in instants]
    for at, day in zip(instants, days_by_start(asked, clock).tolist(), strict=True):
        assert first_instant_us(day, clock) <= at < first_instant_us(day + 1, clock)


@pytest.mark.parametrize("unit", ["day", "week", "month"])
@pytest.mark.parametrize(
    ("zone", "year"),
    [("America/St_Johns", 2005), ("America/Havana", 2025), ("Pacific/Apia", 2011)],
)
def test_whoever_passes_a_unit_does_it_when_the_calendar_turns(
    zone: str, year: int, unit: tree.CalendarUnit
) -> None:
    """Clocks that are set back over a midnight, and days that are skipped, too."""
    clock, edge = ZoneInfo(zone), UnitEdge(unit, 0)
    first = (year - 1970) * 36525 // 100
    asked = 0
    for day in range(first, first + 367):
        around = np.array([at + off for at in turns(day, clock) for off in (-1, 0, 1)], np.int64)
        events = np.concatenate([around - back * DAY_US for back in range(33)])
        passed = np.unique(np.concatenate(unit_flips(edge, events, clock)))
        for after_us in around.tolist():
            for through_us in (after_us, after_us + 1, after_us + DAY_US):
                told = unit_turns(edge, after_us, through_us, clock)
                within = passed[(passed > after_us) & (passed <= through_us)].tolist()
                assert told == tuple(within)
                asked += bool(within)
    assert asked
    assert unit_turns(edge, 0, 400 * DAY_US, clock) is None


def test_windows_are_equal_where_they_take_in_the_same() -> None:
    zone, other = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
    windows = [
        tree.Window(kind="this", unit="month"),
        tree.Window(kind="in_last_calendar", count=1, unit="month"),
        tree.Window(kind="today"),
        tree.Window(kind="yesterday"),
        tree.Window(kind="in_last", length=tree.Duration(1, "day")),
        None,
    ]
    found = {WindowEdges(window, at) for window in windows for at in (zone, other)}
    assert len(found) == 2 * len(windows)
    assert WindowEdges(tree.Window(kind="this", unit="day"), zone) in found, "that is today"
    assert WindowEdges(None, zone) != "everything"
