"""Files and updates bring events to one store: an id of a source is one event either way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.database import Database
from engine.live.batch import LoadOutcome
from engine.live.positions import Position
from tests.event_stores import brought, event_batch, stored_events

MODEL = """\
identifiers: {member: }
events:
  visit: {properties: {channel: category}}
  order: {properties: {channel: category, note: text, pieces: int}}
sources:
  crm: {event: order, identify: {member: id}, time: at}
  web: {event: order, identify: {member: id}, time: at}
"""

Updates = Sequence[Mapping[str, Any]]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.create(tmp_path / "store") as made:
        made.apply_model({"m.yaml": MODEL})
        yield made


def send(database: Database, updates: Updates, source: str = "crm", first: int = 0) -> None:
    assert database.model is not None
    batch = event_batch(updates, database.model)
    position = Position.from_first(source, "", 1, first, len(updates))
    ack = database.ingest(batch, position)
    assert ack.accepted == len(updates)
    database.wait_visible(ack.offset)


def load(database: Database, updates: Updates, source: str = "crm") -> LoadOutcome:
    assert database.model is not None
    with database.bulk_load(database.model.sources[source]) as bulk:
        assert bulk.add(event_batch(updates, database.model)).refused == []
        return bulk.finish()


def orders(database: Database) -> list[tuple[int, int, dict[str, Any]]]:
    return stored_events(database._store, "order")


def order(time: int, identity: str | None = None, **cells: Any) -> dict[str, Any]:
    return {"member": "a", "order": {"time": time, "id": identity, **cells}}


def test_a_load_finds_what_was_sent(database: Database) -> None:
    send(database, [order(1, "1", channel="web", note="n"), order(2, "2"), order(3)])
    same, other = order(1, "1", channel="web", note="n"), order(9, "2", channel="shop")
    assert brought(load(database, [same, other, order(3)])) == (1, 1, 1, 0)
    assert orders(database) == sorted(
        [
            (0, 1, {"channel": "web", "note": "n"}),
            (0, 3, {}),
            (0, 3, {}),
            (0, 9, {"channel": "shop"}),
        ],
        key=repr,
    )
    assert brought(load(database, [same], source="web")) == (1, 0, 0, 0)


def test_what_is_sent_finds_a_load(database: Database) -> None:
    load(database, [order(1, "1", pieces=1), order(2, "2", pieces=2)])
    send(database, [order(1, "1", pieces=7), {"member": "a", "order": {"id": "2", "gone": True}}])
    assert orders(database) == [(0, 1, {"pieces": 7})]
    database.checkpoint()
    assert database.verify().faults == ()
    assert brought(load(database, [order(1, "1", pieces=7), order(2, "2")])) == (1, 0, 1, 0)
    send(database, [order(5, "1", note="late")], first=2)
    assert [time for _, time, _ in orders(database)] == [2, 5]


def test_turns_of_both_survive_reopening(database: Database, tmp_path: Path) -> None:
    for turn in range(4):
        send(database, [order(turn, f"s{turn}"), order(turn, "both", pieces=turn)], first=2 * turn)
        load(database, [order(turn, f"l{turn}"), order(turn, "both", pieces=10 + turn)])
    expected = [(0, 3, {"pieces": 13}), *((0, turn, {}) for turn in range(4) for _ in range(2))]
    assert orders(database) == sorted(expected, key=repr)
    database.close()
    with Database.open(tmp_path / "store") as again:
        assert orders(again) == sorted(expected, key=repr)
        assert again.verify().faults == ()
