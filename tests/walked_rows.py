"""The naive twin of server.update_rows: walks the messages, one field after the other.

Each column keeps the records that say something about it and what they say; at the end it is
laid out over the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from conversion.cell_by_cell import Faults
from engine.limits import TIME_US
from engine.model.definitions import Attribute, EventProperty, Model
from engine.nearest import nearest
from server.update_columns import ATTRIBUTE, GIVER, IDENTIFIER, TIME, UNSET
from server.update_events import EVENT_GONE, EVENT_ID, EVENT_TIME, PROPERTY, EventColumns
from strata.v1 import ingest_pb2 as pb

__all__ = ["walked_columns"]

_STRINGS = pa.string()
_INSTANTS = pa.timestamp("us", "UTC")


class _Column:
    """What the records say about one thing: `rows` ascending, `values` beside them."""

    __slots__ = ("event", "kind", "lengths", "name", "others", "rows", "type", "values")

    def __init__(
        self, name: str, kind: str, type: Any, others: Mapping[str, Callable[[Any], Any]] = {}
    ) -> None:
        self.name = name
        # The type of event that it is of, '' for none.
        self.event = ""
        # The field of message Value that brings its values, and how to read others.
        self.kind = kind
        self.others = others
        self.type = type
        self.rows: list[int] = []
        self.values: list[Any] = []
        # For sets: how many of the values each record brings.
        self.lengths: list[int] = []

    def laid_out(self, count: int, faults: Faults) -> pa.Array:
        """The column over all records of the batch; twice in one record is a fault."""
        rows = np.array(self.rows, np.int64)
        for row in rows[1:][rows[1:] == rows[:-1]].tolist():
            faults.setdefault(row, f"{self.name}: is given twice")
        if self.kind == "set_value":
            return _lists(rows, self.lengths, self.values, count)
        cells = pa.array(self.values, self.type)
        if len(rows) == count and not (rows[1:] == rows[:-1]).any():
            return cells
        places = np.full(count, -1, np.int64)
        places[rows] = np.arange(len(rows))
        return cells.take(pa.array(places, mask=places < 0))


def _lists(
    rows: NDArray[np.int64], lengths: Sequence[int], values: Sequence[str], count: int
) -> pa.Array:
    offsets = np.zeros(count + 1, np.int32)
    offsets[1:] = np.bincount(rows, lengths, minlength=count).cumsum()
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, _STRINGS))


def _instant_us(stamp: Timestamp) -> int:
    instant = stamp.seconds * 1_000_000 + stamp.nanos // 1000
    if not (TIME_US[0] <= instant <= TIME_US[1] and 0 <= stamp.nanos < 1_000_000_000):
        raise ValueError("is a time outside the years 1 to 9999")
    return instant


def _column(declared: Attribute | EventProperty, name: str) -> _Column:
    """An empty column for an attribute or a property."""
    match declared.type:
        case "category" | "text":
            return _Column(name, "string_value", _STRINGS)
        case "int":
            return _Column(name, "int_value", pa.int64())
        case "decimal":
            return _Column(name, "decimal_value", _STRINGS, {"int_value": str})
        case "float":
            return _Column(name, "float_value", pa.float64(), {"int_value": float})
        case "bool":
            return _Column(name, "bool_value", pa.bool_())
        case "date":
            return _Column(name, "date_value", _STRINGS)
        case "time":
            return _Column(name, "", _INSTANTS, {"time_value": _instant_us})
        case _:
            return _Column(name, "set_value", _STRINGS)


class _Events:
    """The events of one type: the records that bring one, and what is said of them."""

    def __init__(self, type_: str) -> None:
        self.type = type_
        self.at: list[int] = []
        self.id = _Column("id", "string_value", _STRINGS)
        self.time = _Column("time", "", _INSTANTS)
        self.time.event = type_
        self.gone: list[bool] = []
        self.properties: dict[str, _Column] = {}

    def columns(self, names: Sequence[str], faults: Faults) -> EventColumns:
        """All of it; the properties in the order of `names`."""
        twice: Faults = {}
        found = {
            f"{PROPERTY}{name}": self.properties[name].laid_out(len(self.at), twice)
            for name in names
            if name in self.properties
        }
        found[EVENT_ID] = self.id.laid_out(len(self.at), twice)
        found[EVENT_TIME] = self.time.laid_out(len(self.at), twice)
        found[EVENT_GONE] = pa.array(self.gone, pa.bool_())
        for place, reason in twice.items():
            faults.setdefault(self.at[place], reason)
        return EventColumns(self.type, np.array(self.at, np.intp), found)


class _Rows:
    """The columns of one batch while its records are read."""

    def __init__(self, model: Model) -> None:
        self.faults: Faults = {}
        self._model = model
        self._identifiers: dict[str, _Column] = {}
        self._values: dict[str, _Column] = {}
        self._unset: dict[str, _Column] = {}
        self._added: dict[str, _Column] = {}
        self._removed: dict[str, _Column] = {}
        self._giver = _Column(GIVER, "string_value", _STRINGS)
        self._time = _Column(TIME, "", _INSTANTS)
        self._events: dict[str, _Events] = {}
        # In the order in which the batch first names them.
        self._properties: dict[str, None] = {}

    def read(self, row: int, update: pb.ProfileUpdate) -> None:
        """One record. ValueError with the reason where it cannot say what it says."""
        for identifier in update.identifiers:
            column = self._identifiers.get(identifier.kind)
            if column is None:
                column = self._new_identifiers(identifier.kind)
            column.rows.append(row)
            column.values.append(identifier.value)
        for named in update.attributes:
            column = self._values.get(named.name)
            if column is None:
                column = self._new_values(named.name)
            value = named.value
            kind = value.WhichOneof("kind")
            if kind == column.kind:
                if kind == "set_value":
                    self._replace(row, column, value.set_value.values)
                else:
                    column.rows.append(row)
                    column.values.append(getattr(value, kind))
            else:
                column.values.append(self._other(column, kind, value))
                column.rows.append(row)
        for name in update.unset:
            self._take_away(row, name)
        for change in update.set_changes:
            self._change(row, change)
        if update.giver:
            self._giver.rows.append(row)
            self._giver.values.append(update.giver)
        if update.HasField("time"):
            try:
                self._time.values.append(_instant_us(update.time))
            except ValueError as error:
                raise ValueError(f"{TIME}: {error}") from None
            self._time.rows.append(row)
        self._read_events(row, update.events)

    def name(self, update: pb.ProfileUpdate) -> None:
        """Notes the types and properties that a record names, in their order."""
        for event in update.events:
            if event.type in self._model.events:
                self._events.setdefault(event.type, _Events(event.type))
            for named in event.properties:
                self._properties[named.name] = None

    def events(self) -> list[EventColumns]:
        """The columns of the events, type by type."""
        return [
            found.columns(list(self._properties), self.faults)
            for found in self._events.values()
            if found.at
        ]

    def columns(self, count: int) -> dict[str, pa.Array]:
        """All columns by their names on the wire."""
        found: dict[str, pa.Array] = {}
        for prefix, columns in (
            (IDENTIFIER, self._identifiers),
            (ATTRIBUTE, self._values),
            (UNSET, self._unset),
            ("+", self._added),
            ("-", self._removed),
        ):
            for name, column in columns.items():
                found[f"{prefix}{name}"] = column.laid_out(count, self.faults)
        for column in (self._giver, self._time):
            if column.rows:
                found[column.name] = column.laid_out(count, self.faults)
        return found

    def _read_events(self, row: int, events: Sequence[pb.Event]) -> None:
        # First what they are, then what they say, then when: of several faults that one is told.
        types: set[str] = set()
        for event in events:
            if not event.type:
                raise ValueError("event has no type")
            if event.type not in self._model.events:
                raise _unknown("event", event.type, self._model.events)
            if event.type in types:
                raise ValueError(f"{event.type}: two events of a type; send an update for each")
            types.add(event.type)
        said = [
            self._property(self._events[event.type], named)
            for event in events
            for named in event.properties
        ]
        for event in events:
            if event.HasField("time"):
                try:
                    said.append((self._events[event.type].time, _instant_us(event.time)))
                except ValueError as error:
                    raise ValueError(f"{event.type}: time {error}") from None
        # Nothing is kept of events of a record at fault.
        for column, value in said:
            column.rows.append(len(self._events[column.event].at))
            column.values.append(value)
        for event in events:
            found = self._events[event.type]
            found.id.rows.append(len(found.at))
            found.id.values.append(event.id)
            found.gone.append(event.gone)
            found.at.append(row)

    def _property(self, found: _Events, named: Any) -> tuple[_Column, Any]:
        label = f"{found.type}.{named.name}"
        known = self._model.events[found.type].properties
        if named.name not in known:
            raise _unknown("property", label, {f"{found.type}.{name}": name for name in known})
        column = found.properties.get(named.name)
        if column is None:
            column = found.properties[named.name] = _column(known[named.name], label)
            column.event = found.type
        kind = named.value.WhichOneof("kind")
        if kind == column.kind:
            return column, getattr(named.value, kind)
        return column, self._other(column, kind, named.value, "")

    def _other(
        self,
        column: _Column,
        kind: str | None,
        value: Any,
        hint: str = "; name it in unset to take its value away",
    ) -> Any:
        """A value that did not come the usual way."""
        if kind is None:
            raise ValueError(f"{column.name}: has no value{hint}")
        read = column.others.get(kind)
        if read is None:
            expected = column.kind or next(iter(column.others))
            raise ValueError(f"{column.name}: comes as {kind}, and takes {expected}")
        try:
            return read(getattr(value, kind))
        except ValueError as error:
            raise ValueError(f"{column.name}: {error}") from None

    def _replace(self, row: int, column: _Column, values: Sequence[str]) -> None:
        """The values of a set; an empty one takes away."""
        if not values:
            self._take_away(row, column.name)
            return
        column.rows.append(row)
        column.values.extend(values)
        column.lengths.append(len(values))

    def _take_away(self, row: int, name: str) -> None:
        column = self._unset.get(name)
        if column is None:
            self._declared(name)
            column = self._unset[name] = _Column(name, "bool_value", pa.bool_())
        if column.rows[-1:] != [row]:
            column.rows.append(row)
            column.values.append(True)

    def _change(self, row: int, change: pb.SetChange) -> None:
        if change.operation == pb.SET_OPERATION_ADD:
            columns = self._added
        elif change.operation == pb.SET_OPERATION_REMOVE:
            columns = self._removed
        else:
            raise ValueError(f"{change.attribute}: its operation is missing; add or remove")
        column = columns.get(change.attribute)
        if column is None:
            if self._declared(change.attribute).type != "set":
                raise ValueError(f"{change.attribute}: is no set, and has one value")
            column = columns[change.attribute] = _Column(change.attribute, "set_value", _STRINGS)
        if column.rows[-1:] == [row]:
            column.lengths[-1] += len(change.values)
        else:
            column.rows.append(row)
            column.lengths.append(len(change.values))
        column.values.extend(change.values)

    def _new_identifiers(self, kind: str) -> _Column:
        if kind not in self._model.identifiers:
            raise _unknown("kind of identifier", kind, self._model.identifiers)
        self._identifiers[kind] = column = _Column(kind, "string_value", _STRINGS)
        return column

    def _new_values(self, name: str) -> _Column:
        self._values[name] = column = _column(self._declared(name), name)
        return column

    def _declared(self, name: str) -> Attribute:
        found = self._model.attributes.get(name)
        if found is None:
            raise _unknown("attribute", name, self._model.attributes)
        if found.computed is not None:
            raise ValueError(f"{name}: is computed from others")
        return found


def walked_columns(
    model: Model, updates: Sequence[pb.ProfileUpdate]
) -> tuple[dict[str, pa.Array], list[EventColumns], Faults]:
    """The columns of some records, those of their events, and the records that cannot be taken,
    with reasons."""
    rows = _Rows(model)
    for update in updates:
        rows.name(update)
    for row, update in enumerate(updates):
        try:
            rows.read(row, update)
        except ValueError as error:
            rows.faults[row] = str(error)
    columns = rows.columns(len(updates))
    return columns, rows.events(), rows.faults


def _unknown(what: str, name: str, known: Mapping[str, Any]) -> ValueError:
    close = nearest(name, known)
    hint = f"; did you mean {close}?" if close else ""
    return ValueError(f"the model has no {what} {name}{hint}")
