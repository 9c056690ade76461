"""Member lists in files and on standard output.

A file appears under its name only when all of it is written.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from strata.answers import MembersChunk
from strata.cli.member_parquet import write_parquet
from strata.cli.show import json_value, text_value
from strata.client import MemberList

__all__ = ["write_members"]


def write_members(
    members: MemberList, form: str, ids: str, attributes: Sequence[str], output: Path | None
) -> None:
    """Writes a list as "lines", "csv", "json", "roaring" or "parquet" (which needs a file)."""
    with _sink(output) as sink:
        if form == "parquet":
            write_parquet(members, ids, attributes, sink)
            return
        if form == "csv":
            sink.write(_csv_lines([[ids, *attributes]]).encode())
        for chunk in members:
            if form == "roaring":
                sink.write(chunk.roaring)
            elif form == "lines" or (form == "csv" and _is_plain(chunk, attributes)):
                sink.write(chunk.lines.encode())
            elif form == "csv":
                sink.write(_csv_lines(_rows(chunk, attributes)).encode())
            else:
                sink.write(_json_lines(chunk, ids, attributes).encode())


@contextlib.contextmanager
def _sink(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with draft.open("xb") as sink:
            yield sink
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


def _is_plain(chunk: MembersChunk, attributes: Sequence[str]) -> bool:
    """Whether the chunk's lines are CSV as they are: one column, and nothing in it to quote."""
    if attributes or chunk.uids:
        return not attributes
    text = chunk.lines
    if any(special in text for special in ('"', ",", "\r")) or "" in chunk.identifiers:
        return False
    return text.count("\n") == len(chunk.identifiers)


def _rows(chunk: MembersChunk, attributes: Sequence[str]) -> Iterator[list[str]]:
    columns = [(chunk.columns or {})[name] for name in attributes]
    for entry, *values in zip(chunk.entries, *columns, strict=True):
        yield [entry, *map(text_value, values)]


def _csv_lines(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _json_lines(chunk: MembersChunk, ids: str, attributes: Sequence[str]) -> str:
    columns = [(chunk.columns or {})[name] for name in attributes]
    lines = []
    for entry, *values in zip(chunk.entries, *columns, strict=True):
        shown: dict[str, Any] = {ids: entry}
        shown.update(zip(attributes, map(json_value, values), strict=True))
        lines.append(json.dumps(shown, ensure_ascii=False) + "\n")
    return "".join(lines)
