"""A chunk of columns as a batch of updates, by the source's declarations.

Of a source of profiles a record is an update of attributes and sets; of a source of events it is
one event, of whom its identifiers name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conversion.attributes import attribute_cells, giver_cells, identifier_cells
from conversion.cell_by_cell import Faults
from conversion.coded import is_coded
from conversion.event_ids import event_id_cells
from conversion.moments import time_cells
from conversion.sets import set_cells
from conversion.texts import identifier_column, plain_column, single_cells
from engine.columns.coded import CodedStrings
from engine.columns.strings import Strings
from engine.errors import InputInvalid
from engine.live.batch import Column, EventRows, ProfileBatch, SetColumn, Texts
from engine.model.definitions import TAG, Attribute, EventProperty, Model, Source
from engine.nearest import nearest
from loaders.chunks import Chunk

__all__ = ["Cells", "coded_columns", "wanted_columns"]

Read = TypeVar("Read")

# So many names of columns are listed where one is missing.
_LISTED_COLUMNS = 20


def wanted_columns(source: Source) -> list[str]:
    """The columns that a source reads, each once, in the order of its declaration."""
    columns = [
        *source.identify.values(),
        *(column.column for column in source.attributes.values()),
        *([source.tags.column] if source.tags else []),
        *([source.by] if source.by else []),
        *source.id,
        *([source.time] if source.time else []),
        *source.properties.values(),
    ]
    return list(dict.fromkeys(columns))


def coded_columns(model: Model, source: Source) -> list[str]:
    """The columns of a source whose strings become codes: those of categories and sets."""
    if source.event is not None:
        declared = model.events[source.event].properties
        return [
            column
            for name, column in source.properties.items()
            if declared[name].type == "category"
        ]
    of_categories = [
        column.column
        for name, column in source.attributes.items()
        if model.attributes[name].type in ("category", "set")
    ]
    return [*of_categories, *([source.tags.column] if source.tags else [])]


class Cells:
    """Turns the chunks of one source into batches."""

    def __init__(self, model: Model, source: Source) -> None:
        self._model = model
        self._source = source
        self._zone = source.time_zone or model.time_zone
        self._wanted = wanted_columns(source)
        self._fields = dict(source.attributes)
        if source.tags is not None:
            self._fields[TAG] = source.tags

    def check_columns(self, path: Path, names: Sequence[str]) -> None:
        """Raises InputInvalid, before anything is read, where a column is not there."""
        for name in self._wanted:
            if name not in names:
                close = nearest(name, names)
                more = ", ..." if len(names) > _LISTED_COLUMNS else "."
                listed = f"It has {', '.join(names[:_LISTED_COLUMNS])}{more}"
                hint = f"Did you mean {close}?" if close else listed
                raise InputInvalid(
                    f"{path} has no column {name}, which source {self._source.name} reads. {hint}"
                )

    def batch(self, path: Path, chunk: Chunk) -> tuple[ProfileBatch, Faults]:
        """The updates of a chunk, and the records with a cell that fits no attribute.

        Raises InputInvalid where a whole column has a type that no cell can come from.
        """
        reading = _Reading(path, chunk)
        source = self._source
        identifiers = {
            kind: reading.single(name, identifier_cells) for kind, name in source.identify.items()
        }
        attributes: dict[str, Column] = {}
        sets: dict[str, SetColumn] = {}
        for field, column in self._fields.items():
            declared = self._model.attributes[field]
            if declared.type == "set":
                sets[field] = self._set(reading, column.column, column.split)
            else:
                attributes[field] = self._attribute(declared, reading, column.column)
        giver = None if source.by is None else reading.single(source.by, giver_cells)
        events = () if source.event is None else (self._events(source.event, reading, chunk.count),)
        batch = ProfileBatch(chunk.count, identifiers, attributes, sets, giver, events=events)
        return batch, reading.faults

    def _events(self, name: str, reading: _Reading, count: int) -> EventRows:
        """One event for each record."""
        source, declared = self._source, self._model.events[name]
        assert source.time is not None, "a source of events names the column of their time"
        moments = reading.single(source.time, partial(time_cells, zone=self._zone))
        properties = {
            name: self._column(declared.properties[name], reading, column)
            for name, column in source.properties.items()
        }
        ids = reading.together(source.id, event_id_cells) if source.id else None
        every = np.arange(count, dtype=np.intp)
        return EventRows(name, every, moments.values, moments.valid, ids, properties)

    def _column(self, declared: Attribute | EventProperty, reading: _Reading, name: str) -> Column:
        def read(cells: pa.Array) -> tuple[Column, Faults]:
            return attribute_cells(declared, cells, self._zone)

        return reading.single(name, read)

    def _attribute(self, declared: Attribute, reading: _Reading, name: str) -> Column:
        found = self._column(declared, reading, name)
        if self._source.empty_unsets:
            return replace(found, unset=_missing(found))
        return found

    def _set(self, reading: _Reading, name: str, split: str | None) -> SetColumn:
        offsets, values = reading.many(name, split)
        unset = (np.diff(offsets) == 0) if self._source.empty_unsets else None
        return SetColumn(offsets, values, unset)


class _Reading:
    """The columns of one chunk while it is read, and what was wrong with its cells."""

    def __init__(self, path: Path, chunk: Chunk) -> None:
        self.faults: Faults = {}
        self._path = path
        self._chunk = chunk

    def single(self, name: str, read: Callable[[pa.Array], tuple[Read, Faults]]) -> Read:
        """A column of single cells, read by `read`."""
        with self._typed(name):
            column = self._chunk.columns[name]
            cells, bad = single_cells(column if is_coded(column) else plain_column(column))
            found, worse = read(cells)
        self._note(name, bad | worse)
        return found

    def together(
        self, names: Sequence[str], read: Callable[[Sequence[pa.Array]], tuple[Read, Faults]]
    ) -> Read:
        """Columns of single cells that say one thing between them, read by `read`."""
        columns = []
        for name in names:
            with self._typed(name):
                cells, bad = single_cells(plain_column(self._chunk.columns[name]))
                columns.append(identifier_column(cells))
            self._note(name, bad)
        found, bad = read(columns)
        self._note(" and ".join(names), bad)
        return found

    def _note(self, names: str, bad: Faults) -> None:
        for index, reason in bad.items():
            self.faults.setdefault(index, f"column {names}: {reason}")

    def many(
        self, name: str, split: str | None
    ) -> tuple[NDArray[np.int64], Strings | CodedStrings]:
        """A column of sets: offsets of the rows, and the values."""
        with self._typed(name):
            return set_cells(plain_column(self._chunk.columns[name]), split)

    @contextmanager
    def _typed(self, name: str) -> Iterator[None]:
        kind = self._chunk.columns[name].type
        try:
            if pa.types.is_struct(kind) or pa.types.is_map(kind) or pa.types.is_union(kind):
                raise pa.ArrowInvalid("it holds objects, and a cell is one value")
            yield
        except pa.ArrowException as error:
            raise InputInvalid(
                f"{self._path}: column {name}, of the type {kind}, cannot be read: "
                f"{str(error).splitlines()[0]}. Convert it by a query in the source."
            ) from error


def _missing(column: Column) -> NDArray[np.bool_]:
    return ~(column.values.valid if isinstance(column, Texts) else column.valid)
