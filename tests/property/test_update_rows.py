"""Rows read from their bytes say what walking the messages says; odd bytes do no harm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion.cell_by_cell import Faults
from engine.limits import TIME_US
from engine.live.batch import ProfileBatch
from engine.live.update import NO_TIME
from server.update_columns import UpdateColumns
from server.update_events import EventColumns
from server.update_rows import row_columns
from server.update_wire import read_rows
from strata.v1 import ingest_pb2 as pb
from tests.event_batches import EVENT_MODEL
from tests.walked_rows import walked_columns
from tests.wire.fake_ingest import ingest_model

MODEL = replace(ingest_model(), events=EVENT_MODEL.events)
names = st.sampled_from([*MODEL.attributes, "tag", "agee", ""])
strings = st.sampled_from(["", "a", "北京", "12.5", "2026-02-30", "x" * 300])
stamps = st.builds(
    dict,
    seconds=st.sampled_from([0, 1, -62135596801, 253402300800, 1 << 50, -(1 << 63)]),
    nanos=st.sampled_from([0, 1999, 999_999_999, -1, 1_000_000_000]),
)
lists = st.lists(strings, max_size=3)
values = st.one_of(
    st.just({}),
    st.builds(
        lambda kind, text: {kind: text},
        st.sampled_from(["string_value", "decimal_value", "date_value"]),
        strings,
    ),
    st.builds(lambda value: {"int_value": value}, st.integers(-(1 << 63), (1 << 63) - 1)),
    st.builds(lambda value: {"float_value": value}, st.floats()),
    st.builds(lambda value: {"bool_value": value}, st.booleans()),
    st.builds(lambda value: {"time_value": value}, stamps),
    st.builds(lambda value: {"set_value": {"values": value}}, lists),
)
# The same attribute by the same kind, as clients send it, beside anything at all.
usual = st.sampled_from(
    [
        {"name": "city", "value": {"string_value": "Oslo"}},
        {"name": "spend", "value": {"decimal_value": "7.25"}},
        {"name": "spend", "value": {"int_value": -3}},
        {"name": "weight", "value": {"int_value": (1 << 53) + 1}},
        {"name": "vip", "value": {"bool_value": True}},
        {"name": "interests", "value": {"set_value": {"values": ["go", "tea"]}}},
        {"name": "interests", "value": {"set_value": {}}},
        {"name": "joined", "value": {"time_value": {"seconds": 7, "nanos": 1999}}},
    ]
)
changes = st.builds(dict, attribute=names, operation=st.integers(0, 3), values=lists)
# Properties and events in the same two ways.
usual_properties = st.sampled_from(
    [
        {"name": "channel", "value": {"string_value": "web"}},
        {"name": "channel", "value": {"string_value": "app"}},
        {"name": "channel", "value": {"string_value": "北京"}},
        {"name": "amount", "value": {"decimal_value": "7.25"}},
        {"name": "amount", "value": {"int_value": -3}},
        {"name": "pieces", "value": {"int_value": 1 << 40}},
        {"name": "rate", "value": {"float_value": 0.5}},
        {"name": "rate", "value": {"int_value": 3}},
        {"name": "paid", "value": {"bool_value": False}},
        {"name": "paid", "value": {"bool_value": True}},
        {"name": "due", "value": {"date_value": "2026-11-09"}},
        {"name": "shipped", "value": {"time_value": {"seconds": 7, "nanos": 1999}}},
        {"name": "note", "value": {"string_value": "fragile"}},
        {"name": "note", "value": {"string_value": ""}},
    ]
)
properties = st.sampled_from([*EVENT_MODEL.events["order"].properties, "chanel", ""])
any_events = st.builds(
    dict,
    type=st.sampled_from(["order", "visit", "ping", "ordr", ""]),
    id=strings,
    time=st.none() | stamps,
    properties=st.lists(
        usual_properties | st.builds(dict, name=properties, value=values), max_size=3
    ),
    gone=st.booleans(),
)
sound_orders = st.builds(
    dict,
    type=st.just("order"),
    id=strings,
    time=st.none() | st.just({"seconds": 9, "nanos": 2001}),
    properties=st.lists(usual_properties, max_size=4, unique_by=lambda said: said["name"]),
    gone=st.booleans(),
)
sound_visits = st.builds(
    dict,
    type=st.just("visit"),
    properties=st.sampled_from([[], [{"name": "channel", "value": {"string_value": "app"}}]]),
)
pings = st.builds(dict, type=st.just("ping"), id=strings)
any_updates = st.builds(
    pb.ProfileUpdate,
    identifiers=st.lists(
        st.builds(dict, kind=st.sampled_from(["member", "phone", "fax"]), value=strings),
        max_size=2,
    ),
    attributes=st.lists(usual | st.builds(dict, name=names, value=values), max_size=4),
    unset=st.lists(names, max_size=2),
    set_changes=st.lists(changes, max_size=3),
    giver=strings,
    time=st.none() | stamps,
    events=st.lists(any_events | sound_orders | sound_visits, max_size=3),
)
sound_updates = st.builds(
    pb.ProfileUpdate,
    identifiers=st.just([{"kind": "member", "value": "m"}]),
    attributes=st.lists(usual, max_size=3, unique_by=lambda said: said["name"]),
    unset=st.lists(st.sampled_from(["age", "remark", "tag"]), max_size=2),
    set_changes=st.lists(
        st.builds(
            dict,
            attribute=st.sampled_from(["tag", "interests"]),
            operation=st.integers(1, 2),
            values=lists,
        ),
        max_size=3,
    ),
    giver=strings,
    time=st.none() | st.just({"seconds": 7, "nanos": 1999}),
    events=st.lists(
        sound_orders | sound_visits | pings, max_size=3, unique_by=lambda event: event["type"]
    ),
)
updates = sound_updates | any_updates


def _plain(given_: Any) -> Any:
    if isinstance(given_, pa.Array):
        return given_.to_pylist()
    if hasattr(given_, "to_list"):
        return given_.to_list()
    if isinstance(given_, np.ndarray):
        return given_.tolist()
    if isinstance(given_, dict):
        told = {name: _plain(value) for name, value in sorted(given_.items())}
        return {name: value for name, value in told.items() if _says_something(value)}
    if isinstance(given_, tuple):
        return [_plain(one) for one in given_]
    if hasattr(given_, "__dataclass_fields__"):
        told = {name: _plain(getattr(given_, name)) for name in given_.__dataclass_fields__}
        told["unset"] = told.get("unset") or None
        if "valid" in told:
            pairs = zip(told["values"], told.pop("valid"), strict=True)
            told["values"] = [value if there else None for value, there in pairs]
        return told
    return given_


def _plain_events(rows: Any) -> Any:
    """What events say; a column in which nobody says anything is none."""
    rows["ids"] = [id_ or None for id_ in rows["ids"] or [None] * len(rows["at"])]
    rows["gone"] = rows["gone"] or [False] * len(rows["at"])
    return rows


def _says_something(value: Any) -> bool:
    if not isinstance(value, dict):
        return any(cell is not None for cell in value)
    return any(cell is not None for cell in value["values"]) or any(value["unset"] or [])


def _read(
    columns: dict[str, pa.Array], events: list[EventColumns], faults: Faults, count: int
) -> tuple[Any, Faults]:
    for column in columns.values():
        column.validate(full=True)
    for of_type in events:
        for column in of_type.columns.values():
            column.validate(full=True)
            assert len(column) == len(of_type.at)
    reading = UpdateColumns(MODEL, count, dict(faults))
    batch: ProfileBatch = reading.batch(columns, events)
    told = _plain(batch)
    told["events"] = [_plain_events(rows) for rows in told["events"]]
    if told["times"] and set(told["times"]) == {NO_TIME}:
        told["times"] = None
    if not any(told["giver"] or []):
        told["giver"] = None
    return told, reading.faults


@given(st.lists(updates, max_size=6))
def test_the_same_as_walking_the_messages(given_updates: list[pb.ProfileUpdate]) -> None:
    message = pb.UpdateRows(updates=given_updates)
    count = len(given_updates)
    _, faults = _read(*row_columns(MODEL, message), count)
    _, expected = _read(*walked_columns(MODEL, message.updates), count)
    assert faults == expected
    # What a record at fault says besides is passed over, so only the sound ones are compared.
    sound = [update for row, update in enumerate(given_updates) if row not in faults]
    message = pb.UpdateRows(updates=sound)
    read = _read(*row_columns(MODEL, message), len(sound))
    assert read == _read(*walked_columns(MODEL, message.updates), len(sound))


@given(st.lists(sound_updates, min_size=2, max_size=6))
def test_records_without_a_fault(given_updates: list[pb.ProfileUpdate]) -> None:
    message = pb.UpdateRows(updates=given_updates)
    read = _read(*row_columns(MODEL, message), len(given_updates))
    assert read == _read(*walked_columns(MODEL, message.updates), len(given_updates))
    assert not read[1]


def test_fields_from_a_later_contract_are_passed_over() -> None:
    update = pb.ProfileUpdate(identifiers=[{"kind": "member", "value": "m"}])
    # A number, a fixed one of each width, bytes, and a group with a group inside.
    later = b"\x78\x05" + b"\x79" + bytes(8) + b"\x7d" + bytes(4) + b"\x7a\x01x"
    group = b"\x7b\x7b" + later + b"\x7c\x7c"
    message = pb.UpdateRows()
    raw = later + group + update.SerializeToString()
    message.updates.append(pb.ProfileUpdate.FromString(raw))
    columns, _, faults = row_columns(MODEL, message)
    assert {name: column.to_pylist() for name, column in columns.items()} == {"id:member": ["m"]}
    assert not faults


@given(st.lists(updates, min_size=1, max_size=3), st.data())
def test_bytes_that_are_no_message_are_refused_or_read(
    given_updates: list[pb.ProfileUpdate], data: st.DataObject
) -> None:
    raw = bytearray(pb.UpdateRows(updates=given_updates).SerializeToString())
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    try:
        _, _, parts, _, _, kinds, values, sizes, starts, lengths = read_rows(bytes(raw), *TIME_US)
    except ValueError:
        return
    assert ((starts >= 0) & (lengths >= 0) & (starts + lengths <= len(raw))).all()
    is_text = (parts == 1) | (parts == 5) | ((parts == 2) & np.isin(kinds, [1, 3, 6]))
    assert (values[is_text] + sizes[is_text] <= len(raw)).all()


@pytest.mark.parametrize("raw", [b"\x0a", b"\x0a\x05", b"\xff" * 11, b"\x0b", b"\x0c", b"\x0e"])
def test_bytes_that_end_within_a_field_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not a message UpdateRows"):
        read_rows(raw, *TIME_US)
