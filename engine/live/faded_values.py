"""What the events of an `each` rule give at many instants, and when that changes.

Without a half-life a rule counts events, like an aggregate (`engine.live.aggregate_values`). With
one, what an event is worth changes at whole hours after its time, as the table of the rule says
(`engine.rules.half_life`), until it is worth nothing any more. Where two hours of the table have
the same worth nothing changes, and no instant is given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.live.event_source import EventSource
from engine.live.event_timelines import Timelines, elements, some_at_a_time
from engine.live.flips import NEVER
from engine.live.rows_read import RowsRead
from engine.live.window_edges import MovingEdge, UnitEdge, WindowEdges
from engine.model.definitions import Model
from engine.rules.bound_scores import BoundEachRule
from engine.rules.half_life import HOUR_US, worth_by_hour
from engine.rules.retention import may_reach
from engine.store.snapshot import Snapshot

__all__ = ["EachValues", "Listed"]

# Places of rows and instants, side by side.
Listed = tuple[NDArray[np.intp], NDArray[np.int64]]


class EachValues:
    """One `each` rule; `source` is where its events are read."""

    def __init__(self, model: Model, rule: BoundEachRule, source: EventSource) -> None:
        self._rule = rule
        self._source = source
        self._edges = WindowEdges(rule.window, model.time_zone)
        self._reaches = may_reach(self._edges.longest_us, model, rule.events.types)
        self._worth: NDArray[np.int64] | None = None
        # Hours of age at which an event comes to be worth something else.
        self._hours = np.zeros(0, np.int64)
        if rule.half_life_us is not None:
            self._worth = np.array([*worth_by_hour(rule.points, rule.half_life_us), 0], np.int64)
            self._hours = np.flatnonzero(np.diff(self._worth)) + 1
            longest_us = self._edges.longest_us
            if longest_us is not None:
                # Whatever is older is out of the window.
                self._hours = self._hours[self._hours <= longest_us // HOUR_US]

    @property
    def fading_us(self) -> int:
        """How old an event is when it is worth something else for the last time; 0 where its worth
        does not change."""
        return int(self._hours.max(initial=0)) * HOUR_US

    @property
    def source(self) -> EventSource:
        """Where its events are read."""
        return self._source

    @property
    def passed_edges(self) -> list[MovingEdge | UnitEdge]:
        """The edges of its window that events pass (engine.live.event_cursors)."""
        return self._edges.passed

    def fields(self, snapshot: Snapshot) -> frozenset[int]:
        """The fields that have the events."""
        return self._source.fields(snapshot)

    # ---------------------------------------------------------------------- instants

    def edges(self, read: RowsRead) -> tuple[NDArray[np.intp], list[NDArray[np.int64]]]:
        """When events come to count and cease to: places of their rows, and instants."""
        lines = read.timelines(self._source)
        found = self._edges.flips(lines.times)
        return lines.places, found + lines.passing_flips(by_age=self._reaches)

    def fading(self, read: RowsRead, after_us: int, through_us: int) -> Listed:
        """When events come to be worth something else after one instant and up to another."""
        lines = read.timelines(self._source)
        first = self._hour_after(lines.times, after_us)
        end = np.maximum(self._hour_after(lines.times, through_us), first)
        events, hours = elements(first, end)
        return lines.places[events], lines.times[events] + self._hours[hours] * HOUR_US

    def next_fading(self, read: RowsRead, after_us: int) -> Listed:
        """The first of these instants for each event that has one."""
        lines = read.timelines(self._source)
        first = self._hour_after(lines.times, after_us)
        events = np.flatnonzero(first < len(self._hours))
        at = lines.times[events] + self._hours[first[events]] * HOUR_US
        return lines.places[events], at

    def fading_within(
        self,
        read: RowsRead,
        places: NDArray[np.intp],
        after_us: NDArray[np.int64],
        through_us: NDArray[np.int64],
    ) -> Listed:
        """When events of the row at each place come to be worth something else, in the stretch of
        time beside it: places and instants. Stretches go no further than a tick does."""
        lines = read.timelines(self._source)
        first = lines.first_from(places, after_us - self.fading_us)
        asked, events = elements(first, lines.first_from(places, through_us))
        times = lines.times[events]
        from_hour, to_hour = (
            np.searchsorted(self._hours, (at[asked] - times) // HOUR_US, side="right")
            for at in (after_us, through_us)
        )
        turning, hours = elements(from_hour, np.maximum(to_hour, from_hour))
        return places[asked[turning]], times[turning] + self._hours[hours] * HOUR_US

    def _hour_after(self, times: NDArray[np.int64], instant: int) -> NDArray[np.intp]:
        """Of each event where the first of `_hours` is at which it is older than at an instant."""
        # Beyond the last hour there is nothing to find, and differences stay in 64 bits.
        end_us = int(times.max(initial=0)) + (int(self._hours.max(initial=0)) + 1) * HOUR_US
        ages = min(instant, end_us, NEVER - 1) - times
        return np.searchsorted(self._hours, ages // HOUR_US, side="right")

    # ------------------------------------------------------------------------ values

    def at(
        self, read: RowsRead, places: NDArray[np.intp], instants: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """What the rule gives to the row at each place at the instant beside it, in thousandths.
        Whoever binds a score sees to it that 64 bits do."""
        from_us, to_us = self._edges.bounds(instants)
        if self._worth is None:
            counted = read.folded(self._source, "count", places, from_us, to_us)
            if counted is not None:
                return self._bounded(counted[0] * self._rule.points)
        lines = read.timelines(self._source)
        if self._worth is not None:
            # What is older is worth nothing any more.
            from_us = np.maximum(from_us, instants - len(self._worth) * HOUR_US)
        first, end = lines.taken_in(places, from_us, to_us)
        is_still = lines.condition is None and (lines.leaving is None or not self._reaches)
        if is_still and self._worth is None:
            return self._bounded((end - first) * self._rule.points)
        pieces = [np.zeros(0, np.int64)]
        for some in some_at_a_time(end - first):
            stretch = lines, first[some], end[some]
            if not is_still:
                passing = lines.passing(first[some], end[some], instants[some])
                stretch = passing, passing.starts[:-1], passing.starts[1:]
            if self._worth is None:
                pieces.append((stretch[2] - stretch[1]) * self._rule.points)
            else:
                pieces.append(self._faded(*stretch, instants[some]))
        return self._bounded(np.concatenate(pieces))

    def bounds(
        self,
        read: RowsRead,
        places: NDArray[np.intp],
        from_us: NDArray[np.int64],
        through_us: NDArray[np.int64],
    ) -> Listed:
        """Between which numbers lies what the rule gives on the way from each instant to the one
        beside it, where no event comes or goes: all fade towards 0, so these are the ends."""
        first = self.at(read, places, from_us)
        if self._worth is None:
            return first, first
        last = self.at(read, places, through_us)
        return np.minimum(first, last), np.maximum(first, last)

    def _faded(
        self,
        lines: Timelines,
        first: NDArray[np.intp],
        end: NDArray[np.intp],
        instants: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """What the events of each stretch are worth at the instant beside it, together."""
        assert self._worth is not None
        asked, events = elements(first, end)
        hours = (instants[asked] - lines.times[events]) // HOUR_US
        worth = self._worth[np.minimum(hours, len(self._worth) - 1)]
        # Sums over all of them may wrap around, and differences wrap back.
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(worth)])
        ends = np.cumsum(end - first)
        found: NDArray[np.int64] = before[ends] - before[ends - (end - first)]
        return found

    def _bounded(self, given: NDArray[np.int64]) -> NDArray[np.int64]:
        most = self._rule.at_most
        return given if most is None else np.clip(given, -most, most)
