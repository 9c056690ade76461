"""One shop whose lines are events of its customers beside the attributes made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import loaders
from tests.differential.event_facts import PROPERTIES, MadeFact, Writer, joined
from tests.differential.generator import ATTRIBUTES, Averaged, Generator
from tests.differential.in_sql import Sql
from tests.differential.questions import Column, Fact
from tests.differential.shop import LISTS, SEGMENTS, Shop

__all__ = ["EVENT_SQL", "EventShop", "add_events"]

_MODEL = Path(__file__).with_name("retail_events.yaml")
_SEQUENCES = 150

# Made from the lines as text, by itself: nothing of the model's queries. Amounts of cancellations
# are in whole cents.
EVENT_SQL = """
CREATE TABLE {table} AS
SELECT CAST(CustomerID AS {customer}) AS customer,
  CASE WHEN InvoiceNo[1] = 'C' THEN 'cancellation' ELSE 'sale' END AS kind,
  epoch_us(CAST(InvoiceDate || '+00' AS TIMESTAMPTZ)) AS t,
  CAST(InvoiceDate || '+00' AS TIMESTAMPTZ) AS seen,
  CAST(InvoiceDate || '+00' AS TIMESTAMPTZ) AT TIME ZONE '{zone}' AS local,
  TIMESTAMPTZ '{as_of}+00' AT TIME ZONE '{zone}' AS local_now,
  InvoiceNo AS invoice, StockCode AS product, Description AS description,
  CAST(Quantity AS BIGINT) AS quantity, CAST(UnitPrice AS DECIMAL(12, 3)) AS price,
  CAST(CAST(Quantity AS BIGINT) * CAST(UnitPrice AS DECIMAL(12, 3)) AS DECIMAL(18, 3)) AS exact,
  CAST(if(kind = 'sale', exact, round(exact, 2)) AS DECIMAL(18, 3)) AS amount,
  CAST(UnitPrice AS DOUBLE) / 3 AS rate, CAST(InvoiceDate[:10] AS DATE) AS day,
  CASE Country WHEN 'Unspecified' THEN NULL ELSE Country <> 'United Kingdom' END AS abroad
FROM read_csv('{path}', header = true, all_varchar = true) WHERE CustomerID <> ''
"""


class _Spans(dict[tuple[str, str], list[int]]):
    """How far two times or dates of one row are apart, looked up when it is asked."""

    def __init__(self, shop: Shop, table: str, columns: Sequence[Column]) -> None:
        super().__init__()
        self._shop, self._table = shop, table
        self._kinds = {column.name: column.kind for column in columns}

    def __missing__(self, pair: tuple[str, str]) -> list[int]:
        kinds = [self._kinds[name] for name in pair]
        starts = {"time": 'epoch_us("{}")', "date": 'epoch_us(day_start("{}"))'}
        first, second = (starts[kind].format(name) for name, kind in zip(pair, kinds, strict=True))
        apart = f"{first} - {second}"
        if kinds == ["date", "date"]:
            apart = f'("{pair[0]}" - "{pair[1]}") * 86400000000'
        rows = self._shop.oracle.rows(
            f"SELECT DISTINCT {apart} AS apart FROM {self._table} WHERE apart IS NOT NULL "
            "ORDER BY 1 LIMIT 1000"
        )
        # Two that nobody has both of are nothing apart.
        self[pair] = [us for (us,) in rows] or [0]
        return self[pair]


@dataclass(frozen=True)
class EventShop:
    """A shop that is asked about events too, as of one instant."""

    shop: Shop
    as_of_us: int
    seed: int

    @property
    def sql(self) -> Sql:
        """Writes questions as conditions for the oracle."""
        lapsed = (
            f"(coalesce(epoch_us(last_seen) < {self.as_of_us - 90 * 86_400_000_000}, false)"
            f" AND NOT {SEGMENTS['vip']})"
        )
        return Sql(self.as_of_us, {**SEGMENTS, "lapsed": lapsed}, LISTS)

    @cached_property
    def generator(self) -> Generator:
        """Makes questions about attributes and events; first it adds the columns of SQL that they
        are about."""
        writer = Writer(self.seed, self._wheres(), now_us=self.as_of_us, zone=self.shop.zone)
        aggregates, means = writer.aggregates(), writer.means()
        sequences = writer.sequences(_SEQUENCES)
        parts = [part for mean in means for part in (mean.total, mean.many, mean.near)]
        made = [*aggregates, *parts, *sequences]
        self.shop.oracle.execute(f"CREATE TABLE wide AS {joined(made)}")
        self.shop.oracle.execute("DROP TABLE customers")
        self.shop.oracle.execute("ALTER TABLE wide RENAME TO customers")
        values = self._values("customers", [one.column for one in (*aggregates, *parts)])
        known = [one for one in aggregates if values[one.column.name]]
        self.facts.update({one.column.name: one for one in made})
        columns = [*ATTRIBUTES, *(one.column for one in known)]
        return Generator(
            self.seed,
            {**self.shop.values, **values},
            _Spans(self.shop, "customers", columns),
            now_us=self.as_of_us,
            zone=self.shop.zone,
            segments=list(SEGMENTS),
            lists=list(LISTS),
            columns=columns,
            means=[
                Averaged(mean.written, mean.total.column, mean.many.column, mean.near.column)
                for mean in means
                if values[mean.near.column.name]
            ],
            conditions=[one.column for one in sequences],
        )

    @cached_property
    def facts(self) -> dict[str, MadeFact]:
        """The columns over events, by name."""
        return {}

    def _wheres(self) -> Generator:
        """Makes conditions on one line."""
        columns = [Fact(name, kind, name) for name, kind in PROPERTIES.items()]
        return Generator(
            self.seed,
            self._values("events", columns),
            _Spans(self.shop, "events", columns),
            now_us=self.as_of_us,
            zone=self.shop.zone,
            segments=(),
            lists=(),
            columns=columns,
            salts=(),
        )

    def _values(self, table: str, columns: Sequence[Column]) -> dict[str, list[Any]]:
        """The values of columns that occur; of times their microseconds."""
        found = {}
        for column in columns:
            shape = f'epoch_us("{column.name}")' if column.kind == "time" else f'"{column.name}"'
            rows = self.shop.oracle.rows(
                f"SELECT DISTINCT {shape} AS value FROM {table} WHERE value IS NOT NULL ORDER BY 1"
            )
            found[column.name] = [value for (value,) in rows if value != ""]
        return found

    def members(self, expression: str) -> list[str]:
        """The customers for which the store finds an expression true."""
        return self.shop.members(expression, self.as_of_us)


def add_events(shop: Shop, lines: Path, folder: Path, *, as_of: str) -> None:
    """Loads the lines of a shop as events, and into its oracle by itself."""
    with shop.database._store.snapshot() as snapshot:
        files = dict(snapshot.model_files)
    # The zone and the identifiers are those of the attributes' file.
    head, events, sections = _MODEL.read_text(encoding="utf-8").partition("\nevents:")
    assert "identifiers:" in head
    shop.database.apply_model({**files, "events.yaml": events + sections})
    for source in ("sales", "cancellations"):
        summary = loaders.load(shop.database, source, [lines], refused=folder / "refused.csv")
        assert summary.refused == 0, summary
    shop.oracle.execute(
        EVENT_SQL.format(
            table="events", customer="BIGINT", zone=shop.zone.key, path=lines, as_of=as_of
        )
    )
