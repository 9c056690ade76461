"""The other side of the comparison: the same customers as a table of DuckDB.

The table is made from the lines as text, by statements that share nothing with the loaders or
with the query of the model, and has exact types: DECIMAL, DOUBLE, DATE, TIMESTAMPTZ, VARCHAR[].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

__all__ = ["SALTS", "Oracle"]

# The salts of `bucket` that questions may use; the table has a column "bucket <salt>" of each.
SALTS = ("exp-42", "春节")

_LINES = """
CREATE TABLE lines AS
SELECT CAST(CustomerID AS BIGINT) AS customer, InvoiceNo AS invoice,
  InvoiceNo[1] = 'C' AS back, Country AS place, Description AS product,
  CAST(Quantity AS BIGINT) AS units, CAST(UnitPrice AS DECIMAL(12, 3)) AS price,
  CAST(InvoiceDate || '+00' AS TIMESTAMPTZ) AS moment
FROM read_csv(?, header = true, all_varchar = true)
WHERE CustomerID <> ''
"""

# Rounding to a scale is done in whole numbers, half away from zero.
_ROUNDED = """
CREATE MACRO rounded(whole, unit) AS
CAST(CAST((abs(whole) + unit // 2) // unit * sign(whole) AS HUGEINT) AS DECIMAL(16, 0))
"""

_CUSTOMERS = """
CREATE TABLE sums AS
WITH amounts AS (SELECT *, CAST(units * price * 1000 AS HUGEINT) AS thousandths FROM lines),
whole AS (
  SELECT customer, count(*) AS lines, sum(thousandths) AS thousandths, sum(units) AS quantity,
    count(DISTINCT invoice) AS invoices, sum(price) AS prices,
    list_sort(list(DISTINCT place)) AS countries,
    min(moment) AS first_seen, max(moment) AS last_seen
  FROM amounts GROUP BY customer),
brought AS (
  SELECT customer, count(*) AS lines, sum(thousandths) AS thousandths, sum(units) AS units,
    max(moment) AS last_return
  FROM amounts WHERE back GROUP BY customer),
bought AS (
  SELECT customer, list_sort(list(DISTINCT left(CAST(moment AS VARCHAR), 7))) AS months
  FROM lines WHERE NOT back GROUP BY customer),
ranked AS (
  SELECT customer, place, product,
    row_number() OVER (PARTITION BY customer ORDER BY moment DESC, place DESC) AS from_last,
    row_number() OVER (PARTITION BY customer ORDER BY moment, place) AS from_first,
    row_number() OVER (PARTITION BY customer ORDER BY price DESC, product DESC) AS from_dearest
  FROM lines)
SELECT customer, w.thousandths,
  CASE WHEN l.place <> 'Unspecified' THEN l.place END AS country,
  f.place AS first_country,
  w.countries, coalesce(b.months, CAST([] AS VARCHAR[])) AS months,
  CAST(w.invoices AS BIGINT) AS invoices, CAST(w.quantity AS BIGINT) AS quantity,
  CAST(-r.units AS BIGINT) AS returned_units,
  rounded(w.thousandths, 10) * 0.01 AS revenue,
  rounded(-r.thousandths, 10) * 0.01 AS refunds,
  rounded(w.thousandths * 325, 1000) * 0.0001 AS "bonus points",
  CAST(w.prices AS DOUBLE) / CAST(w.lines AS DOUBLE) AS mean_price,
  CAST(r.lines AS DOUBLE) / CAST(w.lines AS DOUBLE) AS return_share,
  r.customer IS NOT NULL AS returned,
  CASE l.place WHEN 'Unspecified' THEN NULL WHEN 'United Kingdom' THEN false ELSE true END
    AS abroad,
  CAST(timezone('UTC', w.first_seen) AS DATE) AS first_day,
  CAST(timezone('UTC', r.last_return) AS DATE) AS return_day,
  w.first_seen, w.last_seen, r.last_return,
  d.product AS favourite
FROM whole w
JOIN ranked l USING (customer) JOIN ranked f USING (customer) JOIN ranked d USING (customer)
LEFT JOIN brought r USING (customer) LEFT JOIN bought b USING (customer)
WHERE l.from_last = 1 AND f.from_first = 1 AND d.from_dearest = 1
"""

_JUDGED = """
CREATE TABLE judged AS
SELECT *,
  CASE WHEN quantity >= 2000 THEN '批发' WHEN quantity >= 300 THEN '零售'
    WHEN quantity > 0 THEN '礼品' END AS "行业",
  CASE WHEN invoices >= 5 THEN format('常客：{} 单', invoices) END AS remark,
  list_filter([
    CASE WHEN thousandths > 5000000 THEN '大客户' END,
    CASE WHEN invoices > 10 THEN 'often here' END,
    CASE WHEN returned THEN '有退货' END, CASE WHEN invoices = 1 THEN 'once' END
  ], lambda label: label IS NOT NULL) AS tag
FROM sums
"""


class Oracle:
    """A DuckDB table `customers` made from a file of lines, and questions to it.

    `day_start(day)` is the first instant of a day in `zone`, `local(text)` the instant of a
    clock time there.
    """

    def __init__(self, lines: Path, zone: str) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")
        for name in ("day_start", "local"):
            self._connection.execute(
                f"CREATE MACRO {name}(clock) AS timezone('{zone}', CAST(clock AS TIMESTAMP))"
            )
        self._connection.execute(_LINES, [str(lines)])
        for statement in (_ROUNDED, _CUSTOMERS, _JUDGED):
            self._connection.execute(statement)

    def close(self) -> None:
        """Lets go of the table."""
        self._connection.close()

    def add_buckets(self, buckets: Mapping[str, Sequence[int]]) -> None:
        """Completes the table: for each customer, its bucket by each of SALTS."""
        rows = [(int(customer), *dealt) for customer, dealt in buckets.items()]
        columns = ", ".join(f'"bucket {salt}" BIGINT' for salt in SALTS)
        self._connection.execute(f"CREATE TABLE buckets (customer BIGINT, {columns})")
        marks = ", ".join("?" * (1 + len(SALTS)))
        self._connection.executemany(f"INSERT INTO buckets VALUES ({marks})", rows)
        self._connection.execute(
            "CREATE TABLE customers AS SELECT * FROM judged JOIN buckets USING (customer)"
        )

    def execute(self, statement: str) -> None:
        """Runs a statement that says nothing."""
        self._connection.execute(statement)

    def members(self, where: str) -> list[str]:
        """The customers for which a condition is true."""
        found = self.rows(f"SELECT CAST(customer AS VARCHAR) FROM customers WHERE {where}")
        return sorted(customer for (customer,) in found)

    def counts(self, conditions: Sequence[str]) -> list[int]:
        """How many customers each condition is true for."""
        counted = ", ".join(f"count(*) FILTER (WHERE {where})" for where in conditions)
        (row,) = self.rows(f"SELECT {counted} FROM customers")
        return list(row)

    def groups(self, where: str, column: str) -> dict[str | None, int]:
        """How many of them have each value of a column."""
        query = (
            f"SELECT CAST({column} AS VARCHAR), count(*) FROM customers WHERE {where} GROUP BY 1"
        )
        return dict(self.rows(query))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The result of a query; instants must have been made numbers by it."""
        return self._connection.sql(query).fetchall()
