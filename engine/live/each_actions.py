"""Actions with `each`: an entry of the feed for every event of a step as it comes to count.

What there is when the action is first applied has come to count before. Loads and edits bring
history in bulk, of which nothing is told; an event of theirs that is dated ahead has its entry at
its own time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from engine.live.definitions import Definition, key_of
from engine.live.flips import NEVER
from engine.live.moved_key import NamedEvent, event_key
from engine.live.step_events import BroughtEvents, CountedEvents, StepEvents
from engine.live.time_span import Span
from engine.live.told_entries import ToldEntries
from engine.model.definitions import Model
from engine.store.catalog import Catalog
from engine.store.snapshot import Snapshot

__all__ = ["EachActions"]


class EachActions:
    """The actions with `each` among some definitions; for one thread at a time."""

    def __init__(
        self,
        model: Model,
        definitions: Iterable[Definition],
        version_of: Callable[[str], int],
    ) -> None:
        self._steps = [
            (key_of(one.name), version_of(one.name), StepEvents(model, one.each))
            for one in definitions
            if one.each is not None
        ]

    def __bool__(self) -> bool:
        return bool(self._steps)

    def fields(self, catalog: Catalog) -> frozenset[int]:
        """The fields with the events that are asked about, as far as the store has them."""
        return frozenset[int]().union(*(step.fields(catalog) for _, _, step in self._steps))

    @property
    def next_us(self) -> int:
        """No event comes to count before this by time alone, as far as is known."""
        return min((step.next_us for _, _, step in self._steps), default=NEVER)

    def forget(self) -> None:
        """Events were written by somebody else."""
        for _, _, step in self._steps:
            step.forget()

    def of_record(
        self, snapshot: Snapshot, brought: Sequence[BroughtEvents], now_us: int
    ) -> list[ToldEntries]:
        """The entries of a record of the log."""
        return [
            _entries(key, version, step, step.of_record(snapshot, brought, now_us))
            for key, version, step in self._steps
        ]

    def by_time(self, snapshot: Snapshot, spans: Sequence[Span]) -> list[ToldEntries]:
        """The entries as time passes."""
        return [
            _entries(key, version, step, step.by_time(snapshot, spans))
            for key, version, step in self._steps
        ]


def _entries(key: str, version: int, step: StepEvents, came: CountedEvents) -> ToldEntries:
    """What events ask for: of those without an id that are alike each has a number."""
    count_of: Counter[tuple[int, ...]] = Counter()
    events = []
    columns = (came.rows, came.instants, came.types, came.times, came.ids)
    for alike in zip(*(column.tolist() for column in columns), strict=True):
        *_, type_, time_us, id_ = alike
        events.append(NamedEvent(step.types[type_], time_us, id_, count_of[alike]))
        count_of[alike] += 1
    # By time and row before the id, which is a digest that says nothing.
    first_row = dict(zip(reversed(events), reversed(came.rows.tolist()), strict=True))
    names = sorted(first_row, key=lambda one: (one.type, one.time_us, first_row[one], one))
    place_of = {event: place for place, event in enumerate(names)}
    return ToldEntries(
        [event_key(key, event) for event in names],
        version,
        np.array([place_of[event] for event in events], np.int64),
        came.rows,
        came.instants,
    )
