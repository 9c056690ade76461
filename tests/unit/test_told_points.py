"""Scores of which the feed tells each change: from one number of points to the other, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest

from engine.live.feed import FeedPosition
from engine.model.definitions import Source
from engine.store.catalog import points_field
from tests.event_stores import event_batch
from tests.live_databases import only_the_log
from tests.moving_events import HOUR_US, EventDatabase
from tests.moving_worlds import DAY_US, START_US

pytestmark = pytest.mark.usefixtures("whole_feed")

BANDS = """\
scores:
  lead:
    rules:
    - {when: "size >= 5", points: 20}
    - {when: "stage = 'x'", points: 0.125}
    - {each: "read", points: 30, half_life: 1 day}
    bands: {cold: 0, hot: 40}
"""
RULES = BANDS + "    feed: changes\n"
Told = tuple[str, int, int, int | None, int | None]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[EventDatabase]:
    opened = EventDatabase(tmp_path / "store", {}, rules=RULES)
    yield opened
    opened.close()


def told(live: EventDatabase) -> list[Told]:
    """(cause, row, instant, thousandths before, after) of the whole feed."""
    live.entries()  # waits until they are durable
    chunk = live.database.feed.read(FeedPosition(1), lambda key: key == "scores.lead.points")
    assert chunk.caught_up
    return [
        (str(run.cause), row, run.instant_us, *run.points)
        for run in chunk.runs
        for row in run.rows.tolist()
        if run.points is not None
    ]


def faded(hours: int) -> int:
    """What a read is worth by its age, in thousandths, by long division of decimals."""
    with localcontext() as exact:
        exact.prec = 60
        worth = Decimal(30_000) / Decimal(2) ** (Decimal(hours) / 24)
        return int(worth.quantize(Decimal(1), ROUND_HALF_UP))


def test_an_entry_for_each_change_and_none_without(live: EventDatabase) -> None:
    live.send({"member": "a", "size": 5}, {"member": "b", "stage": "x"}, {"member": "c"})
    live.send({"member": "a", "size": 9}, {"member": "b", "stage": "x", "size": 1})
    live.send({"member": "a", "stage": "x"}, {"member": "b", "stage": "y"})
    live.send({"member": "b", "size": 7}, {"member": "b", "size": 4})
    assert told(live) == [
        ("update", 2, START_US, None, 0),
        ("update", 1, START_US, None, 125),
        ("update", 0, START_US, None, 20_000),
        ("update", 1, START_US, 125, 0),
        ("update", 0, START_US, 20_000, 20_125),
    ]
    # Bands are told beside them, under the name of the score.
    assert sum("scores.lead: " in what for _, what, _, _ in live.entries()) == 3
    live.reopen()
    assert len(told(live)) == 5


@pytest.mark.parametrize("steps", [1, 2, 40])
def test_points_fade_hour_by_hour_in_however_many_steps(live: EventDatabase, steps: int) -> None:
    live.send({"member": "a", "read": {"time": START_US - 7}})
    for step in range(1, steps + 1):
        live.go(START_US + 40 * HOUR_US * step // steps)
    expected = [("update", 0, START_US, None, 30_000)]
    expected += [
        ("clock", 0, START_US - 7 + hour * HOUR_US, faded(hour - 1), faded(hour))
        for hour in range(1, 41)
    ]
    assert told(live) == expected


def test_a_score_that_is_told_from_now_on_has_not_changed(tmp_path: Path) -> None:
    live = EventDatabase(tmp_path / "store", {}, rules=BANDS)
    live.send({"member": "a", "size": 5}, {"member": "b", "size": 5})
    live.apply({}, rules=RULES)
    assert told(live) == []
    live.send({"member": "a", "size": 1})
    assert told(live) == [("update", 0, START_US, 20_000, 0)]
    # Other points are a change, which nobody has who has none.
    live.apply({}, rules=RULES.replace("points: 20", "points: 25.001"))
    assert told(live)[1:] == [("edit", 1, START_US, 20_000, 25_001)]
    # Bands are not points.
    live.apply({}, rules=RULES.replace("points: 20", "points: 25.001").replace("hot: 40", "hot: 5"))
    assert len(told(live)) == 2
    live.apply({}, rules=BANDS)
    with live.database._store.snapshot() as snapshot:
        assert points_field("lead") not in snapshot.fields
    live.close()


def test_a_load_changes_scores_too(live: EventDatabase) -> None:
    live.send({"member": "a", "size": 1})
    with live.database.bulk_load(Source("crm", {"member": "member"})) as load:
        updates: list[dict[str, Any]] = [{"member": "a", "size": 5}, {"member": "b"}]
        load.add(event_batch(updates, live.database.model))
        load.finish()
    assert told(live)[1:] == [
        ("update", 1, START_US, None, 0),
        ("update", 0, START_US, 0, 20_000),
    ]


def test_the_log_tells_the_same_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = EventDatabase(tmp_path / "store", {}, rules=RULES)
    with monkeypatch.context() as patched:
        only_the_log(patched)
        live.send({"member": "a", "size": 5, "read": {"time": START_US}}, {"member": "b"})
        live.go(START_US + 5 * HOUR_US)
        live.send({"member": "a", "size": 1})
        found, entries = told(live), live.entries()
        with live.database._store._writing:
            (tmp_path / "copy").mkdir()
            (tmp_path / "copy" / "data.mdb").write_bytes((live.path / "data.mdb").read_bytes())
    again = EventDatabase(tmp_path / "copy", now_us=live.now_us)
    try:
        assert len(found) == 8
        assert told(again) == found
        assert again.entries() == entries
        for one in (live, again):
            one.go(START_US + 9 * HOUR_US)
        assert told(again) == told(live)
    finally:
        again.close()
        live.close()


def test_what_time_sets_changes_points_at_its_instant(tmp_path: Path) -> None:
    rules = """\
tag_rules:
- {tag: LATE, when: "seen <= now - 1 day", keep: sticky}
scores:
  lead: {rules: [{when: "tag = 'LATE'", points: 7}], feed: changes}
"""
    live = EventDatabase(tmp_path / "store", {}, rules=rules)
    live.send({"member": "a", "size": 1})
    live.go(START_US + 5)
    live.send({"member": "a", "seen": START_US})
    live.go(START_US + 2 * DAY_US)
    assert told(live)[1:] == [("clock", 0, START_US + DAY_US, 0, 7000)]
    live.close()


def test_only_who_changes_is_looked_at(live: EventDatabase) -> None:
    live.send(*({"member": f"m{i}", "size": i} for i in range(200)))
    live.go(START_US + 1)
    live.send({"member": "m3", "read": {"time": START_US}})
    before = live.database.stats()["tick_rows_evaluated"]
    live.go(START_US + 10 * HOUR_US)
    # One row for its points, and for each of two bands, at each of ten hours at most.
    assert live.database.stats()["tick_rows_evaluated"] - before <= 30
    assert len(told(live)) == 200 + 1 + 10
    assert live.now_us < START_US + DAY_US
