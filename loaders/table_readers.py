"""Parquet files, and the `query:` of a source run by DuckDB over its files."""

from __future__ import annotations

import codecs
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InputInvalid
from loaders.chunks import CHUNK_RECORDS, Chunk
from loaders.files import file_format, open_bytes, unreadable

__all__ = ["ParquetReader", "QueryReader"]


class ParquetReader:
    """A Parquet file; only the wanted columns are read. Records are numbered from 1."""

    def __init__(self, path: Path, wanted: Sequence[str]) -> None:
        self.path = path
        self.done = 0
        if path.suffix.lower() not in (".parquet", ".pq"):
            raise InputInvalid(f"{path}: Parquet is compressed inside; do not compress the file.")
        _, raw = open_bytes(path)
        try:
            self._file = pq.ParquetFile(raw)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputInvalid(
                f"{path} is not a whole Parquet file: its end, where the index stands, cannot be "
                "read. Get it again; nothing of it was loaded."
            ) from error
        self.total = self._file.metadata.num_rows
        self.column_names = list(self._file.schema_arrow.names)
        self._wanted = [name for name in wanted if name in self.column_names]

    def chunks(self) -> Iterator[Chunk]:
        """The records, column by column."""
        batches = self._file.iter_batches(CHUNK_RECORDS, columns=self._wanted)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowInvalid, OSError) as error:
                raise unreadable(self.path, error) from error
            if batch is None:
                return
            yield _table_chunk(batch, self.done)
            self.done += batch.num_rows


class QueryReader:
    """The result of a source's query over its files, which it reads as `input`.

    Records are numbered from 1 in the order of the result. DuckDB finds the types of CSV and
    JSON columns itself. A context manager: it may hold decoded copies of files.
    """

    def __init__(self, paths: Sequence[Path], query: str, encoding: str, where: str) -> None:
        self.path = paths[0]
        self.done = 0
        self.total = 0
        self._copies = tempfile.TemporaryDirectory(prefix="strata-load-")
        self._connection = duckdb.connect()
        self._connection.execute("SET enable_progress_bar = false")
        # One thread: sums of doubles then come out the same each time, in the order of the
        # file, and loading a file again changes nothing.
        self._connection.execute("SET threads = 1")
        try:
            self._connection.execute(f"CREATE VIEW input AS {self._input(paths, encoding)}")
            statements = self._connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise InputInvalid(f"{where}.query must be one SELECT over `input`.")
            self._result = self._connection.sql(query).to_arrow_reader(CHUNK_RECORDS)
        except duckdb.Error as error:
            self.close()
            raise _query_failure(where, error) from error
        except BaseException:
            self.close()
            raise
        self._where = where
        self.column_names = list(self._result.schema.names)

    def __enter__(self) -> QueryReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of DuckDB and of the copies."""
        self._connection.close()
        self._copies.cleanup()

    def chunks(self) -> Iterator[Chunk]:
        """The records of the result."""
        while True:
            try:
                batch = next(self._result, None)
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise _query_failure(self._where, error) from error
            if batch is None:
                return
            if batch.num_rows:
                yield _table_chunk(batch, self.done)
                self.done += batch.num_rows

    def _input(self, paths: Sequence[Path], encoding: str) -> str:
        formats = {file_format(path) for path in paths}
        if len(formats) > 1:
            raise InputInvalid("The files of one query must have one format; load them in turn.")
        (found,) = formats
        readable = [self._readable(path, encoding, number) for number, path in enumerate(paths)]
        names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in readable)
        reader = {
            "csv": f"read_csv([{names}], header = true)",
            "jsonl": f"read_json([{names}], format = 'newline_delimited')",
            "parquet": f"read_parquet([{names}])",
        }
        return f"SELECT * FROM {reader[found]}"

    def _readable(self, path: Path, encoding: str, number: int) -> Path:
        """A path that DuckDB reads as it is: plain or gzip, UTF-8; a decoded copy otherwise."""
        file_bytes, raw = open_bytes(path)
        with raw:
            if path.suffix.lower() in (".csv", ".parquet", ".pq") and encoding == "utf-8":
                return path
            suffix = {"csv": ".csv", "jsonl": ".jsonl", "parquet": ".parquet"}[file_format(path)]
            copy = Path(self._copies.name) / f"{number}{suffix}"
            try:
                if encoding == "utf-8":
                    with copy.open("wb") as out:
                        shutil.copyfileobj(file_bytes, out, 1 << 20)
                else:
                    self._decode(file_bytes, copy, encoding)
            except UnicodeDecodeError as error:
                raise InputInvalid(
                    f"{path} is not in {encoding.upper()}; correct the source's encoding."
                ) from error
            except (OSError, EOFError) as error:
                raise unreadable(path, error) from error
            return copy

    @staticmethod
    def _decode(file_bytes: Any, copy: Path, encoding: str) -> None:
        decoder = codecs.getincrementaldecoder(encoding)()
        with copy.open("w", encoding="utf-8", newline="") as out:
            while piece := file_bytes.read(1 << 20):
                out.write(decoder.decode(piece))
            out.write(decoder.decode(b"", final=True))


def _query_failure(where: str, error: Exception) -> InputInvalid:
    first = str(error).strip().splitlines()[0]
    return InputInvalid(f"{where}.query cannot be run over the files: {first}")


def _table_chunk(batch: pa.RecordBatch, done: int) -> Chunk:
    lines = np.arange(done + 1, done + 1 + batch.num_rows, dtype=np.int64)
    columns = {name: batch.column(i) for i, name in enumerate(batch.schema.names)}
    return Chunk(batch.num_rows, columns, lines)
