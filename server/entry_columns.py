"""Entries of the table of a batch's records (update_wire) -> columns.

Each column is laid out over all records of a batch, or over its events of one type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from conversion.cell_by_cell import Faults
from engine.live.mentions import stretches
from server.update_wire import copy_strings
from strata.v1 import value_pb2

__all__ = ["FIELDS", "NUMBERS", "TAKEN", "Entries", "EntryColumns"]

# The fields of Value by number, and back.
FIELDS = {field.number: field.name for field in value_pb2.Value.DESCRIPTOR.fields}
NUMBERS = {name: number for number, name in FIELDS.items()}
_INT = NUMBERS["int_value"]
# The fields that bring the values of an attribute or a property, by its type, the usual one first.
TAKEN = {
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


@dataclass(frozen=True, slots=True)
class Entries:
    """What the records say about one thing; see update_wire.h.

    `at` are the places in the whole table. `rows` ascend.
    """

    at: NDArray[np.intp]
    rows: NDArray[np.uint32]
    kinds: NDArray[np.uint8]
    values: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def only(self, chosen: NDArray[np.bool_]) -> Entries:
        """Some of them."""
        if chosen.all():
            return self
        return Entries(
            self.at[chosen],
            self.rows[chosen],
            self.kinds[chosen],
            self.values[chosen],
            self.sizes[chosen],
        )


class EntryColumns:
    """Lays entries out over `count` rows. `twice` has the rows that say a thing twice, and what."""

    def __init__(self, message: bytes, elements: Sequence[NDArray[np.int64]], count: int) -> None:
        self.count = count
        self.twice: Faults = {}
        self._message = message
        self._elements = elements

    def values(self, type_: str, name: str, said: Entries) -> pa.Array:
        """The values of one attribute or property of a type, of entries of the kinds that it
        takes; times are sound."""
        match TAKEN.get(type_, ("set_value",))[0]:
            case "int_value":
                return _fixed(pa.int64(), *self.spread(name, said))
            case "float_value":
                return self._floats(name, said)
            case "bool_value":
                values, valid = self.spread(name, said)
                return pa.array(values != 0, mask=None if valid is None else ~valid)
            case "time_value":
                return self.times(name, said)
            case "set_value":
                self.note_twice(name, said)
                return self.lists(said)
            case "decimal_value":
                return self._decimals(name, said)
            case _:
                return self.strings(name, said)

    def note_twice(self, name: str, said: Entries) -> bool:
        """Whether a record says a thing twice, which is its fault."""
        again = said.rows[1:][said.rows[1:] == said.rows[:-1]]
        for row in again.tolist():
            self.twice.setdefault(row, f"{name}: is given twice")
        return len(again) > 0

    def spread(
        self, name: str, said: Entries, *, sizes: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
        """The values, or the sizes, over all records of the batch, and which are there; None
        where all are."""
        cells = said.sizes if sizes else said.values
        if not self.note_twice(name, said) and len(cells) == self.count:
            return cells, None
        spread, valid = np.zeros(self.count, np.int64), np.zeros(self.count, np.bool_)
        spread[said.rows], valid[said.rows] = cells, True
        return spread, valid

    def strings(self, name: str, said: Entries) -> pa.Array:
        """Strings of one entry a row."""
        starts, valid = self.spread(name, said)
        sizes, _ = self.spread(name, said, sizes=True)
        offsets, data = copy_strings(self._message, starts, sizes, int(sizes.sum()))
        parts = [_bitmap(valid), pa.py_buffer(offsets), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.string(), self.count, parts)

    def times(self, name: str, said: Entries) -> pa.Array:
        """Instants."""
        return _fixed(pa.timestamp("us", "UTC"), *self.spread(name, said))

    def _floats(self, name: str, said: Entries) -> pa.Array:
        values, valid = self.spread(name, said)
        floats = values.view(np.float64)
        whole = said.rows[said.kinds == _INT]
        if len(whole):
            floats = floats.copy()
            floats[whole] = values[whole]
        return _fixed(pa.float64(), floats, valid)

    def _decimals(self, name: str, said: Entries) -> pa.Array:
        """Texts; integers where all are, and among texts as such."""
        is_int = said.kinds == _INT
        if is_int.all():
            return _fixed(pa.int64(), *self.spread(name, said))
        texts = said.only(~is_int)
        if not is_int.any():
            return self.strings(name, texts)
        self.note_twice(name, said)
        whole = pc.cast(_fixed(pa.int64(), *self.spread(name, said.only(is_int))), pa.string())
        return pc.coalesce(whole, self.strings(name, texts))

    def lists(self, said: Entries) -> pa.Array:
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


def _fixed(kind: pa.DataType, values: NDArray[Any], valid: NDArray[np.bool_] | None) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [_bitmap(valid), pa.py_buffer(values)])


def _bitmap(valid: NDArray[np.bool_] | None) -> pa.Buffer | None:
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
