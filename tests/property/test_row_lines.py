"""Events of sources laid out and folded over windows, against a look at every event."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.core.row_lines import FOLDS, RowLines, first_from, windows
from engine.events.chains import Chains
from engine.events.chunks import Chunks
from engine.events.events import Events, Ints
from engine.events.row_events import RowEvents
from engine.events.tail import Tail

ROWS = 40
# The property that is read, and one that no event has.
AMOUNT, ABSENT = 3, 4


class _Happened(NamedTuple):
    row: int
    time: int
    amount: int | None


class _Type:
    """Events of one type in a tail, with their chains."""

    def __init__(self, happened: list[_Happened]) -> None:
        present = np.array([one.amount is not None for one in happened], np.bool_)
        amounts = np.array([one.amount or 0 for one in happened], np.int64)
        self.tail = Tail()
        self.tail.add(
            Events(
                np.array([one.row for one in happened], np.uint16),
                np.array([one.time for one in happened], np.int64),
                properties={AMOUNT: Ints(amounts, present)},
            )
        )
        self.version = self.tail.version()
        self.chains = Chains(Chunks([], [self.version.address]))

    def gathered(self, rows: list[int]) -> RowEvents:
        found = RowEvents()
        # As of two blocks: the second half has places behind those of the first.
        found.gather(
            [self.chains, self.chains],
            np.array(rows, np.uint32),
            np.array([0, len(rows) // 2, len(rows)], np.intp),
            np.array([0, 1], np.uint32),
            np.array([0, 1, 2], np.uint32),
            np.array([self.version.address] * 2, np.uint64),
        )
        return found


def _happened(amounts: st.SearchStrategy[int]) -> st.SearchStrategy[list[_Happened]]:
    # Some rows have many, at few different times.
    one = st.builds(
        _Happened,
        st.one_of(st.integers(0, ROWS - 1), st.just(3)),
        st.integers(-5, 30),
        st.one_of(st.none(), amounts),
    )
    return st.lists(one, min_size=1, max_size=120)


SMALL = st.lists(_happened(st.integers(-3, 3)), min_size=1, max_size=3)
LARGE = st.lists(_happened(st.sampled_from([2**62, -(2**63), 2**63 - 1])), min_size=1, max_size=2)


@given(
    types=st.one_of(SMALL, LARGE),
    factor=st.sampled_from([1, 10, 10**18]),
    number=st.sampled_from([0, AMOUNT, ABSENT]),
    seed=st.integers(0, 2**32),
)
def test_they_are_those_of_a_scan(
    types: list[list[_Happened]], factor: int, number: int, seed: int
) -> None:
    chance = random.Random(seed)
    rows = sorted(chance.sample(range(ROWS), 25))
    made = [_Type(one) for one in types]
    lines = RowLines([(one.gathered(rows), None, number, factor) for one in made], len(rows))

    def values(one: _Happened) -> list[int]:
        if number == 0:
            return [0]
        return [] if number == ABSENT or one.amount is None else [one.amount * factor]

    expected = sorted(
        (rows.index(one.row), one.time, value)
        for happened in types
        for one in happened
        if one.row in rows
        for value in values(one)
    )
    # What is multiplied is bounded, and what is not has 64 bits.
    fits = all(abs(value) < 2**62 or factor == 1 for _, _, value in expected)
    laid = lines.lay()
    assert (laid is not None) == fits
    if laid is not None:
        places, times, read, starts = (column.tolist() for column in laid)
        assert list(zip(places, times, read, strict=True)) == expected
        assert starts == [sum(p < place for p, _, _ in expected) for place in range(26)]
    asked = [
        (place, *sorted((chance.randint(-7, 32), chance.randint(-7, 32))))
        for place in range(len(rows))
        for _ in range(3)
    ]
    for how in sorted(FOLDS):
        _check_fold(lines, how, asked, expected, fits)


def _check_fold(
    lines: RowLines,
    how: str,
    asked: list[tuple[int, int, int]],
    expected: list[tuple[int, int, int]],
    fits: bool,
) -> None:
    columns = [np.array(column, np.int64) for column in zip(*asked, strict=True)]
    folded = lines.fold(how, *columns)
    wanted = []
    for place, first, end in asked:
        taken = [(t, v) for p, t, v in expected if p == place and first <= t < end]
        found: Any = {
            "count": len(taken),
            "sum": sum(v for _, v in taken),
            "first": min((t for t, _ in taken), default=0),
            "last": max((t for t, _ in taken), default=0),
        }[how]
        wanted.append((found, bool(taken)))
    if folded is None:
        assert not fits or how == "sum", "64 bits do"
        return
    assert list(zip(folded[0].tolist(), folded[1].tolist(), strict=True)) == wanted


@given(st.lists(st.lists(st.integers(0, 40), max_size=30), min_size=1, max_size=6), st.data())
def test_windows_take_in_what_a_scan_finds(rows: list[list[int]], data: st.DataObject) -> None:
    times = [sorted(row) for row in rows]
    starts = np.cumsum([0, *map(len, times)])
    every = np.array([t for row in times for t in row], np.int64)
    places = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=20))
    borders = st.lists(st.integers(-1, 41), min_size=len(places), max_size=len(places))
    from_us, to_us = (np.array(data.draw(borders), np.int64) for _ in range(2))
    at = np.array(places, np.intp)
    first, end = windows(starts, every, at, from_us, to_us)
    assert first.tolist() == first_from(starts, every, at, from_us).tolist()
    for i, place in enumerate(places):
        before = [t for t in times[place] if t < from_us[i]]
        taken = [t for t in times[place] if from_us[i] <= t < to_us[i]]
        assert first[i] == starts[place] + len(before)
        assert end[i] == first[i] + len(taken)


def test_one_instant_may_be_broadcast() -> None:
    lines = RowLines([(_Type([_Happened(0, 5, None)]).gathered([0, 1]), None, 0, 1)], 2)
    at = np.arange(2)
    found = lines.fold(
        "count", at, np.broadcast_to(np.int64(5), 2), np.broadcast_to(np.int64(6), 2)
    )
    assert found is not None and found[0].tolist() == [1, 0]
