"""Rules over events, and what they say of a customer's lines in SQL, written by hand.

The SQL is a HAVING over `lines`, which has one row for each line with customer: `kind`, the instant
`t` in microseconds, `local`, its clock time in the model's zone, and the properties.
"""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["EVENT_PAIRS"]

_NOW = int(datetime(2011, 12, 9, 12, 50, tzinfo=UTC).timestamp()) * 1_000_000
_DAY = 86_400_000_000
_SALE, _BACK = "kind = 'sale'", "kind = 'cancellation'"


def _of(function: str, *conditions: str) -> str:
    """An aggregate over the lines that happened by now and satisfy all conditions."""
    return f"{function} FILTER ({' AND '.join((f't <= {_NOW}', *conditions))})"


def _count(*conditions: str) -> str:
    return _of("count(*)", *conditions)


def _sum(column: str, *conditions: str) -> str:
    return f"coalesce({_of(f'sum({column})', *conditions)}, 0)"


def _last(days: int) -> str:
    return f"t > {_NOW - days * _DAY}"


def _ago(longer: int, shorter: int) -> str:
    return f"t > {_NOW - longer * _DAY} AND t <= {_NOW - shorter * _DAY}"


def _since(instant: str) -> str:
    return f"t >= epoch_us(TIMESTAMPTZ '{instant}+00')"


def _day(text: str) -> str:
    return f"CAST(local AS DATE) >= DATE '{text}'"


def _before(text: str) -> str:
    return f"CAST(local AS DATE) < DATE '{text}'"


def _units(unit: str, first: int, last: int) -> str:
    """From the unit `first` before the current one to the unit `last` before it."""
    begun = f"date_trunc('{unit}', local_now)"
    return (
        f"date_trunc('{unit}', local) BETWEEN {begun} - INTERVAL {first} {unit} "
        f"AND {begun} - INTERVAL {last} {unit}"
    )


def _value(which: str, column: str, *conditions: str) -> str:
    """The first or last value, ties by value."""
    function = "arg_max" if which == "last" else "arg_min"
    return _of(f"{function}({column}, (t, {column}))", f"{column} IS NOT NULL", *conditions)


_DISTINCT_DAYS = "count(DISTINCT CAST(local AS DATE))"
_T = {"first": "min(t)", "last": "max(t)"}

EVENT_PAIRS = [
    # ------------------------------------------------------------------ counts and windows
    ("count(sale) >= 1", f"{_count(_SALE)} >= 1"),
    ("count(sale) = 0", f"{_count(_SALE)} = 0"),
    ("count(cancellation) = 0", f"{_count(_BACK)} = 0"),
    ("count(lines) > 20", f"{_count()} > 20"),
    ("count(any) between 10 and 20", f"{_count()} BETWEEN 10 AND 20"),
    ("count(sale, cancellation) in (1, 2, 3)", f"{_count()} IN (1, 2, 3)"),
    ("count(sale in last 30 days) >= 1", f"{_count(_SALE, _last(30))} >= 1"),
    ("count(sale in last 90 days) = 0", f"{_count(_SALE, _last(90))} = 0"),
    (
        "count(sale in last 30 days) < 0.5 * count(sale between 60 days and 30 days ago)",
        f"{_count(_SALE, _last(30))} < 0.5 * {_count(_SALE, _ago(60, 30))}",
    ),
    (
        "count(sale between 180 days and 90 days ago) >= 5",
        f"{_count(_SALE, _ago(180, 90))} >= 5",
    ),
    (
        "count(sale since time '2011-11-01T12:00:00Z') >= 2",
        f"{_count(_SALE, _since('2011-11-01 12:00:00'))} >= 2",
    ),
    ("count(sale since date '2011-10-16') >= 2", f"{_count(_SALE, _day('2011-10-16'))} >= 2"),
    ("count(sale before date '2011-02-20') > 1", f"{_count(_SALE, _before('2011-02-20'))} > 1"),
    (
        "count(sale from date '2011-02-19' to date '2011-02-20') > 0",
        f"{_count(_SALE, _day('2011-02-19'), _before('2011-02-20'))} > 0",
    ),
    ("count(sale today) > 0", f"{_count(_SALE, _units('day', 0, 0))} > 0"),
    ("count(sale yesterday) > 0", f"{_count(_SALE, _units('day', 1, 1))} > 0"),
    ("count(sale this week) > 0", f"{_count(_SALE, _units('week', 0, 0))} > 0"),
    ("count(sale this month) > 1", f"{_count(_SALE, _units('month', 0, 0))} > 1"),
    ("count(sale this year) > 15", f"{_count(_SALE, _units('year', 0, 0))} > 15"),
    ("count(sale this quarter) >= 3", f"{_count(_SALE, _units('quarter', 0, 0))} >= 3"),
    ("count(sale in last 3 calendar months) >= 5", f"{_count(_SALE, _units('month', 2, 0))} >= 5"),
    ("count(sale 2 calendar months ago) > 0", f"{_count(_SALE, _units('month', 2, 2))} > 0"),
    ("count(sale in last 2 calendar weeks) >= 1", f"{_count(_SALE, _units('week', 1, 0))} >= 1"),
    ("count(sale this day) = 0", f"{_count(_SALE, _units('day', 0, 0))} = 0"),
    ("count(lines this day) >= 1", f"{_count(_units('day', 0, 0))} >= 1"),
    ("count(sale 2 calendar days ago) > 0", f"{_count(_SALE, _units('day', 2, 2))} > 0"),
    ("count(lines 1 calendar day ago) > 1", f"{_count(_units('day', 1, 1))} > 1"),
    ("count(sale 1 calendar quarter ago) > 2", f"{_count(_SALE, _units('quarter', 1, 1))} > 2"),
    ("count(lines 3 calendar quarters ago) > 2", f"{_count(_units('quarter', 3, 3))} > 2"),
    ("count(sale 1 calendar year ago) > 0", f"{_count(_SALE, _units('year', 1, 1))} > 0"),
    ("count(lines 1 calendar year ago) = 0", f"{_count(_units('year', 1, 1))} = 0"),
    (
        "count(sale in last 2 calendar quarters) > 9",
        f"{_count(_SALE, _units('quarter', 1, 0))} > 9",
    ),
    ("count(sale in last 2 calendar years) > 9", f"{_count(_SALE, _units('year', 1, 0))} > 9"),
    # ------------------------------------------------------------------------------- sums
    ("sum(sale.amount) > 5000", f"{_sum('amount', _SALE)} > 5000"),
    ("sum(lines.amount) < 0", f"{_sum('amount')} < 0"),
    ("sum(cancellation.amount) < -100.5", f"{_sum('amount', _BACK)} < -100.5"),
    ("sum(sale.amount in last 90 days) >= 300.25", f"{_sum('amount', _SALE, _last(90))} >= 300.25"),
    ("sum(sale.quantity) > 10 * count(sale)", f"{_sum('quantity', _SALE)} > 10 * {_count(_SALE)}"),
    (
        "sum(sale.amount) >= 200 * distinct(sale.invoice)",
        f"{_sum('amount', _SALE)} >= 200 * {_of('count(DISTINCT invoice)', _SALE)}",
    ),
    (
        "avg(sale.price) > 3.25",
        f"{_sum('price', _SALE)} > 3.25 * {_count(_SALE)} AND {_count(_SALE)} > 0",
    ),
    (
        "avg(sale.quantity) <= 6",
        f"{_sum('quantity', _SALE)} <= 6 * {_count(_SALE)} AND {_count(_SALE)} > 0",
    ),
    (
        "not avg(sale.quantity) > 6",
        f"NOT ({_sum('quantity', _SALE)} > 6 * {_count(_SALE)} AND {_count(_SALE)} > 0)",
    ),
    # ------------------------------------------- decimals of several scales (retail_events.yaml)
    (
        "avg(lines.amount) < 12.345",
        f"{_sum('amount')} < 12.345 * {_count()} AND {_count()} > 0",
    ),
    (
        "sum(any.amount in last 90 days) between -20.125 and 99.995",
        f"{_sum('amount', _last(90))} BETWEEN -20.125 AND 99.995",
    ),
    ("sum(lines.price where price < 1) > 8.43", f"{_sum('price', 'price < 1')} > 8.43"),
    ("min(lines.price) = 0.42", f"{_of('min(price)')} = 0.42"),
    ("max(any.price) > 12.345", f"{_of('max(price)')} > 12.345"),
    ("min(any.amount) < -4.26", f"{_of('min(amount)')} < -4.26"),
    ("distinct(lines.amount) >= 9", f"{_of('count(DISTINCT amount)')} >= 9"),
    ("distinct(any.price) in (3, 4, 5)", f"{_of('count(DISTINCT price)')} IN (3, 4, 5)"),
    ("last_value(lines.amount) < 3.5", f"{_value('last', 'amount')} < 3.5"),
    ("first_value(any.price) in (0.85, 2.55)", f"{_value('first', 'price')} IN (0.85, 2.55)"),
    (
        "sum(sale.amount) + sum(cancellation.amount) != sum(lines.amount)",
        f"{_sum('amount', _SALE)} + {_sum('amount', _BACK)} <> {_sum('amount')}",
    ),
    (
        "count(any where amount = -4.26 or price = 0.42) > 0",
        f"{_count('(amount = -4.26 OR price = 0.42)')} > 0",
    ),
    # ------------------------------------------------------------------------- min and max
    ("min(sale.price) = 0.42", f"{_of('min(price)', _SALE)} = 0.42"),
    ("max(sale.price) >= 12.345", f"{_of('max(price)', _SALE)} >= 12.345"),
    ("max(sale.amount in last 60 days) > 100", f"{_of('max(amount)', _SALE, _last(60))} > 100"),
    ("min(cancellation.quantity) < -50", f"{_of('min(quantity)', _BACK)} < -50"),
    ("max(sale.rate) > 2.5", f"{_of('max(rate)', _SALE)} > 2.5"),
    ("min(sale.rate in last 60 days) < 0.2", f"{_of('min(rate)', _SALE, _last(60))} < 0.2"),
    ("max(sale.day) >= date '2011-12-01'", f"{_of('max(day)', _SALE)} >= DATE '2011-12-01'"),
    (
        "max(sale.seen) - min(sale.seen) < 100 days",
        f"{_of('max(t)', _SALE)} - {_of('min(t)', _SALE)} < {100 * _DAY}",
    ),
    # ----------------------------------------------------------------- distinct and days
    ("distinct(sale.invoice) >= 4", f"{_of('count(DISTINCT invoice)', _SALE)} >= 4"),
    (
        "distinct(sale.product in last 90 days) > 3",
        f"{_of('count(DISTINCT product)', _SALE, _last(90))} > 3",
    ),
    ("distinct(lines.day) = 3", f"{_of('count(DISTINCT day)')} = 3"),
    ("distinct(lines.quantity) >= 6", f"{_of('count(DISTINCT quantity)')} >= 6"),
    ("days(sale) >= 4", f"{_of(_DISTINCT_DAYS, _SALE)} >= 4"),
    (
        "days(any in last 30 calendar days) >= 1",
        f"{_of(_DISTINCT_DAYS, _units('day', 29, 0))} >= 1",
    ),
    ("days(sale in last 90 days) = 2", f"{_of(_DISTINCT_DAYS, _SALE, _last(90))} = 2"),
    # ------------------------------------------------------------------------ first and last
    ("last(sale) < now - 180 days", f"{_of(_T['last'], _SALE)} < {_NOW - 180 * _DAY}"),
    (
        "not last(sale) < now - 180 days",
        f"NOT coalesce({_of(_T['last'], _SALE)} < {_NOW - 180 * _DAY}, false)",
    ),
    ("last(sale) >= now - 7 days", f"{_of(_T['last'], _SALE)} >= {_NOW - 7 * _DAY}"),
    (
        "first(sale) < time '2011-01-15T00:00:00Z'",
        f"{_of(_T['first'], _SALE)} < epoch_us(TIMESTAMPTZ '2011-01-15 00:00:00+00')",
    ),
    (
        "last(cancellation) - first(sale) > 100 days",
        f"{_of(_T['last'], _BACK)} - {_of(_T['first'], _SALE)} > {100 * _DAY}",
    ),
    (
        "first(cancellation) < last(sale) - 30 days",
        f"{_of(_T['first'], _BACK)} < {_of(_T['last'], _SALE)} - {30 * _DAY}",
    ),
    ("last_value(sale.quantity) >= 12", f"{_value('last', 'quantity', _SALE)} >= 12"),
    ("first_value(sale.price) < 1", f"{_value('first', 'price', _SALE)} < 1"),
    ("last_value(lines.abroad) = true", f"{_value('last', 'abroad')}"),
    ("last_value(lines.invoice) starts with 'C'", f"{_value('last', 'invoice')} LIKE 'C%'"),
    (
        "last_value(sale.description) contains 'BAG'",
        f"contains({_value('last', 'description', _SALE)}, 'BAG')",
    ),
    # ------------------------------------------------------------------------- conditions
    ("count(sale where quantity >= 48) >= 2", f"{_count(_SALE, 'quantity >= 48')} >= 2"),
    (
        "count(sale where price > 5 and quantity < 3) > 0",
        f"{_count(_SALE, 'price > 5', 'quantity < 3')} > 0",
    ),
    (
        "count(sale where description contains 'LANTERN') >= 1",
        _count(_SALE, "contains(description, 'LANTERN')") + " >= 1",
    ),
    ("count(lines where not abroad) > 5", f"{_count('NOT coalesce(abroad, false)')} > 5"),
    ("count(lines where abroad is missing) >= 1", f"{_count('abroad IS NULL')} >= 1"),
    (
        "sum(sale.amount where quantity >= 12 in last 90 days) > 50",
        f"{_sum('amount', _SALE, 'quantity >= 12', _last(90))} > 50",
    ),
    (
        "distinct(sale.product where price < 1) >= 3",
        f"{_of('count(DISTINCT product)', _SALE, 'price < 1')} >= 3",
    ),
    (
        "count(sale where amount > 50) >= 2 and count(cancellation) = 0",
        f"{_count(_SALE, 'amount > 50')} >= 2 AND {_count(_BACK)} = 0",
    ),
    ("count(lines where rate > 0.5) > 4", f"{_count('rate > 0.5')} > 4"),
    ("first(sale where quantity > 100) is present", f"{_count(_SALE, 'quantity > 100')} > 0"),
    (
        "last(cancellation) is missing and count(sale) > 8",
        f"{_count(_BACK)} = 0 AND {_count(_SALE)} > 8",
    ),
    (
        "count(sale where day >= date '2011-11-01' and day < date '2011-12-01') > 1",
        _count(_SALE, "day >= DATE '2011-11-01'", "day < DATE '2011-12-01'") + " > 1",
    ),
    (
        "count(sale where seen < time '2011-01-15T00:00:00Z') > 0",
        _count(_SALE, "t < epoch_us(TIMESTAMPTZ '2011-01-15 00:00:00+00')") + " > 0",
    ),
]
