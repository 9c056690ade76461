"""Measures of a shop: totals, groups, bins and thresholds are those of DuckDB."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest

from engine.measures import Edges, Quantiles, Thresholds, Top
from engine.measuring.totals import Total
from strata.client import Client
from strata.measuring import summarize
from tests.differential.in_rules import rule
from tests.differential.shop import AS_OF, AS_OF_US, Shop

QUESTIONS = 60

# A value and what DuckDB makes of it, exactly: whole numbers of 1 / scale.
VALUES: dict[str, tuple[str, int]] = {
    "invoices": ("invoices", 1),
    "returned_units": ("returned_units", 1),
    "revenue": ("CAST(revenue * 100 AS HUGEINT)", 100),
    "refunds": ("CAST(refunds * 100 AS HUGEINT)", 100),
    "revenue - 2 * refunds": (
        "CAST(revenue * 100 AS HUGEINT) - 2 * CAST(refunds * 100 AS HUGEINT)",
        100,
    ),
    "0.5 * quantity + invoices": ("quantity + 2 * invoices", 2),
    "last_seen - first_seen": ("epoch_us(last_seen) - epoch_us(first_seen)", 1),
    "now - last_return": (f"{AS_OF_US} - epoch_us(last_return)", 1),
    "last_seen": ("epoch_us(last_seen)", 1),
    "first_day": ("CAST(first_day - DATE '1970-01-01' AS BIGINT)", 1),
}
TIMES = ("last_seen", "first_day")


def totals(shop: Shop, value: str, where: str) -> Total:
    """What DuckDB has of a value over the customers of a condition."""
    sql, scale = VALUES[value]
    ((count, present, total, least, greatest),) = shop.oracle.rows(
        f"SELECT count(*), count(v), sum(CAST(v AS HUGEINT)), min(v), max(v) "
        f"FROM (SELECT {sql} AS v FROM customers WHERE {where})"
    )
    summed = None if value in TIMES else Fraction(int(total or 0), scale)
    mean = Fraction(int(total), scale * present) if present and value != "first_day" else None
    ends = [None if end is None else Fraction(int(end), scale) for end in (least, greatest)]
    return Total(count, present, summed, mean, *ends)


@pytest.mark.parametrize("value", VALUES)
def test_totals_of_random_audiences(value: str, shop: Shop, seed: int) -> None:
    generator = shop.generator(seed)
    measures = shop.database.measures
    for number in range(QUESTIONS // 6):
        question = generator.question(number * 7)
        where, text = shop.sql.where(question), rule(question)
        found = measures.summarize(value, text, as_of_us=AS_OF_US).total
        assert found == totals(shop, value, where), (value, text, where)
    by = measures.summarize(value, "invoices >= 2", group_by="country", as_of_us=AS_OF_US)
    countries = shop.oracle.rows("SELECT DISTINCT country FROM customers WHERE invoices >= 2")
    expected = {}
    for (country,) in countries:
        quoted = "NULL" if country is None else "'" + country.replace("'", "''") + "'"
        where = f"invoices >= 2 AND country IS NOT DISTINCT FROM {quoted}"
        expected[country] = totals(shop, value, where)
    assert by.groups == expected


@pytest.mark.parametrize("value", VALUES)
def test_counts_between_values(value: str, shop: Shop) -> None:
    sql, scale = VALUES[value]
    measures = shop.database.measures
    found = measures.distribution(value, cut=Quantiles(8), as_of_us=AS_OF_US).histogram
    assert found is not None and found.bins
    for one in found.bins:
        low, high = (int(border * scale) for border in (one.low, one.high))
        (count,) = shop.oracle.counts([f"coalesce(({sql}) >= {low} AND ({sql}) < {high}, false)"])
        assert one.count == count
    if value in TIMES or "_seen" in value or "now" in value:
        return
    borders = [str(Decimal(int(one.low * 2)) / 2) for one in found.bins]
    curve = measures.distribution(value, cut=Thresholds(borders), as_of_us=AS_OF_US).thresholds
    for border, at in zip(borders, curve, strict=True):
        (count,) = shop.oracle.counts(
            [f"coalesce(CAST({sql} AS DECIMAL(38, 1)) >= {Decimal(border) * scale}, false)"]
        )
        assert at.count == count, border


def test_months_of_first_invoices(shop: Shop) -> None:
    """Bins at the first instants of days of the shop's zone."""
    days = [datetime(2010, 12, 1) + timedelta(days=30 * place) for place in range(13)]
    edges = [f"date '{day:%Y-%m-%d}'" for day in days]
    found = shop.database.measures.distribution("first_seen", cut=Edges(edges)).histogram
    assert found is not None
    starts = [day.replace(tzinfo=shop.zone).astimezone(UTC) for day in days]
    texts = [f"TIMESTAMPTZ '{start:%Y-%m-%d %H:%M:%S}+00'" for start in starts]
    conditions = [f"first_seen >= {low} AND first_seen < {high}" for low, high in pairwise(texts)]
    counts = shop.oracle.counts([*conditions, f"first_seen < {texts[0]}"])
    assert [one.count for one in found.bins] == counts[:-1]
    assert found.below == counts[-1]
    assert any(counts)


def test_most_frequent_values(shop: Shop) -> None:
    rows = shop.oracle.rows("SELECT country, count(*) FROM customers GROUP BY 1")
    named = sorted(((-n, name) for name, n in rows if name is not None))
    found = shop.database.measures.distribution("country", cut=Top(5))
    assert [(-one.count, one.value) for one in found.values] == named[:5]
    assert found.other_values == len(named) - 5
    assert found.other_count == -sum(n for n, _ in named[5:])
    elements = shop.oracle.rows(
        "SELECT m, count(*) FROM (SELECT unnest(months) AS m FROM customers) GROUP BY 1"
    )
    sets = shop.database.measures.distribution("months", cut=Top(1000))
    assert {one.value: one.count for one in sets.values} == dict(elements)


def test_doubles_are_summed_exactly(shop: Shop) -> None:
    rows = shop.oracle.rows("SELECT mean_price FROM customers WHERE mean_price IS NOT NULL")
    values: list[Any] = [value for (value,) in rows]
    exact = sum(map(Fraction, values), Fraction(0))
    found = shop.database.measures.summarize("mean_price").total
    assert found.sum == exact.numerator / exact.denominator
    assert (found.least, found.greatest) == (min(values), max(values))


def test_the_same_through_a_server(shop: Shop, client: Client) -> None:
    here = shop.database.measures.summarize("revenue", "invoices > 1", as_of_us=AS_OF_US).total
    there = summarize(client, "revenue", "invoices > 1", as_of=AS_OF).totals
    assert isinstance(there.sum, Decimal) and Fraction(there.sum) == here.sum
    assert (there.count, there.present) == (here.count, here.present)
