"""Feed records: what is packed comes back, and foreign bytes are refused with ValueError."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.live.change import Cause, Transition
from engine.live.feed_record import FeedEntries, FeedRecord, pack_feed_record, unpack_feed_record
from tests.feeds import NOW_US, rows_of, transition

BLOCK = 65_536
EDGES = [0, 1, 2, BLOCK - 2, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK, 2**32 - 1]


def record(*transitions: Transition, cause: Cause = Cause.UPDATE) -> FeedRecord:
    return FeedRecord(9, 4, NOW_US, cause, transitions)


def same(one: FeedRecord, other: FeedRecord) -> bool:
    heads = [(r.sequence, r.previous, r.instant_us, r.cause) for r in (one, other)]
    moved = [
        [(t.definition, t.version, t.entered.tolist(), t.left.tolist()) for t in r.transitions]
        for r in (one, other)
    ]
    return heads[0] == heads[1] and moved[0] == moved[1]


@st.composite
def row_sets(draw: st.DrawFn) -> tuple[set[int], set[int]]:
    rows = draw(st.sets(st.sampled_from(EDGES) | st.integers(0, 2**32 - 1), min_size=1))
    if draw(st.booleans()):
        first = draw(st.sampled_from([0, BLOCK - 3, 7 * BLOCK]))
        rows |= set(range(first, first + draw(st.sampled_from([4094, 4095, 4096, 4097, BLOCK]))))
    left = {row for row in rows if draw(st.booleans())} if len(rows) < 100 else {max(rows)}
    return rows - left, left


@given(st.lists(row_sets(), min_size=1, max_size=4), st.sampled_from(Cause))
def test_what_is_packed_comes_back(moves: list[tuple[set[int], set[int]]], cause: Cause) -> None:
    given = record(
        *[
            transition(f"段{place}", entered, left, version=place + 1)
            for place, (entered, left) in enumerate(moves)
        ],
        cause=cause,
    )
    packed = pack_feed_record(given)
    assert same(unpack_feed_record(packed), given)
    assert same(unpack_feed_record(memoryview(packed)), given)


@given(row_sets(), st.data())
def test_a_piece_is_a_piece_of_the_whole(
    moves: tuple[set[int], set[int]], data: st.DataObject
) -> None:
    entries = FeedEntries(pack_feed_record(record(transition("a", *moves))))
    assert entries.count == sum(map(len, moves))
    ordinal = 0
    for run, rows in zip(entries.runs, moves, strict=True):
        assert (run.first_ordinal, run.count) == (ordinal, len(rows))
        start = data.draw(st.integers(0, run.count))
        stop = data.draw(st.integers(start, run.count + 1))
        assert run.rows(start, stop).tolist() == sorted(rows)[start:stop]
        ordinal += run.count


def test_a_full_record_is_small() -> None:
    """A million neighbours cost a bit each, a thousand scattered ones six bytes each."""
    dense = pack_feed_record(record(transition("a", range(2**20))))
    assert len(dense) < 2**20 // 8 + 200
    scattered = pack_feed_record(record(transition("a", range(0, 1000 * BLOCK, BLOCK))))
    assert len(scattered) < 6 * 1000 + 100


SMALL = pack_feed_record(
    record(transition("a", [1, 5, 70_000], [2]), transition("bc", [], range(5000)))
)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 40, 63, 64, 66, 70, len(SMALL) - 1])
def test_a_cut_record_is_refused(size: int) -> None:
    with pytest.raises(ValueError):
        unpack_feed_record(SMALL[:size])


def test_a_longer_record_is_refused() -> None:
    with pytest.raises(ValueError, match="longer or shorter"):
        unpack_feed_record(SMALL + b"\0")


def patched(at: int, form: str, *values: int, base: bytes = SMALL) -> bytes:
    changed = bytearray(base)
    struct.pack_into(form, changed, at, *values)
    return bytes(changed)


HEADS = 32
NAMES = HEADS + 2 * 16
CONTAINERS = NAMES + len("segments.a" + "segments.bc")
ROWS = CONTAINERS + 4 * 4


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (patched(0, "<H", 2), "version 2"),
        (patched(2, "<B", 0), "makes no sense"),
        (patched(2, "<B", 7), "makes no sense"),
        (patched(3, "<B", 1), "makes no sense"),
        (patched(4, "<I", 0), "makes no sense"),
        (patched(4, "<I", 2**32 - 1), "within its transitions"),
        (patched(16, "<Q", 9), "makes no sense"),
        (patched(24, "<q", 2**62), "instant"),
        (patched(HEADS + 4, "<H", 65_535), "within its names"),
        (patched(HEADS + 6, "<H", 1), "reserved"),
        (patched(HEADS + 8, "<I", 2**32 - 1), "within its names"),
        (patched(HEADS + 4, "<H", 0, base=patched(HEADS + 20, "<H", 21)), "no name"),
        (patched(HEADS + 8, "<II", 0, 0, base=patched(HEADS + 24, "<II", 3, 1)), "moves nobody"),
        (patched(HEADS + 24, "<II", 0, 0), "longer or shorter"),
        (patched(NAMES, "<B", 0xFF), "UTF-8"),
        (patched(CONTAINERS + 2, "<H", 7), "longer or shorter"),
        (patched(CONTAINERS + 4, "<H", 0), "blocks"),
        (patched(ROWS, "<HH", 5, 5), "do not ascend"),
        (patched(ROWS + 6, "<H", 1), "enters and leaves"),
        (patched(ROWS + 8, "<B", 0), "of 5000"),
    ],
)
def test_foreign_bytes_are_refused(changed: bytes, complaint: str) -> None:
    assert changed != SMALL
    with pytest.raises(ValueError, match=complaint):
        unpack_feed_record(changed)


def test_a_definition_comes_once() -> None:
    twice = SMALL.replace(b"segments.bc", b"segments.a" + b"x")
    other = pack_feed_record(record(transition("a", [1]), transition("b", [1])))
    assert unpack_feed_record(twice).transitions[1].definition == "segments.ax"
    with pytest.raises(ValueError, match="twice"):
        unpack_feed_record(other.replace(b"segments.b", b"segments.a"))


@given(st.binary(max_size=200) | st.tuples(st.integers(0, len(SMALL) - 1), st.binary(max_size=9)))
def test_any_bytes_are_a_record_or_refused(given: bytes | tuple[int, bytes]) -> None:
    if isinstance(given, tuple):
        at, other = given
        given = SMALL[:at] + other + SMALL[at + len(other) :]
    try:
        found = unpack_feed_record(given)
    except ValueError:
        return
    assert same(unpack_feed_record(pack_feed_record(found)), found)


@pytest.mark.parametrize(
    "wrong",
    [
        record(),
        record(transition("a")),
        record(transition("a", [1]), transition("a", [2])),
        FeedRecord(4, 4, NOW_US, Cause.UPDATE, (transition("a", [1]),)),
        record(Transition("segments.a", 1, np.array([2, 1], np.uint32), rows_of([]))),
    ],
    ids=["nothing", "nobody", "twice", "no order", "unsorted"],
)
def test_what_must_not_be_packed(wrong: FeedRecord) -> None:
    with pytest.raises(AssertionError):
        pack_feed_record(wrong)
