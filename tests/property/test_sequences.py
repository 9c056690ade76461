"""Sequences over chunks of a block against the matcher of the reference, which tries everything.

Times are few and close together, so that nearly every border is met; the events of a row are in
several chunks, which overlap, and in a tail that is not sorted. Often they are in two clusters
years apart, so that the instants of the pass along time (sequence_runs.h) are coarser than times.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bitmaps.containers import rows_of_mask
from engine.core import kernels
from engine.core.operations import IntRangeLeaf
from engine.core.sequences import match_block
from engine.core.where_nodes import WhereNodes
from engine.core.where_plan import WhereNode
from engine.events.chunks import Chunks
from engine.events.encode import encode_events
from engine.events.events import Events, Ints
from engine.events.tail import Tail
from engine.rules.reference_events import matches

ROWS = [0, 1, 62, 63, 64, 65, 127, 128, 40_000, 65_534, 65_535]
AMOUNT = 7  # the property of all events

Happened = tuple[int, int, int]  # row, time, amount


@dataclass(frozen=True)
class Chosen:
    """Events of some types, of which those with an amount in low..high count."""

    types: tuple[int, ...]
    low: int
    high: int

    def takes(self, amount: int) -> bool:
        return self.low <= amount <= self.high


def encoded(events: list[Happened]) -> Events:
    rows, times, amounts = (np.array(column, np.int64) for column in zip(*events, strict=True))
    property_ = Ints(amounts, np.ones(len(events), np.bool_))
    return Events(rows.astype(np.uint16), times, properties={AMOUNT: property_})


def chunks_of(chance: random.Random, events: list[Happened]) -> Chunks:
    """The events in some chunks, and the last of them in a tail, in any order."""
    chance.shuffle(events)
    cut = sorted(chance.randrange(len(events) + 1) for _ in range(chance.choice([0, 1, 2])))
    groups = [events[a:b] for a, b in zip([0, *cut], [*cut, len(events)], strict=True)]
    parts = [part for group in groups[:-1] if group for part in encode_events(encoded(group))]
    if not groups[-1]:
        return Chunks(parts)
    if chance.random() < 0.5:
        return Chunks([*parts, *encode_events(encoded(groups[-1]))])
    tail = Tail()
    tail.add(encoded(groups[-1]))
    return Chunks([*parts, tail.version()])


@dataclass(frozen=True)
class Clock:
    """Times as they are stored: `unit` apart, and those of the second half `gap` later."""

    unit: int
    gap: int
    middle: int

    def time(self, number: int) -> int:
        return number * self.unit + (self.gap if number >= self.middle else 0)


def happened(
    chance: random.Random, rows: list[int], span: int, most: int, clock: Clock
) -> list[Happened]:
    return [
        (row, clock.time(chance.randrange(span)), chance.randrange(4))
        for row in rows
        for _ in range(chance.randrange(most))
    ]


def chosen(chance: random.Random, type_count: int) -> Chosen:
    types = tuple(sorted(chance.sample(range(type_count), chance.choice([1, 1, type_count]))))
    return Chosen(types, *chance.choice([(0, 3), (0, 3), (1, 3), (0, 1), (5, 6)]))


def nodes_of(one: Chosen) -> WhereNodes:
    if (one.low, one.high) == (0, 3):
        return WhereNodes(())
    return WhereNodes((WhereNode("leaf", IntRangeLeaf(AMOUNT, one.low, one.high)),))


def steps_of(
    chance: random.Random, set_count: int, longest: int, within: list[int]
) -> list[tuple[int, int, bool]]:
    """(set, within, whether none may come); what `then no` may end, begin and fill."""
    count = chance.randrange(1, longest + 1)
    absent = chance.choice([0.0, 0.3, 0.6])
    later = [
        (chance.randrange(set_count), chance.choice(within), chance.random() < absent)
        for _ in range(count)
    ]
    return [(chance.randrange(set_count), 0, False), *later]


@settings(max_examples=settings.default.max_examples * 3)
@given(seed=st.integers(0, 2**32), table=st.sampled_from(kernels.tables()))
def test_the_rows_are_those_of_the_reference(seed: int, table: str) -> None:
    chance = random.Random(seed)
    rows = ROWS + [chance.randrange(65_536) for _ in range(chance.choice([0, 60]))]
    rows = sorted(set(rows))
    type_count = chance.choice([1, 2, 3])
    span = chance.choice([4, 12, 12, 40])
    most = chance.choice([3, 6, 6, 12, 90 if len(rows) < 15 else 6])
    clock = Clock(
        chance.choice([1, 1, 3, 1000]), chance.choice([0, 0, 2**31, 2**33, 2**45]), span // 2
    )
    events = [happened(chance, rows, span, most, clock) for _ in range(type_count)]
    chunks = [chunks_of(chance, held) for held in events]
    for _ in range(10):
        sets = [chosen(chance, type_count) for _ in range(chance.choice([1, 2, 3]))]
        within = chance.choice([[1, 2, 3], [2, 5, 8], [1, span, 2**62]])
        near = [clock.unit * length + chance.choice([0, 0, 1]) for length in within[:2]]
        within = chance.choice([[*near, within[2]], [*near, near[1] + clock.gap]])
        steps = steps_of(chance, len(sets), chance.choice([1, 2, 4, 9]), within)
        now = clock.time(chance.randrange(span + 6))
        early, late = clock.time(1), clock.time(6)
        start, end = chance.choice([(-(2**63), now + 1), (early, now + 1), (early, late)])
        end = min(end, now + 1)
        given_sets = [[(chunks[t], nodes_of(one)) for t in one.types] for one in sets]
        found = match_block(given_sets, steps, start, end, now, table=table)
        expected = []
        for row in rows:
            times = [
                [
                    time
                    for t in one.types
                    for at, time, amount in events[t]
                    if at == row and time <= now and one.takes(amount)
                ]
                for one in sets
            ]
            first = [time for time in times[steps[0][0]] if start <= time < end]
            links = [(times[s], within_us, absent) for s, within_us, absent in steps[1:]]
            if matches(first, links, now):
                expected.append(row)
        assert rows_of_mask(found).tolist() == expected, (steps, sets, start, end, now)
        among = np.zeros(1024, np.uint64)
        for row in rows[::2]:
            among[row // 64] |= np.uint64(1 << row % 64)
        cut = match_block(given_sets, steps, start, end, now, among, table=table)
        assert np.array_equal(cut, found & among)


@pytest.mark.parametrize("count", [63, 64, 65, 66, 500])
def test_many_events_of_one_row_in_any_order(count: int) -> None:
    """What is sorted in one way or another; steps an even and an odd number of instants apart."""
    times = list(range(0, 2 * count, 2))
    random.Random(count).shuffle(times)
    tail = Tail()
    tail.add(encoded([(9, time, 0) for time in times]))
    chunks = [[(Chunks([tail.version()]), WhereNodes(()))]]
    now = 10 * count

    def match(*steps: tuple[int, int, bool]) -> list[int]:
        found = match_block(chunks, [(0, 0, False), *steps], 0, now + 1, now)
        return rows_of_mask(found).tolist()

    assert match(*[(0, 2, False)] * (count - 1)) == [9]
    assert match(*[(0, 2, False)] * count) == []
    assert match((0, 1, False)) == []
    assert match((0, 1, True), (0, 2, False)) == [9]
    assert match(*[(0, 2, False)] * (count - 2), (0, 2, True)) == [9]
    assert match((0, 2, True), (0, 4, False)) == []
    assert match(*[(0, 2, False)] * (count - 1), (0, 8 * count, True)) == [9]
    assert match(*[(0, 2, False)] * (count - 1), (0, 8 * count + 3, True)) == []


def test_blocks_of_long_histories_are_taken_in_strips() -> None:
    """More events than are gathered at a time; every row has an order and a return after it."""
    rows = np.tile(np.arange(65_536, dtype=np.int64), 20)
    times = np.repeat(np.arange(20, dtype=np.int64) * 10, 65_536)
    orders = Chunks(encode_events(Events(rows.astype(np.uint16), times)))
    late = np.where(rows % 3 == 0, 5, 4)
    returns = Chunks(encode_events(Events(rows.astype(np.uint16), times + late)))
    sets = [[(orders, WhereNodes(()))], [(returns, WhereNodes(()))]]
    found = match_block(sets, [(0, 0, False), (1, 4, False)], 0, 301, 300)
    assert rows_of_mask(found).tolist() == [row for row in range(65_536) if row % 3]
