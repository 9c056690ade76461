"""When sequences are complete, against the matcher of the reference asked at every instant."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.live.event_timelines import EventTimes
from engine.live.sequence_chains import SequenceShape, ready_events
from engine.rules.bound_events import BoundEvents, BoundLink, BoundSequence
from engine.rules.reference_events import matches

SPAN = 14
ROWS = 4


def _times(chance: random.Random) -> list[list[int]]:
    """Of each row; several events at one instant, too."""
    return [sorted(chance.randrange(SPAN) for _ in range(chance.randrange(4))) for _ in range(ROWS)]


def _as_events(of_rows: list[list[int]]) -> EventTimes:
    places = np.repeat(np.arange(ROWS), [len(times) for times in of_rows])
    times = [time_us for times in of_rows for time_us in times]
    return EventTimes(ROWS, places, np.array(times, np.int64))


@given(st.randoms(use_true_random=False))
def test_complete_when_the_reference_says_so(chance: random.Random) -> None:
    steps = [_times(chance)]
    links = []
    for _ in range(chance.randrange(1, 4)):
        # Steps over the same events, now and then.
        steps.append(chance.choice([_times(chance), steps[0]]))
        within_us, absent = chance.randrange(1, 6), chance.random() < 0.5
        links.append(BoundLink(BoundEvents(("x",)), within_us, absent))
    sequence = BoundSequence(BoundEvents(("x",)), tuple(links), None, None)
    begun = ready_events(SequenceShape(sequence), [_as_events(times) for times in steps])
    assert (np.diff(begun.events.places) >= 0).all()
    for row in range(ROWS):
        for now_us in range(-1, SPAN + 30):
            for first_us in sorted({time_us for time_us in steps[0][row] if time_us <= now_us}):
                so_far = [
                    ([one for one in times[row] if one <= now_us], link.within_us, link.absent)
                    for times, link in zip(steps[1:], links, strict=True)
                ]
                at = (begun.events.places == row) & (begun.events.times == first_us)
                is_ready = bool((begun.ready[at] <= now_us).any())
                assert is_ready == matches([first_us], so_far, now_us), (row, first_us, now_us)
    for row in range(ROWS):
        of_row = begun.ready[begun.events.places == row]
        assert (np.diff(of_row) >= 0).all(), "a later one is never ready earlier"
