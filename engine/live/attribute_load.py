"""The attribute cells of a load: which field each goes to, and in what form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.live.batch import Column, ProfileBatch, SetColumn, Texts
from engine.live.field_load import FieldLoad
from engine.live.interning import Interning
from engine.live.set_field import GiverField, SetUnion, stretches
from engine.live.text_field import TextField
from engine.live.vector_field import VectorField
from engine.model.definitions import Attribute, Model
from engine.store.catalog import GIVERS, giver_field
from engine.store.store import Snapshot, Writer

__all__ = ["AttributeLoad"]


class AttributeLoad:
    """The change of a load to all attributes; fields are opened when first written.

    `source` gives the set values of rows that name no giver of their own.
    """

    def __init__(self, snapshot: Snapshot, model: Model, source: str) -> None:
        self._snapshot = snapshot
        self._model = model
        self._source = source
        self._vectors: dict[str, VectorField] = {}
        self._texts: dict[str, TextField] = {}
        self._sets: dict[str, tuple[SetUnion, GiverField]] = {}
        self._dictionaries: dict[int, Interning] = {}

    def fields(self) -> list[FieldLoad]:
        """All fields that the load has touched; givers before the sets they make."""
        pairs = [field for pair in self._sets.values() for field in reversed(pair)]
        return [*self._vectors.values(), *self._texts.values(), *pairs]

    def save_dictionaries(self, writer: Writer) -> None:
        """Writes the new values of all dictionaries."""
        for dictionary in self._dictionaries.values():
            dictionary.save(writer)

    def stage(self, batch: ProfileBatch, at: NDArray[np.intp], rows: NDArray[np.uint32]) -> None:
        """Takes the cells of the updates `at` (m,), which belong to `rows` (m,)."""
        for name, column in batch.attributes.items():
            self._stage_column(self._model.attributes[name], column, at, rows)
        if batch.sets:
            givers = self._giver_codes(batch.giver, at)
            for name, cells in batch.sets.items():
                self._stage_set(name, cells, at, rows, givers)

    def _stage_column(
        self,
        attribute: Attribute,
        column: Column,
        at: NDArray[np.intp],
        rows: NDArray[np.uint32],
    ) -> None:
        valid = column.values.valid if isinstance(column, Texts) else column.valid
        acting = valid[at] if column.unset is None else valid[at] | column.unset[at]
        at, rows = at[acting], rows[acting]
        present = valid[at]
        if not isinstance(column, Texts):
            self._vector(attribute.name).stage(rows, column.values[at], present)
        elif attribute.type == "text":
            self._text(attribute.name).stage(rows, column.values.take(at))
        else:
            codes = self._codes(attribute.name, column.values.take(at))
            self._vector(attribute.name).stage(rows, codes, present)

    def _stage_set(
        self,
        name: str,
        cells: SetColumn,
        at: NDArray[np.intp],
        rows: NDArray[np.uint32],
        givers: NDArray[np.uint32],
    ) -> None:
        sizes = np.diff(cells.offsets)[at]
        acting = sizes > 0 if cells.unset is None else (sizes > 0) | cells.unset[at]
        at, rows, givers, sizes = at[acting], rows[acting], givers[acting], sizes[acting]
        values = cells.values.take(stretches(cells.offsets[at], sizes))
        offsets = np.append(np.int64(0), np.cumsum(sizes))
        self._set(name)[1].stage(rows, givers, offsets, self._codes(name, values))

    def _giver_codes(self, giver: Strings | None, at: NDArray[np.intp]) -> NDArray[np.uint32]:
        dictionary = self._dictionary(GIVERS, "the givers of set values")
        (own,) = dictionary.codes(Strings.from_list([self._source]))
        if giver is None:
            return np.full(len(at), own, np.uint32)
        named = giver.take(np.where(giver.lengths()[at] > 0, at, -1))
        codes = dictionary.codes(named)
        codes[codes == 0] = own
        return codes

    def _codes(self, name: str, values: Strings) -> NDArray[np.uint32]:
        return self._dictionary(self._snapshot.fields[name].id, f"attribute {name}").codes(values)

    def _dictionary(self, dictionary_id: int, owner: str) -> Interning:
        if dictionary_id not in self._dictionaries:
            interning = Interning(self._snapshot, dictionary_id, owner)
            self._dictionaries[dictionary_id] = interning
        return self._dictionaries[dictionary_id]

    def _vector(self, name: str) -> VectorField:
        if name not in self._vectors:
            self._vectors[name] = VectorField(self._snapshot, self._snapshot.fields[name])
        return self._vectors[name]

    def _text(self, name: str) -> TextField:
        if name not in self._texts:
            self._texts[name] = TextField(self._snapshot, self._snapshot.fields[name])
        return self._texts[name]

    def _set(self, name: str) -> tuple[SetUnion, GiverField]:
        if name not in self._sets:
            fields = self._snapshot.fields
            union = SetUnion(self._snapshot, fields[name])
            givers = GiverField(self._snapshot, fields[giver_field(name)], union)
            self._sets[name] = union, givers
        return self._sets[name]
