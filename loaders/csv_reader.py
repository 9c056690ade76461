"""CSV: record by record, so that each keeps its line and none stops the rest.

A quotation mark that is opened and never closed would swallow all that follows. So the lines
of a record are kept until it is read: when it cannot be, its first line alone is refused, and
reading goes on with the next line.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from engine.errors import InputInvalid
from loaders.chunks import CHUNK_RECORDS, BadRecord, Chunk
from loaders.files import cut_short
from loaders.text_files import TextFile

__all__ = ["CsvReader"]

DELIMITERS = (",", "\t", ";", "|")
# So much of a record that cannot be read is kept for the person who looks for it.
_SHOWN_CHARACTERS = 1_000


class CsvReader:
    """A CSV file with a header, in UTF-8 (with or without its mark) or GB18030.

    The delimiter is the one of comma, tab, semicolon and bar that the header has most of.
    Only the wanted columns become columns of the chunks.
    """

    def __init__(self, path: Path, encoding: str, wanted: Sequence[str]) -> None:
        self.path = path
        self._file = TextFile(path, encoding)
        self.total = self._file.total
        self._lines = _Lines(self._file)
        try:
            self.column_names: list[str] | None = self._header(wanted)
        except BaseException:
            self._file.close()
            raise
        self._width = len(self.column_names)
        # Of columns with one name, which nobody wants, the last is as good as the first.
        places = {name: place for place, name in enumerate(self.column_names)}
        self._places = {name: places[name] for name in wanted if name in places}

    def _header(self, wanted: Sequence[str]) -> list[str]:
        first = next(self._lines, "")
        if not first.strip():
            raise InputInvalid(
                f"{self.path} is empty; a CSV file begins with a line of column names."
            )
        self._delimiter = max(DELIMITERS, key=first.count)
        self._lines.give_back(0)
        self._reader = csv.reader(self._lines, delimiter=self._delimiter, strict=True)
        try:
            names = [name.strip() for name in next(self._reader)]
        except csv.Error as error:
            raise InputInvalid(f"{self.path}, line 1: {_reason(error)}.") from None
        for name in wanted:
            if names.count(name) > 1:
                raise InputInvalid(
                    f"{self.path}, line 1: the column name {name} stands there twice; rename one."
                )
        return names

    def __enter__(self) -> CsvReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    @property
    def done(self) -> int:
        """Bytes read so far."""
        return self._file.done

    def chunks(self) -> Iterator[Chunk]:
        """The records after the header; those of another length than the header are bad."""
        ended = False
        while not ended:
            rows: list[list[str]] = []
            lines: list[int] = []
            bad: list[BadRecord] = []
            while len(rows) < CHUNK_RECORDS and not ended:
                ended = not self._read_one(rows, lines, bad)
            if rows or bad:
                yield self._chunk(rows, lines, bad)

    def _read_one(self, rows: list[list[str]], lines: list[int], bad: list[BadRecord]) -> bool:
        """Reads a record into one of the lists; False at the end of the file."""
        self._lines.begin()
        line = self._lines.number + 1
        try:
            row = next(self._reader, None)
        except csv.Error as error:
            self._lines.give_back(1)
            self._refuse_cut(line)
            self._add_bad(bad, line, _reason(error), self._lines.taken[0].rstrip("\r\n"))
            return True
        if row is None:
            return False
        if len(row) == self._width:
            rows.append(row)
            lines.append(line)
        elif row:
            if len(row) < self._width:
                self._refuse_cut(line)
            reason = f"has {len(row)} fields, and the header has {self._width}"
            self._add_bad(bad, line, reason, self._text(row))
        return True

    def _refuse_cut(self, line: int) -> None:
        """A bad record without a line break behind it is where the file was cut off."""
        if not self._lines.taken[-1].endswith(("\n", "\r")):
            raise cut_short(self.path, line)

    def _add_bad(self, bad: list[BadRecord], line: int, reason: str, text: str) -> None:
        bad.append(BadRecord(str(self.path), line, reason, text[:_SHOWN_CHARACTERS]))

    def _chunk(self, rows: list[list[str]], lines: list[int], bad: list[BadRecord]) -> Chunk:
        columns = {
            name: pa.array([row[place] for row in rows], pa.string())
            for name, place in self._places.items()
        }
        places = np.array(lines, np.int64)
        return Chunk(len(rows), columns, places, lambda index: self._text(rows[index]), bad)

    def _text(self, row: Sequence[str]) -> str:
        """A record as a line of the file."""
        out = io.StringIO()
        csv.writer(out, delimiter=self._delimiter, lineterminator="").writerow(row)
        return out.getvalue()


class _Lines:
    """The lines of a file, one by one; those of the record under way can be given back."""

    def __init__(self, file: TextFile) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._file.line()
        if not line:
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        return line

    def begin(self) -> None:
        """From here on a record is read."""
        self.taken.clear()

    def give_back(self, keep: int) -> None:
        """All lines of the record but the first `keep` are to come again."""
        self._again.extendleft(reversed(self.taken[keep:]))
        self.number -= len(self.taken) - keep
        del self.taken[keep:]


def _reason(error: csv.Error) -> str:
    """The cause in plain words; the csv module has one text for each."""
    if "expected after" in str(error):
        return "text stands behind a closing quotation mark; double each mark inside a field"
    if "larger than" in str(error):
        limit = f"{csv.field_size_limit():,}"
        return f"a field is longer than {limit} characters, or its quotation mark never closes"
    return "a quotation mark is opened and not closed"
