"""Borders of events that chance seldom meets: bounds of columns, and values at equal times."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest

from engine.bitmaps import Buffer
from engine.columns.strings import Strings
from engine.core import kernels
from engine.events.aggregates import aggregate, pick
from engine.events.asking import Aggregate, Fold, Where, WhereKind
from engine.events.chunks import Chunks
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Floats, Ints, Property, Texts
from engine.events.head import CHUNK_EVENTS
from engine.events.tail import Tail, TailVersion

ALWAYS = (-(2**63), 2**63 - 1)


def both_forms(events: Events) -> list[Buffer | TailVersion]:
    """The events as a stored chunk and as a tail in memory."""
    tail = Tail()
    tail.add(events)
    return [*encode_events(events), tail.version()]


@pytest.mark.parametrize("table", kernels.tables())
@pytest.mark.parametrize("has_missing", [False, True])
def test_every_pair_of_bounds(table: str, has_missing: bool) -> None:
    """Bounds on, between and beyond the values of a column, the least and the greatest of all."""
    floats = [-2.5, -1.0, 0.0, 4.0, 4.5]
    present = np.array([True, True, not has_missing, True, True])
    ints = np.array([-20, -5, 0, 10, 40]) * present  # a step of 5 does not save width
    times = np.array([-3_000_000, 0, 7_000_000, 9_000_000, 2**40 * 1_000_000]) * present
    events = Events(
        np.arange(5, dtype=np.uint16),
        np.arange(5, dtype=np.int64),
        properties={
            1: Ints(ints, present),
            2: Floats(np.array(floats) * present, present),
            3: Ints(times, present),  # in steps
            4: Codes(np.array([2, 3, 7, 9, 300], np.uint32) * present),
        },
    )
    columns = {1: ints.tolist(), 2: floats, 3: times.tolist(), 4: [2, 3, 7, 9, 300]}
    for part, (number, values) in product(both_forms(events), columns.items()):
        near = {value + by for value in values for by in (-1, 0, 1)}
        for low, high in product(sorted(near), repeat=2):
            if number == 2:
                where = Where(WhereKind.FLOATS, 2, low_float=low, high_float=high)
            else:
                low = max(low, 1) if number == 4 else low
                where = Where(WhereKind.RANGE, number, low, high)
            (found,) = pick(Chunks([part]), *ALWAYS, [where], table=table)
            held = zip(values, present.tolist(), strict=True)
            assert found.tolist() == [has and low <= value <= high for value, has in held]


TIES: dict[str, list[Any]] = {
    "ints": [-7, 0, 2**40],
    "floats": [-1.5, 0.0, 2.25],
    "codes": [3, 1, 2],
    "texts": ["", "ab", "abc", "b"],
}


def _property(kind: str, values: list[Any]) -> Property:
    present = np.ones(len(values), np.bool_)
    if kind == "ints":
        return Ints(np.array(values, np.int64), present)
    if kind == "floats":
        return Floats(np.array(values, np.float64), present)
    if kind == "codes":
        return Codes(np.array(values, np.uint32))
    return Texts(Strings.from_list(values))


@pytest.mark.parametrize("kind", TIES)
def test_at_equal_times_values_decide(kind: str) -> None:
    """Whatever the order in which they came, within a chunk and between two."""
    ranks = np.array([0, 9, 5, 7], np.uint32) if kind == "codes" else None
    asked = [Aggregate(fold, 1, ranks=ranks) for fold in (Fold.FIRST, Fold.LAST)]
    ordered = sorted(TIES[kind], key=(lambda code: int(ranks[code])) if ranks is not None else None)
    for values in permutations(TIES[kind]):
        count = len(values)
        row, time = np.full(count, 9, np.uint16), np.full(count, 5, np.int64)
        events = Events(row, time, properties={1: _property(kind, list(values))})
        halves = [events.take(slice(0, 2)), events.take(slice(2, None))]
        for pieces in ([events], halves):
            parts = [both_forms(piece)[i] for i, piece in enumerate(pieces)]
            stored = [value for piece in pieces for value in _stored(kind, piece)]
            starts = np.cumsum([0, *map(len, pieces)])
            answers = aggregate(Chunks(parts), asked, *ALWAYS)
            for answer, expected in zip(answers, (ordered[0], ordered[-1]), strict=True):
                assert answer.events is not None
                part, place = divmod(int(answer.events[9]), CHUNK_EVENTS)
                assert stored[int(starts[part]) + place] == expected
                if kind != "texts":
                    assert answer.by_row() == {9: expected}


def _stored(kind: str, events: Events) -> list[Any]:
    values: Any = events.properties[1]
    if kind == "texts":
        return values.strings.to_list()
    return (values.codes if kind == "codes" else values.values).tolist()


@pytest.mark.parametrize("table", kernels.tables())
@pytest.mark.parametrize("share", [1.0, 0.6])
def test_columns_of_every_width_from_the_middle_of_a_chunk(table: str, share: float) -> None:
    """Windows that begin and end within words, over ints, codes and floats in every width."""
    rng, count = np.random.default_rng(4), 1_000
    present = rng.random(count) < share
    properties: dict[int, Property] = {}
    for number, bits in enumerate((0, 8, 16, 32, 48, 62), 1):
        values = rng.integers(-(2**bits) // 2, 2**bits // 2, count, endpoint=bits > 0)
        properties[number] = Ints(values * present, present)
    for number, most in ((7, 250), (8, 60_000), (9, 10**9)):
        codes = rng.integers(1, most, count, np.uint32)
        properties[number] = Codes(codes * present)
    properties[10] = Floats(rng.normal(size=count) * present, present)
    events = Events(np.zeros(count, np.uint16), np.arange(count), properties=properties)
    for part, first, end in product(both_forms(events), (0, 130, 191, 192), (193, 700, count)):
        inside = (np.arange(count) >= first) & (np.arange(count) < end)
        for number, column in properties.items():
            values = column.codes if isinstance(column, Codes) else column.values  # type: ignore[union-attr]
            low, high = np.sort(values[present])[[present.sum() // 4, present.sum() * 3 // 4]]
            if isinstance(column, Floats):
                where = Where(WhereKind.FLOATS, number, low_float=low, high_float=high)
            else:
                where = Where(WhereKind.RANGE, number, int(low), int(high))
            (found,) = pick(Chunks([part]), first, end, [where], table=table)
            expected = inside & present & (values >= low) & (values <= high)
            assert np.array_equal(found, expected), number
            (found,) = pick(
                Chunks([part]), first, end, [Where(WhereKind.PRESENT, number)], table=table
            )
            assert np.array_equal(found, inside & present), number


def test_every_way_to_look_into_texts() -> None:
    words = ["", "a", "ab", "ba", "aba", "baab", "b", "白皮书", "皮", None]
    events = Events(
        np.zeros(10, np.uint16),
        np.arange(10),
        properties={1: Texts(Strings.from_list(words))},
    )
    ways = [str.__contains__, str.startswith, str.endswith]
    for part, how, needle in product(
        both_forms(events), range(3), [w for w in words if w is not None]
    ):
        where = Where(WhereKind.TEXT, 1, how=how, needle=needle.encode())
        (found,) = pick(Chunks([part]), *ALWAYS, [where])
        assert found.tolist() == [word is not None and ways[how](word, needle) for word in words]


@pytest.mark.parametrize("kind", TIES)
def test_small_tables_of_distinct_values(kind: str) -> None:
    """Full halves of 64 slots, so that some search goes on from the last slot to the first."""
    for seed in range(60):
        numbers = np.random.default_rng(seed).integers(0, 10**6, 32)
        values = [f"{number:06}" for number in numbers] if kind == "texts" else numbers + 1
        row, time = np.full(32, seed, np.uint16), np.arange(32, dtype=np.int64)
        events = Events(row, time, properties={1: _property(kind, list(values))})
        (answer,) = aggregate(Chunks(encode_events(events)), [Aggregate(Fold.DISTINCT, 1)], *ALWAYS)
        assert answer.by_row() == {seed: len(set(numbers.tolist()))}
