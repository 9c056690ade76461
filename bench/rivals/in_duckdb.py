"""DuckDB, a table in memory: codes of a byte for categories; tags as columns of bools (`bools`),
or as the bits of one integer (`bits`), where one comparison tests several tags.

Categories were tried as ENUM, too; IN over them compares texts and takes several times as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.questions import Answer, Draw, Has
from bench.rivals.rival import ASKED_TAGS, Rival, bit_of, read_columns
from bench.rivals.sql import by_name, where

__all__ = ["DuckDBRival"]


class DuckDBRival(Rival):
    """One connection with pinned threads."""

    def __init__(self, layout: str, threads: int) -> None:
        super().__init__(layout, threads)
        self._connection: Any = import_module("duckdb").connect(config={"threads": threads})

    def load(self, files: Sequence[Path]) -> None:
        """The table, chunk by chunk."""
        for number, columns in enumerate(read_columns(files)):
            if self.layout == "bools":
                bits = columns.pop("tag_bits")
                for tag in ASKED_TAGS:
                    held = (bits >> np.uint64(bit_of(tag))) & 1
                    columns[f"t{bit_of(tag)}"] = held.astype(np.bool_)
            self._connection.register("chunk", pa.table(columns))
            start = "INSERT INTO people" if number else "CREATE TABLE people AS"
            self._connection.execute(f"{start} SELECT * FROM chunk")
            self._connection.unregister("chunk")

    def ask(self, draw: Draw) -> Answer:
        """Counts, by value where asked for."""
        (audience,) = draw.audiences
        if self.layout == "bits":
            tags = [c for c in audience if isinstance(c, Has)]
            mask = sum(1 << bit_of(tag.tag) for tag in tags)
            wanted = sum(1 << bit_of(tag.tag) for tag in tags if tag.wanted)
            others = where(tuple(c for c in audience if not isinstance(c, Has)), _bit)
            tested = f"(tag_bits & {mask}) = {wanted}"
            condition = " AND ".join([others] * bool(others) + [tested] * bool(tags))
        else:
            condition = where(audience, _bool)
        if draw.group_by is None:
            query = f"SELECT count(*) FROM people WHERE {condition}"
            return int(self._connection.execute(query).fetchone()[0])
        by = draw.group_by
        query = f"SELECT {by}, count(*) FROM people WHERE {condition} GROUP BY {by}"
        return by_name(by, self._connection.execute(query).fetchall())


def _bool(condition: Has) -> str:
    return f"{'' if condition.wanted else 'NOT '}t{bit_of(condition.tag)}"


def _bit(condition: Has) -> str:
    bit = 1 << bit_of(condition.tag)
    return f"(tag_bits & {bit}) = {bit if condition.wanted else 0}"
