"""One source and its files -> one bulk load.

1. Every file is opened and its columns are checked before anything is read.
2. Chunk by chunk: cells are converted, bad records set aside, the rest goes to the engine,
   which may refuse more.
3. At the end everything is written at once. A file that breaks off half way, or a cancelled
   load, leaves the store as it was.

Refused records go to a CSV file with file, line, reason and the record itself; the others are
loaded all the same.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.database import Database
from engine.errors import InputInvalid, NotFound, NotYet
from engine.live.bulk_load import BulkLoad
from engine.model.definitions import Model, Source
from engine.nearest import nearest
from loaders.cells import Cells, wanted_columns
from loaders.chunks import BadRecord, Chunk, Reader
from loaders.files import file_format
from loaders.table_readers import ParquetReader, QueryReader
from loaders.text_readers import CsvReader, JsonLinesReader

__all__ = ["LoadProgress", "LoadSummary", "load"]

# Told after every chunk: records read so far, and the share of the input that is (0 to 1;
# None where it cannot be known).
LoadProgress = Callable[[int, float | None], None]


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """What a load did. `refused_file` is None where no record was refused."""

    source: str
    files: tuple[str, ...]
    accepted: int
    refused: int
    created: int
    profiles_changed: int
    blocks_written: int
    blocked_identifiers: int
    data_version: int
    seconds: float
    refused_file: str | None

    def __str__(self) -> str:
        rate = round((self.accepted + self.refused) / max(self.seconds, 1e-9))
        text = (
            f"{self.accepted:,} records accepted, {self.refused:,} refused, in "
            f"{self.seconds:.1f} s ({rate:,} a second). {self.created:,} profiles are new, "
            f"{self.profiles_changed:,} changed."
        )
        if self.blocked_identifiers:
            text += f" {self.blocked_identifiers:,} blocked identifiers were passed over."
        if self.refused_file:
            text += f" The refused records and the reasons are in {self.refused_file}."
        return text


def load(
    database: Database,
    source_name: str,
    files: Sequence[Path],
    *,
    progress: LoadProgress | None = None,
    refused: Path | None = None,
) -> LoadSummary:
    """Loads files of a source of profiles; loading the same again changes nothing.

    `refused` is where refused records are written, `<source>.refused.csv` in the current
    folder by default; there is no file where none is refused. Raises NotFound for an unknown
    source, InputInvalid for files that cannot be used; the store is then unchanged.
    """
    started = time.monotonic()
    model, source = _source(database, source_name)
    if not files:
        raise InputInvalid("Name at least one file to load.")
    cells = Cells(model, source)
    bin_ = _Refused(refused or Path(f"{source_name}.refused.csv"))
    with ExitStack() as stack:
        readers = _readers(stack, source, files)
        for reader in readers:
            if not isinstance(reader, JsonLinesReader):
                cells.check_columns(reader.path, reader.column_names)
        bulk = stack.enter_context(database.bulk_load(source))
        stack.enter_context(bin_)
        _run(readers, cells, bulk, bin_, progress)
        outcome = bulk.finish()
    return LoadSummary(
        source=source_name,
        files=tuple(str(path) for path in files),
        accepted=outcome.accepted,
        refused=bin_.count,
        created=outcome.created,
        profiles_changed=outcome.profiles_changed,
        blocks_written=outcome.blocks_written,
        blocked_identifiers=outcome.blocked,
        data_version=outcome.data_version,
        seconds=time.monotonic() - started,
        refused_file=str(bin_.path) if bin_.count else None,
    )


def _source(database: Database, name: str) -> tuple[Model, Source]:
    model = database.model
    if model is None:
        raise InputInvalid("The store has no model yet; apply one first (strata apply MODEL).")
    source = model.sources.get(name)
    if source is None:
        close = nearest(name, model.sources)
        known = f"It has {', '.join(model.sources)}." if model.sources else "It declares none."
        raise NotFound(
            f"The model has no source {name}. {f'Did you mean {close}?' if close else known}"
        )
    if source.event is not None:
        raise NotYet(f"not yet: sources.{name}.event. Events cannot be loaded so far.")
    return model, source


def _readers(stack: ExitStack, source: Source, files: Sequence[Path]) -> list[Reader]:
    if source.query is not None:
        where = f"sources.{source.name}"
        query = QueryReader(files, source.query, source.encoding, where)
        return [stack.enter_context(query)]
    wanted = wanted_columns(source)
    readers: list[Reader] = []
    for path in files:
        match file_format(path):
            case "csv":
                readers.append(CsvReader(path, source.encoding))
            case "jsonl":
                readers.append(JsonLinesReader(path, source.encoding, wanted))
            case "parquet":
                readers.append(ParquetReader(path, wanted))
    return readers


def _run(
    readers: Sequence[Reader],
    cells: Cells,
    bulk: BulkLoad,
    refused: _Refused,
    progress: LoadProgress | None,
) -> None:
    records = 0
    for number, reader in enumerate(readers):
        for chunk in reader.chunks():
            for record in chunk.bad:
                refused.add(record)
            if chunk.count:
                _add(chunk, reader, cells, bulk, refused)
            records += chunk.count + len(chunk.bad)
            if progress is not None:
                share = reader.done / reader.total if reader.total else None
                progress(records, None if share is None else (number + share) / len(readers))


def _add(chunk: Chunk, reader: Reader, cells: Cells, bulk: BulkLoad, refused: _Refused) -> None:
    """One chunk into the load; what cannot be converted or is refused goes to the file."""
    batch, faults = cells.batch(chunk)
    if faults:
        for index in sorted(faults):
            refused.add(_bad(chunk, reader, index, faults[index]))
        chunk = _without(chunk, faults)
        if not chunk.count:
            return
        batch, _ = cells.batch(chunk)
    for index, reason in bulk.add(batch).refused:
        refused.add(_bad(chunk, reader, index, reason))


def _bad(chunk: Chunk, reader: Reader, index: int, reason: str) -> BadRecord:
    return BadRecord(str(reader.path), int(chunk.lines[index]), reason, chunk.text_of(index))


def _without(chunk: Chunk, faults: dict[int, str]) -> Chunk:
    keep = np.ones(chunk.count, bool)
    keep[list(faults)] = False
    mask = pa.array(keep)
    columns = {name: column.filter(mask) for name, column in chunk.columns.items()}
    return Chunk(int(keep.sum()), columns, chunk.lines[keep])


class _Refused:
    """The file of refused records, made when the first comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: Any = None
        self._writer: Any = None

    def __enter__(self) -> _Refused:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, record: BadRecord) -> None:
        """Writes one record."""
        if self._writer is None:
            try:
                self._file = self.path.open("w", encoding="utf-8", newline="")
            except OSError as error:
                raise InputInvalid(
                    f"Records are refused, and {self.path} cannot be written to keep them "
                    f"({error.strerror}); name another file with --refused."
                ) from error
            self._writer = csv.writer(self._file)
            self._writer.writerow(["file", "line", "reason", "record"])
        self._writer.writerow([record.file, record.line, record.reason, record.record])
        self.count += 1
