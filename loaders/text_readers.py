"""CSV and JSON lines: record by record, so that each keeps its line and none stops the rest."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from engine.errors import InputInvalid
from engine.nearest import nearest
from loaders.chunks import CHUNK_RECORDS, BadRecord, Chunk
from loaders.files import open_bytes, unreadable

__all__ = ["CsvReader", "JsonLinesReader"]

# A longer field is a quotation mark that was never closed.
CSV_FIELD_CHARACTERS = 1 << 20
DELIMITERS = (",", "\t", ";", "|")


class _TextFile:
    """The text of a file, with what has been read of it."""

    def __init__(self, path: Path, encoding: str) -> None:
        self.path = path
        self.total = path.stat().st_size if path.exists() else 0
        self._bytes, self._raw = open_bytes(path)
        self._encoding = encoding
        self.lines: IO[str] = io.TextIOWrapper(
            io.BufferedReader(self._bytes),  # type: ignore[type-var]
            encoding="utf-8-sig" if encoding == "utf-8" else encoding,
            newline="",
        )

    @property
    def done(self) -> int:
        """Bytes of the file read so far, compressed as they are."""
        return self.total if self._raw.closed else self._raw.tell()

    def close(self) -> None:
        self.lines.close()
        self._raw.close()

    def failure(self, error: Exception, line: int) -> InputInvalid:
        """The refusal of the whole file for an error while reading after a line."""
        if isinstance(error, UnicodeDecodeError):
            other = "gb18030" if self._encoding == "utf-8" else "utf-8"
            return InputInvalid(
                f"{self.path}, after line {line}: the bytes are not {self._encoding.upper()}. "
                f"If the file is in another encoding, say so in the source (encoding: {other})."
            )
        return unreadable(self.path, error)


class CsvReader:
    """A CSV file with a header, in UTF-8 (with or without its mark) or GB18030.

    The delimiter is the one of comma, tab, semicolon and bar that the header has most of.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.path = path
        self._file = _TextFile(path, encoding)
        self.total = self._file.total
        csv.field_size_limit(CSV_FIELD_CHARACTERS)
        try:
            header = self._file.lines.readline()
        except (UnicodeDecodeError, OSError, EOFError) as error:
            raise self._file.failure(error, 0) from error
        if not header.strip():
            raise InputInvalid(f"{path} is empty; a CSV file begins with a line of column names.")
        self._delimiter = max(DELIMITERS, key=header.count)
        self.column_names = [
            name.strip() for name in next(csv.reader([header], delimiter=self._delimiter))
        ]
        repeated = {name for name in self.column_names if self.column_names.count(name) > 1}
        if repeated:
            raise InputInvalid(
                f"{path}, line 1: the column name {sorted(repeated)[0]!r} stands there twice; "
                "rename one."
            )

    @property
    def done(self) -> int:
        """Bytes read so far."""
        return self._file.done

    def chunks(self) -> Iterator[Chunk]:
        """The records after the header; those of another length than the header are bad."""
        reader = csv.reader(self._file.lines, delimiter=self._delimiter, strict=True)
        ended = False
        try:
            while not ended:
                rows: list[list[str]] = []
                lines: list[int] = []
                bad: list[BadRecord] = []
                while len(rows) < CHUNK_RECORDS and not ended:
                    ended = not self._read_one(reader, rows, lines, bad)
                if rows or bad:
                    yield self._chunk(rows, lines, bad)
        finally:
            self._file.close()

    def _read_one(
        self, reader: Any, rows: list[list[str]], lines: list[int], bad: list[BadRecord]
    ) -> bool:
        """Reads a record into one of the lists; False at the end of the file."""
        line = reader.line_num + 2  # the header is line 1, and a record may span several
        try:
            row = next(reader, None)
        except csv.Error as error:
            reason = f"cannot be read as CSV: {error}"
            bad.append(BadRecord(str(self.path), line, reason, ""))
            return True
        except (UnicodeDecodeError, OSError, EOFError) as error:
            raise self._file.failure(error, line - 1) from error
        if row is None:
            return False
        if len(row) == len(self.column_names):
            rows.append(row)
            lines.append(line)
        elif row:
            reason = f"has {len(row)} fields, and the header has {len(self.column_names)}"
            bad.append(BadRecord(str(self.path), line, reason, self._delimiter.join(row)))
        return True

    def _chunk(self, rows: list[list[str]], lines: list[int], bad: list[BadRecord]) -> Chunk:
        cells = zip(*rows, strict=True) if rows else [()] * len(self.column_names)
        columns = {
            name: pa.array(column, pa.string())
            for name, column in zip(self.column_names, cells, strict=True)
        }
        return Chunk(len(rows), columns, np.array(lines, np.int64), bad)


class JsonLinesReader:
    """One JSON object a line. Keys may be missing; those of the first thousand lines are the
    known columns."""

    def __init__(self, path: Path, encoding: str, wanted: list[str]) -> None:
        self.path = path
        self._file = _TextFile(path, encoding)
        self.total = self._file.total
        # A key that no line has is found only at the end; until then it is taken to be there.
        self.column_names = list(wanted)
        self._seen: set[str] = set()

    @property
    def done(self) -> int:
        """Bytes read so far."""
        return self._file.done

    def chunks(self) -> Iterator[Chunk]:
        """The objects; a line that is none is bad, an empty one is passed over."""
        line = 0
        ended = False
        try:
            while not ended:
                records: list[dict[str, Any]] = []
                lines: list[int] = []
                bad: list[BadRecord] = []
                while len(records) < CHUNK_RECORDS and not ended:
                    try:
                        text = self._file.lines.readline()
                    except (UnicodeDecodeError, OSError, EOFError) as error:
                        raise self._file.failure(error, line) from error
                    line += 1
                    ended = not text
                    if text.strip():
                        self._read_one(text, line, records, lines, bad)
                if records or bad:
                    yield self._chunk(records, lines, bad)
        finally:
            self._file.close()
        self._refuse_unknown_columns()

    def _read_one(
        self,
        text: str,
        line: int,
        records: list[dict[str, Any]],
        lines: list[int],
        bad: list[BadRecord],
    ) -> None:
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            reason = f"is not JSON: {error}"
            bad.append(BadRecord(str(self.path), line, reason, text.strip()[:1000]))
            return
        if not isinstance(record, dict):
            reason = "is JSON, but not an object"
            bad.append(BadRecord(str(self.path), line, reason, text.strip()[:1000]))
            return
        records.append(record)
        lines.append(line)
        self._seen.update(record)

    def _chunk(
        self, records: list[dict[str, Any]], lines: list[int], bad: list[BadRecord]
    ) -> Chunk:
        columns = {
            name: _json_column([record.get(name) for record in records])
            for name in self.column_names
        }
        return Chunk(len(records), columns, np.array(lines, np.int64), bad)

    def _refuse_unknown_columns(self) -> None:
        for name in self.column_names:
            if name not in self._seen:
                close = nearest(name, self._seen)
                hint = f" Did you mean {close}?" if close else ""
                raise InputInvalid(f"No line of {self.path} has the key {name}.{hint}")


def _json_column(values: list[Any]) -> pa.Array:
    """A column of JSON values: as they are where they are of one kind, else as texts."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([_json_text(value) for value in values], pa.string())


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
