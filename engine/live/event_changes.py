"""Events of a record, worked into the events of one type of a block.

1. Of events that have one id in one row, the last one counts.
2. The event that a row has with such an id already is looked for by the row's chain, over all that
   is stored of the type, however old.
3. The same again is no change. One that says something else takes its place, and one that is gone
   leaves nothing. Whatever has no id is a new event.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.events.chains import NOT_FOUND
from engine.events.events import Events
from engine.events.tail import EventColumns
from engine.live.same_events import last_of_ids, same_events
from engine.store.catalog import Catalog, FieldKind
from engine.store.mutation import Mutation

__all__ = ["EventChange", "add_new_events", "stretches", "write_events"]


@dataclass(frozen=True, slots=True, eq=False)
class EventChange:
    """The rows in a block (uint32) whose events differ from before, sorted and each once; the
    events that were not there before, and those that are not there any more."""

    rows: NDArray[np.uint32]
    added: Events
    dropped: Events


def write_events(
    mutation: Mutation,
    field_id: int,
    block: int,
    events: Events,
    gone: NDArray[np.bool_] | None,
) -> EventChange:
    """Adds events to a block, in the order of the updates, and takes those away that are
    `gone`."""
    if gone is None:
        gone = np.zeros(len(events), np.bool_)
    ids = events.ids
    dropped = np.zeros(0, np.uint32)
    before = Events(np.zeros(0, np.uint16), np.zeros(0, np.int64))
    opened = mutation.events(field_id, block)
    if ids is not None and ids.any():
        lasting = last_of_ids(events.rows, ids)
        events, gone = events.take(lasting), gone[lasting]
        assert events.ids is not None
        known = np.flatnonzero(events.ids)
        found = mutation.find_events(opened, events.rows[known], events.ids[known])
        known, found = known[found != NOT_FOUND], found[found != NOT_FOUND]
        if len(known):
            stands = opened.events_at(mutation.snapshot, found)
            same = same_events(events.take(known), stands, _properties(mutation.snapshot.fields))
            same &= ~gone[known]
            dropped, before = found[~same], stands.take(np.flatnonzero(~same))
            gone[known[same]] = True
    added = events.take(~gone)
    if len(dropped):
        opened.take_out(mutation.snapshot, dropped)
    if len(added):
        opened.add(added)
    if not len(dropped) and not len(added):
        mutation.leave_events(field_id, block)
        return EventChange(np.zeros(0, np.uint32), added, before)
    mutation.put_events(field_id, block, opened)
    rows = np.union1d(before.rows, added.rows).astype(np.uint32)
    return EventChange(rows, added, before)


def add_new_events(
    mutation: Mutation, field_id: int, blocks: NDArray[np.uint32], events: Events
) -> None:
    """Adds events without ids, at least one, to their blocks, which ascend."""
    columns = EventColumns(events)
    found = list(stretches(blocks))
    starts = [start for _, start, _ in found]
    low, high = (of.reduceat(events.times, starts).tolist() for of in (np.minimum, np.maximum))
    for (block, start, end), earliest, latest in zip(found, low, high, strict=True):
        opened = mutation.events(field_id, block)
        opened.add_stretch(columns, start, end, earliest, latest)
        mutation.put_events(field_id, block, opened)


def stretches(blocks: NDArray[np.uint32]) -> Iterator[tuple[int, int, int]]:
    """Each of some blocks, which ascend, and where it begins and ends."""
    starts = np.flatnonzero(np.append(True, blocks[1:] != blocks[:-1])[: len(blocks)])
    ends = np.append(starts[1:], len(blocks)).tolist()
    return zip(blocks[starts].tolist(), starts.tolist(), ends, strict=False)


def _properties(fields: Catalog) -> set[int]:
    return {field.id for field in fields.values() if field.kind == FieldKind.PROPERTY}
