"""The flips of a sequence, exactly.

Each event of the first step that begins a chain is ready at one instant
(`engine.live.sequence_chains`): the last event of the chain comes to count, or the time of a `then
no` is over. From then on it makes the sequence hold while it is in the window. So

1. a sequence flips when an event becomes ready, and when a ready one passes an edge of the window
   (`engine.live.window_edges`), and at no other instant;
2. it holds where the first of the events in the window that begin a chain is ready.

Where a step's condition reads `now`, or its events are dropped by age, which events there are
depends on the instant, and with them who begins a chain. Then every instant counts at which an
event comes, starts or ceases to pass its condition, passes an edge or has been followed by silence
for long enough; and what holds is worked out for each row and instant from the events that pass at
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.live.event_flips import EventSources
from engine.live.event_timelines import EventTimes, some_at_a_time
from engine.live.flips import NEVER, ListedFlips, listed_within
from engine.live.rows_read import RowsRead
from engine.live.sequence_chains import ReadyEvents, SequenceShape, ready_events
from engine.live.window_edges import WindowEdges
from engine.model.definitions import Model
from engine.rules.bound_events import BoundSequence
from engine.rules.retention import may_reach
from engine.store.snapshot import Snapshot

__all__ = ["SequenceFlips"]

# Arrays of instants, each with one element for each place.
_Instants = list[NDArray[np.int64]]


class SequenceFlips(ListedFlips):
    """One sequence; see FlipLeaf."""

    def __init__(self, sequence: BoundSequence, sources: EventSources, model: Model) -> None:
        self._shape = SequenceShape(sequence)
        steps = sequence.first, *(link.events for link in sequence.links)
        self._steps = [sources.of(events) for events in steps]
        self._edges = WindowEdges(sequence.window, model.time_zone)
        self._has_window = sequence.window is not None
        types = [name for events in steps for name in events.types]
        self._moves = any(source.moves for source in self._steps) or may_reach(
            self._edges.longest_us, model, types
        )

    def fields(self, snapshot: Snapshot) -> frozenset[int]:
        """See FlipLeaf."""
        return frozenset[int]().union(*(source.fields(snapshot) for source in self._steps))

    def listed(
        self, read: RowsRead, after_us: int, through_us: int
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """See ListedFlips."""
        candidates = self._all_instants(read) if self._moves else [self._of_ready(read)]
        return listed_within(candidates, after_us, through_us)

    def holds(
        self,
        read: RowsRead,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        scores: Mapping[str, NDArray[Any]] | None = None,
    ) -> NDArray[np.bool_]:
        """See FlipLeaf."""
        if not self._moves:
            return self._in_window(self._begun(read), places, instants)
        steps = [read.timelines(source) for source in self._steps]
        first = [lines.starts[places] for lines in steps]
        end = [lines.first_from(places, instants + 1) for lines in steps]
        sizes = np.sum([last - start for start, last in zip(first, end, strict=True)], axis=0)
        found = np.zeros(len(places), np.bool_)
        for some in some_at_a_time(sizes):
            at = instants[some]
            passing: list[EventTimes] = [
                lines.passing(start[some], last[some], at)
                for lines, start, last in zip(steps, first, end, strict=True)
            ]
            begun = ready_events(self._shape, passing)
            found[some] = self._in_window(begun, np.arange(len(at)), at)
        return found

    def _begun(self, read: RowsRead) -> ReadyEvents:
        """The events of each row that begin a chain, worked out once for the rows."""
        return read.once(
            self,
            lambda: ready_events(self._shape, [read.timelines(source) for source in self._steps]),
        )

    def _in_window(
        self, begun: ReadyEvents, places: NDArray[np.intp], instants: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Where the first event in the window that begins a chain is ready."""
        from_us, to_us = self._edges.bounds(instants)
        first = begun.events.first_from(places, from_us)
        found = begun.events.first_from(places, to_us) > first
        found[found] = begun.ready[first[found]] <= instants[found]
        return found

    def _of_ready(self, read: RowsRead) -> tuple[NDArray[np.intp], _Instants]:
        """When events that begin a chain are ready, and when they pass an edge after that."""
        begun = self._begun(read)
        places, ready = begun.events.places, begun.ready
        if not self._has_window:
            # Whoever is first ready is so for ever.
            first = np.flatnonzero(np.append(True, places[1:] != places[:-1])[: len(places)])
            return places[first], [ready[first]]
        edges = self._edges.flips(begun.events.times)
        return places, [ready, *(np.where(at > ready, at, NEVER) for at in edges)]

    def _all_instants(self, read: RowsRead) -> list[tuple[NDArray[np.intp], _Instants]]:
        """Every instant at which anything may happen to any event of any step."""
        steps = [read.timelines(source) for source in self._steps]
        found = []
        for lines in steps:
            found.append((lines.places, [lines.times, *lines.passing_flips()]))
        for step, silent_us in self._shape.ripening():
            found.append((steps[step].places, [steps[step].times + silent_us]))
        found.append((steps[0].places, self._edges.flips(steps[0].times)))
        return found
