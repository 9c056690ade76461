"""A batch with only some of its records."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.live.batch import (
    Bools,
    Column,
    EventRows,
    Floats,
    Ints,
    ProfileBatch,
    SetColumn,
    Texts,
)

__all__ = ["only"]


def only(batch: ProfileBatch, at: NDArray[np.intp]) -> ProfileBatch:
    """The records of a batch at the ascending indices `at`, copied."""
    return ProfileBatch(
        len(at),
        {kind: values.take(at) for kind, values in batch.identifiers.items()},
        {name: _column(column, at) for name, column in batch.attributes.items()},
        {name: _set(column, at) for name, column in batch.sets.items()},
        None if batch.giver is None else batch.giver.take(at),
        events=tuple(_events(events, at, batch.count) for events in batch.events),
    )


def _events(events: EventRows, at: NDArray[np.intp], count: int) -> EventRows:
    """The events that the kept records bring."""
    place = np.full(count, -1, np.intp)
    place[at] = np.arange(len(at))
    taken = np.flatnonzero(place[events.at] >= 0)
    return EventRows(
        events.event,
        place[events.at[taken]],
        events.times[taken],
        events.timed[taken],
        None if events.ids is None else events.ids.take(taken),
        {name: _column(column, taken) for name, column in events.properties.items()},
        None if events.gone is None else events.gone[taken],
    )


def _column(column: Column, at: NDArray[np.intp]) -> Column:
    unset = None if column.unset is None else column.unset[at]
    match column:
        case Texts():
            return Texts(column.values.take(at), unset)
        case Ints():
            return Ints(column.values[at], column.valid[at], unset)
        case Floats():
            return Floats(column.values[at], column.valid[at], unset)
        case Bools():
            return Bools(column.values[at], column.valid[at], unset)


def _set(column: SetColumn, at: NDArray[np.intp]) -> SetColumn:
    sizes = np.diff(column.offsets)
    chosen = np.zeros(len(sizes), bool)
    chosen[at] = True
    values = column.values.take(np.flatnonzero(np.repeat(chosen, sizes)))
    offsets = np.zeros(len(at) + 1, np.int64)
    np.cumsum(sizes[at], out=offsets[1:])
    return SetColumn(offsets, values, None if column.unset is None else column.unset[at])
