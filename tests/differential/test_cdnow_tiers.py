"""Tiers of the customers of CDNOW, and of made-up ones, are those of SQL written from the contract.

Every cut is compared in whole numbers on the side of DuckDB: a mean by sum and count, a median by
its double, quintiles by ranks.
"""

from __future__ import annotations

import contextlib
import csv
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

import loaders
from engine.database import Database
from engine.model.plain import CELLS
from examples.demo.cdnow import fetch_purchases
from tests.skips import needs_package_index

# After the last purchase.
AS_OF = datetime(1998, 7, 1, tzinfo=UTC)
AS_OF_US = int(AS_OF.timestamp()) * 1_000_000
DAY_US = 86_400_000_000

METHODS = ("mean", "median", "quintile", "fixed")
MODEL = """\
time_zone: UTC
identifiers: {cdnow: {per_profile: 1}}
events:
  purchase: {properties: {cds: int, amount: {type: decimal, scale: 2}}}
tiers:
  mean: {rfm: {recency: last(purchase), frequency: count(purchase in last 365 days),
    monetary: sum(purchase.amount in last 365 days), cut: mean}}
  median: {rfm: {recency: last(purchase), frequency: count(purchase in last 365 days),
    monetary: sum(purchase.amount in last 365 days), cut: median}}
  quintile: {rfm: {recency: last(purchase), frequency: count(purchase in last 365 days),
    monetary: sum(purchase.amount in last 365 days), cut: quintile}}
  fixed: {rfm: {recency: last(purchase), frequency: count(purchase in last 365 days),
    monetary: sum(purchase.amount in last 365 days),
    cut: {recency: 180 days, frequency: 2, monetary: 50}}}
  weighed: {rfe: {recency: last(purchase), frequency: days(purchase), engagement: {purchase: 2.5},
    in_last: 90 days, cut: mean}}
  top: {top: {by: sum(purchase.amount), shares: {core: 20%, near: 30%}}, default: rest}
sources:
  cdnow:
    event: purchase
    identify: {cdnow: customer_id}
    time: day
    properties: {cds: number_of_cds, amount: dollar_value}
    query: "SELECT *, strptime(date::varchar, '%Y%m%d')::date AS day FROM input"
"""

# Each customer with recency, frequency and money in whole units, and engagement in tenths.
METRICS = f"""
CREATE TABLE metrics AS
WITH purchases AS (
  SELECT customer_id, epoch_us(strptime(date::varchar, '%Y%m%d'))::HUGEINT AS bought,
    round(dollar_value::DECIMAL(18, 2) * 100)::HUGEINT AS cents
  FROM read_csv(?, all_varchar = true)
)
SELECT customer_id, max(bought) AS recency,
  count(*) FILTER (bought > {AS_OF_US - 365 * DAY_US})::HUGEINT AS frequency,
  coalesce(sum(cents) FILTER (bought > {AS_OF_US - 365 * DAY_US}), 0)::HUGEINT AS monetary,
  count(DISTINCT bought)::HUGEINT AS days,
  25 * count(*) FILTER (bought > {AS_OF_US - 90 * DAY_US})::HUGEINT AS engagement,
  sum(cents)::HUGEINT AS spent
FROM purchases GROUP BY customer_id
"""


def high(method: str, column: str, fixed: int) -> str:
    """Whether a customer is high in a metric, in SQL."""
    match method:
        case "mean":
            return f"{column} * count(*) OVER () >= sum({column}) OVER ()"
        case "median":
            ranked = (
                f"SELECT {column} AS one, row_number() OVER (ORDER BY {column}) AS place,"
                " count(*) OVER () AS size FROM metrics"
            )
            # One place where their number is odd.
            middle = (
                f"(SELECT sum(one) FROM ({ranked}) WHERE place IN ((size + 1) // 2, size // 2 + 1))"
            )
            even = "(SELECT count(*) % 2 = 0 FROM metrics)"
            return f"CASE WHEN {even} THEN 2 * {column} ELSE {column} END >= {middle}"
        case "quintile":
            smaller = f"(rank() OVER (ORDER BY {column}) - 1)"
            return f"1 + (5 * {smaller}) // count(*) OVER () >= 4"
        case _:
            return f"{column} >= {fixed}"


def cells(method: str, columns: tuple[str, ...]) -> str:
    """The number of customers in each cell, in SQL."""
    fixed = (AS_OF_US - 180 * DAY_US, 2, 5000)
    letters = " || ".join(
        f"CASE WHEN {high(method, column, cut)} THEN 'H' ELSE 'L' END"
        for column, cut in zip(columns, fixed, strict=True)
    )
    return f"SELECT cell, count(*) FROM (SELECT {letters} AS cell FROM metrics) GROUP BY cell"


@pytest.fixture(scope="module", params=["made", "cdnow"])
def shop(
    request: pytest.FixtureRequest, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, duckdb.DuckDBPyConnection]]:
    """A store of customers with their tiers refreshed, and their metrics in DuckDB."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "made":
        purchases = _made(folder, seed)
    else:
        needs_package_index()
        purchases = fetch_purchases(folder)
    database = Database.create(folder / "store", now=lambda: AS_OF_US)
    database.apply_model({"model.yaml": MODEL})
    summary = loaders.load(database, "cdnow", [purchases], refused=folder / "refused.csv")
    assert summary.refused == 0
    database.tiers.refresh()
    with database, contextlib.closing(duckdb.connect()) as sql:
        sql.execute(METRICS, [str(purchases)])
        yield database, sql


def _made(folder: Path, seed: int) -> Path:
    """Purchases of a hundred customers, many of them alike."""
    chance = random.Random(seed)
    path = folder / "purchases.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["customer_id", "date", "number_of_cds", "dollar_value"])
        for _ in range(300):
            year, month = chance.choice([(1997, 3), (1997, 7), (1998, 1), (1998, 6)])
            day = f"{year}{month:02}{chance.randrange(1, 31):02}"
            dollars = chance.choice(["0.00", "14.99", f"{chance.randrange(9000) / 100:.2f}"])
            lines.writerow([f"{chance.randrange(100):05}", day, chance.randrange(1, 4), dollars])
    return path


Shop = tuple[Database, duckdb.DuckDBPyConnection]


@pytest.mark.parametrize("method", METHODS)
def test_the_eight_cells_are_those_of_sql(shop: Shop, method: str) -> None:
    database, sql = shop
    found = database.count("true", group_by=f"tier('{method}')", as_of_us=AS_OF_US).groups
    rows = sql.execute(cells(method, ("recency", "frequency", "monetary"))).fetchall()
    assert found == {CELLS[cell]: count for cell, count in rows}
    assert sum(found.values()) == database.profile_count


def test_engagement_is_that_of_sql(shop: Shop) -> None:
    database, sql = shop
    found = database.count("true", group_by="tier('weighed')", as_of_us=AS_OF_US).groups
    rows = sql.execute(cells("mean", ("recency", "days", "engagement"))).fetchall()
    assert found == {CELLS[cell]: count for cell, count in rows}


def test_members_of_the_best_cell(shop: Shop) -> None:
    database, sql = shop
    with database.members("tier('mean') = '重要价值'", as_of_us=AS_OF_US) as members:
        found = sorted(one for chunk in members.identifiers("cdnow") for one in chunk)
    conditions = ", ".join(
        f"{high('mean', column, 0)} AS h{at}"
        for at, column in enumerate(("recency", "frequency", "monetary"))
    )
    rows = sql.execute(
        f"SELECT customer_id FROM (SELECT customer_id, {conditions} FROM metrics) "
        "WHERE h0 AND h1 AND h2 ORDER BY 1"
    ).fetchall()
    assert found == [one for (one,) in rows] and found


def test_shares_from_the_top_are_those_of_sql(shop: Shop) -> None:
    database, sql = shop
    found = database.count("true", group_by="tier('top')", as_of_us=AS_OF_US).groups
    cut = (
        "(SELECT spent FROM (SELECT spent, row_number() OVER (ORDER BY spent DESC) AS place,"
        " count(*) OVER () AS size FROM metrics) WHERE place = (size * {} + 99) // 100)"
    )
    rows = sql.execute(
        f"SELECT CASE WHEN spent >= {cut.format(20)} THEN 'core' "
        f"WHEN spent >= {cut.format(50)} THEN 'near' ELSE 'rest' END AS name, count(*) "
        "FROM metrics GROUP BY name"
    ).fetchall()
    assert found == dict(rows)
