"""ClickHouse inside the process, by chDB.

Layouts: `columns` is a table of the Memory engine, which answers faster than MergeTree, with a
byte for each category, tag and row; `bitmaps` has a groupBitmap for each tag, and for the columns
of a rare tag's rows a MergeTree in the order of row numbers, so that its index finds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.data.people import VALUES
from bench.questions import Answer, Draw, Has
from bench.rivals.clickhouse_session import PERSON_NUMBER, ClickHouseSession, code_of
from bench.rivals.rival import ASKED_TAGS, MISSING_NUMBER, bit_of
from bench.rivals.sql import by_name, where

__all__ = ["ClickHouseRival"]

NUMBERS = {"age": "Int8", "company_size": "Int32", "revenue": "Int32"}
# Rows that are read together around one that is wanted.
GRANULE = 1_024


class ClickHouseRival(ClickHouseSession):
    """One session with a database of its own."""

    def load(self, files: Sequence[Path]) -> None:
        """Tables by ClickHouse's own reader of Parquet."""
        types = dict.fromkeys(VALUES, "UInt8") | NUMBERS
        if self.layout == "columns":
            types |= {f"t{bit_of(tag)}": "UInt8" for tag in ASKED_TAGS}
            engine = "Memory"
        else:
            types = {"row": "UInt32"} | types
            engine = f"MergeTree ORDER BY row SETTINGS index_granularity = {GRANULE}"
        declared = ", ".join(f"{name} {kind}" for name, kind in types.items())
        self._run(f"CREATE TABLE people ({declared}) ENGINE = {engine}")
        for file in files:
            self._run(f"INSERT INTO people SELECT {_selected(types)} FROM file('{file}', Parquet)")
        if self.layout == "bitmaps":
            self._run("OPTIMIZE TABLE people FINAL")
            self._load_bitmaps(files)

    def _load_bitmaps(self, files: Sequence[Path]) -> None:
        state = "AggregateFunction(groupBitmap, UInt32)"
        self._run(f"CREATE TABLE members (tag UInt8, rows {state}) ENGINE = Memory")
        asked = "[" + ", ".join(str(bit_of(tag)) for tag in ASKED_TAGS) + "]"
        read = " UNION ALL ".join(
            f"SELECT {PERSON_NUMBER} AS row,"
            f" arrayJoin(arrayFilter(tag -> bitTest(tag_bits, tag), {asked}))"
            f" AS tag FROM file('{file}', Parquet)"
            for file in files
        )
        self._run(
            f"INSERT INTO members SELECT tag, groupBitmapState(row) FROM ({read}) GROUP BY tag"
        )

    def ask(self, draw: Draw) -> Answer:
        """Counts, by value where asked for."""
        (audience,) = draw.audiences
        if self.layout == "bitmaps":
            return self._from_bitmaps(draw)
        condition = where(audience, _byte)
        if draw.group_by is None:
            return self._run(f"SELECT countIf({condition}) FROM people")[0][0]
        by = draw.group_by
        rows = self._run(f"SELECT {by}, count() FROM people WHERE {condition} GROUP BY {by}")
        return by_name(by, [(code, count) for code, count in rows])

    def _from_bitmaps(self, draw: Draw) -> int:
        (audience,) = draw.audiences
        tags = [c for c in audience if isinstance(c, Has)]
        others = tuple(c for c in audience if not isinstance(c, Has))
        if others:
            (tag,) = tags
            rows = (
                f"SELECT arrayJoin(bitmapToArray(rows)) FROM members WHERE tag = {bit_of(tag.tag)}"
            )
            condition = where(others, _byte)
            return self._run(f"SELECT count() FROM people WHERE row IN ({rows}) AND {condition}")[
                0
            ][0]
        of = {tag: f"groupBitmapMergeStateIf(rows, tag = {bit_of(tag.tag)})" for tag in tags}
        first, *wanted = [of[tag] for tag in tags if tag.wanted]
        for other in wanted:
            first = f"bitmapAnd({first}, {other})"
        (refused,) = [of[tag] for tag in tags if not tag.wanted]
        named = ", ".join(str(bit_of(tag.tag)) for tag in tags)
        return self._run(
            f"SELECT bitmapAndnotCardinality({first}, {refused})"
            f" FROM members WHERE tag IN ({named})"
        )[0][0]


def _selected(types: dict[str, str]) -> str:
    cells = []
    for name, kind in types.items():
        if name == "row":
            cells.append(PERSON_NUMBER)
        elif name in VALUES:
            cells.append(code_of(name))
        elif name == "revenue":
            cells.append(f"ifNull(toInt32(revenue * 100), {MISSING_NUMBER})")
        elif name in NUMBERS:
            cells.append(f"ifNull(to{kind}({name}), {MISSING_NUMBER})")
        else:
            cells.append(f"bitTest(tag_bits, {name[1:]})")
    return ", ".join(cells)


def _byte(condition: Has) -> str:
    return f"{'' if condition.wanted else 'NOT '}t{bit_of(condition.tag)}"
