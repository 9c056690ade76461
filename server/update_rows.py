"""Records one by one -> columns.

1. The message goes back to bytes, which is cheap, and one pass over these makes a flat table of
   everything that the records say (update_wire). Walking the message itself would make an object
   of each part of each record, at ten times the price of all that is done with it afterwards.
2. The entries of the table are brought together by what they are about: a column each.
3. Each column is laid out over the whole batch.

From there on rows and Arrow take one way, so that they mean the same. What a record cannot say
(an unknown attribute, a value of another type) is a fault of that record alone; of several, the
first one is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conversion.cell_by_cell import Faults
from engine.limits import TIME_US
from engine.model.definitions import Attribute, Model
from engine.nearest import nearest
from server.entry_columns import FIELDS, NUMBERS, TAKEN, Entries, EntryColumns
from server.update_columns import ATTRIBUTE, GIVER, IDENTIFIER, TIME, UNSET
from server.update_events import EVENT_GONE, EVENT_ID, EVENT_TIME, PROPERTY, EventColumns
from server.update_wire import read_rows
from strata.v1 import ingest_pb2 as pb

__all__ = ["row_columns"]


class _Part(IntEnum):
    """What an entry belongs to: the number of a field of ProfileUpdate."""

    IDENTIFIER = 1
    ATTRIBUTE = 2
    UNSET = 3
    CHANGE = 4
    GIVER = 5
    TIME = 6
    EVENT = 7
    # Of an event.
    PROPERTY = 8
    EVENT_ID = 9
    EVENT_TIME = 10
    EVENT_GONE = 11


_NAMED = (*range(_Part.CHANGE + 1), _Part.EVENT, _Part.PROPERTY)


_NO_TIME = "is a time outside the years 1 to 9999"


class _Rows:
    """The columns of one batch, made from its records."""

    def __init__(self, model: Model, message: bytes) -> None:
        self._model = model
        self.count, names, parts, rows, numbers, kinds, values, sizes, *elements = read_rows(
            message, *TIME_US
        )
        self._cells = EntryColumns(message, elements, self.count)
        self._message, self._elements = message, elements
        # The events by type, and what is said of events.
        self._events: list[tuple[str, Entries]] = []
        self._said_of_events: list[tuple[int, str, Entries]] = []
        # Of each record at fault: the part and the place of the entry, and the reason.
        self._refused: dict[int, tuple[int, int, str]] = {}
        self._columns: dict[str, pa.Array] = {}
        self._unset: dict[str, NDArray[np.bool_]] = {}
        for part, name, said in _by_column(names, parts, rows, numbers, kinds, values, sizes):
            self._read(part, name, said)

    def columns(self) -> dict[str, pa.Array]:
        """All columns by their names on the wire."""
        unset = {f"{UNSET}{name}": pa.array(cells) for name, cells in self._unset.items()}
        return self._columns | unset

    def faults(self) -> Faults:
        """Reasons by record."""
        refused = {row: reason for row, (_, _, reason) in self._refused.items()}
        return self._cells.twice | refused

    def _read(self, part: int, name: str, said: Entries) -> None:
        """The entries of one part about one thing."""
        match part:
            case _Part.IDENTIFIER if name in self._model.identifiers:
                self._columns[f"{IDENTIFIER}{name}"] = self._cells.strings(name, said)
            case _Part.IDENTIFIER:
                known = self._model.identifiers
                self._refuse(part, said, _unknown("kind of identifier", name, known))
            case _Part.ATTRIBUTE:
                self._read_values(name, said)
            case _Part.UNSET:
                if self._declared(part, name, said) is not None:
                    self._take_away(name, said)
            case _Part.CHANGE:
                self._read_changes(name, said)
            case _Part.GIVER:
                self._columns[GIVER] = self._cells.strings(GIVER, said)
            case _Part.TIME:
                sound = self._with_times(part, TIME, said)
                if len(sound.rows):
                    self._columns[TIME] = self._cells.times(TIME, sound)
            case _Part.EVENT:
                self._events.append((name, said))
            case _:
                self._said_of_events.append((part, name, said))

    # ------------------------------------------------------------------------ by part

    def _read_values(self, name: str, said: Entries) -> None:
        declared = self._declared(_Part.ATTRIBUTE, name, said)
        if declared is None:
            return
        said = self._of_kinds(name, TAKEN.get(declared.type, ("set_value",)), said)
        if declared.type == "time":
            said = self._with_times(_Part.ATTRIBUTE, name, said)
        elif declared.type == "set":
            # An empty one takes away.
            filled = said.sizes > 0
            self._take_away(name, said.only(~filled))
            said = said.only(filled)
        self._columns[f"{ATTRIBUTE}{name}"] = self._cells.values(declared.type, name, said)

    def _read_changes(self, name: str, said: Entries) -> None:
        known = said.kinds > 0
        missing = f"{name}: its operation is missing; add or remove"
        self._refuse(_Part.CHANGE, said.only(~known), missing)
        said = said.only(known)
        declared = self._declared(_Part.CHANGE, name, said)
        if declared is None:
            return
        if declared.type != "set":
            self._refuse(_Part.CHANGE, said, f"{name}: is no set, and has one value")
            return
        for sign, operation in (("+", pb.SET_OPERATION_ADD), ("-", pb.SET_OPERATION_REMOVE)):
            changes = said.only(said.kinds == operation)
            if len(changes.rows):
                self._columns[f"{sign}{name}"] = self._cells.lists(changes)

    def _take_away(self, name: str, said: Entries) -> None:
        if len(said.rows):
            cells = self._unset.setdefault(name, np.zeros(self.count, np.bool_))
            cells[said.rows] = True

    def _of_kinds(
        self, name: str, taken: tuple[str, ...], said: Entries, part: int = _Part.ATTRIBUTE
    ) -> Entries:
        """The entries whose values come as one of the fields; the others are at fault."""
        fits = np.isin(said.kinds, [NUMBERS[field] for field in taken])
        rest = said.only(~fits)
        for kind in set(rest.kinds.tolist()):
            reason = (
                f"comes as {FIELDS[kind]}, and takes {taken[0]}"
                if kind
                else "has no value"
                if part != _Part.ATTRIBUTE
                else "has no value; name it in unset to take its value away"
            )
            self._refuse(part, rest.only(rest.kinds == kind), f"{name}: {reason}")
        return said.only(fits)

    def _with_times(self, part: int, name: str, said: Entries) -> Entries:
        """The entries whose instants are some; the others are at fault."""
        self._refuse(part, said.only(said.sizes > 0), f"{name}: {_NO_TIME}")
        return said.only(said.sizes == 0)

    def _declared(self, part: int, name: str, said: Entries) -> Attribute | None:
        """The attribute that the entries are about; None where they are at fault."""
        found = self._model.attributes.get(name)
        if found is None:
            self._refuse(part, said, _unknown("attribute", name, self._model.attributes))
        elif found.computed is not None:
            self._refuse(part, said, f"{name}: is computed from others")
        else:
            return found
        return None

    # ------------------------------------------------------------------------- events

    def events(self) -> list[EventColumns]:
        """The columns of the events, type by type."""
        return [
            columns
            for name, said in self._events
            if (columns := self._events_of(name, said)) is not None
        ]

    def _events_of(self, name: str, said: Entries) -> EventColumns | None:
        """Events of one type; `said.values` are their numbers, and `said.rows` their records."""
        declared = self._model.events.get(name)
        if declared is None:
            reason = _unknown("event", name, self._model.events) if name else "event has no type"
            self._refuse(_Part.EVENT, said, reason)
            return None
        again = np.append(False, said.rows[1:] == said.rows[:-1])
        told = f"{name}: two events of a type; send an update for each"
        self._refuse(_Part.EVENT, said.only(again), told)
        said = said.only(~again)
        cells = EntryColumns(self._message, self._elements, len(said.rows))
        columns: dict[str, pa.Array] = {}
        for part, inner, about in self._said_of_events:
            at = np.searchsorted(said.values, about.rows)
            mine = at < len(said.values)
            mine[mine] = said.values[at[mine]] == about.rows[mine]
            of_type = about.only(mine)
            if len(of_type.rows):
                records = replace(of_type, rows=said.rows[at[mine]])
                places = replace(of_type, rows=at[mine].astype(np.uint32))
                self._read_event(columns, cells, (part, name, inner), (places, records))
        for at_event, reason in cells.twice.items():
            self._cells.twice.setdefault(int(said.rows[at_event]), reason)
        return EventColumns(name, said.rows.astype(np.intp), columns)

    def _read_event(
        self,
        columns: dict[str, pa.Array],
        cells: EntryColumns,
        about: tuple[int, str, str],
        entries: tuple[Entries, Entries],
    ) -> None:
        """What entries say of events of a type, by the places of these; the same entries by their
        records, for what is at fault."""
        part, event, name = about
        places, records = entries
        label = f"{event}.{name}"
        match part:
            case _Part.EVENT_ID:
                columns[EVENT_ID] = cells.strings(f"{event}: id", places)
            case _Part.EVENT_GONE:
                values, _ = cells.spread(f"{event}: gone", places)
                columns[EVENT_GONE] = pa.array(values != 0)
            case _Part.EVENT_TIME:
                self._refuse(part, records.only(records.sizes > 0), f"{event}: time {_NO_TIME}")
                sound = places.only(places.sizes == 0)
                columns[EVENT_TIME] = cells.times(f"{event}: time", sound)
            case _:
                declared = self._model.events[event].properties.get(name)
                if declared is None:
                    known = self._model.events[event].properties
                    unknown = _unknown("property", label, {f"{event}.{n}": n for n in known})
                    self._refuse(part, records, unknown)
                    return
                taken = TAKEN.get(declared.type, ("string_value",))
                fits = np.isin(places.kinds, [NUMBERS[field] for field in taken])
                self._of_kinds(label, taken, records, part)
                if declared.type == "time":
                    self._refuse(
                        part, records.only(fits & (records.sizes > 0)), f"{label}: {_NO_TIME}"
                    )
                    fits &= records.sizes == 0
                column = cells.values(declared.type, label, places.only(fits))
                columns[f"{PROPERTY}{name}"] = column

    # ------------------------------------------------------------------------- faults

    def _refuse(self, part: int, said: Entries, reason: str) -> None:
        """The records of some entries are at fault, unless an earlier entry was."""
        for row, at in zip(said.rows.tolist(), said.at.tolist(), strict=True):
            fault = part, at, reason
            self._refused[row] = min(self._refused.get(row, fault), fault)


def row_columns(
    model: Model, message: pb.UpdateRows
) -> tuple[dict[str, pa.Array], list[EventColumns], Faults]:
    """The columns of some records, those of their events, and the records that cannot be taken,
    with reasons."""
    rows = _Rows(model, message.SerializeToString())
    events = rows.events()
    return rows.columns(), events, rows.faults()


def _by_column(
    names: list[str],
    parts: NDArray[np.uint8],
    rows: NDArray[np.uint32],
    numbers: NDArray[np.int32],
    kinds: NDArray[np.uint8],
    values: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> Iterator[tuple[int, str, Entries]]:
    """(part, name, entries) for each thing that is said of something."""
    keys = parts * np.int64(len(names) + 1) + numbers
    if (len(_Part) + 1) * (len(names) + 1) < 1 << 16:
        # Short keys are sorted in one pass.
        keys = keys.astype(np.uint16)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    edges = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), len(order)]
    for start, stop in pairwise(edges):
        at = order[start:stop]
        if len(at):
            part, number = int(parts[at[0]]), int(numbers[at[0]])
            name = names[number] if part in _NAMED else ""
            yield part, name, Entries(at, rows[at], kinds[at], values[at], sizes[at])


def _unknown(what: str, name: str, known: Mapping[str, Any]) -> str:
    close = nearest(name, known)
    hint = f"; did you mean {close}?" if close else ""
    return f"the model has no {what} {name}{hint}"
