"""Scores and tiers over the lines of a shop: a model, and the same from the contract in SQL.

DuckDB counts in whole units: points in thousandths, money in thousandths, times in microseconds.
What an event is worth after so many hours stands in a table, made by comparing powers of whole
numbers. Cuts are fractions, as numerator and denominator, made by SQL from the customers who
were known at each refresh.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from itertools import count, takewhile
from math import gcd, log2
from zoneinfo import ZoneInfo

import duckdb

__all__ = ["BANDS", "MODEL", "SCORES", "TIERS", "TIERS_WITH_CUTS", "ScoredLines"]

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US

MODEL = """
segments:
  loyal: "days(sale) >= 2"
  lapsed: "last(sale) < now - 90 days"
scores:
  worth:
    rules:
    - {when: "count(sale in last 90 days) >= 3", points: 20}
    - {when: "sum(sale.amount) > 1000", points: 12.5}
    - {each: "sale where quantity >= 12", points: 0.125, at_most: 7.5}
    - {each: "sale in last 120 days", points: 3, half_life: 30 days}
    - {each: cancellation, points: -15.5, at_most: 40}
    - {when: "count(lines in last 30 days) = 0", points: -7.001}
    floor: -25
    ceiling: 150
    bands: {top: 150, cold: -10, hot: 60, warm: 10.125}
  heat:
    rules:
    - {each: any, points: 1.001, half_life: 36 hours}
    - {each: "lines where amount > 10.5 in last 3 calendar months", points: 2, at_most: 30}
    - {each: "sale where price < 1 between 60 days and 5 days ago", points: -0.75,
       half_life: 200 hours}
    - {when: "score('worth') >= 40", points: 12.345}
    - {when: "band('worth') = 'cold'", points: -0.002}
    bands: {low: 0.001, mid: 5, high: 20}
  balance:
    rules:
    - {each: cancellation, points: -2, half_life: 90 days, at_most: 30}
    - {each: "sale where amount between 1 and 20", points: 0.333, at_most: 100}
    - {when: "2 * score('heat') > score('worth') + 1", points: 10}
    - {when: "tier('mean') in ('重要价值', '重要发展') and segment('loyal')", points: 5}
    floor: -20
    bands: {poor: -20, rich: 15}
tiers:
  mean: {rfm: {recency: last(sale), frequency: count(sale in last 365 days),
    monetary: sum(sale.amount in last 365 days), cut: mean}}
  median: {rfm: {recency: last(sale), frequency: count(sale in last 365 days),
    monetary: sum(sale.amount in last 365 days), cut: median}}
  quintile: {rfm: {recency: last(sale), frequency: count(sale in last 365 days),
    monetary: sum(sale.amount in last 365 days), cut: quintile}}
  fixed: {rfm: {recency: last(sale), frequency: count(sale in last 365 days),
    monetary: sum(sale.amount in last 365 days),
    cut: {recency: 60 days, frequency: 20, monetary: 500.5}}}
  weighed: {rfe: {recency: last(any), frequency: days(lines),
    engagement: {sale: 1.5, cancellation: 0.25}, in_last: 90 days, cut: median}}
  spent: {top: {by: sum(sale.amount), shares: {core: 20%, near: 12.5%}}, default: rest}
  best: {top: {by: score('worth'), shares: {first: 10%, second: 40%}}}
  life:
    stages:
    - {name: "it's gold", when: "band('worth') >= 'hot' and segment('loyal')"}
    - {name: at risk, when: "segment('lapsed') and score('heat') < 0.5"}
    - {name: busy, when: "band('heat') in ('mid', 'high') or tier('spent') = 'core'"}
    default: plain
"""
SCORES = ("worth", "heat", "balance")
BANDS = {
    "worth": {"cold": -10_000, "warm": 10_125, "hot": 60_000, "top": 150_000},
    "heat": {"low": 1, "mid": 5_000, "high": 20_000},
    "balance": {"poor": -20_000, "rich": 15_000},
}
TIERS = ("mean", "median", "quintile", "fixed", "weighed", "spent", "best", "life")
TIERS_WITH_CUTS = ("mean", "median", "quintile", "weighed", "spent", "best")

# (rule, points in thousandths, half-life in hours, which lines)
_FADING = (
    ("worth", 3_000, 720, "kind = 'sale' AND t > {now} - 120 * {day}"),
    ("heat", 1_001, 36, "true"),
    ("price", -750, 200,
     "kind = 'sale' AND price < 1 AND t > {now} - 60 * {day} AND t <= {now} - 5 * {day}"),
    ("balance", -2_000, 2160, "kind = 'cancellation'"),
)  # fmt: skip

_CELLS = {
    "HHH": "重要价值", "HLH": "重要发展", "LHH": "重要保持", "LLH": "重要挽留",
    "HHL": "一般价值", "HLL": "一般发展", "LHL": "一般保持", "LLL": "一般挽留",
}  # fmt: skip
_RFM = ("recency", "frequency", "monetary")
_METRICS = {
    "mean": _RFM,
    "median": _RFM,
    "quintile": _RFM,
    "weighed": ("seen_last", "days", "engagement"),
}
_SHARES = {"spent": ("spent", (Fraction(1, 5), Fraction(13, 40))),
           "best": ("worth", (Fraction(1, 10), Fraction(1, 2)))}  # fmt: skip

_MEASURED = """
SELECT known.customer,
  max(t) FILTER (kind = 'sale') AS recency,
  count(*) FILTER (kind = 'sale' AND t > {now} - 365 * {day})::HUGEINT AS frequency,
  coalesce(sum(thousandths) FILTER (kind = 'sale' AND t > {now} - 365 * {day}), 0) AS monetary,
  max(t) AS seen_last,
  count(DISTINCT CAST(local AS DATE))::HUGEINT AS days,
  150 * count(*) FILTER (kind = 'sale' AND t > {now} - 90 * {day})::HUGEINT
    + 25 * count(*) FILTER (kind = 'cancellation' AND t > {now} - 90 * {day}) AS engagement,
  coalesce(sum(thousandths) FILTER (kind = 'sale'), 0) AS spent,
  count(*) FILTER (kind = 'sale' AND t > {now} - 90 * {day}) >= 3 AS busy,
  count(DISTINCT CAST(local AS DATE)) FILTER (kind = 'sale') >= 2 AS loyal,
  coalesce(max(t) FILTER (kind = 'sale') < {now} - 90 * {day}, false) AS lapsed,
  least(7500, 125 * count(*) FILTER (kind = 'sale' AND quantity >= 12)) AS dozens,
  -least(40000, 15500 * count(*) FILTER (kind = 'cancellation')) AS returns,
  count(*) FILTER (t > {now} - 30 * {day}) = 0 AS silent,
  least(30000, 2000 * count(*) FILTER (amount > 10.5 AND t >= {months})) AS dear,
  least(100000, 333 * count(*) FILTER (kind = 'sale' AND amount BETWEEN 1 AND 20)) AS small
FROM known LEFT JOIN seen USING (customer) GROUP BY known.customer
"""

_WORTH = """
SELECT *, greatest(-25000, least(150000,
    CASE WHEN busy THEN 20000 ELSE 0 END + CASE WHEN spent > 1000000 THEN 12500 ELSE 0 END
    + dozens + fading_worth + returns - CASE WHEN silent THEN 7001 ELSE 0 END)) AS worth
FROM measured
"""

_SCORED = """
SELECT *, greatest(-20000, greatest(-30000, fading_balance) + small
    + CASE WHEN 2 * heat > worth + 1000 THEN 10000 ELSE 0 END
    + CASE WHEN mean IN ('重要价值', '重要发展') AND loyal THEN 5000 ELSE 0 END) AS balance
FROM (
  SELECT *, fading_heat + dear + fading_price + CASE WHEN worth >= 40000 THEN 12345 ELSE 0 END
    - CASE WHEN worth >= -10000 AND worth < 10125 THEN 2 ELSE 0 END AS heat FROM celled)
"""

_LIFE = """
SELECT *, CASE WHEN worth >= 60000 AND loyal THEN 'it''s gold'
    WHEN lapsed AND heat < 500 THEN 'at risk'
    WHEN heat >= 5000 OR spent_share = 'core' THEN 'busy' ELSE 'plain' END AS life
FROM scored
"""


class ScoredLines:
    """Lines in the table `events` of DuckDB, and what the contract makes of their customers."""

    def __init__(self, sql: duckdb.DuckDBPyConnection, zone: str) -> None:
        self._sql = sql
        self._zone = ZoneInfo(zone)
        self._refreshes: list[int] = []
        sql.execute("ALTER TABLE events ADD COLUMN thousandths HUGEINT")
        sql.execute("UPDATE events SET thousandths = CAST(amount * 1000 AS HUGEINT)")
        sql.execute("CREATE TABLE worths (rule VARCHAR, hour BIGINT, worth BIGINT)")
        for rule, points, half_life, _ in _FADING:
            worths = list(_worths(points, half_life))
            sql.execute(
                "INSERT INTO worths SELECT ?, unnest(range(?)), unnest(?::BIGINT[])",
                [rule, len(worths), worths],
            )
        sql.execute(
            "CREATE TABLE cuts (since BIGINT, tier VARCHAR, place INT, num HUGEINT, den HUGEINT)"
        )

    def refresh(self, at_us: int) -> None:
        """Works out the cuts of an instant, over the customers who had done something by then."""
        self._measure(at_us, only_known=True)
        for tier, metrics in _METRICS.items():
            has_cell = "seen_last" if tier == "weighed" else "recency"
            for place, metric in enumerate(metrics):
                of = f"(SELECT {metric}::HUGEINT AS v FROM worthy WHERE {has_cell} IS NOT NULL)"
                method = "median" if tier == "weighed" else tier
                self._cut(at_us, tier, place, _cut_of(method, of))
        for tier, (value, shares) in _SHARES.items():
            for place, share in enumerate(shares):
                rank = f"(n * {share.numerator} + {share.denominator - 1}) // {share.denominator}"
                ranked = (
                    f"SELECT {value}::HUGEINT AS v, row_number() OVER (ORDER BY {value} DESC) AS r,"
                    " count(*) OVER () AS n FROM worthy"
                )
                cut = f"SELECT v, 1::HUGEINT FROM ({ranked}) WHERE r = {rank}"
                self._cut(at_us, tier, place, cut)
        self._refreshes.append(at_us)

    def at(self, now_us: int) -> None:
        """Makes the table `customers` as of an instant, with everybody who is there."""
        self._measure(now_us, only_known=False)
        cut_at = max((r for r in self._refreshes if r <= now_us), default=min(self._refreshes))
        columns = [f"{self._cell(tier, now_us, cut_at)} AS {tier}" for tier in (*_METRICS, "fixed")]
        columns += [
            "CASE WHEN {} THEN 'core' WHEN {} THEN 'near' ELSE 'rest' END AS spent_share".format(
                *(self._high("spent", place, "spent", cut_at) for place in range(2))
            ),
            "CASE WHEN {} THEN 'first' WHEN {} THEN 'second' END AS best".format(
                *(self._high("best", place, "worth", cut_at) for place in range(2))
            ),
        ]
        self._table("celled", f"SELECT *, {', '.join(columns)} FROM worthy")
        self._table("scored", _SCORED)
        self._table("lived", _LIFE)
        bands = ", ".join(
            "CASE "
            + " ".join(
                f"WHEN {score} >= {bound} THEN '{band}'" for band, bound in reversed(of.items())
            )
            + f" END AS band_{score}"
            for score, of in BANDS.items()
        )
        self._table(
            "customers",
            f"SELECT * EXCLUDE (spent, spent_share), spent_share AS spent, {bands} FROM lived",
        )

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """The rows of a query."""
        return self._sql.execute(query).fetchall()

    # ---------------------------------------------------------------------------- inside

    def _measure(self, now_us: int, *, only_known: bool) -> None:
        """Makes `worthy`: metrics and the score `worth` of everybody, at an instant."""
        self._table("seen", f"SELECT * FROM events WHERE t <= {now_us}")
        source = "seen" if only_known else "events"
        self._table("known", f"SELECT DISTINCT customer FROM {source}")
        words = {"now": now_us, "day": DAY_US, "months": self._months_before(now_us)}
        self._table("plainly", _MEASURED.format(**words))
        joins, columns = [], []
        for rule, _, _, lines in _FADING:
            joins.append(
                f"LEFT JOIN (SELECT customer, sum(worth)::HUGEINT AS w_{rule} FROM seen "
                f"JOIN worths ON rule = '{rule}' AND hour = ({now_us} - t) // {HOUR_US} "
                f"WHERE {lines.format(**words)} GROUP BY customer) USING (customer)"
            )
            columns.append(f"coalesce(w_{rule}, 0) AS fading_{rule}")
        self._table("measured", f"SELECT *, {', '.join(columns)} FROM plainly {' '.join(joins)}")
        self._table("worthy", _WORTH)

    def _months_before(self, now_us: int) -> int:
        """When the second month before that of an instant began."""
        local = datetime.fromtimestamp(now_us // 1_000_000, UTC).astimezone(self._zone)
        months = local.year * 12 + local.month - 1 - 2
        start = datetime(months // 12, months % 12 + 1, 1, tzinfo=self._zone)
        return int(start.timestamp()) * 1_000_000

    def _cell(self, tier: str, now_us: int, cut_at: int) -> str:
        metrics = _METRICS.get(tier, _RFM)
        if tier == "fixed":
            high = [f"recency >= {now_us - 60 * DAY_US}", "frequency >= 20", "monetary >= 500500"]
        else:
            high = [self._high(tier, at, metric, cut_at) for at, metric in enumerate(metrics)]
        letters = " || ".join(f"CASE WHEN {one} THEN 'H' ELSE 'L' END" for one in high)
        cells = " ".join(f"WHEN '{cell}' THEN '{name}'" for cell, name in _CELLS.items())
        return f"CASE WHEN {metrics[0]} IS NOT NULL THEN CASE {letters} {cells} END END"

    def _high(self, tier: str, place: int, metric: str, cut_at: int) -> str:
        ((num, den),) = self.rows(
            "SELECT num, den FROM cuts "
            f"WHERE since = {cut_at} AND tier = '{tier}' AND place = {place}"
        )
        return "false" if num is None else f"{metric}::HUGEINT * {den} >= {num}"

    def _cut(self, at_us: int, tier: str, place: int, query: str) -> None:
        self._sql.execute(
            f"INSERT INTO cuts SELECT {at_us}, '{tier}', {place}, num, den "
            f"FROM (VALUES (1)) LEFT JOIN ({query}) AS found(num, den) ON true"
        )

    def _table(self, name: str, query: str) -> None:
        self._sql.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")


def _cut_of(method: str, of: str) -> str:
    """Numerator and denominator of the cut of some values."""
    match method:
        case "mean":
            return f"SELECT sum(v)::HUGEINT, count(*)::HUGEINT FROM {of} HAVING count(*) > 0"
        case "median":
            ranked = (
                f"SELECT v, row_number() OVER (ORDER BY v) AS r, count(*) OVER () AS n FROM {of}"
            )
            middle = "r IN ((n + 1) // 2, n // 2 + 1)"
            return (
                f"SELECT sum(v)::HUGEINT, count(*)::HUGEINT FROM ({ranked}) WHERE {middle} "
                "HAVING count(*) > 0"
            )
        case _:
            smaller = "rank() OVER (ORDER BY v) - 1 AS smaller"
            ranked = f"SELECT v, {smaller}, count(*) OVER () AS n FROM {of}"
            fifth = "1 + (5 * smaller) // n"
            return (
                f"SELECT min(v), 1::HUGEINT FROM ({ranked}) WHERE {fifth} >= 4 HAVING count(*) > 0"
            )


def _worths(points: int, half_life: int) -> Iterator[int]:
    """What points are worth after 0, 1, ... hours, in thousandths, while it is anything."""
    sign = 1 if points > 0 else -1
    found = (_worth(abs(points), hour, half_life) for hour in count())
    return (sign * worth for worth in takewhile(bool, found))


def _worth(points: int, hours: int, half_life: int) -> int:
    """The greatest n with n - 1/2 <= points / 2^(hours / half_life), in powers of whole numbers."""
    common = gcd(hours, half_life)
    up, down = hours // common, half_life // common
    near = int(2 ** (log2(points) - hours / half_life) + 0.5)

    def reached(whole: int) -> bool:
        return whole <= 0 or (2 * whole - 1) ** down << up <= (2 * points) ** down

    return max(whole for whole in range(near - 1, near + 2) if reached(whole))
