"""Changes of attributes with history, as the events that keep them.

1. A cell is a change at its event time, however late it comes; one without a time has that of its
   record. It takes the place of a change at the same time. What stands in the attribute is what
   its latest change brought.
2. A cell without a time that says what stands there already, and is the only one of its row in a
   record, is no change, and leaves the time that stands there: sources send the same values again
   and again.
3. Once an attribute is given a history, what is there becomes its first change (`first_changes`).

The events are of a hidden type (engine.model.hidden_events) and have the codes of the attribute, so
they follow from the cells of a record and need no place of their own in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.strings import Strings
from engine.columns.zone import Encoded
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Floats, Ints, Property, Texts
from engine.events.field import encoded
from engine.live.block_cells import whole_block
from engine.live.event_ids import instant_ids
from engine.live.event_times import change_times
from engine.live.text_field import whole_texts
from engine.live.update import NO_TIME, EventCells
from engine.model.definitions import Attribute, AttributeType
from engine.model.hidden_events import history_name, history_value
from engine.store.catalog import (
    Catalog,
    Field,
    FieldKind,
    event_field,
    property_field,
    time_field,
)
from engine.store.snapshot import Snapshot

__all__ = ["History", "dated", "first_changes", "history_in", "only_cells", "whole_values"]

_FALSE, _TRUE = np.uint32(1), np.uint32(2)


class History(NamedTuple):
    """Where the changes of an attribute are kept: numbers of the fields of its events and of the
    property that has its value, and the kind of the attribute's own field."""

    events: int
    value: int
    kind: FieldKind

    def cells(
        self,
        rows: NDArray[np.uint32],
        times: NDArray[np.int64],
        values: NDArray[Any] | Strings,
        present: NDArray[np.bool_],
    ) -> EventCells:
        """Changes (n,) as events, those at one time in the order in which they count."""
        properties = {}
        if present.any():
            properties[self.value] = self._property(values, present)
        return EventCells(self.events, rows, times, instant_ids(times), properties)

    def _property(self, values: NDArray[Any] | Strings, present: NDArray[np.bool_]) -> Property:
        if isinstance(values, Strings):
            return Texts(values)
        match self.kind:
            case FieldKind.FLOATS:
                return Floats(np.where(present, values, 0.0), present)
            case FieldKind.BOOL:
                return Codes(np.where(values, _TRUE, _FALSE) * present)
            case FieldKind.CODES:
                return Codes(values.astype(np.uint32) * present)
            case _:
                return Ints(np.where(present, values, 0).astype(np.int64), present)


def history_in(catalog: Catalog, attribute: Field) -> History | None:
    """The history of an attribute, by the attribute's field; None where it has none."""
    events = catalog.get(event_field(history_name(attribute.name)))
    if events is None:
        return None
    type_ = cast("AttributeType", attribute.type)
    value = history_value(Attribute(attribute.name, type_, attribute.scale))
    return History(
        events.id,
        catalog[property_field(value.name, value.type, value.scale)].id,
        attribute.kind,
    )


def dated(times: NDArray[np.int64] | None, count: int, now_us: int) -> NDArray[np.int64]:
    """The times of so many cells, of which those without one have that of their record."""
    if times is None:
        return np.full(count, now_us, np.int64)
    return np.where(times == NO_TIME, np.int64(now_us), times)


def only_cells(rows: NDArray[np.uint32], at: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of some cells, by their places, are the only ones of their rows."""
    _, back, counts = np.unique(rows, return_inverse=True, return_counts=True)
    alone: NDArray[np.bool_] = counts[back[at]] == 1
    return alone


def whole_values(
    kind: FieldKind, parts: Sequence[Buffer]
) -> tuple[NDArray[Any] | Strings, NDArray[np.bool_]]:
    """The values of all rows of a block, and which of them are there."""
    if kind == FieldKind.TEXTS:
        texts = whole_texts(parts)
        return texts, texts.valid
    return whole_block(kind, parts)


def first_changes(
    snapshot: Snapshot, catalog: Catalog, attribute: Field, now_us: int
) -> Iterator[tuple[int, int, Encoded]]:
    """What is there of an attribute that gets a history at an instant, as its first changes, and
    its event times: (field, block, what it becomes). What is dated ahead keeps its time."""
    history = history_in(catalog, attribute)
    companion = catalog[time_field(attribute.name)]
    assert history is not None
    for block in range(snapshot.block_count):
        values, present = whole_values(attribute.kind, snapshot.payloads(attribute.id, block))
        time_parts = snapshot.payloads(companion.id, block)
        times, known = whole_block(FieldKind.INTS, time_parts)
        rows = np.flatnonzero(present | known).astype(np.uint16)
        if not len(rows):
            continue
        since = np.maximum(np.where(known, times, now_us), now_us)[rows]
        chosen = values.take(rows) if isinstance(values, Strings) else values[rows]
        cells = history.cells(rows.astype(np.uint32), since, chosen, present[rows])
        events = Events(rows, cells.times, cells.ids, None, cells.properties)
        yield history.events, block, encoded(encode_events(events))
        changed = change_times(time_parts, rows, since)
        if changed is not None:
            yield companion.id, block, changed
