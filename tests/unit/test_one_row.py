"""One row read in place, in columns of every kind and in chunks of events, against what decodes
whole blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.bools import decode_bools, encode_bools
from engine.columns.codes import encode_codes
from engine.columns.floats import encode_floats
from engine.columns.ints import encode_ints
from engine.columns.sets import encode_rows, encode_set
from engine.columns.strings import Strings
from engine.columns.texts import encode_texts
from engine.columns.uids import encode_uids
from engine.columns.values import encode_values
from engine.core.one_row import read_cells
from engine.events.encode import encode_events
from engine.events.events import Events
from engine.events.one_row import events_of_row
from engine.events.tail import Tail
from engine.store.aligned import AlignedBytes
from engine.store.catalog import FieldKind
from tests.made_events import as_tuples, drawn_events, made_events

BLOCK = 65_536
ROWS = (0, 1, 2, 63, 64, 65, 4095, 4096, 39_999, 40_000, 65_534, 65_535)


def cells(kind: FieldKind, parts: Sequence[bytes], rows: Sequence[int] = ROWS) -> list[object]:
    """What some rows have in one field."""
    placed = [AlignedBytes(part) for part in parts]
    places = [tuple(part.address for part in placed)]
    return [read_cells((int(kind),), places, row)[0] for row in rows]


@pytest.mark.parametrize("span", [1, 200, 60_000, 2**31, 2**60])
@pytest.mark.parametrize("count", [1, 64, 40_000, BLOCK])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_numbers(span: int, count: int, share: float) -> None:
    chance = np.random.default_rng(span * count)
    present = chance.random(count) < share
    numbers = chance.integers(-span, span, count) * present
    expected = [int(numbers[row]) if row < count and present[row] else None for row in ROWS]
    assert cells(FieldKind.INTS, encode_ints(numbers, present).parts) == expected
    floats = (numbers / 7) * present
    doubles = [float(floats[row]) if row < count and present[row] else None for row in ROWS]
    assert cells(FieldKind.FLOATS, encode_floats(floats, present).parts) == doubles
    codes = (np.abs(numbers) % 2**31 + 1).astype(np.uint32) * present
    codes = codes.astype(np.uint32)
    known = [int(codes[row]) if row < count and present[row] else None for row in ROWS]
    assert cells(FieldKind.CODES, encode_codes(codes).parts) == known


def test_bools_uids_members_and_sets() -> None:
    chance = np.random.default_rng(3)
    values, present = chance.random(BLOCK) < 0.5, chance.random(BLOCK) < 0.7
    parts = encode_bools(values & present, present).parts
    read, there = decode_bools(parts)
    expected = [bool(read[row]) if there[row] else None for row in range(2000)]
    assert cells(FieldKind.BOOL, parts, range(2000)) == expected
    given = chance.integers(1, 255, (40_000, 16), np.uint8)
    uids = cells(FieldKind.UIDS, encode_uids(given).parts)
    assert uids == [given[row].tobytes() if row < 40_000 else None for row in ROWS]
    for members in ([], [0], [65_535], range(0, BLOCK, 3), range(100, 60_000)):
        encoded = encode_rows(np.array(members, np.uint16))
        held = [True if row in members else None for row in ROWS]
        assert cells(FieldKind.MEMBERSHIP, encoded.parts) == held
        assert cells(FieldKind.LIVE, encoded.parts) == held
    of = {
        code: np.flatnonzero(chance.random(BLOCK) < 1 / code).astype(np.uint16)
        for code in range(1, 300)
    }
    found = cells(FieldKind.SET, encode_set(of).parts, ROWS)
    assert found == [[code for code in of if row in of[code]] for row in ROWS]


def test_texts_and_identifiers() -> None:
    texts = [None if n % 7 == 3 else "" if n % 5 == 1 else f"白{n}" for n in range(50_000)]
    encoded = encode_texts(Strings.from_list(texts))
    assert len(encoded.parts) > 1
    expected = [texts[row] if row < len(texts) else None for row in ROWS]
    assert cells(FieldKind.TEXTS, encoded.parts) == expected
    rows = [n // 3 * 2 for n in range(90_000)]
    owned = [f"{n:06d}-é" for n in range(90_000)]
    parts = encode_values(np.array(rows, np.uint16), Strings.from_list(owned)).parts
    assert len(parts) > 1
    found = cells(FieldKind.VALUES, parts, range(0, 60_001, 997))
    assert found == [
        [owned[3 * (row // 2) + i] for i in range(3)] if row % 2 == 0 and row < 60_000 else []
        for row in range(0, 60_001, 997)
    ]


def test_nothing_is_stored() -> None:
    """A block without a field has no parts."""
    assert read_cells((int(FieldKind.INTS), int(FieldKind.SET)), [(), ()], 5) == [None, []]


def of_row(events: Events, row: int) -> list[tuple[int, int, dict[int, object]]]:
    """Times, ids and properties of a row's events, in their order."""
    return [
        (time, id_, dict(said)) for time, owner, id_, _, said in as_tuples(events) if owner == row
    ]


def in_place(addresses: Sequence[int], row: int) -> list[tuple[int, int, dict[int, object]]]:
    """The same, read in place."""
    numbers = tuple(range(1, 10))
    places, wanted = [(), tuple(addresses)], ((1, 2), numbers)
    nothing, found = events_of_row(places, row, wanted)
    assert nothing is None
    count = len(found or ())
    assert events_of_row(places, row, wanted, None, count) == [nothing, found]
    if count:
        assert events_of_row(places, row, wanted, None, count - 1) is None
        twice = events_of_row(places[1:] * 2, row, wanted[1:] * 2, None, 2 * count - 1)
        assert twice is None
    return [
        (time, id_, {n: v for n, v in zip(numbers, values, strict=True) if v is not None})
        for time, id_, values in found or ()
    ]


@given(drawn_events(st.integers(1, 300)), st.sampled_from([0, 1, 99, 65_535]))
def test_events_of_a_row(events: Events, row: int) -> None:
    """Of stored chunks, which are sorted, and of a tail, which is not."""
    placed = [AlignedBytes(part) for part in encode_events(events)]
    found = in_place([part.address for part in placed], row)
    key = repr
    assert sorted(found, key=key) == sorted(of_row(events, row), key=key)
    tail = Tail()
    tail.add(events)
    version = tail.version()
    assert in_place([version.address], row) == of_row(events, row)


def test_every_place_of_a_chunk_is_looked_at() -> None:
    events = made_events(1000, np.random.default_rng(7), rows=1)
    rows = np.arange(1000, dtype=np.uint16)
    spread = Events(rows, np.sort(events.times), events.ids, events.origins, events.properties)
    (part,) = encode_events(spread)
    placed = AlignedBytes(part)
    for row in range(1000):
        assert in_place([placed.address], row) == of_row(spread, row)
    assert in_place([placed.address], 1000) == []
