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
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from conversion.cell_by_cell import Faults
from engine.limits import TIME_US
from engine.live.mentions import stretches
from engine.model.definitions import Attribute, Model
from engine.nearest import nearest
from server.update_columns import ATTRIBUTE, GIVER, IDENTIFIER, TIME, UNSET
from server.update_wire import copy_strings, read_rows
from strata.v1 import ingest_pb2 as pb
from strata.v1 import value_pb2

__all__ = ["row_columns"]


class _Part(IntEnum):
    """What an entry belongs to: the number of a field of ProfileUpdate."""

    IDENTIFIER = 1
    ATTRIBUTE = 2
    UNSET = 3
    CHANGE = 4
    GIVER = 5
    TIME = 6


# The fields of Value by number, and back.
_FIELDS = {field.number: field.name for field in value_pb2.Value.DESCRIPTOR.fields}
_NUMBERS = {name: number for number, name in _FIELDS.items()}
_INT, _TIME = _NUMBERS["int_value"], _NUMBERS["time_value"]
# The fields that bring the values of an attribute, by its type, the usual one first.
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "category": ("string_value",),
    "text": ("string_value",),
    "int": ("int_value",),
    "decimal": ("decimal_value", "int_value"),
    "float": ("float_value", "int_value"),
    "bool": ("bool_value",),
    "date": ("date_value",),
    "time": ("time_value",),
    "set": ("set_value",),
}
_NO_TIME = "is a time outside the years 1 to 9999"


@dataclass(frozen=True, slots=True)
class _Entries:
    """What the records say about one thing; see update_wire.h.

    `at` are the places in the whole table. `rows` ascend.
    """

    at: NDArray[np.intp]
    rows: NDArray[np.uint32]
    kinds: NDArray[np.uint8]
    values: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_]) -> _Entries:
        """Some of them."""
        if chosen.all():
            return self
        return _Entries(
            self.at[chosen],
            self.rows[chosen],
            self.kinds[chosen],
            self.values[chosen],
            self.sizes[chosen],
        )


class _Rows:
    """The columns of one batch, made from its records."""

    def __init__(self, model: Model, message: bytes) -> None:
        self._model = model
        self._message = message
        self.count, names, parts, rows, numbers, kinds, values, sizes, *elements = read_rows(
            message, *TIME_US
        )
        self._elements = elements
        # Of each record at fault: the part and the place of the entry, and the reason.
        self._refused: dict[int, tuple[int, int, str]] = {}
        self._twice: Faults = {}
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
        return self._twice | refused

    def _read(self, part: int, name: str, said: _Entries) -> None:
        """The entries of one part about one thing."""
        match part:
            case _Part.IDENTIFIER if name in self._model.identifiers:
                self._columns[f"{IDENTIFIER}{name}"] = self._strings(name, said)
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
                self._columns[GIVER] = self._strings(GIVER, said)
            case _:
                sound = self._with_times(part, TIME, said)
                if len(sound.rows):
                    self._columns[TIME] = self._times(TIME, sound)

    # ------------------------------------------------------------------------ by part

    def _read_values(self, name: str, said: _Entries) -> None:
        declared = self._declared(_Part.ATTRIBUTE, name, said)
        if declared is None:
            return
        taken = _TAKEN.get(declared.type, ("set_value",))
        said = self._of_kinds(name, taken, said)
        match taken[0]:
            case "int_value":
                cells = _fixed(pa.int64(), *self._spread(name, said))
            case "float_value":
                cells = self._floats(name, said)
            case "bool_value":
                values, valid = self._spread(name, said)
                cells = pa.array(values != 0, mask=None if valid is None else ~valid)
            case "time_value":
                cells = self._times(name, self._with_times(_Part.ATTRIBUTE, name, said))
            case "set_value":
                # An empty one takes away.
                filled = said.sizes > 0
                self._take_away(name, said.only(~filled))
                said = said.only(filled)
                self._note_twice(name, said)
                cells = self._lists(said)
            case "decimal_value":
                cells = self._decimals(name, said)
            case _:
                cells = self._strings(name, said)
        self._columns[f"{ATTRIBUTE}{name}"] = cells

    def _read_changes(self, name: str, said: _Entries) -> None:
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
                self._columns[f"{sign}{name}"] = self._lists(changes)

    def _take_away(self, name: str, said: _Entries) -> None:
        if len(said.rows):
            cells = self._unset.setdefault(name, np.zeros(self.count, np.bool_))
            cells[said.rows] = True

    def _of_kinds(self, name: str, taken: tuple[str, ...], said: _Entries) -> _Entries:
        """The entries whose values come as one of the fields; the others are at fault."""
        fits = np.isin(said.kinds, [_NUMBERS[field] for field in taken])
        rest = said.only(~fits)
        for kind in set(rest.kinds.tolist()):
            reason = (
                f"comes as {_FIELDS[kind]}, and takes {taken[0]}"
                if kind
                else ("has no value; name it in unset to take its value away")
            )
            self._refuse(_Part.ATTRIBUTE, rest.only(rest.kinds == kind), f"{name}: {reason}")
        return said.only(fits)

    def _with_times(self, part: int, name: str, said: _Entries) -> _Entries:
        """The entries whose instants are some; the others are at fault."""
        self._refuse(part, said.only(said.sizes > 0), f"{name}: {_NO_TIME}")
        return said.only(said.sizes == 0)

    def _declared(self, part: int, name: str, said: _Entries) -> Attribute | None:
        """The attribute that the entries are about; None where they are at fault."""
        found = self._model.attributes.get(name)
        if found is None:
            self._refuse(part, said, _unknown("attribute", name, self._model.attributes))
        elif found.computed is not None:
            self._refuse(part, said, f"{name}: is computed from others")
        else:
            return found
        return None

    # ------------------------------------------------------------------------- faults

    def _refuse(self, part: int, said: _Entries, reason: str) -> None:
        """The records of some entries are at fault, unless an earlier entry was."""
        for row, at in zip(said.rows.tolist(), said.at.tolist(), strict=True):
            fault = part, at, reason
            self._refused[row] = min(self._refused.get(row, fault), fault)

    def _note_twice(self, name: str, said: _Entries) -> bool:
        """Whether a record says a thing twice, which is its fault."""
        again = said.rows[1:][said.rows[1:] == said.rows[:-1]]
        for row in again.tolist():
            self._twice.setdefault(row, f"{name}: is given twice")
        return len(again) > 0

    # ------------------------------------------------------------------------ columns

    def _spread(
        self, name: str, said: _Entries, *, sizes: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
        """The values, or the sizes, over all records of the batch, and which are there; None
        where all are."""
        cells = said.sizes if sizes else said.values
        if not self._note_twice(name, said) and len(cells) == self.count:
            return cells, None
        spread, valid = np.zeros(self.count, np.int64), np.zeros(self.count, np.bool_)
        spread[said.rows], valid[said.rows] = cells, True
        return spread, valid

    def _strings(self, name: str, said: _Entries) -> pa.Array:
        starts, valid = self._spread(name, said)
        sizes, _ = self._spread(name, said, sizes=True)
        offsets, data = copy_strings(self._message, starts, sizes, int(sizes.sum()))
        parts = [_bitmap(valid), pa.py_buffer(offsets), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.string(), self.count, parts)

    def _times(self, name: str, said: _Entries) -> pa.Array:
        return _fixed(pa.timestamp("us", "UTC"), *self._spread(name, said))

    def _floats(self, name: str, said: _Entries) -> pa.Array:
        values, valid = self._spread(name, said)
        floats = values.view(np.float64)
        whole = said.rows[said.kinds == _INT]
        if len(whole):
            floats = floats.copy()
            floats[whole] = values[whole]
        return _fixed(pa.float64(), floats, valid)

    def _decimals(self, name: str, said: _Entries) -> pa.Array:
        """Texts; integers where all are, and among texts as such."""
        is_int = said.kinds == _INT
        if is_int.all():
            return _fixed(pa.int64(), *self._spread(name, said))
        texts = said.only(~is_int)
        if not is_int.any():
            return self._strings(name, texts)
        self._note_twice(name, said)
        whole = pc.cast(_fixed(pa.int64(), *self._spread(name, said.only(is_int))), pa.string())
        return pc.coalesce(whole, self._strings(name, texts))

    def _lists(self, said: _Entries) -> pa.Array:
        """The elements of all entries of a record."""
        starts, sizes = (cells[stretches(said.values, said.sizes)] for cells in self._elements)
        edges, data = copy_strings(self._message, starts, sizes, int(sizes.sum()))
        parts = [None, pa.py_buffer(edges), pa.py_buffer(data)]
        elements = pa.Array.from_buffers(pa.string(), len(starts), parts)
        offsets = np.zeros(self.count + 1, np.int32)
        offsets[1:] = np.bincount(said.rows, said.sizes, minlength=self.count).cumsum()
        buffers = [None, pa.py_buffer(offsets)]
        kind = pa.list_(pa.string())
        return pa.Array.from_buffers(kind, self.count, buffers, children=[elements])


def row_columns(model: Model, message: pb.UpdateRows) -> tuple[dict[str, pa.Array], Faults]:
    """The columns of some records, and the records that cannot be taken, with reasons."""
    rows = _Rows(model, message.SerializeToString())
    return rows.columns(), rows.faults()


def _by_column(
    names: list[str],
    parts: NDArray[np.uint8],
    rows: NDArray[np.uint32],
    numbers: NDArray[np.int32],
    kinds: NDArray[np.uint8],
    values: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> Iterator[tuple[int, str, _Entries]]:
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
            name = names[number] if part <= _Part.CHANGE else ""
            yield part, name, _Entries(at, rows[at], kinds[at], values[at], sizes[at])


def _fixed(kind: pa.DataType, values: NDArray[Any], valid: NDArray[np.bool_] | None) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [_bitmap(valid), pa.py_buffer(values)])


def _bitmap(valid: NDArray[np.bool_] | None) -> pa.Buffer | None:
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))


def _unknown(what: str, name: str, known: Mapping[str, Any]) -> str:
    close = nearest(name, known)
    hint = f"; did you mean {close}?" if close else ""
    return f"the model has no {what} {name}{hint}"
