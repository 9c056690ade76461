"""From the events of a batch, by name, to events of fields, by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.events import events as stored
from engine.live.batch import Bools, Column, EventRows, Floats, Ints
from engine.live.resolved_cells import Intern, interned, only_at, plain_strings
from engine.live.update import EventCells
from engine.model.definitions import EventProperty, Model
from engine.store.catalog import Field, event_field, property_field

__all__ = ["resolve_events"]

# Codes of truth values in chunks: those of attributes.
_FALSE, _TRUE = np.uint32(1), np.uint32(2)


def resolve_events(
    events: Sequence[EventRows],
    at: NDArray[np.intp],  # the accepted updates
    rows: NDArray[np.uint32],  # their profiles
    count: int,  # updates of the batch
    digests: Callable[[Strings], NDArray[np.uint64]],  # of ids of the batch's source
    model: Model,
    fields: Mapping[str, Field],
    intern: Intern,
) -> tuple[EventCells, ...]:
    """The events of the accepted updates, type by type and in the order of the updates."""
    resolved = []
    for brought in events:
        taken, of_rows = _taken(brought, at, rows, count)
        if not len(taken):
            continue
        declared = model.events[brought.event]
        properties = {}
        for name, column in brought.properties.items():
            found = declared.properties[name]
            field = fields[property_field(name, found.type, found.scale)]
            values = _values(found, field, column, taken, intern)
            if values.present.any():
                properties[field.id] = values
        gone = None if brought.gone is None else only_at(brought.gone, taken)
        ids = None
        if brought.ids is not None:
            ids = digests(_strings_at(brought.ids, taken))
        resolved.append(
            EventCells(
                fields[event_field(brought.event)].id,
                of_rows,
                only_at(brought.times, taken),
                ids if ids is not None and ids.any() else None,
                properties,
                gone if gone is not None and gone.any() else None,
            )
        )
    return tuple(resolved)


def _taken(
    brought: EventRows, at: NDArray[np.intp], rows: NDArray[np.uint32], count: int
) -> tuple[NDArray[np.intp], NDArray[np.uint32]]:
    """Which events belong to accepted updates, and their profiles."""
    every = np.arange(len(brought.at), dtype=np.intp)
    if len(at) == count:
        return every, rows if len(every) == count else rows[brought.at]
    row_of = np.full(count, -1, np.int64)
    row_of[at] = rows
    found = row_of[brought.at]
    accepted = found >= 0
    return every[accepted], found[accepted].astype(np.uint32)


def _values(
    declared: EventProperty, field: Field, column: Column, at: NDArray[np.intp], intern: Intern
) -> stored.Property:
    match column:
        case Ints():
            present = only_at(column.valid, at)
            return stored.Ints(np.where(present, only_at(column.values, at), 0), present)
        case Floats():
            present = only_at(column.valid, at)
            # A zero has no sign in the store.
            return stored.Floats(np.where(present, only_at(column.values, at), 0.0) + 0.0, present)
        case Bools():
            codes = np.where(only_at(column.values, at), _TRUE, _FALSE)
            return stored.Codes(codes * only_at(column.valid, at))
        case _ if declared.type == "text":
            strings = column.values if len(at) == len(column.values) else column.values.take(at)
            return stored.Texts(plain_strings(strings))
        case _:
            strings = column.values if len(at) == len(column.values) else column.values.take(at)
            return stored.Codes(interned(intern, field.id, strings))


def _strings_at(strings: Strings, at: NDArray[np.intp]) -> Strings:
    return strings if len(at) == len(strings) else strings.take(at)
