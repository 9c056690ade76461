"""One source and its files -> pieces: chunks converted, each record with its place.

Every file is opened and its columns are checked before anything is read. What a piece holds is the
same each time that the same files are read, so a load that broke off can be taken up by the numbers
of its records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conversion.cell_by_cell import Faults
from conversion.narrowing import only
from engine.errors import InputInvalid, NotFound
from engine.live.batch import ProfileBatch
from engine.model.definitions import Model, Source
from engine.nearest import nearest
from loaders.cells import Cells, coded_columns, wanted_columns
from loaders.chunks import BadRecord, Chunk, Reader
from loaders.csv_reader import CsvReader
from loaders.files import file_format
from loaders.jsonl_reader import JsonLinesReader
from loaders.parquet_reader import ParquetReader
from loaders.query_reader import QueryReader

__all__ = ["Piece", "checked_readers", "pieces", "source_of"]


def source_of(model: Model | None, name: str) -> tuple[Model, Source]:
    """The model and its source of that name. InputInvalid without a model, NotFound without it."""
    if model is None:
        raise InputInvalid("The store has no model yet; apply one first (strata apply MODEL).")
    source = model.sources.get(name)
    if source is None:
        close = nearest(name, model.sources)
        known = f"It has {', '.join(model.sources)}." if model.sources else "It declares none."
        raise NotFound(
            f"The model has no source {name}. {f'Did you mean {close}?' if close else known}"
        )
    return model, source


def _reader(stack: ExitStack, model: Model, source: Source, path: Path) -> Reader:
    wanted = wanted_columns(source)
    match file_format(path):
        case "csv":
            return stack.enter_context(CsvReader(path, source.encoding, wanted))
        case "jsonl":
            return stack.enter_context(JsonLinesReader(path, source.encoding, wanted))
        case "parquet":
            return stack.enter_context(ParquetReader(path, wanted, coded_columns(model, source)))


def checked_readers(
    stack: ExitStack, model: Model, source: Source, files: Sequence[Path], cells: Cells
) -> list[Reader]:
    """What reads the files, in order; they are open, and have the columns that the source names.
    Raises InputInvalid where one cannot be used."""
    if source.query is None:
        readers = [_reader(stack, model, source, path) for path in files]
    else:
        zone = (source.time_zone or model.time_zone).key
        readers = [stack.enter_context(QueryReader(files, source, zone))]
    for reader in readers:
        if reader.column_names is not None:
            cells.check_columns(reader.path, reader.column_names)
    return readers


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk converted: the records without faults as a batch, at the indices `at` of the chunk,
    the faults of the others, and how much of the reader's file has been read by then."""

    reader: Reader
    chunk: Chunk
    batch: ProfileBatch | None
    at: NDArray[np.intp]
    faults: Faults
    done: int

    def bad(self, refused: Mapping[int, str]) -> list[BadRecord]:
        """Its records that are not taken, by line: those that could not be read or converted, and
        those that the engine refused, by their index in the batch."""
        reasons = dict(self.faults)
        reasons.update((int(self.at[index]), reason) for index, reason in refused.items())
        path, chunk = str(self.reader.path), self.chunk
        told = [
            BadRecord(path, int(chunk.lines[index]), reason, chunk.text_of(index))
            for index, reason in reasons.items()
        ]
        return sorted([*chunk.bad, *told], key=lambda record: (record.file, record.line))


def pieces(reader: Reader, cells: Cells) -> Iterator[Piece]:
    """The records of a file, in order. InputInvalid where the file itself is unusable."""
    for chunk in reader.chunks():
        if not chunk.count:
            yield Piece(reader, chunk, None, np.zeros(0, np.intp), {}, reader.done)
            continue
        batch, faults = cells.batch(reader.path, chunk)
        sound = np.ones(chunk.count, bool)
        sound[list(faults)] = False
        at = np.flatnonzero(sound)
        kept = only(batch, at) if faults else batch
        yield Piece(reader, chunk, kept if len(at) else None, at, faults, reader.done)
