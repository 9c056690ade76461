"""Batches as they come: rows and Arrow mean the same, and what makes no sense is refused alone."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.strings import Strings
from engine.errors import InputInvalid
from engine.live.batch import ProfileBatch
from engine.live.update import NO_TIME
from server.update_batches import ReceivedBatch, receive
from strata.updates import Update, batch_message
from strata.v1 import ingest_pb2 as pb
from tests.wire.arrow_batches import arrow_bytes
from tests.wire.fake_ingest import ingest_model

MODEL = ingest_model()
ORIGIN = pb.Origin(source="crm", partition="0", owner_epoch=3)
UTC = datetime.UTC
NOON = datetime.datetime(2026, 11, 1, 4, 0, 0, 5, UTC)


def rows(*updates: Update, **place: Any) -> ReceivedBatch:
    return receive(MODEL, ORIGIN, batch_message(updates, **place))


def arrow(columns: dict[str, Any], **place: Any) -> ReceivedBatch:
    return receive(MODEL, ORIGIN, batch_message(arrow_bytes(columns), **place))


def plain(given: Any) -> Any:
    """A batch, or a part of one, as lists and dictionaries; what is not there does not count."""
    if isinstance(given, Strings):
        return given.to_list()
    if isinstance(given, np.ndarray):
        return given.tolist()
    if isinstance(given, dict):
        return {name: plain(value) for name, value in given.items()}
    if hasattr(given, "__dataclass_fields__"):
        told = {name: plain(getattr(given, name)) for name in given.__dataclass_fields__}
        if isinstance(told.get("values"), list) and "valid" in told:
            pairs = zip(told["values"], told["valid"], strict=True)
            told["values"] = [value if there else None for value, there in pairs]
        return told
    return given


def test_everything_that_a_row_can_say() -> None:
    received = rows(
        Update(
            {"member": "m1", "phone": "139"},
            {
                "city": "Oslo",
                "age": 41,
                "spend": Decimal("12.5"),
                "weight": 1.5,
                "vip": False,
                "born": datetime.date(1985, 2, 3),
                "joined": NOON,
                "remark": "hello",
                "interests": ("go", "tea"),
                "time": 7,
            },
            added={"tag": ("new",)},
            removed={"tag": ("old", "older")},
            giver="shop",
            time=NOON,
        ),
        Update({"member": "m2"}, {"age": None, "interests": (), "spend": 3}),
    )
    batch = received.batch
    assert received.faults == {} and batch.count == 2 and received.giver == "crm"
    assert batch.identifiers["phone"].to_list() == ["139", None]
    told = {name: plain(column) for name, column in batch.attributes.items()}
    assert told["city"]["values"] == ["Oslo", None]
    assert told["age"]["values"] == [41, None] and told["age"]["unset"] == [False, True]
    assert told["spend"]["values"] == [1250, 300]
    assert told["weight"]["values"] == [1.5, None]
    assert told["vip"]["values"] == [False, None]
    assert told["born"]["values"] == [5512, None]
    assert told["joined"]["values"] == [1793505600000005, None]
    assert told["remark"]["values"] == ["hello", None]
    assert told["time"]["values"] == [7, None]
    assert plain(batch.sets["interests"]) == {
        "offsets": [0, 2, 2], "values": ["go", "tea"], "unset": [False, True],
    }  # fmt: skip
    assert plain(batch.added["tag"])["values"] == ["new"]
    assert plain(batch.removed["tag"])["values"] == ["old", "older"]
    assert batch.giver is not None and batch.giver.to_list() == ["shop", None]
    assert batch.times is not None and batch.times.tolist() == [1793505600000005, NO_TIME]


def test_the_same_in_arrow() -> None:
    told = rows(
        Update({"member": "m1"}, {"city": "Oslo", "age": 1, "spend": Decimal("2.50"), "vip": True}),
        Update(
            {"member": "m2", "phone": "1"},
            {"born": datetime.date(2000, 1, 1), "joined": NOON, "weight": 0.25, "age": None},
            added={"tag": ("a", "b")},
            time=NOON,
        ),
        Update({"member": "m3"}, {"interests": ("x",), "time": 9, "remark": "r"}, giver="g"),
    )
    strings = pa.list_(pa.string())
    columns = {
        "id:member": ["m1", "m2", "m3"],
        "id:phone": pa.array([None, "1", None], pa.large_string()),
        "city": pa.array(["Oslo", None, None]).dictionary_encode(),
        "age": pa.array([1, None, None], pa.int16()),
        "unset:age": [False, True, None],
        "spend": pa.array([Decimal("2.5"), None, None], pa.decimal128(9, 1)),
        "vip": [True, None, None],
        "born": pa.array([None, datetime.date(2000, 1, 1), None]),
        "joined": pa.array([None, NOON, None], pa.timestamp("us", "Europe/Oslo")),
        "weight": pa.array([None, 0.25, None], pa.float32()),
        "+tag": pa.array([None, ["a", "b"], None], strings),
        "interests": pa.array([None, None, ["x"]], pa.large_list(pa.large_string())),
        "attribute:time": pa.array([None, None, 9], pa.uint8()),
        "remark": [None, "", "r"],
        "giver": [None, "", "g"],
        "time": pa.array([None, NOON.replace(tzinfo=None), None], pa.timestamp("us", "UTC")),
        "nothing": pa.nulls(3),
    }
    # A column without a type says nothing, whatever its name.
    assert plain(arrow(columns).batch) == plain(told.batch)


cells = {
    "city": st.sampled_from(["Oslo", "", "北京"]),
    "age": st.integers(-(2**63), 2**63 - 1),
    "spend": st.decimals(-(10**9), 10**9, places=3),
    "weight": st.floats(),
    "vip": st.booleans(),
    "born": st.dates(),
    "joined": st.datetimes(timezones=st.just(UTC)),
    "remark": st.text(max_size=5),
}
KINDS = {
    "age": pa.int64(), "spend": pa.decimal128(30, 3), "weight": pa.float64(), "vip": pa.bool_(),
    "born": pa.date32(), "joined": pa.timestamp("us", "UTC"),
}  # fmt: skip
sets = st.lists(st.sampled_from(["a", "b", "ü"]), max_size=3)
updates = st.builds(
    Update,
    st.fixed_dictionaries({"member": st.text(max_size=3)}, optional={"phone": st.just("1")}),
    st.fixed_dictionaries({}, optional=cells),
    added=st.fixed_dictionaries({}, optional={"tag": sets}),
    removed=st.fixed_dictionaries({}, optional={"interests": sets}),
    giver=st.sampled_from(["", "g"]),
    time=st.none() | st.datetimes(timezones=st.just(UTC)),
)


@given(st.lists(updates, min_size=1, max_size=6))
def test_rows_and_arrow_are_one_way(given_updates: list[Update]) -> None:
    def column(name: str, cell: Any, kind: Any = None) -> pa.Array:
        return pa.array([cell(update) for update in given_updates], kind or pa.string())

    told = rows(*given_updates)
    columns = {
        "id:member": column("id", lambda u: u.identifiers["member"]),
        "id:phone": column("id", lambda u: u.identifiers.get("phone")),
        **{
            name: column(name, lambda u, name=name: u.attributes.get(name), KINDS.get(name))
            for name in cells
        },
        "+tag": column("+", lambda u: u.added.get("tag"), pa.list_(pa.string())),
        "-interests": column("-", lambda u: u.removed.get("interests"), pa.list_(pa.string())),
        "giver": column("giver", lambda u: u.giver),
        "time": column("time", lambda u: u.time, pa.timestamp("us", "UTC")),
    }
    received = arrow(columns)
    assert received.faults.keys() == told.faults.keys()
    assert _without_empty(received.batch) == _without_empty(told.batch)


def _cells(column: Any) -> Any:
    return column["values"] if isinstance(column, dict) else column


def _without_empty(batch: ProfileBatch) -> Any:
    """A column of nothing says what no column says."""
    told = plain(batch)
    for part in ("identifiers", "attributes", "added", "removed"):
        told[part] = {
            name: column
            for name, column in told[part].items()
            if any(cell is not None for cell in _cells(column))
        }
    if not any(told["giver"] or []):
        told["giver"] = None
    if told["times"] and set(told["times"]) == {NO_TIME}:
        told["times"] = None
    return told


def raw_row(**fields: Any) -> pb.ProfileUpdate:
    return pb.ProfileUpdate(identifiers=[{"kind": "member", "value": "m"}], **fields)


def with_cell(name: str, times: int = 1, unset: str = "", **value: Any) -> pb.ProfileUpdate:
    """A row that says one thing of an attribute."""
    cells = [{"name": name, "value": value}] * times
    return raw_row(attributes=cells, unset=[unset] if unset else [])


def change(**fields: Any) -> pb.ProfileUpdate:
    return raw_row(set_changes=[fields])


BAD_ROWS = {
    "an int as text": (
        with_cell("age", string_value="4"),
        "age: comes as string_value, and takes int_value",
    ),
    "a time as text": (with_cell("joined", string_value="4"), "joined: comes as string_value"),
    "a duration": (
        with_cell("age", duration_value="4"),
        "age: comes as duration_value, and takes int_value",
    ),
    "no value": (with_cell("age"), "age: has no value"),
    "a date that is none": (
        with_cell("born", date_value="2026-02-30"),
        "born: '2026-02-30' is no day of the calendar",
    ),
    "a decimal that is none": (with_cell("spend", decimal_value="1,5"), "spend: "),
    "a time out of range": (
        with_cell("joined", time_value={"seconds": 1 << 50}),
        "joined: is a time outside the years 1 to 9999",
    ),
    "an unknown attribute": (
        with_cell("agee", int_value=4),
        "the model has no attribute agee; did you mean age?",
    ),
    "an unknown kind": (
        pb.ProfileUpdate(identifiers=[{"kind": "fone", "value": "1"}]),
        "the model has no kind of identifier fone; did you mean phone?",
    ),
    "a kind twice": (
        pb.ProfileUpdate(identifiers=[{"kind": "member", "value": v} for v in "ab"]),
        "member: is given twice",
    ),
    "an attribute twice": (with_cell("age", 2, int_value=4), "age: is given twice"),
    "a set twice": (
        with_cell("tag", 2, set_value={"values": ["x", "y"]}),
        "tag: is given twice",
    ),
    "given and taken": (with_cell("age", unset="age", int_value=4), "age: is given and taken away"),
    "a set given and taken": (
        with_cell("tag", unset="tag", set_value={"values": ["x"]}),
        "tag: is given and taken away",
    ),
    "a computed attribute": (with_cell("twice", int_value=4), "twice: is computed from others"),
    "unset of nothing": (raw_row(unset=["agee"]), "the model has no attribute agee"),
    "a change of no set": (
        change(attribute="age", operation=1),
        "age: is no set, and has one value",
    ),
    "a change without operation": (
        change(attribute="tag", values=["x"]),
        "tag: its operation is missing",
    ),
    "an event time out of range": (
        raw_row(time={"seconds": -(1 << 60)}),
        "time: is a time outside the years",
    ),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_a_bad_row_is_refused_alone(what: str) -> None:
    bad, reason = BAD_ROWS[what]
    good = raw_row(attributes=[{"name": "age", "value": {"int_value": 4}}])
    message = pb.UpdateBatch(rows=pb.UpdateRows(updates=[good, bad, good]))
    received = receive(MODEL, ORIGIN, message)
    assert list(received.faults) == [1]
    assert received.faults[1].startswith(reason)
    found = [values.valid.tolist() for values in received.batch.identifiers.values()]
    assert [any(row) for row in zip(*found, strict=True)] == [True, False, True]


def test_bad_cells_of_arrow_are_refused_alone() -> None:
    received = arrow(
        {
            "id:member": list("abcdef"),
            "age": ["1", "x", "3", None, "5", "6"],
            "spend": [1.5, 2.0, float("nan"), 3.0, 1e30, 2.0],
            "born": ["2020-01-01"] * 5 + ["2020-13-01"],
        }
    )
    assert sorted(received.faults) == [1, 2, 4, 5]
    assert received.batch.identifiers["member"].to_list() == ["a", None, None, "d", None, None]
    assert received.faults[5].startswith("born: ")


def test_places() -> None:
    two = (Update({"member": "a"}), Update({"member": "b"}))
    assert rows(*two).position is None
    first = rows(*two, first_offset=(1 << 64) - 3).position
    assert first is not None and first.offsets.tolist() == [(1 << 64) - 3, (1 << 64) - 2]
    assert (first.source, first.partition, first.owner_epoch) == ("crm", "0", 3)
    given = rows(*two, offsets=[4, 9]).position
    assert given is not None and given.offsets.tolist() == [4, 9]
    for place in ({"offsets": [4]}, {"offsets": [9, 4]}, {"offsets": [4, 4]},
                  {"first_offset": (1 << 64) - 1}):  # fmt: skip
        with pytest.raises(InputInvalid):
            rows(*two, **place)
    empty = rows(first_offset=5).position
    assert empty is not None and len(empty.offsets) == 0
