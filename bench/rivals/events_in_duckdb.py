"""Questions about events in DuckDB: a table in memory for each type, in the order of people
(`by_person`), where grouping finds neighbours, or of time (`by_time`), where zone maps cut windows.

A sequence is asked as a join of its steps by time: of the ways tried (ASOF, window functions over
both steps, this) it is the fastest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.questions import Answer, AnyOf, Did, Draw, Followed, Spent
from bench.rivals.rival import EventRival, codes_of, read_columns, read_events
from bench.rivals.sql import DAY_US, order_of

__all__ = ["DuckDBEvents"]


class DuckDBEvents(EventRival):
    """One connection with pinned threads."""

    def __init__(self, layout: str, threads: int) -> None:
        super().__init__(layout, threads)
        self._connection: Any = import_module("duckdb").connect(config={"threads": threads})

    def load(self, files: Sequence[Path]) -> None:
        """The stage of everybody, by number."""
        self._connection.execute("CREATE TABLE people (row UINTEGER, stage UTINYINT)")
        first = 0
        for columns in read_columns(files):
            chunk = pa.table({"stage": columns["stage"]})
            self._connection.register("chunk", chunk)
            self._connection.execute(
                f"INSERT INTO people SELECT {first} + row_number() OVER () - 1, stage FROM chunk"
            )
            self._connection.unregister("chunk")
            first += len(chunk)

    def load_events(self, files: Mapping[str, Sequence[Path]]) -> None:
        """A table for each type."""
        for kind, paths in files.items():
            table = pa.concat_tables([pa.table(columns) for columns in read_events(paths)])
            self._connection.register("events", table)
            order = order_of(self.layout)
            self._connection.execute(
                f'CREATE TABLE "{kind}" AS SELECT * FROM events ORDER BY {order}'
            )
            self._connection.unregister("events")

    def ask(self, draw: Draw) -> Answer:
        """The count."""
        (found,) = self._connection.execute(_query(draw)).fetchone()
        return int(found)


def _query(draw: Draw) -> str:
    assert draw.as_of_us is not None
    now = draw.as_of_us
    match draw.audiences[0]:
        case (Did(event, days, times), AnyOf() as among):
            codes = ", ".join(map(str, codes_of(among)))
            return (
                f'SELECT count(*) FROM (SELECT row FROM "{event}"'
                f" WHERE time > {now - days * DAY_US} GROUP BY row HAVING count(*) >= {times})"
                " SEMI JOIN"
                f" (SELECT row FROM people WHERE stage IN ({codes})) USING (row)"
            )
        case (Did("order", days, times), Spent(_, amount)):
            return (
                f'SELECT count(*) FROM (SELECT row FROM "order" WHERE time > {now - days * DAY_US}'
                f" GROUP BY row HAVING count(*) >= {times} AND sum(amount) > {amount})"
            )
        case (Followed(first, second, within, days),):
            return (
                f'SELECT count(DISTINCT a.row) FROM "{first}" a JOIN "{second}" b'
                f" ON a.row = b.row AND b.time > a.time AND b.time <= a.time + {within * DAY_US}"
                f" WHERE a.time > {now - days * DAY_US}"
            )
        case other:
            raise AssertionError(f"no way to ask {other}")
