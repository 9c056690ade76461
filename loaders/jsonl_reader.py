"""JSON lines: one object a line, each read on its own, so that a bad one stops nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from conversion.texts import float_text
from engine.errors import InputInvalid
from engine.nearest import nearest
from loaders.chunks import CHUNK_RECORDS, BadRecord, Chunk
from loaders.files import cut_short
from loaders.text_files import TextFile

__all__ = ["JsonLinesReader"]

# A number this short has at most 15 digits, and every such decimal survives as a double.
_SAFE_NUMBER_CHARACTERS = 16
# So much of a record that cannot be read is kept for the person who looks for it.
_SHOWN_CHARACTERS = 1_000


class JsonLinesReader:
    """One JSON object a line. A key that a line does not have is an empty cell."""

    # Which keys there are, only the last line tells.
    column_names: list[str] | None = None

    def __init__(self, path: Path, encoding: str, wanted: Sequence[str]) -> None:
        self.path = path
        self._file = TextFile(path, encoding)
        self.total = self._file.total
        self._wanted = list(wanted)
        self._seen: set[str] = set()

    def __enter__(self) -> JsonLinesReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def done(self) -> int:
        """Bytes read so far."""
        return self._file.done

    def objects(self) -> Iterator[tuple[int, str, dict[str, Any] | str]]:
        """(line, its text, the object or why it is none) of every line that is not empty."""
        while text := self._file.line():
            line = self._file.number
            if not text.strip():
                continue
            found = _parsed(text, self._wanted)
            if isinstance(found, str):
                if line == 1 and text.lstrip().startswith("["):
                    raise InputInvalid(
                        f"{self.path} holds a JSON array; write its objects one a line."
                    )
                if not text.endswith(("\n", "\r")):
                    raise cut_short(self.path, line)
            yield line, text, found

    def bad(self, line: int, text: str, reason: str) -> BadRecord:
        """A line that is no record."""
        return BadRecord(str(self.path), line, reason, text.strip()[:_SHOWN_CHARACTERS])

    def chunks(self) -> Iterator[Chunk]:
        """The objects; a line that is none is bad, an empty one is passed over."""
        records: list[dict[str, Any]] = []
        lines: list[int] = []
        bad: list[BadRecord] = []
        for line, text, found in self.objects():
            if isinstance(found, str):
                bad.append(self.bad(line, text, found))
            else:
                records.append(found)
                lines.append(line)
                self._seen.update(found)
            if len(records) + len(bad) == CHUNK_RECORDS:
                yield self._chunk(records, lines, bad)
                records, lines, bad = [], [], []
        if records or bad:
            yield self._chunk(records, lines, bad)
        self._refuse_unknown_keys()

    def _chunk(
        self, records: list[dict[str, Any]], lines: list[int], bad: list[BadRecord]
    ) -> Chunk:
        columns = {name: _column([record.get(name) for record in records]) for name in self._wanted}
        return Chunk(
            len(records),
            columns,
            np.array(lines, np.int64),
            lambda index: json.dumps(records[index], ensure_ascii=False, default=str),
            bad,
        )

    def _refuse_unknown_keys(self) -> None:
        if not self._file.number or not self._seen:
            raise InputInvalid(f"{self.path} has no JSON object in it.")
        for name in self._wanted:
            if name not in self._seen:
                close = nearest(name, self._seen)
                hint = (
                    f"Did you mean {close}?"
                    if close
                    else "Take it out of the source, or write it as null where it is empty."
                )
                raise InputInvalid(f"No line of {self.path} has the key {name}. {hint}")


def _parsed(text: str, wanted: Sequence[str]) -> dict[str, Any] | str:
    """The object of a line, or why there is none that can be used."""
    try:
        record = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        return f"is not JSON: {error}"
    if not isinstance(record, dict):
        return "is JSON, but not an object"
    if "\\u" in text and _has_half_character(record):
        return "has one half of a character that needs two (a lone surrogate)"
    if "[" in text or text.count("{") > 1:
        for name in wanted:
            if not _is_cell(record.get(name)):
                return f"key {name}: holds an object; shape it by a query in the source"
    return record


def _exact(text: str) -> float | Decimal:
    return float(text) if len(text) <= _SAFE_NUMBER_CHARACTERS else Decimal(text)


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number in JSON")


_DECODER = json.JSONDecoder(parse_float=_exact, parse_constant=_refuse_constant)


def _has_half_character(record: dict[str, Any]) -> bool:
    try:
        json.dumps(record, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return True
    return False


def _is_cell(value: Any) -> bool:
    """Whether a value is a scalar, or a list of scalars."""
    if isinstance(value, list):
        return not any(isinstance(element, (dict, list)) for element in value)
    return not isinstance(value, dict)


def _column(values: list[Any]) -> pa.Array:
    """A column of JSON values as they are where they are of one kind; else as strings, or as
    lists of strings where one is a list."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        if any(isinstance(value, list) for value in values):
            return pa.array([_texts(value) for value in values], pa.list_(pa.string()))
        return pa.array([_text(value) for value in values], pa.string())


def _texts(value: Any) -> list[str | None] | None:
    if value is None:
        return None
    return [_text(element) for element in (value if isinstance(value, list) else [value])]


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value)
    return None if value is None else str(value)
