"""One shop: its customers in a store and in a table of DuckDB, and how to ask both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import loaders
from engine.columns.strings import Strings
from engine.database import Database
from engine.rules.reference import bucket
from tests.differential.generator import Generator
from tests.differential.in_sql import Sql
from tests.differential.invoice_lines import OWN_ZONE
from tests.differential.oracle import SALTS, Oracle
from tests.differential.questions import KINDS

__all__ = ["AS_OF", "AS_OF_US", "LISTS", "SEGMENTS", "Shop", "open_shop"]

# The last minute of the real lines: some customers were last seen at this very instant.
AS_OF = datetime(2011, 12, 9, 12, 50, tzinfo=UTC)
AS_OF_US = int(AS_OF.timestamp()) * 1_000_000

_VIP = "coalesce(revenue > 5000 AND invoices >= 10, false)"
# The segments of the model, and the lists, by hand in SQL.
SEGMENTS = {
    "vip": _VIP,
    "lapsed": (
        "(coalesce(last_seen < TIMESTAMPTZ '2011-12-09 12:50:00+00' - INTERVAL 2160 HOURS, false)"
        f" AND NOT {_VIP})"
    ),
    "returners abroad": "(coalesce(abroad, false) AND coalesce(returned_units >= 5, false))",
}
LISTS = {"contacted": "(customer % 7 = 0)", "strangers": "false"}

_MODEL = Path(__file__).with_name("retail.yaml")


@dataclass(frozen=True)
class Shop:
    """A database and the oracle of the same customers; `store` is the database's folder."""

    name: str
    store: Path
    database: Database
    oracle: Oracle
    zone: ZoneInfo

    @property
    def sql(self) -> Sql:
        """Writes questions as conditions for the oracle."""
        return Sql(AS_OF_US, SEGMENTS, LISTS)

    def generator(self, seed: int) -> Generator:
        """Makes questions about these customers."""
        return Generator(
            seed,
            self.values,
            self.spans,
            now_us=AS_OF_US,
            zone=self.zone,
            segments=list(SEGMENTS),
            lists=list(LISTS),
        )

    @cached_property
    def values(self) -> dict[str, list[Any]]:
        """The values of every attribute that occur, as the oracle has them."""
        shapes = {"set": 'unnest("{}")', "time": 'epoch_us("{}")'}
        found = {}
        for name, kind in KINDS.items():
            shape = shapes.get(kind, '"{}"').format(name)
            rows = self.oracle.rows(f"SELECT DISTINCT {shape} AS value FROM customers ORDER BY 1")
            found[name] = [value for (value,) in rows if value is not None]
        return found

    @cached_property
    def spans(self) -> dict[tuple[str, str], list[int]]:
        """How far apart a customer's two times or dates are, microseconds, all that occur."""
        starts = {"time": 'epoch_us("{}")', "date": 'epoch_us(day_start("{}"))'}
        points = {name: starts[kind] for name, kind in KINDS.items() if kind in starts}
        found = {}
        for first, second in permutations(points, 2):
            apart = f"{points[first]} - {points[second]}".format(first, second)
            if KINDS[first] == KINDS[second] == "date":
                apart = f'("{first}" - "{second}") * 86400000000'
            rows = self.oracle.rows(f"SELECT DISTINCT {apart} AS apart FROM customers ORDER BY 1")
            found[first, second] = [apart for (apart,) in rows if apart is not None]
        return found

    @cached_property
    def customer_count(self) -> int:
        """How many customers there are."""
        return self.oracle.counts(["true"])[0]

    def members(self, expression: str, as_of_us: int = AS_OF_US) -> list[str]:
        """The customers for which the store finds an expression true."""
        with self.database.members(expression, as_of_us=as_of_us) as members:
            found = [customer for chunk in members.identifiers("customer") for customer in chunk]
            assert len(found) == members.matched, expression
        return sorted(found)


@contextlib.contextmanager
def open_shop(name: str, lines: Path, zone: str, folder: Path) -> Iterator[Shop]:
    """Loads a file of lines through the model's source, and into the oracle by itself."""
    # At the end of the data: stored segments that move with time stand as they did then.
    database = Database.create(folder / "store", now=lambda: AS_OF_US)
    text = _MODEL.read_text(encoding="utf-8")
    assert OWN_ZONE in text
    database.apply_model({"retail.yaml": text.replace(OWN_ZONE, zone)})
    summary = loaders.load(database, "customers", [lines], refused=folder / "refused.csv")
    assert summary.refused == 0, summary
    with database, contextlib.closing(Oracle(lines, zone)) as oracle:
        oracle.add_buckets(_buckets(database))
        shop = Shop(name, folder / "store", database, oracle, ZoneInfo(zone))
        contacted = oracle.members(LISTS["contacted"])
        for list_name, values in (("contacted", [*contacted, "7"]), ("strangers", ["0", "x"])):
            database.upload_list(list_name, "customer", Strings.from_list(values))
        yield shop


def _buckets(database: Database) -> dict[str, list[int]]:
    """The bucket of every customer by every salt, from the uids that the store gave out."""
    with database.members("true") as members:
        customers = [customer for chunk in members.identifiers("customer") for customer in chunk]
        uids = b"".join(members.uids())
    assert len(uids) == 16 * len(customers)
    return {
        customer: [bucket(uids[16 * row : 16 * row + 16], salt) for salt in SALTS]
        for row, customer in enumerate(customers)
    }
