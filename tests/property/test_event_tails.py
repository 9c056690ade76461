"""Stretches of columns added to a tail make what the same events make one batch after the other."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.events.events import Events
from engine.events.tail import EventColumns, Tail
from tests.made_events import as_tuples, drawn_events

COUNTS = st.sampled_from([1, 2, 63, 64, 65, 128, 300])


@given(drawn_events(COUNTS), drawn_events(COUNTS), st.integers(0, 2**32))
def test_stretches_are_added_like_batches(before: Events, drawn: Events, seed: int) -> None:
    events = Events(drawn.rows, drawn.times, None, None, drawn.properties)
    chance = random.Random(seed)
    borders = sorted({0, len(events), *chance.choices(range(len(events)), k=3)})
    one, other = Tail(), Tail()
    # What a tail has seen before decides whether it has a place for all.
    if chance.random() < 0.5:
        one.add(before)
        other.add(before)
    columns = EventColumns(events)
    for start, end in pairwise(borders):
        one.add(events.take(slice(start, end)))
        early = other.version() if len(other) else None
        seen = None if early is None else as_tuples(early.events())
        other.add_stretch(columns, start, end - start)
        assert early is None or as_tuples(early.events()) == seen, "versions stay as they are"
    assert as_tuples(one.version().events()) == as_tuples(other.version().events())
    assert one.version().size == other.version().size


def test_rows_and_times_of_versions_are_those_added() -> None:
    events = Events(np.array([3, 1], np.uint16), np.array([9, 7]))
    tail = Tail()
    tail.add_stretch(EventColumns(events), 1, 1)
    assert tail.version().events().rows.tolist() == [1]
    tail.add_stretch(EventColumns(events), 0, 1)
    assert tail.version().events().times.tolist() == [7, 9]
