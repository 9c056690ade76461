"""Chunks changed, and tails that grow: what is left is right, and nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.strings import Strings
from engine.events import head
from engine.events.check import check_events
from engine.events.decode import decode_chunk, decode_events
from engine.events.edit import places_of_ids, seal, since, without
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Floats, Ints, Texts, concat
from engine.events.tail import Tail
from tests.made_events import as_tuples, drawn_events, made_events

FEW = st.integers(1, 400)


def in_order(events: Events) -> list[tuple]:
    """Events as tuples, by (time, row)."""
    return sorted(as_tuples(events), key=lambda event: event[:2])


def any_order(events: list[tuple]) -> list[tuple]:
    return sorted(events, key=repr)


@given(drawn_events(FEW), st.data())
def test_events_are_taken_out(events: Events, data: st.DataObject) -> None:
    (part,) = encode_events(events, is_tail=data.draw(st.booleans()))
    share = data.draw(st.sampled_from([0.0, 0.1, 0.9, 1.0]))
    dropped = np.random.default_rng(1).random(len(events)) < share
    kept = without(part, dropped)
    if not dropped.any():
        assert kept == (part,)
    held = [event for event, out in zip(in_order(events), dropped, strict=True) if not out]
    assert as_tuples(decode_events(kept)) == held
    assert not kept or check_events(kept) == ""
    assert {head.read_head(p).flags for p in kept} <= {head.read_head(part).flags}


@given(st.lists(drawn_events(FEW), min_size=1, max_size=3), st.data())
def test_events_are_let_go_by_age(pieces: list[Events], data: st.DataObject) -> None:
    parts = [part for piece in pieces for part in encode_events(piece)]
    times = np.concatenate([piece.times for piece in pieces])
    instant = int(data.draw(st.sampled_from(times.tolist()))) + data.draw(st.sampled_from([0, 1]))
    kept = since(parts, instant)
    held = [event for piece in pieces for event in in_order(piece) if event[0] >= instant]
    assert as_tuples(decode_events(kept)) == held
    for part in parts:
        if decode_chunk(part).times.min() >= instant:
            assert part in kept


@given(st.lists(drawn_events(FEW), min_size=1, max_size=4))
def test_tails_are_sealed(pieces: list[Events]) -> None:
    parts: tuple = ()
    for piece in pieces:
        parts = seal(parts, piece)
        assert check_events(parts) == ""
    found = as_tuples(decode_events(parts))
    assert any_order(found) == any_order(as_tuples(concat(pieces)))
    assert len(parts) == 1  # of fewer than half a chunk in all


def test_full_chunks_stay_as_they_are_when_a_tail_is_sealed() -> None:
    rng = np.random.default_rng(1)
    full = encode_events(made_events(8_192, rng, share=0.0))
    parts = seal(seal(full, made_events(500, rng)), made_events(300, rng))
    assert parts[:1] == full
    assert [head.read_head(part).event_count for part in parts] == [8_192, 800]


@given(drawn_events(FEW), st.data())
def test_ids_are_found(events: Events, data: st.DataObject) -> None:
    (part,) = encode_events(events)
    stored = decode_chunk(part).ids
    ids = [] if stored is None else stored[stored != 0].tolist()
    others = data.draw(st.lists(st.integers(1, 2**64 - 1), max_size=5))
    asked = others + ids[:: data.draw(st.integers(1, 3))] + [2**64 - 1, 1]
    places = places_of_ids(part, np.array(asked, np.uint64))
    for digest, place in zip(asked, places.tolist(), strict=True):
        assert (place >= 0) == (digest in ids)
        if place >= 0:
            assert stored is not None and int(stored[place]) == digest


@given(st.lists(drawn_events(st.integers(1, 90)), min_size=1, max_size=8))
def test_versions_of_a_tail_stay_as_they_are(pieces: list[Events]) -> None:
    tail, versions = Tail(), []
    for count in range(1, len(pieces) + 1):
        tail.add(pieces[count - 1])
        version = tail.version()
        assert version is tail.version() and version.address % 8 == 0
        versions.append((version, as_tuples(concat(pieces[:count]))))
    assert len(tail) == sum(map(len, pieces))
    for version, expected in versions:
        assert as_tuples(version.events()) == expected
        assert len(version) == len(expected)


@given(drawn_events(FEW), st.integers(1, 50))
def test_a_tail_states_what_its_chunk_would(events: Events, size: int) -> None:
    """A version has the columns and bounds that encoding its events gives."""
    tail = Tail()
    for start in range(0, len(events), size):
        tail.add(events.take(slice(start, start + size)))
    (part,) = encode_events(events, is_tail=True)
    assert [stated(column) for column in tail_columns(tail)] == list(map(stated, columns(part)))
    pairs = list(zip(events.times.tolist(), events.rows.tolist(), strict=True))
    is_sorted = bool(tail_head(tail).flags & head.SORTED)
    assert is_sorted == (pairs == sorted(pairs))


def stated(c: head.Column) -> tuple[int, ...]:
    return (c.role, c.property, c.kind, c.present_count, c.low, c.high)


def columns(part: bytes) -> list[head.Column]:
    return head.read_columns(part, head.read_head(part))


def tail_head(tail: Tail) -> head.Head:
    return head.read_head(tail.version().head_bytes())


def tail_columns(tail: Tail) -> list[head.Column]:
    return columns(tail.version().head_bytes())


def test_a_tail_takes_no_more_than_a_chunk() -> None:
    tail, rng = Tail(), np.random.default_rng(1)
    tail.add(made_events(16_383, rng, share=0.1))
    tail.add(made_events(0, rng))
    with pytest.raises(AssertionError, match="sealed"):
        tail.add(made_events(2, rng))
    tail.add(made_events(1, rng))
    assert len(tail.version().events()) == 16_384


def test_a_property_of_a_tail_keeps_its_kind() -> None:
    tail = Tail()
    row, time = np.zeros(1, np.uint16), np.zeros(1, np.int64)
    tail.add(Events(row, time, properties={3: Codes(np.ones(1, np.uint32))}))
    with pytest.raises(AssertionError, match="another kind"):
        floats = Floats(np.ones(1), np.ones(1, np.bool_))
        tail.add(Events(row, time, properties={3: floats}))


def test_extremes_pass_through_a_tail() -> None:
    numbers = np.array([-(2**63), 2**63 - 1, 0], np.int64)
    present = np.ones(3, np.bool_)
    events = Events(
        np.array([65_535, 0, 7], np.uint16),
        numbers,
        properties={
            1: Ints(numbers, present),
            2: Floats(np.array([-0.0, -1e308, 5e-324]), present),
            3: Texts(Strings.from_list(["x" * 100_000, None, ""])),
        },
    )
    tail = Tail()
    tail.add(events)
    tail.add(events)
    assert as_tuples(tail.version().events()) == as_tuples(events) * 2
    low, high = (c.low for c in tail_columns(tail)[2:4]), (c.high for c in tail_columns(tail)[2:4])
    assert next(low) == -(2**63) and next(high) == 2**63 - 1
    floats = tail.version().events().properties[2]
    assert isinstance(floats, Floats) and not np.signbit(floats.values[0])
