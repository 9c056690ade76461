"""Columns by their names on the wire -> a batch of updates.

    id:<kind>           identifiers of a kind
    <attribute>         values of an attribute; of a set, what replaces
    attribute:<name>    the same, whatever the attribute is called
    +<set>, -<set>      values to add to a set, or to take out of it
    unset:<attribute>   true: take the value away
    time, giver         when the update happened, and who gives set values
    event, event:*, property:<name>   what the profile did; see update_events

A name that means nothing refuses the batch. A cell that its attribute cannot hold refuses its
record: the reason is kept, and the record loses its identifiers in the batch, so that the engine
refuses it at its own place. So the records keep their numbers, and one that was durable before
counts as a duplicate rather than as refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conversion.attributes import attribute_cells, giver_cells, identifier_cells
from conversion.cell_by_cell import Faults
from conversion.moments import time_cells
from conversion.numbers import bool_cells
from conversion.sets import set_cells
from conversion.texts import is_list, plain_column
from engine.columns.strings import Strings
from engine.live.batch import Column, EventRows, ProfileBatch, SetColumn, Texts
from engine.live.update import NO_TIME
from engine.model.definitions import Attribute, Model
from engine.nearest import nearest
from server.convert import invalid
from server.update_events import (
    EventColumns,
    columns_by_type,
    event_rows,
    is_of_events,
    typed,
)

__all__ = ["ATTRIBUTE", "GIVER", "IDENTIFIER", "TIME", "UNSET", "UpdateColumns"]

IDENTIFIER = "id:"
ATTRIBUTE = "attribute:"
UNSET = "unset:"
TIME = "time"
GIVER = "giver"

_FIELD = "batch"


@dataclass(slots=True)
class UpdateColumns:
    """Reads the columns of one batch of `count` records.

    `faults` are reasons by record, those that were there before included. Columns are sound
    arrays of `count` cells each, without nested types but lists of strings.
    """

    model: Model
    count: int
    faults: Faults = field(default_factory=dict)
    _identifiers: dict[str, Strings] = field(default_factory=dict)
    _attributes: dict[str, Column] = field(default_factory=dict)
    _sets: dict[str, SetColumn] = field(default_factory=dict)
    _added: dict[str, SetColumn] = field(default_factory=dict)
    _removed: dict[str, SetColumn] = field(default_factory=dict)
    _unset: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    _giver: Strings | None = None
    _times: NDArray[np.int64] | None = None

    def batch(
        self, columns: Mapping[str, pa.Array], events: Sequence[EventColumns] = ()
    ) -> ProfileBatch:
        """The updates, and their events where these do not stand in columns, too. InputInvalid
        where a column has no meaning or no possible type."""
        of_events = {name: column for name, column in columns.items() if is_of_events(name)}
        for name, column in columns.items():
            if name not in of_events:
                with typed(name, column):
                    self._read(name, column)
        rows = self._read_events(of_events, events)
        for name, unset in self._unset.items():
            self._take_away(name, unset)
        return ProfileBatch(
            count=self.count,
            identifiers=self._without_faulty(),
            attributes=self._attributes,
            sets=self._sets,
            giver=self._giver,
            added=self._added,
            removed=self._removed,
            times=self._times,
            events=tuple(rows),
        )

    def _read(self, name: str, column: pa.Array) -> None:
        """One column, by what its name begins with."""
        if name.startswith(IDENTIFIER):
            self._read_identifiers(name, name.removeprefix(IDENTIFIER), column)
        elif name == TIME:
            self._read_times(column)
        elif name == GIVER:
            cells, faults = giver_cells(plain_column(column))
            self._giver = cells
            self._keep(name, faults)
        elif name.startswith(UNSET):
            declared = self._declared(name, name.removeprefix(UNSET))
            self._read_unset(name, declared, column)
        elif name.startswith(ATTRIBUTE):
            self._read_values(self._declared(name, name.removeprefix(ATTRIBUTE)), column)
        elif name[:1] in ("+", "-"):
            declared = self._declared(name, name[1:])
            changes = self._added if name[0] == "+" else self._removed
            changes[declared.name] = self._set(name, declared, column)
        else:
            self._read_values(self._declared(name, name), column)

    def _read_events(
        self, columns: Mapping[str, pa.Array], events: Sequence[EventColumns]
    ) -> list[EventRows]:
        if columns:
            events = [*events, *columns_by_type(self.model, columns, self.faults)]
        found = []
        for given in events:
            rows, faults = event_rows(self.model, given, self._times)
            found.append(rows)
            for index, reason in faults.items():
                self.faults.setdefault(index, reason)
        return found

    def _read_identifiers(self, name: str, kind: str, column: pa.Array) -> None:
        if kind not in self.model.identifiers:
            _unknown(name, "kind of identifier", kind, self.model.identifiers)
        self._identifiers[kind], faults = identifier_cells(plain_column(column))
        self._keep(kind, faults)

    def _read_times(self, column: pa.Array) -> None:
        cells, faults = time_cells(plain_column(column), self.model.time_zone)
        self._times = np.where(cells.valid, cells.values, NO_TIME)
        self._keep(TIME, faults)

    def _read_unset(self, name: str, declared: Attribute, column: pa.Array) -> None:
        cells, faults = bool_cells(plain_column(column))
        self._unset[declared.name] = cells.valid & cells.values
        self._keep(name, faults)

    def _read_values(self, declared: Attribute, column: pa.Array) -> None:
        name = declared.name
        if name in self._attributes or name in self._sets:
            raise invalid(_FIELD, f"brings attribute {name} twice", "bring one column for it")
        if declared.type == "set":
            self._sets[name] = self._set(name, declared, column)
            return
        if is_list(column):
            raise pa.ArrowInvalid("a list")
        cells, faults = attribute_cells(declared, plain_column(column), self.model.time_zone)
        self._attributes[name] = cells
        self._keep(name, faults)

    def _set(self, name: str, declared: Attribute, column: pa.Array) -> SetColumn:
        if declared.type != "set":
            raise invalid(
                _FIELD, f"column {name}: attribute {declared.name} is no set, and has one value"
            )
        offsets, values = set_cells(plain_column(column), None)
        return SetColumn(offsets, values)

    def _declared(self, name: str, attribute: str) -> Attribute:
        found = self.model.attributes.get(attribute)
        if found is None:
            _unknown(name, "attribute", attribute, self.model.attributes)
        if found.computed is not None:
            raise invalid(_FIELD, f"column {name}: attribute {attribute} is computed from others")
        return found

    def _take_away(self, name: str, unset: NDArray[np.bool_]) -> None:
        """Lays the cells that take a value away over those that bring one."""
        declared = self.model.attributes[name]
        if declared.type == "set":
            given = self._sets.get(name) or _no_values(self.count)
            both = unset & (np.diff(given.offsets) > 0)
            self._sets[name] = SetColumn(given.offsets, given.values, unset & ~both)
        else:
            cells = self._attributes.get(name) or self._no_cells(declared)
            both = unset & (cells.values.valid if isinstance(cells, Texts) else cells.valid)
            self._attributes[name] = replace(cells, unset=unset & ~both)
        self._keep(name, dict.fromkeys(np.flatnonzero(both).tolist(), "is given and taken away"))

    def _no_cells(self, declared: Attribute) -> Column:
        nothing = pa.nulls(self.count, pa.string())
        return attribute_cells(declared, nothing, self.model.time_zone)[0]

    def _keep(self, name: str, faults: Mapping[int, str]) -> None:
        for index, reason in faults.items():
            self.faults.setdefault(index, f"{name}: {reason}")

    def _without_faulty(self) -> dict[str, Strings]:
        if not self.faults:
            return self._identifiers
        sound = np.ones(self.count, np.bool_)
        sound[list(self.faults)] = False
        return {
            kind: Strings(values.offsets, values.data, values.valid & sound)
            for kind, values in self._identifiers.items()
        }


def _unknown(column: str, what: str, name: str, known: Mapping[str, Any]) -> NoReturn:
    close = nearest(name, known)
    raise invalid(
        _FIELD,
        f"column {column}: the model has no {what} {name}",
        f"did you mean {close}?" if close else "",
    )


def _no_values(count: int) -> SetColumn:
    return SetColumn(np.zeros(count + 1, np.int64), Strings.missing(0))
