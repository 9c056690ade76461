"""A chunk of columns as a batch of profile updates, by the source's declarations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.errors import InputInvalid
from engine.live.batch import Column, ProfileBatch, SetColumn, Texts
from engine.model.definitions import TAG, Attribute, Model, Source, SourceColumn
from engine.nearest import nearest
from loaders.chunks import Chunk
from loaders.moments import date_cells, time_cells
from loaders.numbers import Faults, bool_cells, decimal_cells, float_cells, int_cells
from loaders.texts import set_cells, strings_of, text_column

__all__ = ["Cells", "wanted_columns"]


def wanted_columns(source: Source) -> list[str]:
    """The columns that a source reads, each once, in the order of its declaration."""
    columns = [
        *source.identify.values(),
        *(column.column for column in source.attributes.values()),
        *([source.tags.column] if source.tags else []),
        *([source.by] if source.by else []),
    ]
    return list(dict.fromkeys(columns))


class Cells:
    """Turns the chunks of one source into batches."""

    def __init__(self, model: Model, source: Source) -> None:
        self._model = model
        self._source = source
        self._zone = source.time_zone or model.time_zone
        self._wanted = wanted_columns(source)

    def check_columns(self, path: Path, names: Sequence[str]) -> None:
        """Raises InputInvalid, before anything is read, where a column is not there."""
        for name in self._wanted:
            if name not in names:
                close = nearest(name, names)
                hint = f"Did you mean {close}?" if close else f"It has {', '.join(names)}."
                raise InputInvalid(
                    f"{path} has no column {name}, which source {self._source.name} reads. {hint}"
                )

    def batch(self, chunk: Chunk) -> tuple[ProfileBatch, Faults]:
        """The updates of a chunk, and the records with a cell that fits no attribute."""
        faults: Faults = {}
        attributes: dict[str, Column] = {}
        sets: dict[str, SetColumn] = {}
        source_sets = dict(self._source.attributes)
        if self._source.tags is not None:
            source_sets[TAG] = self._source.tags
        for name, column in source_sets.items():
            declared = self._model.attributes[name]
            if declared.type == "set":
                sets[name] = self._set(chunk.columns[column.column], column)
            else:
                attributes[name] = self._attribute(declared, chunk, column.column, faults)
        identifiers = {
            kind: strings_of(_trimmed(chunk.columns[column]))
            for kind, column in self._source.identify.items()
        }
        giver = (
            None
            if self._source.by is None
            else strings_of(_trimmed(chunk.columns[self._source.by]))
        )
        return ProfileBatch(chunk.count, identifiers, attributes, sets, giver), faults

    def _attribute(self, declared: Attribute, chunk: Chunk, column: str, faults: Faults) -> Column:
        cells = chunk.columns[column]
        found: Column
        bad: Faults = {}
        match declared.type:
            case "category" | "text":
                found = Texts(strings_of(text_column(cells)))
            case "int":
                found, bad = int_cells(cells)
            case "decimal":
                found, bad = decimal_cells(cells, declared.scale)
            case "float":
                found, bad = float_cells(cells)
            case "bool":
                found, bad = bool_cells(cells)
            case "date":
                found, bad = date_cells(cells)
            case _:
                found, bad = time_cells(cells, self._zone)
        for index, reason in bad.items():
            faults.setdefault(index, f"column {column}: {reason}")
        if self._source.empty_unsets:
            found = replace(found, unset=_empty(cells))
        return found

    def _set(self, cells: pa.Array, column: SourceColumn) -> SetColumn:
        offsets, values = set_cells(cells, column.split)
        unset = (np.diff(offsets) == 0) if self._source.empty_unsets else None
        return SetColumn(offsets, values, unset)


def _trimmed(column: pa.Array) -> pa.Array:
    return text_column(pc.utf8_trim_whitespace(text_column(column)))


def _empty(cells: pa.Array) -> NDArray[np.bool_]:
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        cells = text_column(pc.utf8_trim_whitespace(cells))
    return np.asarray(pc.is_null(cells).to_numpy(zero_copy_only=False), bool)
