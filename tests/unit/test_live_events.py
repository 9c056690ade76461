"""Events of an ingesting database: sent again, corrected, taken away; saved and recovered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.database import Database
from engine.events.decode import decode_events
from engine.live.positions import IngestAck
from engine.store import open_events
from engine.store.addresses import Places, build_part_table
from engine.store.catalog import event_field
from tests.crash.live_writer import let_save
from tests.event_stores import event_batch, stored_events
from tests.live_databases import copy_store

MODEL = {
    "model.yaml": """\
time_zone: UTC
identifiers: {member: {per_profile: 1}}
attributes: {city: {type: category}}
events:
  order: {properties: {channel: category, amount: {type: decimal, scale: 2}, note: text}}
  visit: {properties: {channel: category}}
"""
}
NOON = 1_793_534_400_000_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.create(tmp_path / "s", threads=1) as database:
        database.apply_model(MODEL)
        let_save(database, False)
        yield database
        let_save(database, True)


def send(
    database: Database, *updates: Mapping[str, Any], giver: str = "shop", source: str = ""
) -> IngestAck:
    """A batch, visible, of which nothing is refused."""
    model = database.model
    assert model is not None
    ack = database.ingest(event_batch(updates, model), giver=giver, source=source)
    assert not ack.refused
    database.wait_visible(ack.offset)
    return ack


def orders(database: Database) -> list[Any]:
    """The orders, by row."""
    return stored_events(database._store, "order")


def order(time: int = NOON, **values: Any) -> dict[str, Any]:
    """An order of the first member."""
    return {"member": "m1", "order": {"time": time, **values}}


def test_an_event_is_visible_and_survives(database: Database, tmp_path: Path) -> None:
    """From the log alone, and once it is saved."""
    send(database, order(channel="web", amount=1250, note="ü"), {"member": "m2", "city": "Oslo"})
    send(database, {"member": "m2", "visit": {"time": NOON - 5, "channel": "web"}}, order(NOON + 1))
    wanted = [(0, NOON, {"channel": "web", "amount": 1250, "note": "ü"}), (0, NOON + 1, {})]
    assert orders(database) == wanted
    assert stored_events(database._store, "visit") == [(1, NOON - 5, {"channel": "web"})]
    with Database.open(copy_store(database, tmp_path / "killed"), threads=1) as again:
        assert orders(again) == wanted
        again.checkpoint()
        assert again._store.verify().faults == ()
        with again._store.snapshot() as snapshot:
            assert not snapshot.version.overlay.dirty
    with Database.open(tmp_path / "killed", threads=1) as again:
        assert orders(again) == wanted
        send(again, order(NOON + 2))
        assert orders(again) == [*wanted, (0, NOON + 2, {})]


def test_an_event_that_is_sent_again_changes_nothing(database: Database) -> None:
    event = order(id="o-1", channel="web", amount=5)
    send(database, event)
    with database._store.snapshot() as snapshot:
        before = dict(snapshot.version.overlay.fields)
    send(database, event)
    with database._store.snapshot() as snapshot:
        assert dict(snapshot.version.overlay.fields) == before
    assert orders(database) == [(0, NOON, {"channel": "web", "amount": 5})]


def test_a_later_event_with_the_id_takes_the_place_of_the_earlier(database: Database) -> None:
    send(database, order(id="o-1", channel="web", amount=5), order(NOON + 9, id="o-2"))
    with database._store.snapshot() as old:
        send(database, order(NOON + 1, id="o-1", amount=7), order(id="o-2", gone=True))
        assert orders(database) == [(0, NOON + 1, {"amount": 7})]
        field = old.fields[":event:order"].id
        assert len(decode_events(old.payloads(field, 0))) == 2, "what was seen stays"


def test_ids_are_of_their_source_profile_and_type(database: Database) -> None:
    one = {"time": NOON, "id": "1"}
    send(database, {"member": "m1", "order": one, "visit": one})
    send(database, {"member": "m2", "order": one})
    send(database, {"member": "m1", "order": one}, giver="another shop")
    assert [row for row, *_ in orders(database)] == [0, 0, 1]
    send(database, {"member": "m1", "order": one}, giver="ann", source="shop")
    assert [row for row, *_ in orders(database)] == [0, 0, 1]


def test_whatever_has_no_id_is_another_event(database: Database) -> None:
    send(database, order(), order())
    send(database, order())
    assert orders(database) == [(0, NOON, {})] * 3


def test_what_is_taken_away_leaves_nothing(database: Database, tmp_path: Path) -> None:
    send(database, order(id="o-1"))
    let_save(database, True)
    database.checkpoint()
    let_save(database, False)
    send(database, order(id="o-1", gone=True), order(id="never", gone=True))
    assert orders(database) == []
    with Database.open(copy_store(database, tmp_path / "killed"), threads=1) as again:
        assert orders(again) == []
        again.checkpoint()
        assert again._store.verify().faults == ()
    with Database.open(tmp_path / "killed", threads=1) as again:
        assert orders(again) == []
        send(again, order(id="o-1"))
        assert orders(again) == [(0, NOON, {})]


def test_a_correction_finds_what_was_saved_and_loaded(database: Database) -> None:
    """Over all that is stored of the type, in sealed chunks too."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("engine.store.open_events.SEALED_EVENTS", 4)
        for first in range(0, 20, 5):
            send(
                database, *(order(NOON + i, id=f"o-{i}", amount=i) for i in range(first, first + 5))
            )
        let_save(database, True)
        database.checkpoint()
        send(database, order(NOON, id="o-3", amount=33), order(id="o-11", gone=True))
        database.checkpoint()
        assert database._store.verify().faults == ()
    amounts = sorted(values["amount"] for _, _, values in orders(database))
    assert amounts == sorted([*(i for i in range(20) if i not in (3, 11)), 33])


def test_tables_are_made_on_from_one_record_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a table takes over from an earlier one is what one made from nothing would find."""
    monkeypatch.setattr(open_events, "SEALED_EVENTS", 64)
    times = iter(range(NOON, NOON + 1000))

    def some(count: int) -> list[dict[str, Any]]:
        at = [next(times) for _ in range(count)]
        return [order(time, id=str(time), note="x" * 40) for time in at]

    with Database.create(tmp_path / "s", threads=1) as database:
        database.apply_model(MODEL)
        send(database, *some(300))
    kept = []
    with Database.open(tmp_path / "s", threads=1) as database:
        for step in range(40):
            send(database, *some(10))
            if step % 7 == 6:
                send(database, order(NOON + 299 - 70 * (step // 7), id="", gone=False))
            if step % 9 == 8:
                gone = NOON + 250 - 64 * (step // 9)
                send(database, order(gone, id=str(gone), gone=True))
            with database._store.snapshot() as snapshot:
                field_id, version = snapshot.fields[event_field("order")].id, snapshot.version
                heap = version.overlay.fields[field_id]
                places = Places(version.view, version.state, field_id, heap, version.block_count)
                made, table = build_part_table(places), snapshot.addresses(field_id)
                assert not made._copies, "chunks lie where they are read"
                for name in ("first_part", "address", "length"):
                    assert getattr(table, name).tolist() == getattr(made, name).tolist()
                kept.append(heap[0].kept)
            if step % 5 == 4:
                database.checkpoint()
    assert len({*kept}) > 2, "of the stored chunks there were fewer and fewer"
