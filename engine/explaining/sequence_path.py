"""How far one profile came in a sequence, and by which events.

Every event that a step may stand at is a place, with the place of the step before that it follows.
Of several that it could follow the latest is taken: whatever comes after it has the most time left,
and silence asked for begins the same while after each.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.rules.bound_events import BoundEvents, BoundSequence

__all__ = ["Place", "SequencePath", "sequence_path"]


@dataclass(frozen=True, slots=True)
class Place:
    """An event that a step stands at: `time_us` of it, and the place before (None: the first)."""

    time_us: int
    before: Place | None

    @property
    def times(self) -> list[int]:
        """The times of all steps up to this one, in order; steps that must not be have none."""
        found = []
        place: Place | None = self
        while place is not None:
            found.append(place.time_us)
            place = place.before
        return found[::-1]


@dataclass(frozen=True, slots=True)
class SequencePath:
    """`reached` has, for the first step and then for each link, the places after it, by time.

    It ends with the first that is empty.
    """

    reached: tuple[tuple[Place, ...], ...]
    step_count: int

    @property
    def holds(self) -> bool:
        """Whether the profile went all the way."""
        return len(self.reached) == self.step_count and bool(self.reached[-1])

    @property
    def steps_done(self) -> int:
        """How many steps were done, those that must not be counted as they held."""
        return len(self.reached) - (not self.reached[-1])

    @property
    def latest(self) -> Place | None:
        """The latest place of those that came furthest; None where not even the first was done."""
        done = self.steps_done
        return self.reached[done - 1][-1] if done else None


def sequence_path(
    sequence: BoundSequence, first: Sequence[int], times: Callable[[BoundEvents], Sequence[int]],
    now_us: int,
) -> SequencePath:  # fmt: skip
    """The path of a profile. `first` has the times of the first step within the window, `times`
    says those of any step up to `now_us`; both ascend."""
    reached = [tuple(Place(time_us, None) for time_us in first)]
    silent_us = 0
    for link in sequence.links:
        places = reached[-1]
        if not places:
            break
        found = times(link.events)
        if link.absent:
            reached.append(tuple(_undisturbed(places, found, link.within_us, now_us)))
            silent_us = max(silent_us, link.within_us)
        else:
            reached.append(tuple(_following(places, found, silent_us, link.within_us)))
            silent_us = 0
    return SequencePath(tuple(reached), len(sequence.links) + 1)


def _undisturbed(
    places: Sequence[Place], found: Sequence[int], within_us: int, now_us: int
) -> list[Place]:
    """The places after which nothing came for so long."""
    kept = []
    for place in places:
        end_us = place.time_us + within_us
        disturbed = bisect_right(found, end_us) > bisect_right(found, place.time_us)
        if end_us <= now_us and not disturbed:
            kept.append(place)
    return kept


def _following(
    places: Sequence[Place], found: Sequence[int], silent_us: int, within_us: int
) -> list[Place]:
    """The events that come after a place and after its silence, and soon enough."""
    times = [place.time_us for place in places]
    after = []
    for time_us in dict.fromkeys(found):
        before = bisect_left(times, time_us - silent_us)
        if before and time_us - times[before - 1] <= within_us:
            after.append(Place(time_us, places[before - 1]))
    return after
