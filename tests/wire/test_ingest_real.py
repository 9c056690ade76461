"""Ingest into a real store, and reading one's own writes back."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.database import Database
from strata.cli.embedded import EmbeddedTransport
from strata.client import Client
from strata.errors import StrataError
from strata.ingesting import Ingestor
from strata.updates import Event, Update
from tests.event_stores import stored_events
from tests.wire.arrow_batches import arrow_bytes
from tests.wire.real_store import MODEL

EVENTS = "events: {order: {properties: {amount: {type: decimal, scale: 2}}}}"
NOON = datetime.datetime(2026, 11, 1, 4, tzinfo=datetime.UTC)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty store with the model of the wire tests."""
    made = Database.create(tmp_path / "store")
    made.apply_model({"model.yaml": MODEL, "events.yaml": EVENTS})
    return made


@pytest.fixture(params=["served", "embedded"])
def client(request: Any, database: Database, serve: Callable[..., str]) -> Any:
    """A client of that store, both ways."""
    if request.param == "served":
        with Client(serve(database), timeout_s=60) as remote:
            yield remote
        return
    with database, Client(transport=EmbeddedTransport(database)) as here:
        yield here


def test_a_write_is_read_back(client: Client) -> None:
    ack = client.ingest_batch(
        [
            Update(
                {"member": "m1", "phone": "139"},
                {"城市": "Oslo", "age": 30, "spend": Decimal("600.25"), "joined": NOON},
                added={"tag": ["vip"], "interests": ["go"]},
            ),
            Update({"member": "m2"}, {"age": 10}),
            Update({"member": "m2"}, {"age": 1.5}),
        ],
        source="people",
        first_offset=7,
    )
    assert (ack.accepted, ack.created, ack.durable_offset, ack.refused_count) == (2, 2, 9, 1)
    assert ack.refused[0].reason == "age: comes as float_value, and takes int_value"
    found = client.profile("phone", "139", min_offset=ack.offset)
    assert found.attributes["age"] == 30 and found.attributes["joined"] == NOON
    assert found.tags == ("vip",) and found.segments == ("adults", "rich_adults")
    assert client.count("segment('adults')", min_offset=ack.offset).count == 1

    again = client.ingest_batch(
        [Update({"member": "m1"}, {"age": 1})] * 3, source="people", first_offset=7
    )
    assert (again.duplicates, again.accepted) == (3, 0)

    columns = {
        "id:phone": ["139", "140"],
        "age": [None, 50],
        "unset:spend": [True, False],
        "-tag": [["vip"], None],
        "+interests": [["tea"], ["tea"]],
    }
    later = client.ingest_batch(arrow_bytes(columns), source="people", first_offset=10)
    assert (later.accepted, later.created) == (2, 1)
    found = client.profile("member", "m1", min_offset=later.offset)
    assert found.attributes["interests"] == ("go", "tea") and "spend" not in found.attributes
    assert found.tags == () and found.segments == ("adults",)
    assert client.count("interests = 'tea'", min_offset=later.offset).count == 2


def test_an_ingestor_into_a_real_store(client: Client) -> None:
    with Ingestor(client, "people", partition="p", owner_epoch=1) as ingestor:
        for first in range(0, 3000, 100):
            members = [f"m{number}" for number in range(first, first + 100)]
            ages = [number % 90 for number in range(first, first + 100)]
            ingestor.send(arrow_bytes({"id:member": members, "age": ages}), first_offset=first)
        ingestor.flush()
        assert ingestor.durable_offset == 2999
    offset = client.ingest_batch([Update({"member": "m0"}, {"age": 99})], source="x").offset
    expected = 1 + sum(number % 90 >= 18 for number in range(3000))
    assert client.count("age >= 18", min_offset=offset).count == expected
    with Ingestor(client, "people", partition="p", owner_epoch=2) as later:
        assert later.durable_offset == 2999
        later.send([Update({"member": "m1"})], first_offset=3000)
    with pytest.raises(StrataError) as caught:
        Ingestor(client, "people", partition="p", owner_epoch=1)
    assert caught.value.reason == "OWNER_FENCED"
    with pytest.raises(StrataError) as caught:
        place = {"source": "people", "partition": "p", "owner_epoch": 1, "first_offset": 9000}
        client.ingest_batch([Update({"member": "m1"})], **place)
    assert caught.value.reason == "OWNER_FENCED"


def test_a_plan_says_what_an_apply_does(client: Client) -> None:
    ack = client.ingest_batch(
        [Update({"member": f"m{age}"}, {"age": age}) for age in range(40)], source="people"
    )
    assert client.count("segment('adults')", min_offset=ack.offset).count == 22
    new = MODEL.replace("age >= 18", "age >= 21 or age < 2")
    planned = client.plan_model({"model.yaml": new})
    assert planned.changed_keys == ("segments.adults",)
    sizes = {one.definition: one for one in planned.changes}
    adults = sizes["segments.adults"]
    assert (adults.old_size, adults.new_size, adults.joiners, adults.leavers) == (22, 21, 2, 3)
    assert adults.kept
    assert client.count("segment('adults')").count == 22
    assert client.apply_model({"model.yaml": new}).changes == planned.changes
    assert client.count("segment('adults')").count == 21
    with pytest.raises(StrataError) as caught:
        client.plan_model({"model.yaml": new.replace("type: int", "type: integer")})
    assert caught.value.reason == "MODEL_INVALID"


def test_events_are_stored_corrected_and_taken_away(client: Client, database: Database) -> None:
    noon_us = int(NOON.timestamp()) * 1_000_000

    def send(updates: Any, **more: Any) -> None:
        ack = client.ingest_batch(updates, source="shop", **more)
        assert ack.refused_count == 0
        client.profile("member", "m1", min_offset=ack.offset)

    first = Event("order", {"amount": Decimal("12.50")}, NOON, "o-1")
    send([Update({"member": "m1"}, events=[first]), Update({"member": "m1"}, events=[first])])
    assert stored_events(database._store, "order") == [(0, noon_us, {"amount": 1250})]
    columns = {
        "id:member": ["m1", "m1"],
        "event": ["order", "order"],
        "event:time": [NOON, NOON],
        "event:id": ["o-1", "o-2"],
        "property:amount": ["12.51", None],
    }
    send(arrow_bytes(columns), giver="ann")
    assert stored_events(database._store, "order") == [
        (0, noon_us, {"amount": 1251}),
        (0, noon_us, {}),
    ]
    send([Update({"member": "m1"}, events=[Event("order", id="o-1", gone=True)])])
    assert stored_events(database._store, "order") == [(0, noon_us, {})]


def test_an_event_without_a_time_is_refused_alone(client: Client) -> None:
    updates = [Update({"member": name}, events=[Event("order")]) for name in ("m1", "m2")]
    ack = client.ingest_batch([*updates, Update({"member": "m3"}, {"age": 3})], source="shop")
    assert (ack.accepted, ack.created) == (1, 1)
    assert {refused.reason for refused in ack.refused} == {"order has no time"}


def test_a_checkpoint_leaves_nothing_to_replay(client: Client, database: Database) -> None:
    ack = client.ingest_batch([Update({"member": "m1"}, {"age": 30})], source="people")
    assert client.count("age = 30", min_offset=ack.offset).count == 1
    assert client.checkpoint() >= ack.offset
    assert database.stats()["dirty_blocks"] == 0
