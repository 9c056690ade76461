"""Log records: what was packed comes back, and other bytes are refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engine.columns.strings import Strings
from engine.events.events import Codes, Floats, Ints, Texts
from engine.limits import EVENT_PROPERTIES, EVENT_TEXT_BYTES, TIME_US
from engine.live.log_record import pack_update, unpack_update
from engine.live.update import (
    NO_TIME,
    EventCells,
    LinkedIdentifiers,
    ProfileUpdate,
    SetCells,
    TextCells,
    VectorCells,
)
from tests.updates import Log

_COUNTS = st.integers(0, 9)
_CODES = st.integers(1, 2**32 - 1)
_BYTES = st.integers(0, 255)


def _array(draw: st.DrawFn, dtype: str, shape: Any, elements: Any = None) -> Any:
    return draw(arrays.arrays(np.dtype(dtype), shape, elements=elements))


@st.composite
def _updates(draw: st.DrawFn) -> ProfileUpdate:
    first_new, created = draw(st.integers(0, 70_000)), draw(_COUNTS)
    row_count = first_new + created
    numbers = iter(range(1, 99))

    def rows(count: int) -> Any:
        return _array(draw, "u4", count, st.integers(0, max(row_count, 1) - 1))

    def some() -> int:
        return draw(_COUNTS) if row_count else 0

    def times(count: int) -> Any:
        known = st.one_of(st.just(NO_TIME), st.integers(*TIME_US))
        return draw(st.sampled_from([None, _array(draw, "i8", count, known)]))

    def strings(count: int, text: Any) -> Strings:
        return Strings.from_list(draw(st.lists(text, min_size=count, max_size=count)))

    def vector() -> VectorCells:
        count = some()
        dtype, elements = draw(
            st.sampled_from(
                [
                    ("i8", None),
                    ("f8", st.floats(allow_nan=False, allow_infinity=False)),
                    ("?", None),
                    ("u4", _CODES),
                ]
            )
        )
        values = _array(draw, dtype, count, elements)
        return VectorCells(
            next(numbers), rows(count), values, _array(draw, "?", count), times(count)
        )

    def links() -> LinkedIdentifiers:
        count = some()
        digests = _array(draw, "u8", (count, 2))
        return LinkedIdentifiers(next(numbers), rows(count), strings(count, st.text()), digests)

    def texts() -> TextCells:
        count = some()
        values = strings(count, st.one_of(st.none(), st.text()))
        return TextCells(next(numbers), rows(count), values, times(count))

    def mentions() -> SetCells:
        count = some()
        sizes = _array(draw, "i8", count, st.integers(0, 3))
        return SetCells(
            next(numbers),
            next(numbers),
            rows(count),
            _array(draw, "u4", count, _CODES),
            np.append(np.int64(0), np.cumsum(sizes)),
            _array(draw, "u4", int(sizes.sum()), _CODES),
            _array(draw, "u1", count, st.integers(0, 2)),
        )

    def values(count: int) -> Any:
        held = _array(draw, "?", count)
        match draw(st.integers(0, 3)):
            case 0:
                return Ints(_array(draw, "i8", count) * held, held)
            case 1:
                finite = st.floats(allow_nan=False, allow_infinity=False)
                return Floats(np.where(held, _array(draw, "f8", count, finite), 0.0), held)
            case 2:
                return Codes(_array(draw, "u4", count))
            case _:
                return Texts(strings(count, st.one_of(st.none(), st.text())))

    def events() -> EventCells:
        count = some()
        ids = draw(st.sampled_from([None, _array(draw, "u8", count, st.integers(1, 2**64 - 1))]))
        gone = None if ids is None else draw(st.sampled_from([None, _array(draw, "?", count)]))
        given = draw(st.sets(st.integers(1, 2**32 - 1), max_size=3))
        return EventCells(
            next(numbers),
            rows(count),
            _array(draw, "i8", count, st.integers(*TIME_US)),
            ids,
            {number: values(count) for number in sorted(given)},
            gone,
        )

    def several(make: Callable[[], Any]) -> tuple[Any, ...]:
        return tuple(make() for _ in range(draw(st.integers(0, 2))))

    return ProfileUpdate(
        first_new,
        _array(draw, "u1", (created, 16)),
        _array(draw, "u8", (created, 2)),
        several(links),
        several(vector),
        several(texts),
        several(mentions),
        several(events),
    )


def _assert_same(left: Any, right: Any) -> None:
    assert type(left) is type(right)
    if isinstance(left, np.ndarray):
        assert left.dtype == right.dtype and left.shape == right.shape
        assert np.array_equal(left, right)
    elif isinstance(left, tuple):
        assert len(left) == len(right)
        for pair in zip(left, right, strict=True):
            _assert_same(*pair)
    elif isinstance(left, dict):
        assert list(left) == list(right)
        _assert_same(tuple(left.values()), tuple(right.values()))
    elif is_dataclass(left) and not isinstance(left, Strings):
        for member in fields(left):
            _assert_same(getattr(left, member.name), getattr(right, member.name))
    else:
        assert left == right


@given(_updates(), st.integers(0, 7))
def test_what_was_packed_comes_back(update: ProfileUpdate, misaligned: int) -> None:
    packed = pack_update(update)
    assert len(packed) % 8 == 0
    buffer = memoryview(bytes(misaligned) + packed)[misaligned:]
    unpacked = unpack_update(buffer)
    _assert_same(unpacked, update)
    assert pack_update(unpacked) == packed
    for cells in unpacked.vectors:
        for array in (cells.rows, cells.values, cells.present):
            assert array.flags.aligned and not array.flags.writeable


@given(_updates(), st.data())
def test_other_bytes_are_refused_or_a_record_that_can_be_applied(
    update: ProfileUpdate, data: st.DataObject
) -> None:
    packed = bytearray(pack_update(update))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(_BYTES)
    try:
        unpacked = unpack_update(bytes(packed))
    except ValueError:
        return
    assert pack_update(unpacked) == bytes(packed)


@given(_updates(), st.data())
def test_a_record_cut_or_grown_is_refused(update: ProfileUpdate, data: st.DataObject) -> None:
    packed = pack_update(update)
    length = data.draw(st.integers(0, len(packed) - 1))
    for other in (packed[:length], packed + bytes(data.draw(st.integers(1, 40)))):
        with pytest.raises(ValueError, match="not a log record of updates"):
            unpack_update(other)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a log record of updates"):
        unpack_update(content)


@given(st.data())
def test_a_record_of_a_batch_with_other_bytes_does_no_harm(data: st.DataObject) -> None:
    """What is accepted can be applied, whatever it says."""
    log = Log(first_row=65_535)
    log.submit(
        [
            {"member": "m1", "phone": "p1", "city": "a", "size": 5, "listed": True, "time": 9},
            {"member": "m2", "remark": "b", "rate": 0.5, "likes": ["x"], "-likes": ["y"]},
        ]
    )
    (packed,) = (bytearray(record) for record in log.records)
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(_BYTES)
    try:
        log.records[0] = pack_update(unpack_update(bytes(packed)))
    except ValueError:
        return
    update = unpack_update(log.records[0])
    known = {cells.field_id for cells in update.vectors} <= {
        log.fields[name].id for name in ("city", "size", "listed", "rate")
    }
    if known and update.row_count < 1 << 17 and not _is_crossed(log, update):
        log.apply()


def _is_crossed(log: Log, update: ProfileUpdate) -> bool:
    """Whether a field number is that of another field, against which only checksums help."""
    names = {
        **{links.field_id: ":id:" for links in update.identifiers},
        **{texts.field_id: "remark" for texts in update.texts},
        **{cells.field_id: "likes" for cells in update.sets},
        **{cells.giver_field_id: ":giver:" for cells in update.sets},
    }
    dtypes = {"city": "uint32", "size": "int64", "listed": "bool", "rate": "float64"}
    return not all(
        (field := log.fields.by_id(number)) is None or field.name.startswith(name)
        for number, name in names.items()
    ) or any(
        (field := log.fields.by_id(cells.field_id)) is None
        or dtypes.get(field.name) != cells.values.dtype.name
        for cells in update.vectors
    )


_EMPTY = ProfileUpdate(0, np.zeros((0, 16), np.uint8), np.zeros((0, 2), np.uint64))


def _vector(values: Any, **changes: Any) -> ProfileUpdate:
    values = np.array(values)
    count = len(values)
    cells = {
        "field_id": 3,
        "rows": np.zeros(count, np.uint32),
        "values": values,
        "present": np.ones(count, np.bool_),
        **changes,
    }
    return ProfileUpdate(1, _EMPTY.uids, _EMPTY.uid_digests, vectors=(VectorCells(**cells),))


def _mention(**changes: Any) -> ProfileUpdate:
    cells = {
        "field_id": 3,
        "giver_field_id": 4,
        "rows": np.zeros(1, np.uint32),
        "givers": np.ones(1, np.uint32),
        "offsets": np.array([0, 1]),
        "values": np.ones(1, np.uint32),
        "modes": np.zeros(1, np.uint8),
        **changes,
    }
    return ProfileUpdate(1, _EMPTY.uids, _EMPTY.uid_digests, sets=(SetCells(**cells),))


def _text(data: bytes) -> ProfileUpdate:
    raw = Strings.from_buffers(np.array([0, len(data)]), np.frombuffer(data, np.uint8), None)
    cells = TextCells(3, np.zeros(1, np.uint32), raw)
    return ProfileUpdate(1, _EMPTY.uids, _EMPTY.uid_digests, texts=(cells,))


def _events(**changes: Any) -> ProfileUpdate:
    one = np.ones(1, np.bool_)
    properties = changes.pop("properties", {7: Ints(np.ones(1, np.int64), one)})
    cells = {
        "field_id": 3,
        "rows": np.zeros(1, np.uint32),
        "times": np.zeros(1, np.int64),
        "ids": np.ones(1, np.uint64),
        "gone": one,
        **changes,
    }
    events = EventCells(**cells, properties=properties)
    return ProfileUpdate(1, _EMPTY.uids, _EMPTY.uid_digests, events=(events,))


_NONE = np.zeros(1, np.bool_)
_LONG = Texts(Strings.from_list(["x" * (EVENT_TEXT_BYTES // 2 + 1)]))


def _twice(update: ProfileUpdate) -> ProfileUpdate:
    return ProfileUpdate(1, _EMPTY.uids, _EMPTY.uid_digests, vectors=update.vectors * 2)


@pytest.mark.parametrize(
    ("update", "fault"),
    [
        (_vector([1], rows=np.ones(1, np.uint32)), "a row that is none"),
        (_vector([np.nan]), "not a finite number"),
        (_vector(np.zeros(1, np.uint32)), "a code is 0"),
        (_vector([1], times=np.array([TIME_US[1] + 1])), "outside the years"),
        (_vector([1], times=np.array([NO_TIME + 1])), "outside the years"),
        (_vector([1], present=np.array([2], np.uint8)), "neither true nor false"),
        (_mention(modes=np.array([3], np.uint8)), "no known mode"),
        (_mention(values=np.zeros(1, np.uint32)), "a code is 0"),
        (_mention(givers=np.zeros(1, np.uint32)), "a code is 0"),
        (_mention(offsets=np.array([0, 2])), "do not cover"),
        (_mention(giver_field_id=0), "a giver field"),
        (_text(b"\xff"), "not UTF-8"),
        (_text(bytes(1 << 18)), "a long string"),
        (_twice(_vector([1])), "a field twice"),
        (_events(rows=np.ones(1, np.uint32)), "a row that is none"),
        (_events(times=np.array([TIME_US[1] + 1]), gone=None), "outside the years"),
        (_events(ids=None), "without an id is taken away"),
        (_events(ids=np.zeros(1, np.uint64)), "without an id is taken away"),
        (_events(gone=np.array([2], np.uint8)), "neither true nor false"),
        (_events(properties={7: Ints(np.ones(1, np.int64), _NONE)}), "property has a value"),
        (_events(properties={7: Floats(np.array([np.inf]), ~_NONE)}), "not a finite number"),
        (_events(properties={0: Codes(np.ones(1, np.uint32))}), "out of order"),
        (_events(properties={7: _LONG, 8: _LONG}), "too long texts"),
        (
            _events(properties=dict.fromkeys(range(1, EVENT_PROPERTIES + 2), _LONG)),
            "more properties",
        ),
        (ProfileUpdate(1 << 32, _EMPTY.uids, _EMPTY.uid_digests), "more rows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_applied_is_refused(update: ProfileUpdate, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        unpack_update(pack_update(update))


def test_sections_are_in_order() -> None:
    bodies = [pack_update(update)[32:] for update in (_vector([1], field_id=5), _text(b"a"))]
    size = 32 + sum(map(len, bodies))
    head = struct.pack("<IIQQQ", 1, 2, 1, 0, size)
    assert len(unpack_update(head + b"".join(bodies)).texts) == 1
    with pytest.raises(ValueError, match="out of order"):
        unpack_update(head + b"".join(reversed(bodies)))


def test_another_version_is_refused() -> None:
    packed = bytearray(pack_update(_EMPTY))
    struct.pack_into("<I", packed, 0, 3)
    with pytest.raises(ValueError, match="its version is 3"):
        unpack_update(packed)


def test_only_a_record_with_events_is_of_the_second_version() -> None:
    for update, version in ((_vector([1]), 1), (_events(), 2)):
        packed = bytearray(pack_update(update))
        assert struct.unpack_from("<I", packed)[0] == version
        struct.pack_into("<I", packed, 0, 3 - version)
        with pytest.raises(ValueError, match="not that of its sections"):
            unpack_update(packed)


def test_bytes_between_arrays_are_zero() -> None:
    packed = bytearray(pack_update(_vector([True])))
    assert packed[-1] == 0
    packed[-1] = 1
    with pytest.raises(ValueError, match="bytes where it must have none"):
        unpack_update(packed)
