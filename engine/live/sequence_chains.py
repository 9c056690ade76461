"""When the events of a sequence are complete: worked out from the last step backwards.

A chain is one event of each step that happens, as the links say. While nobody writes, whether
events make a chain never changes; only the instant is waited for at which the last of them has
come and every `then no` after them is over. So each event that may begin a chain is ready at an
instant of its own.

1. Steps that happen are the knots, each with the `then no` links after it, all of which count from
   the knot, and the longest of which says before when the next step may not come.
2. An event of a knot stands where none of the steps that must not come lies within their time
   after it, and an event of the next knot that stands comes after the longest and within its own
   time.
3. Of the events that stand, a later one is never ready earlier: the last knot's are ready so long
   after their own time, and those before it by the first of the next knot in a stretch that only
   moves on. So the first event in a stretch decides for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.live.event_timelines import EventTimes
from engine.rules.bound_events import BoundSequence

__all__ = ["ReadyEvents", "SequenceShape", "ready_events"]


@dataclass(frozen=True, slots=True)
class _Knot:
    """A step that happens, by number; at most `within_us` after the knot before. `absent` are the
    steps that must not come within so long after it, and `silent_us` is the longest of these."""

    step: int
    within_us: int
    absent: tuple[tuple[int, int], ...]

    @property
    def silent_us(self) -> int:
        return max((within_us for _, within_us in self.absent), default=0)


class SequenceShape:
    """The knots of a sequence, whose steps are numbered as they are written, from 0."""

    def __init__(self, sequence: BoundSequence) -> None:
        knots = [_Knot(0, 0, ())]
        for step, link in enumerate(sequence.links, 1):
            if link.absent:
                last = knots[-1]
                absent = (*last.absent, (step, link.within_us))
                knots[-1] = _Knot(last.step, last.within_us, absent)
            else:
                knots.append(_Knot(step, link.within_us, ()))
        self.knots = tuple(knots)

    def ripening(self) -> list[tuple[int, int]]:
        """Steps with how long after their events the silence that must follow is over, where it
        is not at once."""
        return [(knot.step, knot.silent_us) for knot in self.knots if knot.absent]


@dataclass(frozen=True, slots=True, eq=False)
class ReadyEvents:
    """Events of a step that stand, by row and time; `ready` is when the chain is complete that is
    so first, of those that begin with the event. Of one row it ascends as times do."""

    events: EventTimes
    ready: NDArray[np.int64]


def ready_events(shape: SequenceShape, steps: Sequence[EventTimes]) -> ReadyEvents:
    """The events of the first step that begin a chain. `steps` are those of each step, by the
    number of the step, all of the same rows."""
    row_count = len(steps[0].starts) - 1
    after: ReadyEvents | None = None
    within_us = 0
    for knot in reversed(shape.knots):
        events = steps[knot.step]
        places, times = events.places, events.times
        stands = np.ones(len(times), np.bool_)
        for step, absent_us in knot.absent:
            stands &= _none_within(steps[step], places, times, absent_us)
        if not stands.all():
            places, times = places[stands], times[stands]
        ready = times + knot.silent_us
        if after is not None:
            following = after.events.first_from(places, ready + 1)
            # At the end of a row the next one's events begin.
            found = following < after.events.starts[places + 1]
            follows = after.events.times[following[found]] <= times[found] + within_us
            found[found] = follows
            places, times, ready = places[found], times[found], after.ready[following[found]]
        after = ReadyEvents(EventTimes(row_count, places, times), ready)
        within_us = knot.within_us
    assert after is not None, "a sequence has a first step"
    return after


def _none_within(
    absent: EventTimes, places: NDArray[np.intp], times: NDArray[np.int64], within_us: int
) -> NDArray[np.bool_]:
    """Where no event lies after a time and at most so much later."""
    first = absent.first_from(places, times + 1)
    found: NDArray[np.bool_] = first == absent.first_from(places, times + (within_us + 1))
    return found
