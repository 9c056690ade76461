"""Events of batches: rows and Arrow mean the same, and what cannot be kept refuses its record."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from engine.errors import InputInvalid
from engine.live.batch import EventRows
from server.update_batches import ReceivedBatch, receive
from strata.updates import Event, Update, batch_message
from strata.v1 import ingest_pb2 as pb
from tests.event_batches import EVENT_MODEL, event_rows
from tests.wire.arrow_batches import arrow_bytes
from tests.wire.test_update_batches import plain

ORIGIN = pb.Origin(source="shop")
UTC = datetime.UTC
NOON = datetime.datetime(2026, 11, 1, 12, 0, 0, 5, UTC)
NOON_US = 1_793_534_400_000_005
NIGHT = datetime.datetime(2026, 11, 2, tzinfo=UTC)
NIGHT_US = 1_793_577_600_000_000

ORDER = {
    "channel": "web",
    "amount": Decimal("12.5"),
    "pieces": 3,
    "rate": 0.5,
    "paid": True,
    "due": datetime.date(2026, 11, 9),
    "shipped": NIGHT,
    "note": "fragile",
}
# The same in the units of batches.
ORDER_CELLS = {**ORDER, "amount": 1250, "due": 20_766, "shipped": NIGHT_US}


def rows(*updates: Update) -> ReceivedBatch:
    return receive(EVENT_MODEL, ORIGIN, batch_message(updates))


def arrow(columns: dict[str, Any]) -> ReceivedBatch:
    return receive(EVENT_MODEL, ORIGIN, batch_message(arrow_bytes(columns)))


def by(*events: Event, member: str = "m1", **more: Any) -> Update:
    return Update({"member": member}, events=events, **more)


def told(received: ReceivedBatch) -> Any:
    """The events of a batch by type; properties that no event has do not count."""
    return {rows.event: _told(rows) for rows in received.batch.events}


def _told(rows: EventRows) -> Any:
    found = plain(rows)
    cells = {name: cells["values"] for name, cells in found["properties"].items()}
    found["properties"] = {n: c for n, c in sorted(cells.items()) if any(x is not None for x in c)}
    found["ids"] = [id_ or None for id_ in found["ids"] or [None] * len(rows.at)]
    found["gone"] = found["gone"] or [False] * len(rows.at)
    found["times"] = [
        t if there else None for t, there in zip(found["times"], found["timed"], strict=True)
    ]
    return found


def wanted(event: str, *brought: Any) -> Any:
    return {event: _told(event_rows(event, brought))}


def test_everything_that_an_event_can_say() -> None:
    received = rows(
        Update({"member": "m0"}, {"city": "Oslo"}),
        by(Event("order", ORDER, NOON, "o-1"), Event("ping", time=NIGHT)),
        by(Event("order", id="o-2", gone=True)),
        by(Event("order", {"amount": 7, "note": ""}), time=NIGHT),
    )
    assert not received.faults
    order = (
        None,
        {"time": NOON_US, "id": "o-1", **ORDER_CELLS},
        {"id": "o-2", "gone": True},
        {"time": NIGHT_US, "amount": 700},
    )
    assert told(received) == {
        **wanted("order", *order),
        **wanted("ping", None, {"time": NIGHT_US}),
    }


def test_arrow_says_the_same() -> None:
    received = arrow(
        {
            "id:member": ["m0", "m1", "m1", "m1", "m2"],
            "city": ["Oslo", None, None, None, None],
            "time": [None, None, None, NIGHT, None],
            "event": [None, "order", "order", "order", "ping"],
            "event:time": [None, NOON, None, None, NIGHT],
            "event:id": [None, "o-1", "o-2", None, None],
            "event:gone": [None, None, True, False, None],
            "property:amount": [None, Decimal("12.50"), None, Decimal("7.00"), None],
            **{
                f"property:{name}": [None, value, None, None, None]
                for name, value in ORDER.items()
                if name != "amount"
            },
        }
    )
    assert not received.faults
    order = (
        None,
        {"time": NOON_US, "id": "o-1", **ORDER_CELLS},
        {"id": "o-2", "gone": True},
        {"time": NIGHT_US, "amount": 700},
    )
    ping = (None, None, None, None, {"time": NIGHT_US})
    assert told(received) == {**wanted("order", *order), **wanted("ping", *ping)}


def test_a_property_is_read_as_the_type_of_its_event_declares_it() -> None:
    visit = replace(
        EVENT_MODEL.events["visit"],
        properties={
            "amount": replace(EVENT_MODEL.events["order"].properties["amount"], type="int", scale=0)
        },
    )
    model = replace(EVENT_MODEL, events={**EVENT_MODEL.events, "visit": visit})
    columns = {
        "id:member": ["a", "b"],
        "event": ["order", "visit"],
        "event:time": [NOON, NOON],
        "property:amount": ["12.5", "12"],
    }
    received = receive(model, ORIGIN, batch_message(arrow_bytes(columns)))
    amounts = {
        rows.event: rows.properties["amount"].values.tolist() for rows in received.batch.events
    }
    assert amounts == {"order": [1250], "visit": [12]} and not received.faults


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Event("ordr", time=NOON), "the model has no event ordr; did you mean order?"),
        (Event("", time=NOON), "event has no type"),
        (Event("ping", {"amount": 1}, NOON), "the model has no property ping.amount"),
        (Event("order", {"amuont": 1}, NOON), "did you mean order.amount?"),
        (Event("order", {"pieces": "3"}, NOON), "order.pieces: comes as string_value"),
        (Event("order", {"channel": ("a",)}, NOON), "order.channel: comes as set_value"),
        (Event("order", {"due": datetime.date.max}, NOON), ""),
    ],
)
def test_an_event_that_makes_no_sense_refuses_its_record(event: Event, reason: str) -> None:
    received = rows(by(Event("ping", time=NOON)), by(event), by(Event("ping", time=NOON)))
    assert list(received.faults) == ([1] if reason else [])
    assert reason in received.faults.get(1, "")
    members = received.batch.identifiers["member"].to_list()
    assert [member or None for member in members] == ["m1", None if reason else "m1", "m1"]


def test_two_events_of_a_type_refuse_their_record() -> None:
    received = rows(by(Event("ping", time=NOON), Event("ping", time=NIGHT)))
    assert received.faults == {0: "ping: two events of a type; send an update for each"}


def test_a_property_without_a_value_or_twice_refuses_its_record() -> None:
    for name, reason in (("pieces", "has no value"), ("rate", "is given twice")):
        message = pb.UpdateBatch()
        update = message.rows.updates.add(identifiers=[{"kind": "member", "value": "m"}])
        event = update.events.add(type="order", time={"seconds": 5})
        for _ in range(2):
            added = event.properties.add(name=name)
            if name == "rate":
                added.value.float_value = 0.5
        assert reason in receive(EVENT_MODEL, ORIGIN, message).faults[0]


def test_a_time_that_is_none_refuses_its_record() -> None:
    message = pb.UpdateBatch()
    for at in ("time", "shipped"):
        update = message.rows.updates.add(identifiers=[{"kind": "member", "value": at}])
        event = update.events.add(type="order")
        if at == "time":
            event.time.seconds = 1 << 50
        else:
            event.properties.add(name=at).value.time_value.seconds = 1 << 50
    faults = receive(EVENT_MODEL, ORIGIN, message).faults
    assert faults == {
        0: "order: time is a time outside the years 1 to 9999",
        1: "order.shipped: is a time outside the years 1 to 9999",
    }


def test_cells_of_arrow_that_cannot_be_kept_refuse_their_records() -> None:
    received = arrow(
        {
            "id:member": ["a", "b", "c", "d", "e"],
            "event": ["order", "ordr", "ping", "order", "order"],
            "event:time": ["2026-11-01", "2026-11-01", "2026-11-01", "soon", "2026-11-01"],
            "property:pieces": ["1", None, "2", None, "few"],
        }
    )
    assert sorted(received.faults) == [1, 2, 3, 4]
    assert received.faults[1] == "the model has no event ordr; did you mean order?"
    assert received.faults[2] == "ping has no property pieces"
    assert received.faults[3].startswith("order.time: ")
    assert received.faults[4].startswith("order.pieces: ")


def test_parts_of_an_id_make_it_between_them() -> None:
    parts = [["1", "2"], [None, "2"], ["12", ""], ["", None], None, ["one"]]
    received = arrow(
        {
            "id:member": ["a"] * 6,
            "event": ["order"] * 6,
            "event:time": ["2026-11-01"] * 6,
            "event:id": parts,
        }
    )
    ids = received.batch.events[0].ids
    assert ids is not None
    assert ids.to_list() == ["1\x1f2", "\x1f2", "12\x1f", None, None, "one"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"event:time": [NOON]}, "brings event:time and no column event"),
        ({"event": [["order"]]}, "column event, of the type list"),
        ({"event": ["order"], "property:amuont": [1]}, "did you mean amount?"),
        ({"event": ["order"], "property:note": [["a"]]}, "column property:note"),
        ({"event": ["order"], "event:gone": [["x"]]}, "column event:gone"),
    ],
)
def test_columns_that_mean_nothing_refuse_the_batch(columns: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputInvalid, match=reason.replace("?", r"\?")):
        arrow({"id:member": ["m"], **columns})
