"""The `query:` of a source, run by DuckDB over the source's files.

1. Every file gets a name of ours in a folder of its own: a link, or a copy where it must be
   unpacked or decoded first. So no character in a path can mean anything to DuckDB.
2. JSON lines are read once by us, and only those that are objects go into the copy; lines of
   CSV that DuckDB cannot read it sets aside in a table of its own. Both are refused with
   their lines, and stop nothing.
3. The query runs over the view `input` and its result comes in chunks.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import IO

import duckdb
import pyarrow as pa

from engine.errors import InputInvalid
from engine.model.definitions import Source
from loaders.chunks import CHUNK_RECORDS, BadRecord, Chunk, bad_records
from loaders.csv_reader import CsvReader
from loaders.files import (
    READ_FAILURES,
    Format,
    cut_short,
    file_format,
    is_compressed,
    open_bytes,
    unpack,
    unreadable,
)
from loaders.jsonl_reader import JsonLinesReader
from loaders.parquet_reader import opened_parquet
from loaders.tables import table_chunk

__all__ = ["QueryReader"]

_SUFFIXES: dict[Format, str] = {"csv": ".csv", "jsonl": ".jsonl", "parquet": ".parquet"}
_COPY_BYTES = 1 << 20
_KIND_OF_ERROR = re.compile(r"^[A-Z][A-Za-z ]* Error: ")
# Lines that DuckDB set aside, once each even where the query reads the file several times.
_REJECTS = """
    SELECT DISTINCT ON (file, line) parse_filename(file_path) AS file, line,
           line_byte_position, error_type::varchar, csv_line, error_message
    FROM reject_errors JOIN reject_scans USING (scan_id, file_id) ORDER BY file, line
"""


class QueryReader:
    """The result of a source's query over its files, which it reads as `input`.

    Records are numbered from 1 in the order of the result. DuckDB finds the types of CSV and
    JSON columns itself. A context manager: it may hold decoded copies of files.
    """

    def __init__(self, paths: Sequence[Path], source: Source, zone: str) -> None:
        self.path = paths[0]
        self.done = 0
        self.total = 0
        self._where = f"sources.{source.name}"
        self._encoding = source.encoding
        self._paths: dict[str, Path] = {}
        self._bad: list[BadRecord] = []
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(TemporaryDirectory(prefix="strata-load-")))
            reading = self._reading(paths)
            self._connection = duckdb.connect()
            stack.callback(self._connection.close)
            self._configure(zone)
            self._run(reading, source.query or "")
            self._opened = stack.pop_all()
        self.column_names: list[str] | None = list(self._result.schema.names)

    def __enter__(self) -> QueryReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def _configure(self, zone: str) -> None:
        for setting, value in (
            ("enable_progress_bar", "false"),
            # With one thread, sums of doubles come out the same each time, in the order of
            # the file, and loading a file again changes nothing.
            ("threads", "1"),
            # The days of instants are those of the source, wherever this machine stands.
            ("TimeZone", f"'{zone}'"),
            ("temp_directory", f"'{self._folder}'"),
            # A load reads the files that it is given, and fetches nothing.
            ("autoinstall_known_extensions", "false"),
        ):
            self._connection.execute(f"SET {setting} = {value}")

    def _run(self, reading: str, query: str) -> None:
        try:
            self._connection.execute(f"CREATE VIEW input AS SELECT * FROM {reading}")
            statements = self._connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise InputInvalid(f"{self._where}.query must be one SELECT over input.")
            self._result = self._connection.sql(query).to_arrow_reader(CHUNK_RECORDS)
        except duckdb.Error as error:
            raise self._failure(error) from error

    def chunks(self) -> Iterator[Chunk]:
        """The records of the result, then the lines of the files that could not be read."""
        while True:
            try:
                batch: pa.RecordBatch | None = next(self._result, None)
            except (duckdb.Error, *READ_FAILURES) as error:
                raise self._failure(error) from error
            if batch is None:
                break
            if batch.num_rows:
                chunk = table_chunk(batch, self.done)
                self.done += batch.num_rows
                yield chunk
        bad = [*self._bad, *self._rejects()]
        if bad:
            yield bad_records(bad)

    def _rejects(self) -> list[BadRecord]:
        tables = self._connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        if ("reject_errors",) not in tables:
            return []
        bad = []
        for name, line, at, kind, text, message in self._connection.execute(_REJECTS).fetchall():
            path = self._paths[name]
            if kind == "INVALID ENCODING":
                raise InputInvalid(
                    f"{path}, line {line}: the bytes are not UTF-8. If the file is in another "
                    "encoding, say so in the source (encoding: gb18030)."
                )
            if kind != "CAST" and _is_last_piece(self._folder / name, at - 1):
                raise cut_short(path, line)
            bad.append(BadRecord(str(path), line, message, text))
        return bad

    def _reading(self, paths: Sequence[Path]) -> str:
        formats = {file_format(path) for path in paths}
        if len(formats) > 1:
            raise InputInvalid("The files of one query must have one format; load them in turn.")
        (found,) = formats
        for number, path in enumerate(paths):
            name = f"{number}{_SUFFIXES[found]}"
            self._paths[name] = path
            self._place(path, self._folder / name, found)
        names = ", ".join(f"'{self._folder / name}'" for name in self._paths)
        return {
            "csv": f"read_csv([{names}], header = true, store_rejects = true, rejects_limit = 0)",
            "jsonl": f"read_json([{names}], format = 'newline_delimited')",
            "parquet": f"read_parquet([{names}])",
        }[found]

    def _place(self, path: Path, to: Path, found: Format) -> None:
        if found == "csv":
            # Whoever brings something else than such a text shall be told so.
            CsvReader(path, self._encoding, ()).close()
        if found == "jsonl":
            self._copy_objects(path, to)
        elif found == "csv" and self._encoding != "utf-8":
            self._decode(path, to)
        elif is_compressed(path):
            unpack(path, to)
        else:
            open_bytes(path)[0].close()
            to.symlink_to(path.resolve())
        if found == "parquet":
            with to.open("rb") as raw:
                opened_parquet(raw, path)

    def _copy_objects(self, path: Path, to: Path) -> None:
        seen = False
        with (
            JsonLinesReader(path, self._encoding, ()) as reader,
            to.open("w", encoding="utf-8", newline="") as out,
        ):
            for line, text, found in reader.objects():
                if isinstance(found, str):
                    self._bad.append(reader.bad(line, text, found))
                else:
                    seen = True
                    out.write(text.strip() + "\n")
        if not seen:
            raise InputInvalid(f"{path} has no JSON object in it.")

    def _decode(self, path: Path, to: Path) -> None:
        decoder = codecs.getincrementaldecoder(self._encoding)()
        packed, raw = open_bytes(path)
        out: IO[str]
        with raw, packed, to.open("w", encoding="utf-8", newline="") as out:
            try:
                while piece := packed.read(_COPY_BYTES):
                    out.write(decoder.decode(piece))
                out.write(decoder.decode(b"", final=True))
            except UnicodeDecodeError as error:
                raise InputInvalid(
                    f"{path} is not in {self._encoding.upper()}; correct the source's encoding."
                ) from error
            except READ_FAILURES as error:
                raise unreadable(path, error) from error

    def _failure(self, error: Exception) -> InputInvalid:
        """DuckDB's complaint and its hint, with the names of the user's files."""
        first, *more = str(error).strip().splitlines()
        hints = [line for line in more if line.startswith(("Candidate", "Did you mean"))]
        told = " ".join([_KIND_OF_ERROR.sub("", first), *hints])
        for name, path in self._paths.items():
            told = told.replace(str(self._folder / name), str(path))
        return InputInvalid(f"{self._where}.query cannot be run over the files: {told}")


def _is_last_piece(path: Path, at: int) -> bool:
    """Whether what begins at byte `at` is the last line, and has no line break behind it."""
    with path.open("rb") as file:
        file.seek(at)
        rest = file.read(_COPY_BYTES)
        return bool(rest) and b"\n" not in rest and not rest.endswith(b"\r") and not file.read(1)
