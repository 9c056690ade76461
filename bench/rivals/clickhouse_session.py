"""One session of ClickHouse inside the process, by chDB, with a database of its own."""

from __future__ import annotations

import csv
import io
from importlib import import_module
from typing import Any

from bench.data.people import VALUES
from bench.rivals.rival import MISSING_CODE, Rival

__all__ = ["PERSON_NUMBER", "ClickHouseSession", "code_of"]

# The number of a person is in the identifier, P000000000 and on.
PERSON_NUMBER = "toUInt32(substring(assumeNotNull(id), 2))"


class ClickHouseSession(Rival):
    """What tables of people and tables of events have in common."""

    def __init__(self, layout: str, threads: int) -> None:
        super().__init__(layout, threads)
        self._session: Any = import_module("chdb.session").Session()
        self._run("CREATE DATABASE bench ENGINE = Atomic")
        self._run("USE bench")

    def _run(self, query: str) -> list[tuple[int, ...]]:
        settings = f" SETTINGS max_threads = {self.threads}" if "SELECT" in query else ""
        text = str(self._session.query(query + settings, "TabSeparated"))
        rows = csv.reader(io.StringIO(text), delimiter="\t")
        return [tuple(int(cell) for cell in row) for row in rows]


def code_of(column: str) -> str:
    """The code of a category in a file of people."""
    values = ", ".join(f"'{value}'" for value in VALUES[column])
    codes = ", ".join(str(code) for code in range(len(VALUES[column])))
    return f"transform(ifNull({column}, ''), [{values}], [{codes}], {MISSING_CODE})"
