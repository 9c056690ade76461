"""Every fault of a chunk of events is seen, one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engine.columns.strings import Strings
from engine.events import head
from engine.events.check import check_chunk, check_events
from engine.events.decode import decode_events
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Floats, Ints, Texts

ROW, TIME, ID, ORIGIN, INTS, FLOATS, CODES, TEXTS, SAME = range(9)  # columns of PART


def _events() -> Events:
    """Ten events; each second one has the int, the float and the text."""
    present = np.arange(10) % 2 == 0
    words = [f"wörd {i}" if held else None for i, held in enumerate(present.tolist())]
    return Events(
        np.arange(20, 30, dtype=np.uint16),
        np.arange(10, dtype=np.int64) * 7 + 1_000,
        np.arange(10, dtype=np.uint64) << np.uint64(50),
        np.arange(1, 11, dtype=np.uint32),
        {
            1: Ints(np.where(present, np.arange(10) * 10 - 5, 0), present),
            2: Floats(np.where(present, np.arange(10) / 2, 0.0), present),
            3: Codes(np.arange(10, dtype=np.uint32)),
            4: Texts(Strings.from_list(words)),
            5: Codes(np.full(10, 9, np.uint32)),
        },
    )


PART = encode_events(_events())[0]
COLUMNS = head.read_columns(PART, head.read_head(PART))

Change = Callable[[bytearray], None]


def in_head(**fields: int) -> Change:
    """The head with other fields."""

    def change(part: bytearray) -> None:
        packed = head.pack_heads(head.read_head(bytes(part))._replace(**fields), [])
        part[: head.HEAD_BYTES] = packed

    return change


def in_column(which: int, **fields: int) -> Change:
    """One column's description with other fields."""

    def change(part: bytearray) -> None:
        columns = list(COLUMNS)
        columns[which] = columns[which]._replace(**fields)
        packed = head.pack_heads(head.read_head(bytes(part)), columns)
        part[: len(packed)] = packed

    return change


def at(offset: int, content: bytes) -> Change:
    """Other bytes at an offset."""

    def change(part: bytearray) -> None:
        part[offset : offset + len(content)] = content

    return change


def all_of(*changes: Change) -> Change:
    """Several changes."""

    def change(part: bytearray) -> None:
        for one in changes:
            one(part)

    return change


def value(which: int, index: int, content: bytes) -> Change:
    """One stored value changed."""
    column = COLUMNS[which]
    return at(column.values_offset + index * column.width, content)


FAULTS: dict[str, tuple[Change, str]] = {
    "cut": (lambda part: part.__delitem__(slice(20, None)), "too short"),
    "version": (in_head(version=2), "version"),
    "flags": (in_head(flags=4), "flag"),
    "no events": (in_head(event_count=0), "no events"),
    "many events": (in_head(event_count=20_000), "too many"),
    "capacity": (in_head(capacity=128), "another size"),
    "size": (in_head(size=64), "another size"),
    "reserved": (in_head(reserved=1), "reserved"),
    "data elsewhere": (in_head(data_offset=64), "reserved"),
    "one column": (in_head(column_count=1), "columns"),
    "many columns": (in_head(column_count=200), "columns past its end"),
    "more columns": (in_head(column_count=256), "too many columns"),
    "order": (in_column(CODES, property=1), "out of order"),
    "row second": (in_column(ROW, role=head.TIME), "out of order"),
    "property of a time": (in_column(TIME, property=3), "out of order"),
    "property of an id": (in_column(ID, property=3), "out of order"),
    "role": (in_column(SAME, role=6), "role"),
    "kind of a role": (in_column(TIME, kind=head.CODES), "role, kind"),
    "kind": (in_column(SAME, kind=4), "kind"),
    "width": (in_column(INTS, width=3), "width"),
    "width of codes": (in_column(CODES, width=8), "width"),
    "width of rows": (in_column(ROW, width=1), "rows in a form"),
    "base of rows": (in_column(ROW, base=1), "rows in a form"),
    "step of rows": (in_column(ROW, step=2), "rows in a form"),
    "reserved of a column": (in_column(INTS, reserved=1), "reserved"),
    "other reserved": (in_column(INTS, reserved2=1), "reserved"),
    "no values": (in_column(INTS, present_count=0), "no values"),
    "too many values": (in_column(INTS, present_count=11), "too many"),
    "no time": (in_column(TIME, present_count=9), "without a row or a time"),
    "bytes of ints": (in_column(INTS, byte_count=1), "bytes of texts"),
    "place": (in_column(INTS, values_offset=64), "another place"),
    "place of presence": (in_column(INTS, presence_offset=0), "another place"),
    "place of a constant": (in_column(SAME, values_offset=64), "another place"),
    "presence of codes": (in_column(CODES, presence_offset=64), "another place"),
    "long texts": (in_column(TEXTS, byte_count=1 << 30), "another place"),
    "gap": (at(len(PART) - 1, b"\1"), "after its last column"),
    "gap before": (at(COLUMNS[ROW].values_offset - 1, b"\1"), "gap"),
    "padding": (value(TIME, 11, b"\1"), "after its last event"),
    "padding of presence": (at(COLUMNS[INTS].presence_offset + 7, b"\1"), "after its last event"),
    "count": (in_column(INTS, present_count=4), "another number"),
    "count of codes": (value(CODES, 0, b"\1"), "another number"),
    "missing": (value(INTS, 1, b"\1"), "one is missing"),
    "least": (in_column(INTS, base=-6, low=-6), "other bounds"),
    "least stored": (value(INTS, 0, b"\1"), "least value"),
    "no step": (in_column(INTS, step=0), "least value"),
    "low": (in_column(INTS, low=-4), "other bounds"),
    "high": (in_column(TIME, high=5_000), "other bounds"),
    "beyond 64 bits": (
        in_column(INTS, step=1 << 62, high=(1 << 63) - 1),
        "other bounds",
    ),
    "low row": (in_column(ROW, low=19), "other bounds"),
    "high row": (in_column(ROW, high=30), "other bounds"),
    "step of codes": (in_column(CODES, step=2), "frame"),
    "base of codes": (in_column(CODES, base=1), "frame"),
    "low code": (in_column(CODES, low=2), "other bounds"),
    "code 0": (in_column(SAME, base=0, low=0, high=0), "code that does not exist"),
    "code beyond": (in_column(SAME, base=1 << 32, low=1 << 32, high=1 << 32), "code"),
    "bounds of floats": (in_column(FLOATS, high=0), "other bounds"),
    "infinity": (value(FLOATS, 8, np.float64(np.inf).tobytes()), "not a number"),
    "zero with a sign": (value(FLOATS, 0, np.float64(-0.0).tobytes()), "sign"),
    "bounds of ids": (in_column(ID, high=1), "other bounds"),
    "ends descend": (value(TEXTS, 2, b"\1"), "out of order"),
    "last end": (in_column(TEXTS, byte_count=COLUMNS[TEXTS].byte_count + 1), "texts past its end"),
    "text of nobody": (value(TEXTS, 0, b"\5"), "one is missing"),
    "UTF-8": (at(COLUMNS[TEXTS].bytes_offset, b"\xff"), "UTF-8"),
    "order of times": (
        all_of(value(TIME, 1, b"\x0e"), value(TIME, 2, b"\x07")),
        "events out of order",
    ),
    "order of rows": (
        all_of(value(TIME, 1, b"\x0e"), value(ROW, 1, b"\x17")),
        "events out of order",
    ),
}


def test_the_chunk_is_sound() -> None:
    assert check_chunk(PART) == ""
    assert [column.kind for column in COLUMNS] == [1, 1, 6, 3, 1, 2, 3, 5, 3]
    assert [column.width for column in COLUMNS] == [2, 1, 8, 1, 1, 8, 1, 4, 0]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_seen(name: str) -> None:
    change, expected = FAULTS[name]
    part = bytearray(PART)
    change(part)
    fault = check_chunk(bytes(part))
    assert expected in fault


def test_unsorted_chunks_may_be_in_any_order() -> None:
    part = bytearray(PART)
    all_of(value(TIME, 1, b"\x0e"), value(TIME, 2, b"\x07"), in_head(flags=0))(part)
    assert check_chunk(bytes(part)) == ""


def test_faults_of_chunks_together_are_seen() -> None:
    sealed, tail = PART, encode_events(_events(), is_tail=True)[0]
    assert check_events([]) == "has no part"
    assert check_events([sealed, tail, tail]) == ""
    assert "after its tail" in check_events([sealed, tail, sealed])
    assert "too short" in check_events([sealed, b""])
    events = _events()
    floats = Floats(np.ones(10), np.ones(10, np.bool_))
    other = Events(events.rows, events.times, properties={3: floats})
    assert "two kinds" in check_events([sealed, encode_events(other)[0]])


def test_events_that_are_long_take_more_chunks() -> None:
    words = Strings.from_list([f"{i:04}" * 5_000 for i in range(100)])
    events = Events(
        np.arange(100, dtype=np.uint16), np.zeros(100, np.int64), properties={1: Texts(words)}
    )
    parts = encode_events(events)
    assert len(parts) == 8  # of 12 or 13 events, by halving
    assert check_events(parts) == ""
    assert decode_events(parts).properties[1].strings == words  # type: ignore[union-attr]


def test_an_event_longer_than_a_part_is_an_error_of_the_caller() -> None:
    words = Strings.from_list(["x" * 300_000])
    one = Events(np.zeros(1, np.uint16), np.zeros(1, np.int64), properties={1: Texts(words)})
    with pytest.raises(AssertionError, match="longer than a part"):
        encode_events(one)


def test_no_events_are_no_chunks() -> None:
    assert encode_events(Events(np.zeros(0, np.uint16), np.zeros(0, np.int64))) == ()
    assert len(decode_events([])) == 0
