"""Events of rows by chains, and events in spans of time, against a look at every event."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events.chains import Chains
from engine.events.chunks import Chunks
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Floats, Ints, Texts
from engine.events.row_events import RowEvents
from engine.events.tail import Tail
from engine.events.time_ranges import TimeGroups, times_between
from engine.store.events_payload import SealedChunk
from tests.made_events import drawn_events, made_events

LAST = (1 << 63) - 1


class _Block:
    """Chunks of a block in memory: some sealed, and an open tail that came in two halves."""

    def __init__(self, sealed: list[Events], tail: Events) -> None:
        self.chunks = [SealedChunk.copy_of(part) for one in sealed for part in encode_events(one)]
        self.open = Tail()
        half = len(tail) // 2
        self.open.add(tail.take(slice(0, half)))
        addresses = [chunk.address for chunk in self.chunks]
        early = [self.open.version().address] if half else []
        self.chains = Chains(Chunks([], [*addresses, *early]))
        self.groups = TimeGroups(early[0]) if half else None
        self.open.add(tail.take(slice(half, len(tail))))
        self.address = self.open.version().address
        if self.groups is None:
            self.chains, self.groups = (
                Chains(Chunks([], [*addresses, self.address])),
                TimeGroups(self.address),
            )
        else:
            self.chains.extend(Chunks([], [*addresses, self.address]))
            self.groups.extend(self.address)
        self.addresses = np.array([*addresses, self.address], np.uint64)
        self.events = [*sealed, tail]


def _gathered(blocks: list[tuple[_Block | None, list[int]]]) -> RowEvents:
    """The events of some rows of each of some blocks; of None they are passed over."""
    parts = [one.addresses if one else np.zeros(1, np.uint64) for one, _ in blocks]
    rows = [row + (at << 16) for at, (_, some) in enumerate(blocks) for row in some]
    found = RowEvents()
    found.gather(
        [one and one.chains for one, _ in blocks],
        np.array(rows, np.uint32),
        np.cumsum([0, *(len(some) for _, some in blocks)], dtype=np.intp),
        np.arange(len(blocks), dtype=np.uint32),
        np.cumsum([0, *map(len, parts)], dtype=np.uint32),
        np.concatenate(parts),
    )
    return found


SEALED = st.lists(drawn_events(st.integers(1, 300)), max_size=2)
TAIL = drawn_events(st.sampled_from([1, 2, 63, 64, 65, 128, 300]))


def _values(events: Events, number: int) -> list[Any]:
    """A value of each event, None where missing."""
    match events.properties.get(number):
        case Codes(codes=codes):
            return [code or None for code in codes.tolist()]
        case Ints(values=values, present=present) | Floats(values=values, present=present):
            return [v if p else None for v, p in zip(values.tolist(), present, strict=True)]
        case _:
            return [None] * len(events)


@given(SEALED, TAIL, st.integers(0, 2**32))
def test_chains_gather_what_a_scan_finds(sealed: list[Events], tail: Events, seed: int) -> None:
    block = _Block(sealed, tail)
    chance = random.Random(seed)
    there = sorted({row for one in block.events for row in one.rows.tolist()})
    rows = sorted({*chance.sample(there, min(5, len(there))), 0, 65_535, *chance.choices(there)})
    other = _Block([], made_events(70, np.random.default_rng(seed), rows=5))
    found = _gathered([(None, [4, 5]), (other, [1, 2, 7, 9, 11]), (block, rows), (None, [3])])
    numbers = [1, 2, 3, 4, 6, 7, 8]
    gathered = Events(
        np.zeros(len(found), np.uint16),
        found.times(),
        properties={n: v for n in numbers if (v := found.property(n)) is not None},
    )
    columns = [_values(gathered, number) for number in numbers]
    seen = list(zip(found.places().tolist(), gathered.times.tolist(), *columns, strict=True))
    expected = Counter(
        (first + of_block.index(row), time, *values)
        for first, of_block, events in (
            (2, [1, 2, 7, 9, 11], other.events),
            (7, rows, block.events),
        )
        for one in events
        for row, time, *values in zip(
            one.rows.tolist(),
            one.times.tolist(),
            *(_values(one, number) for number in numbers),
            strict=True,
        )
        if row in of_block
    )
    assert Counter(seen) == expected
    assert [one[:2] for one in seen] == sorted(one[:2] for one in seen)


def test_texts_are_left_to_others() -> None:
    block = _Block([], made_events(100, np.random.default_rng(1), rows=5))
    found = _gathered([(block, list(range(5)))])
    assert isinstance(block.events[0].properties[5], Texts) and 5 in found.properties
    with pytest.raises(ValueError, match="chunk by chunk"):
        found.property(5)


@given(SEALED, TAIL, st.booleans(), st.data())
def test_spans_of_time_are_those_of_a_scan(
    sealed: list[Events], tail: Events, with_groups: bool, data: st.DataObject
) -> None:
    block = _Block(sealed, tail)
    there = [
        (row, time)
        for one in block.events
        for row, time in zip(one.rows.tolist(), one.times.tolist(), strict=True)
    ]
    near = [time for _, time in there[:25] + there[-75:]]
    borders = st.sampled_from([time + by for time in near for by in (-1, 0, 1)])
    from_us, to_us = sorted((data.draw(borders), data.draw(borders)))
    # The second of three blocks has them; the others have nothing.
    parts = len(block.addresses)
    rows, times, coming = times_between(
        np.array([0, 0, parts, parts], np.uint32),
        block.addresses,
        np.array([0, 1, 2], np.uint32),
        [None, block.groups if with_groups else None, None],
        from_us,
        to_us,
    )
    expected = Counter((row + 65_536, time) for row, time in there if from_us <= time < to_us)
    assert Counter(zip(rows.tolist(), times.tolist(), strict=True)) == expected
    later = min((time for _, time in there if time >= to_us), default=LAST)
    assert coming.tolist() == [LAST, later, LAST]
