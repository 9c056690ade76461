"""Events of a batch: columns by type -> as the engine takes them.

Records one by one bring the events of each type apart (server.update_rows). In Arrow the type
stands beside each event, in a column of its own:

    event              the type of the event that a record brings, null for none
    event:time         when it happened; null: the record's time
    event:id           what the source knows it by; lists of strings: ids of several parts
    event:gone         true: the event of that id is taken away
    property:<name>    values of a property, read as the type of the event declares it

A property that no type has refuses the batch. A cell that cannot be kept refuses its record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from conversion.attributes import attribute_cells
from conversion.cell_by_cell import Faults
from conversion.event_ids import joined_ids
from conversion.moments import time_cells
from conversion.numbers import bool_cells
from conversion.texts import identifier_column, is_list, plain_column, strings_of, text_column
from engine.columns.strings import Strings
from engine.live.batch import Column, EventRows
from engine.live.update import NO_TIME
from engine.model.definitions import Model
from engine.nearest import nearest
from server.convert import invalid

__all__ = [
    "EVENT",
    "EVENT_GONE",
    "EVENT_ID",
    "EVENT_TIME",
    "PROPERTY",
    "EventColumns",
    "columns_by_type",
    "event_rows",
    "is_of_events",
    "typed",
]

EVENT = "event"
EVENT_TIME = "event:time"
EVENT_ID = "event:id"
EVENT_GONE = "event:gone"
PROPERTY = "property:"

_FIELD = "batch"

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True, eq=False)
class EventColumns:
    """Events of one type: `at` intp (m,) are the records that bring one, ascending, and `columns`
    have m cells each."""

    event: str
    at: NDArray[np.intp]
    columns: Mapping[str, pa.Array]


def is_of_events(name: str) -> bool:
    """Whether a column of a batch in Arrow is about its events."""
    return name in (EVENT, EVENT_TIME, EVENT_ID, EVENT_GONE) or name.startswith(PROPERTY)


def columns_by_type(
    model: Model, columns: Mapping[str, pa.Array], faults: Faults
) -> Iterator[EventColumns]:
    """The events of a batch in Arrow by type; records with an event that means nothing join the
    faults. InputInvalid for columns that mean nothing."""
    _check_names(model, columns)
    if EVENT not in columns:
        return
    with typed(EVENT, columns[EVENT]):
        types = pc.dictionary_encode(text_column(_single(columns[EVENT])))
    codes = np.asarray(pc.fill_null(types.indices, -1))
    for code, name in enumerate(types.dictionary.to_pylist()):
        at = np.flatnonzero(codes == code)
        declared = model.events.get(name)
        if not name:
            continue
        if declared is None:
            close = nearest(name, model.events)
            hint = f"; did you mean {close}?" if close else ""
            told = f"the model has no event {name}{hint}"
            for record in at.tolist():
                faults.setdefault(record, told)
            continue
        chosen = {key: cells.take(pa.array(at)) for key, cells in columns.items() if key != EVENT}
        for key in [key for key in chosen if key.startswith(PROPERTY)]:
            if key.removeprefix(PROPERTY) not in declared.properties:
                valid = np.asarray(pc.is_valid(chosen.pop(key)))
                for record in at[valid].tolist():
                    told = f"{name} has no property {key.removeprefix(PROPERTY)}"
                    faults.setdefault(record, told)
        yield EventColumns(name, at, chosen)


def _check_names(model: Model, columns: Mapping[str, pa.Array]) -> None:
    if columns and EVENT not in columns:
        raise invalid(
            _FIELD, f"brings {next(iter(columns))} and no column {EVENT}", "name the types"
        )
    known = {name for event in model.events.values() for name in event.properties}
    for column in columns:
        name = column.removeprefix(PROPERTY)
        if column.startswith(PROPERTY) and name not in known:
            close = nearest(name, sorted(known))
            raise invalid(
                _FIELD,
                f"column {column}: no event of the model has a property {name}",
                f"did you mean {close}?" if close else "",
            )


def event_rows(
    model: Model, given: EventColumns, times: NDArray[np.int64] | None
) -> tuple[EventRows, Faults]:
    """Events of a type that the model has, and the records at fault. `times` are those of all
    records, for events that have none. ArrowException for a column of a type that cannot be."""
    reading = _Reading(model, given)
    moments, timed = reading.times(times)
    ids = None
    if EVENT_ID in given.columns:
        with typed(EVENT_ID, given.columns[EVENT_ID]):
            ids = _ids(given.columns[EVENT_ID])
    gone = None
    if EVENT_GONE in given.columns:
        found = reading.cells("gone", EVENT_GONE, bool_cells)
        gone = found.valid & found.values
    properties = {
        name.removeprefix(PROPERTY): reading.property(name.removeprefix(PROPERTY), name)
        for name in given.columns
        if name.startswith(PROPERTY)
    }
    rows = EventRows(given.event, given.at, moments, timed, ids, properties, gone)
    return rows, reading.faults


def _ids(column: pa.Array) -> Strings:
    if not is_list(column):
        return strings_of(identifier_column(plain_column(column)))
    return strings_of(joined_ids(column))


def _single(column: pa.Array) -> pa.Array:
    if is_list(column):
        raise pa.ArrowInvalid("a list")
    return plain_column(column)


class _Reading:
    """Reads the columns of events of one type."""

    def __init__(self, model: Model, given: EventColumns) -> None:
        self.faults: Faults = {}
        self._model = model
        self._given = given

    def cells(self, label: str, name: str, read: Callable[[pa.Array], tuple[Read, Faults]]) -> Read:
        """The cells of a column, whose faults become those of records. `label` is what the column
        has of the event."""
        column = self._given.columns[name]
        with typed(name, column):
            found, faults = read(_single(column))
        for at, reason in faults.items():
            record = int(self._given.at[at])
            self.faults.setdefault(record, f"{self._given.event}.{label}: {reason}")
        return found

    def times(
        self, of_records: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The times of the events, and which have one."""
        given = self._given
        values = np.zeros(len(given.at), np.int64)
        timed = np.zeros(len(given.at), np.bool_)
        if of_records is not None:
            values = of_records[given.at]
            timed = values != NO_TIME
        if EVENT_TIME in given.columns:
            read = partial(time_cells, zone=self._model.time_zone)
            found = self.cells("time", EVENT_TIME, read)
            values = np.where(found.valid, found.values, values)
            timed |= found.valid
        return values, timed

    def property(self, name: str, column: str) -> Column:
        """The cells of a property."""
        declared = self._model.events[self._given.event].properties[name]

        def read(cells: pa.Array) -> tuple[Column, Faults]:
            return attribute_cells(declared, cells, self._model.time_zone)

        return self.cells(name, column, read)


@contextmanager
def typed(name: str, column: pa.Array) -> Iterator[None]:
    """Refuses the batch where a column is of a type that cannot be what it is for."""
    try:
        yield
    except pa.ArrowException:
        raise invalid(
            _FIELD, f"column {name}, of the type {column.type}, does not fit what it is for"
        ) from None
