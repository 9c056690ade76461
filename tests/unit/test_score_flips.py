"""Scores as time passes: at exact microseconds, against the evaluator, and over long stretches."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from engine.live import moving_plan
from engine.live.event_flips import EventSources
from engine.live.flips import NEVER
from engine.live.rows_read import RowsRead
from engine.live.score_flips import ScoreFlips
from engine.rules.bind import Binder
from engine.rules.half_life import worth_by_hour
from tests.crash.live_check import stored_rows
from tests.moving_events import HOUR_US, EventDatabase, event_updates
from tests.moving_worlds import DAY_US, START_US
from tests.scored_worlds import SCORE_RULES, SCORE_SEGMENTS

PEOPLE = 12
# Scores without `when`, each a rule or two by which its events come, go and fade.
COUNTED = {
    "fading": "- {each: read, points: 30, half_life: 1 day}",
    "quick": "- {each: any in last 5 hours, points: 0.003, half_life: 100 seconds}",
    "capped": "- {each: order, points: -20, at_most: 31, half_life: 7 hours}",
    "window": "- {each: order in last 30 hours, points: 2.5, half_life: 3 hours}",
    "ago": "- {each: read between 2 days and 6 hours ago, points: 0.5, at_most: 0.7}",
    "due": "- {each: order where due < now in last 9 days, points: 1, half_life: 1 week}",
    "counted": "- {each: any in last 2 calendar days, points: -1.001}",
    "never": "- {each: read, points: 0}",
    "huge": "- {each: read, points: 1000000, half_life: 1 minute}\n"
    "    - {each: order, points: -1000000, at_most: 3, half_life: 1 hour}",
}  # fmt: skip


def counted_rules() -> str:
    """The section of a model with these scores."""
    return "scores:\n" + "".join(
        f"  {name}:\n    rules:\n    {text}\n" for name, text in COUNTED.items()
    )


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventDatabase]:
    folder = tmp_path_factory.mktemp("scores") / "store"
    made = EventDatabase(folder, {}, rules=counted_rules())
    chance = random.Random(11)
    for _ in range(12):
        made.send(*event_updates(chance, START_US, PEOPLE, 8))
    yield made
    made.close()


@pytest.mark.parametrize("name", COUNTED)
def test_a_score_changes_at_flips_and_is_what_the_evaluator_says(
    live: EventDatabase, name: str
) -> None:
    """Of every row, a microsecond before each flip everything is as it was at the one before."""
    model = live.database.model
    assert model is not None
    score = ScoreFlips(Binder(model).score(name), EventSources(model), model)
    first, last = START_US - 15 * DAY_US, START_US + 15 * DAY_US
    chance, changed = random.Random(name), 0
    with live.database._store.snapshot() as snapshot:
        rows = np.arange(snapshot.row_count, dtype=np.uint32)
        read = RowsRead(snapshot, rows, model.time_zone)
        found = score.between(read, first, last)
        assert ((found.instants > first) & (found.instants <= last)).all()
        soonest = score.next_of(read, first)
        for row in rows.tolist():
            at = np.unique(np.append(found.instants[found.rows == row], first))
            places = np.full(len(at), row)
            starts = score.values(read, places, at, [])
            ends = score.values(read, places, np.append(at[1:] - 1, last), [])
            assert (starts == ends).all(), (row, at[starts != ends])
            changed += int((starts[1:] != starts[:-1]).sum())
            assert soonest[row] == at[1] if len(at) > 1 else soonest[row] > last
            for place in chance.sample(range(len(at)), min(3, len(at))):
                points = Fraction(int(starts[place]), 1000)
                same = f"score('{name}') = {float(points):.3f}".replace("= -0.000", "= 0")
                with live.database.members(same, as_of_us=int(at[place])) as members:
                    assert row in members.rows.tolist(), (row, points)
    assert changed or name == "never"


@pytest.mark.parametrize("name", ["fading", "window"])
def test_what_is_ahead_is_all_up_to_the_horizon(live: EventDatabase, name: str) -> None:
    model = live.database.model
    assert model is not None
    score = ScoreFlips(Binder(model).score(name), EventSources(model), model)
    with live.database._store.snapshot() as snapshot:
        rows = np.arange(snapshot.row_count, dtype=np.uint32)
        read = RowsRead(snapshot, rows, model.time_zone)
        # When much fades, and when little is left.
        for after, most in product((START_US - DAY_US, START_US + 12 * DAY_US), (1, 3, 50)):
            found = score.between(read, after - HOUR_US, after, most)
            assert after <= found.horizon < NEVER - 1
            whole = score.between(read, after, found.horizon)
            order = np.lexsort((whole.rows, whole.instants))
            told = np.lexsort((found.ahead_rows, found.ahead))
            assert found.ahead[told].tolist() == whole.instants[order].tolist()
            assert found.ahead_rows[told].tolist() == whole.rows[order].tolist()
            assert (np.diff(found.ahead) >= 0).all()
            alone = score.between(read, after - HOUR_US, after)
            assert sorted(alone.instants.tolist()) == sorted(found.instants.tolist())


def by_clock(live: EventDatabase) -> list[tuple[str, int]]:
    """What time did since START_US, without rows."""
    return [(what, at - START_US) for what, _, at in live.by_clock()]


def test_points_fade_at_whole_hours(tmp_path: Path) -> None:
    """At the age of n hours exactly, and not a microsecond sooner."""
    worth = worth_by_hour(30_000, DAY_US)
    below_20 = next(hour for hour, value in enumerate(worth) if value < 20_000)
    segments = {"many": "score('heat') >= 20", "any": "score('heat') > 0"}
    rules = "scores:\n  heat: {rules: [{each: read, points: 30, half_life: 1 day}]}\n"
    live = EventDatabase(tmp_path / "store", segments, rules=rules)
    try:
        live.send({"member": "a", "read": {"time": START_US + 5}})
        live.go(START_US + 5 + below_20 * HOUR_US - 1)
        live.agree()
        assert by_clock(live) == [("+many", 5), ("+any", 5)]
        live.go(START_US + 5 + below_20 * HOUR_US)
        live.agree()
        assert live.count("many") == 0
        live.go(START_US + 400 * DAY_US)
        live.agree()
        assert by_clock(live)[2:] == [
            ("-many", 5 + below_20 * HOUR_US),
            ("-any", 5 + len(worth) * HOUR_US),
        ]
    finally:
        live.close()


def test_what_turns_at_the_same_instant_makes_up_for_it(tmp_path: Path) -> None:
    """A `when` begins to hold at the microsecond at which an event leaves: the sum stays."""
    rules = """\
scores:
  even:
    rules:
    - {when: "count(read in last 1 day) = 0", points: 10}
    - {each: read in last 1 day, points: 10}
  odd:
    rules:
    - {when: "count(read in last 1 day) = 0", points: 10}
    - {each: read in last 1 day, points: 10.001}
"""
    segments = {"even": "score('even') >= 10", "more": "score('odd') > score('even')"}
    live = EventDatabase(tmp_path / "store", segments, rules=rules)
    try:
        live.send({"member": "a", "read": {"time": START_US + 7}}, {"member": "b"})
        live.go(START_US + 3 * DAY_US)
        live.agree()
        assert by_clock(live) == [("+more", 7), ("-more", 7 + DAY_US)]
        assert live.count("even") == 2
    finally:
        live.close()


HELD = """\
scores:
  lead:
    rules:
    - {when: "seen > now - 1 day", points: 35}
    - {each: read, points: 32, at_most: 70, half_life: 1 day}
    bands: {cold: 0, hot: 40, mql: 60}
    hold: {mql: 25}
tag_rules:
- {tag: WAS, when: "band('lead') = 'mql'", keep: sticky}
tiers:
  stage: {stages: [{name: sales, when: "band('lead') >= 'mql'"}], default: care}
"""


def test_a_held_band_is_left_when_points_have_faded(tmp_path: Path) -> None:
    """By time alone: entered when an event comes, held while a rule ends, left at a whole hour; the
    tier and the sticky tag that read it follow at the same instant."""
    live = EventDatabase(tmp_path / "store", {"mql": "band('lead') = 'mql'"}, rules=HELD)
    try:
        live.send({"member": "a", "seen": START_US - 1, "read": {"time": START_US + 9}})
        worth = worth_by_hour(32_000, DAY_US)
        below_25 = next(hour for hour, value in enumerate(worth) if value < 25_000)
        assert below_25 * HOUR_US < DAY_US - 1  # while `seen` gives points, it stays
        live.go(START_US + 4 * DAY_US)
        live.agree()
        found = [one for one in by_clock(live) if "tags" not in one[0]]
        left = DAY_US - 1
        assert found == [
            ("+mql", 9),
            ("scores.lead: cold -> mql", 9),
            ("tiers.stage: care -> sales", 9),
            ("-mql", left),
            ("scores.lead: mql -> cold", left),
            ("tiers.stage: sales -> care", left),
        ]
        with live.database._store.snapshot() as snapshot:
            assert stored_rows(snapshot, ":tags.WAS") == [0]
        assert live.database.count("tag = 'WAS'").count == 1
    finally:
        live.close()


def _year(path: Path) -> EventDatabase:
    live = EventDatabase(path, SCORE_SEGMENTS, rules=SCORE_RULES)
    chance = random.Random(5)
    for _ in range(8):
        live.send(*event_updates(chance, START_US, PEOPLE, 8))
    return live


def test_what_comes_is_told_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who enters and leaves within a week is who then does, however rows are portioned, and the
    next change of each profile is the first of them."""
    live = _year(tmp_path / "store")
    try:
        live.go(START_US)
        before = len(live.by_clock())
        asked = list(SCORE_SEGMENTS)
        coming = live.database.foresight.changes(asked, within_us=7 * DAY_US, limit=10**6)
        told = [
            (("+" if one.entered else "-") + one.segment, one.row, one.instant_us)
            for one in coming.changes
        ]
        members = [("member", f"m{number}") for number in range(PEOPLE)]
        next_of = live.database.foresight.of_profiles(members)
        monkeypatch.setattr(moving_plan, "FADING_US", 1 << 62)
        assert live.database.foresight.changes(asked, within_us=7 * DAY_US, limit=10**6) == coming
        live.go(START_US + 7 * DAY_US)
        happened = [one for one in live.by_clock()[before:] if one[0][1:] in asked]
        assert told == happened and len(told) > 50
        first: dict[tuple[str, int], int] = {}
        for what, row, at in told:
            first.setdefault((what[1:], row), at)
        found = {
            (one.segment, one.row): one.instant_us
            for changes in next_of
            for one in changes or ()
            if one.instant_us <= START_US + 7 * DAY_US and one.segment in asked
        }
        assert found == first
    finally:
        live.close()


def test_a_long_time_is_not_looked_at_hour_by_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is told is the same, and rows are judged where somebody may enter or leave."""
    live, whole = _year(tmp_path / "stretches"), _year(tmp_path / "hours")
    try:
        live.go(START_US + 60 * DAY_US)
        live.agree()
        monkeypatch.setattr(moving_plan, "FADING_US", 1 << 62)
        whole.go(START_US + 60 * DAY_US)
        assert live.entries() == whole.entries() and len(live.by_clock()) > 100
        evaluated = live.database.stats()["tick_rows_evaluated"]
        assert 3 * evaluated < whole.database.stats()["tick_rows_evaluated"]
    finally:
        live.close()
        whole.close()
