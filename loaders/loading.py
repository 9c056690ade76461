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
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from engine.database import Database
from engine.errors import InputInvalid
from engine.live.bulk_load import BulkLoad
from loaders.ahead import read_ahead
from loaders.cells import Cells
from loaders.chunks import Reader
from loaders.pieces import Piece, checked_readers, pieces, source_of
from loaders.refused import RefusedFile
from loaders.summary import LoadProgress, LoadSummary, share_done

__all__ = ["load"]


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
    model, source = source_of(database.model, source_name)
    if not files:
        raise InputInvalid("Name at least one file to load.")
    cells = Cells(model, source)
    with ExitStack() as stack:
        bad = RefusedFile(refused or Path(f"{source_name}.refused.csv"), files)
        stack.enter_context(bad)
        readers = checked_readers(stack, model, source, files, cells)
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


def _run(
    readers: Sequence[Reader],
    cells: Cells,
    bulk: BulkLoad,
    refused: RefusedFile,
    progress: LoadProgress | None,
) -> None:
    records = 0
    for number, reader in enumerate(readers):
        with closing(read_ahead(pieces(reader, cells))) as found:
            for piece in found:
                refused.add(piece.bad(_refused(piece, bulk)))
                records += piece.chunk.count + len(piece.chunk.bad)
                if progress is not None:
                    progress(records, share_done(piece, number, len(readers)))


def _refused(piece: Piece, bulk: BulkLoad) -> Mapping[int, str]:
    """Takes a piece into the load; the records that are refused, and why."""
    return {} if piece.batch is None else dict(bulk.add(piece.batch).refused)
