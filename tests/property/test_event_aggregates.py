"""Aggregates over chunks of a block against naive readings of the same events, one by one.

The events are in stored chunks, which are sorted and overlap in time, and in a tail in memory.
Windows begin and end at events and next to them; rows have one event or all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bitmaps.containers import rows_of_mask
from engine.columns.strings import Strings
from engine.core import kernels
from engine.events.aggregates import aggregate, clear, days, pick, sums_fit, window_size
from engine.events.asking import Aggregate, Fold, Where, WhereKind
from engine.events.chains import Chains
from engine.events.check import check_chunk
from engine.events.chunks import Chunks
from engine.events.decode import decode_chunk
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Floats, Ints, Property, Texts
from engine.events.head import CHUNK_EVENTS, SORTED, TEXTS, read_columns, read_head
from engine.events.tail import Tail, TailVersion
from tests.event_readings import Happened, happened, holds, naive
from tests.made_events import damaged, drawn_events

TABLES = st.sampled_from(kernels.tables())
COUNTS = st.one_of(st.integers(1, 150), st.sampled_from([63, 64, 65, 511, 512, 513, 1_500]))
LEAST, MOST = -(2**63), 2**63 - 1


@st.composite
def blocks(draw: st.DrawFn) -> tuple[list[Any], list[Happened]]:
    """(parts of one type of one block, the events in them)."""
    parts: list[Any] = []
    held: list[Happened] = []
    for events in draw(st.lists(drawn_events(COUNTS), min_size=0, max_size=2)):
        parts += encode_events(events)
        held += happened(events)
    added = draw(st.lists(drawn_events(COUNTS), min_size=0 if parts else 1, max_size=3))
    tail = Tail()
    for events in added:
        tail.add(events)
        held += happened(events)
    if added:
        parts.append(tail.version())
    if draw(st.booleans()) and added:  # what comes later does not disturb it
        tail.add(draw(drawn_events(st.integers(1, 40))))
    return parts, held


def instants(held: list[Happened]) -> st.SearchStrategy[int]:
    """Instants at events, next to them, and far from all."""
    times = sorted({event.time for event in held})
    near = st.tuples(st.sampled_from(times), st.sampled_from([-1, 0, 1])).map(sum)
    return st.one_of(near, near, st.sampled_from([LEAST, MOST]))


def windows(held: list[Happened]) -> st.SearchStrategy[tuple[int, int]]:
    """Windows from one instant to another, mostly the later one, and all history."""
    two = st.tuples(instants(held), instants(held))
    return st.one_of(st.just((LEAST, MOST)), two.map(sorted).map(tuple), two)


@st.composite
def leaves(draw: st.DrawFn, held: list[Happened]) -> Where:
    """A condition on a property, with bounds among the values that occur and next to them."""
    event = draw(st.sampled_from(held))
    number = draw(st.integers(1, 9))
    value = event.properties.get(number)
    end = draw(st.sampled_from([None, None, min, max]))
    if value is not None and end is not None:  # where bounds of columns are
        value = end(e.properties[number] for e in held if number in e.properties)
    if draw(st.integers(0, 9)) == 0:
        mask = np.zeros(1024, np.uint64)
        mask[event.row // 64] = draw(st.integers(0, 2**64 - 1))
        return Where(WhereKind.ROWS, members=mask)
    if value is None or draw(st.integers(0, 4)) == 0:
        return Where(WhereKind.PRESENT, number)
    if isinstance(value, str):
        size = draw(st.integers(0, len(value)))
        how = draw(st.integers(0, 2))
        piece = value[:size] if how == 1 else value[len(value) - size :] if how == 2 else value[1:2]
        return Where(WhereKind.TEXT, number, how=how, needle=piece.encode())
    if isinstance(value, float):
        low, high = value - draw(st.sampled_from([0.0, 0.1])), value + draw(st.floats(0, 2))
        return Where(WhereKind.FLOATS, number, low_float=low, high_float=high)
    low = value + draw(st.sampled_from([-1000, -1, 0, 0, 1]))
    high = value + draw(st.sampled_from([-1, 0, 0, 1, 1000]))
    if number in (2, 4, 7) and draw(st.booleans()):
        words = np.zeros(2**17 // 64, np.uint64)
        words[:8] = draw(st.integers(0, 2**64 - 1))
        words[0] &= ~np.uint64(1)
        words[value // 64] |= np.uint64(1 << (value % 64))
        return Where(WhereKind.CODES, number, members=words)
    if number in (2, 4, 7):
        low = max(low, 1)
    return Where(WhereKind.RANGE, number, max(low, LEAST), min(high, MOST))


@st.composite
def wheres(draw: st.DrawFn, held: list[Happened], depth: int = 3) -> list[Where]:
    """A `where`, or none."""
    if depth == 3 and draw(st.integers(0, 2)) == 0:
        return []
    if depth == 0 or draw(st.booleans()):
        return [draw(leaves(held))]
    a = draw(wheres(held, depth - 1)) or [draw(leaves(held))]
    if draw(st.integers(0, 2)) == 0:
        return [*a, Where(WhereKind.NOT)]
    b = draw(wheres(held, depth - 1)) or [draw(leaves(held))]
    return [*a, *b, Where(draw(st.sampled_from([WhereKind.AND, WhereKind.OR])))]


def counted(held: list[Happened], start: int, end: int, nodes: list[Where]) -> list[Happened]:
    """The events of the window that the nodes hold for."""
    return [event for event in held if start <= event.time < end and holds(event, nodes)]


@given(blocks(), st.data())
def test_picks(block: tuple, data: st.DataObject) -> None:
    parts, held = block
    start, end = data.draw(windows(held))
    nodes, table = data.draw(wheres(held)), data.draw(TABLES)
    chunks = Chunks(parts)
    picked = pick(chunks, start, end, nodes, table=table)
    for part, bits in zip(parts, picked, strict=True):
        events = part.events() if isinstance(part, TailVersion) else decode_chunk(part)
        expected = [start <= e.time < end and holds(e, nodes) for e in happened(events)]
        assert bits.tolist() == expected
    assert window_size(chunks, start, end) == sum(size_within(part, start, end) for part in parts)


def size_within(part: Any, start: int, end: int) -> int:
    """Events of the window; all of an unsorted part that has its times around it."""
    if isinstance(part, TailVersion):
        head, times = part.head_bytes(), part.events().times.tolist()
    else:
        head, times = part, decode_chunk(part).times.tolist()
    if not read_head(head).flags & SORTED:
        return len(times) if start < end and min(times) < end and start <= max(times) else 0
    return sum(start <= time < end for time in times)


@given(blocks(), st.data())
def test_aggregates(block: tuple, data: st.DataObject) -> None:
    parts, held = block
    start, end = data.draw(windows(held))
    nodes, table = data.draw(wheres(held)), data.draw(TABLES)
    some = st.lists(st.sampled_from(PAIRS), min_size=1, max_size=3)
    asked = data.draw(st.one_of(st.just(PAIRS), st.just(PAIRS), some))
    requests = [Aggregate(fold, number) for fold, number in asked]
    answers = aggregate(Chunks(parts), requests, start, end, nodes, table=table)
    events = counted(held, start, end, nodes)
    for (fold, number), answer in zip(asked, answers, strict=True):
        what = EXPECTED[fold]
        expected = naive(what, events, number)
        if fold == Fold.COUNT_U8:
            expected = {row: min(count, 255) for row, count in expected.items()}
        assert rows_of_mask(answer.marks).tolist() == sorted(expected)
        if fold != Fold.MARK:
            assert answer.by_row() == expected
        if fold in (Fold.COUNT_U8, Fold.COUNT_U16, Fold.COUNT_U32, Fold.SUM_I64, Fold.DISTINCT):
            assert answer.values is not None
            untouched = np.ones(65536, np.bool_)
            untouched[rows_of_mask(answer.marks)] = False
            assert not answer.values[untouched].any()


EXPECTED = {
    Fold.MARK: "count",
    Fold.COUNT_U8: "count",
    Fold.COUNT_U16: "count",
    Fold.COUNT_U32: "count",
    Fold.SUM_I64: "sum",
    Fold.SUM_I128: "sum",
    Fold.LEAST: "min",
    Fold.GREATEST: "max",
    Fold.DISTINCT: "distinct",
    Fold.FIRST: "first_value",
    Fold.LAST: "last_value",
}


def fits(fold: Fold, number: int | None) -> bool:
    """Whether the fold means something of the property; decimals are small enough for 64 bits."""
    if fold == Fold.SUM_I64:
        return number == 1
    if fold == Fold.SUM_I128:
        return number in (1, 6, 8, 9)
    if fold in (Fold.FIRST, Fold.LAST, Fold.DISTINCT):
        return number is not None
    return True


NUMBERS = (None, 1, 2, 3, 4, 6, 7, 8, 9)
PAIRS = [(fold, number) for fold in EXPECTED for number in NUMBERS if fits(fold, number)]


@given(blocks(), st.data())
def test_texts(block: tuple, data: st.DataObject) -> None:
    parts, held = block
    start, end = data.draw(windows(held))
    nodes, table = data.draw(wheres(held)), data.draw(TABLES)
    requests = [Aggregate(fold, 5) for fold in (Fold.DISTINCT, Fold.FIRST, Fold.LAST)]
    distinct, first, last = aggregate(Chunks(parts), requests, start, end, nodes, table=table)
    events = counted(held, start, end, nodes)
    assert distinct.by_row() == naive("distinct", events, 5)
    stored = [
        part.events() if isinstance(part, TailVersion) else decode_chunk(part) for part in parts
    ]
    for what, answer in (("first_value", first), ("last_value", last)):
        assert answer.events is not None
        expected = naive(what, events, 5)
        rows = rows_of_mask(answer.marks).tolist()
        assert rows == sorted(expected)
        for row in rows:
            part, place = divmod(int(answer.events[row]), CHUNK_EVENTS)
            found = stored[part].properties[5].strings[place]  # type: ignore[union-attr]
            assert found == expected[row]


@given(blocks(), st.data())
def test_values_of_codes_are_ordered_by_rank(block: tuple, data: st.DataObject) -> None:
    parts, held = block
    ranks = np.random.default_rng(data.draw(st.integers(0, 99))).permutation(301).astype(np.uint32)
    requests = [Aggregate(fold, 2, ranks=ranks) for fold in (Fold.FIRST, Fold.LAST)]
    answers = aggregate(Chunks(parts), requests, LEAST, MOST)
    ranked = [
        Happened(e.row, e.time, {2: int(ranks[e.properties[2]])}) for e in held if 2 in e.properties
    ]
    for what, answer in zip(("first_value", "last_value"), answers, strict=True):
        found = {row: int(ranks[code]) for row, code in answer.by_row().items()}
        assert found == naive(what, ranked, 2)


@given(blocks(), st.data())
def test_days(block: tuple, data: st.DataObject) -> None:
    """Of more days than are counted at a time, of 23 to 25 hours and of odd lengths."""
    parts, held = block
    anchor = data.draw(st.sampled_from(held)).time
    lengths = st.sampled_from([1, 23, 24, 25, 10**6, 10**9])
    drawn = data.draw(st.lists(lengths, min_size=1, max_size=8)) * data.draw(st.integers(1, 20))
    first = max(anchor - data.draw(st.integers(0, 50)), -(2**62))
    starts = (first + np.cumsum([0, *drawn])).astype(np.int64)
    inside = st.one_of(
        st.sampled_from(starts.tolist()), st.integers(int(starts[0]), int(starts[-1]))
    )
    start, end = data.draw(inside), data.draw(inside)
    nodes, table = data.draw(wheres(held)), data.draw(TABLES)
    counts = days(Chunks(parts), starts, start, end, nodes, table=table)
    expected = naive("days", counted(held, start, end, nodes), None, starts)
    assert {row: int(counts[row]) for row in np.flatnonzero(counts).tolist()} == expected


@given(blocks(), st.integers(1, 2**40))
def test_sums_that_fit_64_bits(block: tuple, count: int) -> None:
    parts, _ = block
    stored = [(p.events() if isinstance(p, TailVersion) else decode_chunk(p)) for p in parts]
    for number in (1, 6, 9):
        sizes = [
            max(map(abs, values.values[values.present].tolist()), default=0)
            for values in (events.properties.get(number) for events in stored)
            if isinstance(values, Ints)
        ]
        assert sums_fit(Chunks(parts), number, count) == (sum(sizes) * count < 2**63)


@pytest.mark.parametrize("most", [0, 200, 60_000, 2**32 - 1])
@pytest.mark.parametrize("step", [1, 7])
@pytest.mark.parametrize("share", [1.0, 0.7])
def test_sums_of_32_bits(most: int, step: int, share: float) -> None:
    """Of values as they are stored, in every width, and of widened ones; some go past 32 bits."""
    rng = np.random.default_rng(most)
    for count, low in ((3_000, 0), (1, 2**32 - 1), (5, 1_000), (900, 2**31)):
        values = np.minimum(rng.integers(0, most + 1, count) // step * step + low, 2**32 - 1)
        present = rng.random(count) < share
        rows = rng.integers(0, 1_000, count).astype(np.uint16)
        properties: dict[int, Property] = {1: Ints(values * present, present)}
        events = Events(rows, rng.integers(0, 9, count), None, None, properties)
        chunks = Chunks(encode_events(events))
        for nodes in ([], [Where(WhereKind.RANGE, 1, 1, 2**31)]):
            (answer,) = aggregate(chunks, [Aggregate(Fold.SUM_U32, 1)], 2, 9, nodes)
            expected = naive("sum", counted(happened(events), 2, 9, nodes), 1)
            assert answer.carried == any(value >= 2**32 for value in expected.values())
            assert answer.by_row() == {row: value % 2**32 for row, value in expected.items()}


def test_counts_of_8_bits_stop() -> None:
    times = {3: 254, 64: 255, 65: 256, 9_000: 600}
    rows = np.repeat(np.array(list(times), np.uint16), list(times.values()))
    events = Events(rows, np.arange(len(rows)) % 50)
    (answer,) = aggregate(Chunks(encode_events(events)), [Aggregate(Fold.COUNT_U8)], LEAST, MOST)
    assert answer.by_row() == {row: min(count, 255) for row, count in times.items()}


CLEARED = {
    Fold.COUNT_U8: (np.uint8, 0),
    Fold.COUNT_U16: (np.uint16, 0),
    Fold.COUNT_U32: (np.uint32, 0),
    Fold.SUM_U32: (np.uint32, 0),
    Fold.SUM_I64: (np.int64, 0),
    Fold.SUM_I128: (np.int64, 0),
    Fold.LEAST: (np.int64, MOST),
    Fold.GREATEST: (np.int64, LEAST),
    Fold.BITS: (np.uint64, 0),
    Fold.DAYS: (np.uint64, 0),
    Fold.DISTINCT: (np.uint32, 0),
    Fold.FIRST: (np.int64, MOST),
    Fold.LAST: (np.int64, LEAST),
}


@pytest.mark.parametrize("fold", CLEARED)
def test_what_was_touched_is_cleared(fold: Fold) -> None:
    dtype, start = CLEARED[fold]
    shape = (65_536, 2) if fold == Fold.SUM_I128 else (65_536,)
    for rows in ([], [0], [63, 64], [65_535], list(range(0, 65_536, 64)), [130, 40_000]):
        marks = np.zeros(1024, np.uint64)
        for row in rows:
            marks[row // 64] |= np.uint64(1 << (row % 64))
        values, events = np.full(shape, 77, dtype), np.full(65_536, 77, np.uint32)
        clear(fold, marks, values, events)
        touched = np.repeat(marks != 0, 64)
        assert (values[touched] == start).all() and (values[~touched] == 77).all()
        assert (events[touched] == 2**32 - 1).all() and (events[~touched] == 77).all()


@given(blocks(), st.data())
def test_chains(block: tuple, data: st.DataObject) -> None:
    parts, _ = block
    chains = Chains(Chunks(parts))
    rows = [
        (part.events() if isinstance(part, TailVersion) else decode_chunk(part)).rows
        for part in parts
    ]
    numbered = [
        (row, part * CHUNK_EVENTS + place)
        for part, column in enumerate(rows)
        for place, row in enumerate(column.tolist())
    ]
    for row in {data.draw(st.sampled_from(numbered))[0], 0, 65_535}:
        expected = [event for held, event in numbered if held == row]
        assert chains.events_of(row).tolist() == expected[::-1]


def test_chains_follow_a_tail_that_grows() -> None:
    rng, tail = np.random.default_rng(3), Tail()
    sealed = encode_events(Events(rng.integers(0, 50, 500, np.uint16), np.arange(500)))
    chains = None
    for count in (1, 63, 1, 400):
        rows = rng.integers(0, 50, count, np.uint16)
        tail.add(Events(rows, np.arange(count, dtype=np.int64)))
        chunks = Chunks([*sealed, tail.version()])
        chains = chains or Chains(chunks)
        chains.extend(chunks)
        for row in (0, 17, 49):
            assert chains.events_of(row).tolist() == Chains(chunks).events_of(row).tolist()


def test_a_where_that_is_no_postfix_form_is_an_error_of_the_caller() -> None:
    parts = encode_events(Events(np.zeros(1, np.uint16), np.zeros(1, np.int64)))
    present = Where(WhereKind.PRESENT, 1)
    for nodes in ([Where(WhereKind.AND)], [present, present], [present] * 100):
        with pytest.raises(AssertionError, match="postfix"):
            pick(Chunks(parts), 0, 1, nodes)


@given(st.data())
def test_what_the_check_lets_through_can_be_read(data: st.DataObject) -> None:
    """Damaged chunks that the check finds sound are events like others to every loop."""
    part = damaged(data)
    if check_chunk(part):
        return
    held = happened(decode_chunk(part))
    chunks, table = Chunks([part]), data.draw(TABLES)
    start, end = data.draw(windows(held))
    kinds = {c.property: c.kind for c in read_columns(part, read_head(part)) if c.property}
    for number in [None, *kinds]:
        folds = [Fold.MARK, Fold.COUNT_U32]
        if number is not None:
            folds += [Fold.DISTINCT]
        if number is not None and kinds[number] != TEXTS:
            folds += [Fold.LEAST, Fold.GREATEST, Fold.FIRST, Fold.LAST]
        asked = [Aggregate(fold, number) for fold in folds]
        answers = aggregate(chunks, asked, start, end, table=table)
        events = counted(held, start, end, [])
        for fold, answer in zip(folds[1:], answers[1:], strict=True):
            assert answer.by_row() == naive(EXPECTED[fold], events, number)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [1, 7, 65_536])
def test_tables_of_distinct_values_that_are_half_full(number: int, rows: int) -> None:
    """Nearly every event has a value of its own, so slots are looked for beyond their first."""
    rng, count = np.random.default_rng(rows), 2_048
    numbers = rng.integers(0, count, count)
    present = np.ones(count, np.bool_)
    properties: dict[int, Property] = {
        1: Ints(numbers - 5, present),
        2: Codes((numbers + 1).astype(np.uint32)),
        3: Floats(numbers / 8, present),
        4: Texts(Strings.from_list([f"{value:06}" for value in numbers.tolist()])),
    }
    events = Events(rng.integers(0, rows, count).astype(np.uint16), numbers, None, None, properties)
    chunks = Chunks(encode_events(events))
    (answer,) = aggregate(chunks, [Aggregate(Fold.DISTINCT, number)], LEAST, MOST)
    assert answer.by_row() == naive("distinct", happened(events), number)
