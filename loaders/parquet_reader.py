"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InputInvalid
from loaders.chunks import CHUNK_RECORDS, Chunk
from loaders.files import READ_FAILURES, is_compressed, open_bytes, unpack, unreadable
from loaders.tables import table_chunk

__all__ = ["ParquetReader", "opened_parquet"]


def opened_parquet(raw: IO[bytes], path: Path) -> pq.ParquetFile:
    """An open file as Parquet. Raises InputInvalid, naming `path`, where it is none."""
    try:
        return pq.ParquetFile(raw)
    except READ_FAILURES as error:
        raise InputInvalid(
            f"{path} is not a whole Parquet file: its end, where the index stands, cannot be "
            "read. Get it again; nothing of it was loaded."
        ) from error


def _with_coded(file: pq.ParquetFile, raw: IO[bytes], coded: Sequence[str]) -> pq.ParquetFile:
    """The file, read with dictionaries where these columns are strings.

    Not where they are lists of strings: Arrow cannot bring the dictionaries of those together where
    a batch reaches from one row group into the next.
    """
    columns = (file.schema.column(at) for at in range(len(file.schema)))
    paths = [
        column.path
        for column in columns
        if column.physical_type == "BYTE_ARRAY" and column.path in coded
    ]
    if not paths:
        return file
    return pq.ParquetFile(raw, metadata=file.metadata, read_dictionary=paths)


def _with_coded_lists(batch: pa.RecordBatch, coded: Sequence[str]) -> pa.RecordBatch:
    """The batch, with one dictionary for the strings of each of these columns that has lists."""
    for at, field in enumerate(batch.schema):
        kind = field.type
        if field.name in coded and pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
            lists = batch.column(at).cast(pa.list_(pa.dictionary(pa.int32(), kind.value_type)))
            batch = batch.set_column(at, field.name, lists)
    return batch


class ParquetReader:
    """A Parquet file; only the wanted columns are read. Records are numbered from 1.

    Strings of the columns `coded` stay what they are in most files: a dictionary, and indices.

    One that is compressed as a whole is unpacked beside the system's temporary files: its
    index stands at its end.
    """

    def __init__(self, path: Path, wanted: Sequence[str], coded: Sequence[str] = ()) -> None:
        self.path = path
        self.done = 0
        self._coded = coded
        with ExitStack() as stack:
            plain = path
            if is_compressed(path):
                plain = Path(stack.enter_context(TemporaryDirectory(prefix="strata-load-"))) / "0"
                unpack(path, plain)
            _, raw = open_bytes(plain)
            stack.enter_context(raw)
            self._file = _with_coded(opened_parquet(raw, path), raw, coded)
            self._opened = stack.pop_all()
        self.total = self._file.metadata.num_rows
        self.column_names: list[str] | None = list(self._file.schema_arrow.names)
        self._wanted = [name for name in wanted if name in self.column_names]

    def __enter__(self) -> ParquetReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def chunks(self) -> Iterator[Chunk]:
        """The records, column by column."""
        batches = self._file.iter_batches(CHUNK_RECORDS, columns=self._wanted)
        while True:
            try:
                batch: pa.RecordBatch | None = next(batches, None)
            except READ_FAILURES as error:
                raise unreadable(self.path, error) from error
            if batch is None:
                return
            chunk = table_chunk(_with_coded_lists(batch, self._coded), self.done)
            self.done += batch.num_rows
            yield chunk
