"""One source and its files -> one bulk load.

1. Every file is opened and its columns are checked before anything is read.
2. Chunk by chunk: cells are converted, on a thread of their own, bad records set aside, the
   rest goes to the engine, which may refuse more.
3. At the end everything is written at once. A file that breaks off half way, or a cancelled
   load, leaves the store as it was.

Refused records go to a CSV file with file, line, reason and the record itself; the others are
loaded all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conversion.cell_by_cell import Faults
from conversion.narrowing import only
from engine.database import Database
from engine.errors import InputInvalid, NotFound
from engine.live.batch import ProfileBatch
from engine.live.bulk_load import BulkLoad
from engine.model.definitions import Model, Source
from engine.nearest import nearest
from loaders.ahead import read_ahead
from loaders.cells import Cells, coded_columns, wanted_columns
from loaders.chunks import BadRecord, Chunk, Reader
from loaders.csv_reader import CsvReader
from loaders.files import file_format
from loaders.jsonl_reader import JsonLinesReader
from loaders.parquet_reader import ParquetReader
from loaders.query_reader import QueryReader
from loaders.refused import RefusedFile

__all__ = ["LoadProgress", "LoadSummary", "load"]

# Told after every chunk: records read so far, and the share of the input that is (0 to 1;
# None where it cannot be known).
LoadProgress = Callable[[int, float | None], None]


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """What a load did. `refused_file` is None where no record was refused.

    `events_added`, `events_replaced` and `events_unchanged` are None for a source of profiles; see
    LoadOutcome.
    """

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
    events_added: int | None = None
    events_replaced: int | None = None
    events_unchanged: int | None = None

    def __str__(self) -> str:
        rate = round((self.accepted + self.refused) / max(self.seconds, 1e-9))
        text = (
            f"{self.accepted:,} records accepted, {self.refused:,} refused, in "
            f"{self.seconds:.1f} s ({rate:,} a second). {self.created:,} profiles are new, "
            f"{self.profiles_changed:,} changed."
        )
        if self.events_added is not None:
            text += (
                f" {self.events_added:,} events are new, {self.events_replaced:,} took the place "
                f"of one with their id, {self.events_unchanged:,} were there already."
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
    """Loads files of a source; loading the same again changes nothing, but where a source of
    events has no `id`: then every record is a new event.

    `refused` is where refused records are written, `<source>.refused.csv` in the current
    folder by default; there is no file where none is refused. Raises NotFound for an unknown
    source, InputInvalid for files that cannot be used; the store is then unchanged.
    """
    started = time.monotonic()
    model, source = _source(database, source_name)
    if not files:
        raise InputInvalid("Name at least one file to load.")
    cells = Cells(model, source)
    with ExitStack() as stack:
        bad = RefusedFile(refused or Path(f"{source_name}.refused.csv"), files)
        stack.enter_context(bad)
        readers = _readers(stack, model, source, files)
        for reader in readers:
            if reader.column_names is not None:
                cells.check_columns(reader.path, reader.column_names)
        bulk = stack.enter_context(database.bulk_load(source))
        _run(readers, cells, bulk, bad, progress)
        bad.flush()
        outcome = bulk.finish()
        bad.keep()
    return LoadSummary(
        source=source_name,
        files=tuple(str(path) for path in files),
        accepted=outcome.accepted,
        refused=bad.count,
        created=outcome.created,
        profiles_changed=outcome.profiles_changed,
        blocks_written=outcome.blocks_written,
        blocked_identifiers=outcome.blocked,
        data_version=outcome.data_version,
        seconds=time.monotonic() - started,
        refused_file=str(bad.path) if bad.count else None,
        events_added=outcome.events_added if source.event else None,
        events_replaced=outcome.events_replaced if source.event else None,
        events_unchanged=outcome.events_unchanged if source.event else None,
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


def _readers(stack: ExitStack, model: Model, source: Source, files: Sequence[Path]) -> list[Reader]:
    if source.query is None:
        return [_reader(stack, model, source, path) for path in files]
    zone = (source.time_zone or model.time_zone).key
    return [stack.enter_context(QueryReader(files, source, zone))]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk converted: the records without faults as a batch, the faults of the others, and how
    much of the reader's file has been read by then."""

    reader: Reader
    chunk: Chunk
    batch: ProfileBatch | None
    at: NDArray[np.intp]
    faults: Faults
    done: int


def _pieces(reader: Reader, cells: Cells) -> Iterator[_Piece]:
    for chunk in reader.chunks():
        if not chunk.count:
            yield _Piece(reader, chunk, None, np.zeros(0, np.intp), {}, reader.done)
            continue
        batch, faults = cells.batch(reader.path, chunk)
        sound = np.ones(chunk.count, bool)
        sound[list(faults)] = False
        at = np.flatnonzero(sound)
        kept = only(batch, at) if faults else batch
        yield _Piece(reader, chunk, kept if len(at) else None, at, faults, reader.done)


def _run(
    readers: Sequence[Reader],
    cells: Cells,
    bulk: BulkLoad,
    refused: RefusedFile,
    progress: LoadProgress | None,
) -> None:
    records = 0
    for number, reader in enumerate(readers):
        with closing(read_ahead(_pieces(reader, cells))) as pieces:
            for piece in pieces:
                bad = [*piece.chunk.bad, *_add(piece, bulk)]
                refused.add(sorted(bad, key=lambda record: (record.file, record.line)))
                records += piece.chunk.count + len(piece.chunk.bad)
                if progress is not None:
                    share = piece.done / reader.total if reader.total else None
                    progress(records, None if share is None else (number + share) / len(readers))


def _add(piece: _Piece, bulk: BulkLoad) -> list[BadRecord]:
    """Takes a piece into the load; what could not be converted, or is refused, comes back."""
    reasons = dict(piece.faults)
    if piece.batch is not None:
        outcome = bulk.add(piece.batch)
        reasons.update((int(piece.at[index]), reason) for index, reason in outcome.refused)
    path, chunk = str(piece.reader.path), piece.chunk
    return [
        BadRecord(path, int(chunk.lines[index]), reason, chunk.text_of(index))
        for index, reason in reasons.items()
    ]
