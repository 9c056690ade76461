"""Sequences asked of a database, by hand: borders, equal times, silence, counts of every condition,
events that arrive later, and the examples of the language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.database import Database
from engine.live.positions import Position
from tests.event_stores import event_batch

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
NOW_US = 20_000 * DAY_US
MODEL = """\
time_zone: Asia/Shanghai
identifiers: {member: }
attributes:
  industry: {type: category}
events:
  visit: {properties: {page: category}}
  download: {properties: {asset: category}}
  order: {properties: {amount: int}}
  register: {}
  never: {}
event_groups: {content: [visit, download]}
segments: {read: "sequence(visit then download within 1 hour)"}
"""

# Who did what, by how many hours before the instant asked.
HISTORIES: Mapping[str, Sequence[tuple[str, float, dict[str, Any]]]] = {
    "an hour later": [("visit", 5, {"page": "a"}), ("download", 4, {"asset": "白皮书"})],
    "at one instant": [("visit", 5, {"page": "b"}), ("download", 5, {"asset": "x"})],
    "too late": [("visit", 5, {"page": "a"}), ("download", 3.999, {"asset": "白皮书"})],
    "the second serves": [
        ("visit", 9, {"page": "b"}), ("visit", 5, {"page": "a"}), ("download", 4.5, {}),
        ("order", 4, {"amount": 7}),
    ],
    "backwards": [("download", 5, {"asset": "x"}), ("visit", 4, {"page": "a"})],
    "now": [("visit", 0.5, {"page": "a"}), ("download", 0, {"asset": "白皮书"})],
    "later": [("visit", 0.5, {"page": "a"}), ("download", -0.25, {"asset": "白皮书"})],
    "three days": [("download", 72, {"asset": "白皮书"}), ("order", 71, {"amount": 1})],
    "registered": [("download", 80, {"asset": "白皮书"}), ("register", 8, {})],
    "nothing": [],
}  # fmt: skip
AN_HOUR, AT_ONE, LATE, SECOND, BACK, NOW, LATER, THREE, GONE, _ = HISTORIES
READ = "sequence(visit then download within 1 hour)"
CASES: Mapping[str, set[str]] = {
    READ: {AN_HOUR, SECOND, NOW},
    "segment('read')": {AN_HOUR, SECOND, NOW},
    "sequence(visit where page = 'a' then download within 1 hour)": {AN_HOUR, SECOND, NOW},
    "sequence(visit where page = 'b' then download within 4 hours)": set(),
    "sequence(visit where page = 'b' then download within 5 hours)": {SECOND},
    "sequence(visit then download where asset = 'x' within 9 hours)": set(),
    "sequence(content then content within 1 hour)": {AN_HOUR, SECOND, BACK, NOW},
    "sequence(visit, download then order within 1 hour)": {SECOND, THREE},
    "sequence(visit then visit within 4 hours then order where amount > 6 within 1 hour)": {SECOND},
    "sequence(visit then visit within 4 hours then order where amount > 7 within 1 hour)": set(),
    # The window is about the first step: a visit exactly five hours old is out.
    "sequence(visit then download within 1 hour in last 5 hours)": {NOW},
    "sequence(visit then download within 1 hour in last 6 hours)": {AN_HOUR, SECOND, NOW},
    "sequence(visit then download within 1 hour before now - 6 hours)": set(),
    "sequence(visit then download within 5 hours before now - 6 hours)": {SECOND},
    "sequence(visit then no download within 1 hour)": {AT_ONE, LATE, SECOND, BACK},
    "sequence(visit then no download within 30 minutes)": {
        AN_HOUR, AT_ONE, LATE, SECOND, BACK, LATER,
    },
    # Nobody ever did that, and the time in which they did not must be over all the same.
    "sequence(visit then no never within 5 hours)": {AN_HOUR, AT_ONE, LATE, SECOND},
    "sequence(visit then no order within 30 minutes then download within 1 hour)": {AN_HOUR},
    "sequence(never then no visit within 1 hour)": set(),
    "sequence(visit then never within 1 hour)": set(),
    # Nor did anything ever say this.
    "sequence(visit then no visit where page = '?' within 5 hours)": {
        AN_HOUR,
        AT_ONE,
        LATE,
        SECOND,
    },
    "sequence(visit then visit where page = '?' within 5 hours)": set(),
    "sequence(visit where page = '?' then no visit within 1 second)": set(),
    "sequence(download where asset = '白皮书' then no register within 3 days)": {THREE},
    "sequence(download where asset = '白皮书' then no register within 71 hours)": {THREE, GONE},
    "sequence(download where asset = '白皮书' then no register within 71 hours)"
    " and count(register) = 0": {THREE},
    "not sequence(any then any within 9 hours) and count(any) > 0": {AT_ONE, LATER, GONE},
}  # fmt: skip


def send(database: Database, member: str, events: Any, first: int) -> None:
    assert database.model is not None
    updates = [
        {"member": member, kind: {"time": NOW_US - round(hours * HOUR_US), **cells}}
        for kind, hours, cells in events
    ] or [{"member": member}]
    updates[0]["industry"] = member
    batch = event_batch(updates, database.model)
    ack = database.ingest(batch, Position.from_first("crm", "", 1, first, len(updates)))
    assert ack.accepted == len(updates)
    database.wait_visible(ack.offset)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("sequences") / "store"
    with Database.create(path, now=lambda: NOW_US + DAY_US) as made:
        made.apply_model({"m.yaml": MODEL})
        for turn, (member, events) in enumerate(HISTORIES.items()):
            send(made, member, events, 10 * turn)
        yield made


def who(database: Database, text: str, as_of_us: int = NOW_US) -> set[str | None]:
    counted = database.count(text, group_by="industry", as_of_us=as_of_us)
    assert counted.groups is not None
    return {name for name, count in counted.groups.items() if count}


@pytest.mark.parametrize("text", CASES)
def test_by_hand(text: str, database: Database) -> None:
    assert who(database, text) == CASES[text]
    assert database.count(text, as_of_us=NOW_US).count == len(CASES[text])


def test_at_other_instants(database: Database) -> None:
    """What lies ahead does not count, and silence is known when its time is over."""
    read = READ
    assert who(database, read, NOW_US + HOUR_US // 4) == {AN_HOUR, SECOND, NOW, LATER}
    assert who(database, read, NOW_US + HOUR_US // 4 - 1) == {AN_HOUR, SECOND, NOW}
    assert who(database, read, NOW_US - 1) == {AN_HOUR, SECOND}
    assert who(database, read, NOW_US - 4 * HOUR_US - 1) == {SECOND}
    silent = "sequence(download where asset = '白皮书' then no register within 3 days)"
    assert who(database, silent, NOW_US - 1) == set()
    # So much later the download of a few hours ago has been followed by nothing for three days.
    assert who(database, silent, NOW_US + 68 * HOUR_US) == {AN_HOUR, THREE}


def test_every_condition_is_counted(database: Database) -> None:
    read, silent = READ, "sequence(visit then no download within 1 hour)"
    found = database.count(
        f"{read} and (not {silent} or count(order) >= 1)", nodes=True, as_of_us=NOW_US
    )
    assert found.nodes is not None
    # The whole, the sequence, what is in brackets, `not`, the other sequence, and the aggregate.
    assert [node.count for node in found.nodes] == [3, 3, 7, 6, 4, 2]


def test_events_that_come_later_are_seen(tmp_path: Path) -> None:
    """One at a time, each before those that are there: in hot blocks, and after a checkpoint."""
    with Database.create(tmp_path / "store", now=lambda: NOW_US) as made:
        made.apply_model({"m.yaml": MODEL})
        read, silent = READ, "sequence(visit then no download within 2 hours)"
        seen = []
        steps: list[tuple[str, float]] = [("download", 3), ("visit", 3.5), ("visit", 6)]
        for turn, (kind, hours) in enumerate(steps):
            send(made, "a", [(kind, hours, {})], turn)
            seen.append((made.count(read).count, made.count(silent).count))
            made.checkpoint()
            assert seen[-1] == (made.count(read).count, made.count(silent).count)
        assert seen == [(0, 0), (1, 0), (1, 1)]


def test_a_funnel_counts_every_step(database: Database) -> None:
    found = database.measures.funnel(
        "sequence(visit then download within 1 hour then no order within 20 minutes)",
        as_of_us=NOW_US,
    )
    assert [one.count for one in found.steps] == [7, 3, 2]
    assert found.answer.count == len(HISTORIES)
    found = database.measures.funnel(
        "sequence(visit then download within 1 hour)", "count(order) > 0", as_of_us=NOW_US
    )
    assert (found.answer.count, [one.count for one in found.steps]) == (2, [1, 1])
