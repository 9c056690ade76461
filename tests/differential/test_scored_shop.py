"""Scores, bands and tiers of a shop's customers are those of SQL written from the contract.

Lines come in three parts, and cuts are refreshed after each: what is asked as of an instant takes
the lines up to it, and the cuts in force then. All customers are compared, not only counts: they
are numbered by the distinct scores that SQL has, and those with each bit of the number are asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

import loaders
from engine.database import Database
from engine.measures import Thresholds
from strata.client import Client
from strata.measuring import distribution, summarize
from tests.differential.conftest import served
from tests.differential.event_shop import EVENT_SQL
from tests.differential.invoice_lines import LINE_KINDS, OWN_ZONE, invoice_lines
from tests.differential.scored_shop import (
    BANDS,
    MODEL,
    SCORES,
    TIERS,
    TIERS_WITH_CUTS,
    ScoredLines,
)

EVENTS = Path(__file__).with_name("retail_events.yaml")

# The last minute of the real lines is the last of these.
REFRESHES = (
    datetime(2011, 6, 1, tzinfo=UTC),
    datetime(2011, 9, 15, 10, 30, tzinfo=UTC),
    datetime(2011, 12, 9, 12, 50, tzinfo=UTC),
)
ASKED = (
    datetime(2011, 3, 1, 5, tzinfo=UTC),  # before there were cuts
    REFRESHES[0],
    REFRESHES[1] - timedelta(microseconds=1),
    REFRESHES[2],
    REFRESHES[2] + timedelta(days=20),
)
EVERY = pytest.mark.parametrize("as_of", ASKED, ids=[f"{one:%m-%d}" for one in ASKED])


def us(instant: datetime) -> int:
    """Microseconds from 1970."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@dataclass(frozen=True)
class ScoredShop:
    """A store of lines with scores and tiers, and the same lines in DuckDB."""

    store: Path
    database: Database
    lines: ScoredLines

    def members(self, rule: str, as_of: datetime) -> set[str]:
        """The customers for which the store finds a rule true."""
        with self.database.members(rule, as_of_us=us(as_of)) as members:
            return {customer for chunk in members.identifiers("customer") for customer in chunk}


@pytest.fixture(scope="module", params=LINE_KINDS)
def shop(
    request: pytest.FixtureRequest, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ScoredShop]:
    """A shop as it came to be; the real one where there is real data."""
    folder = tmp_path_factory.mktemp(request.param)
    path, zone = invoice_lines(request, seed, folder)
    files = {"events.yaml": EVENTS.read_text(encoding="utf-8").replace(OWN_ZONE, zone)}
    # A part has no numbers of lines: each of them is an event of its own.
    files["events.yaml"] = files["events.yaml"].replace("    id: number\n", "")
    now_us = us(REFRESHES[0])
    with contextlib.closing(duckdb.connect()) as sql:
        words = {"customer": "VARCHAR", "zone": zone, "path": path, "as_of": "2011-12-09 12:50:00"}
        sql.execute(EVENT_SQL.format(table="events", **words))
        with Database.create(folder / "store", now=lambda: now_us) as database:
            database.apply_model(files)
            lines, after = ScoredLines(sql, zone), "0001-01-01"
            for place, refresh in enumerate(REFRESHES):
                now_us, part = us(refresh), folder / f"part{place}.csv"
                through = f"{refresh:%Y-%m-%d %H:%M:%S}"
                sql.execute(
                    f"COPY (SELECT * FROM read_csv('{path}', header = true, all_varchar = true) "
                    f"WHERE InvoiceDate > '{after}' AND InvoiceDate <= '{through}') "
                    f"TO '{part}' (HEADER)"
                )
                for source in ("sales", "cancellations"):
                    loaders.load(database, source, [part], refused=folder / "refused.csv")
                after = through
                if place:
                    refreshed = database.tiers.refresh()
                    assert [one.tier for one in refreshed] == list(TIERS_WITH_CUTS)
                else:
                    database.apply_model({**files, "rules.yaml": MODEL})
                lines.refresh(now_us)
            (every,) = sql.execute("SELECT count(DISTINCT customer) FROM events").fetchone() or ()
            assert database.profile_count == every
            yield ScoredShop(folder / "store", database, lines)


@pytest.fixture(scope="module")
def client(shop: ScoredShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server over the same shop."""
    with served(shop.store, tmp_path_factory.mktemp("served")) as connected:
        yield connected


def points(thousandths: int) -> str:
    """Thousandths as they are written in a rule."""
    return f"{Decimal(thousandths).scaleb(-3):f}"


@EVERY
def test_the_score_of_everybody(shop: ScoredShop, as_of: datetime) -> None:
    shop.lines.at(us(as_of))
    for score in SCORES:
        rows = shop.lines.rows(f"SELECT customer, {score}::BIGINT FROM customers")
        ranks = {value: at for at, value in enumerate(sorted({value for _, value in rows}))}  # type: ignore[type-var]
        assert len(ranks) > 20, "a score that is the same for most shows little"
        for bit in range(len(ranks).bit_length() + 1):
            # Some bit is in no number: with all of them asked the last time, everybody is there.
            chosen = {value for value, at in ranks.items() if at >> bit & 1} or set(ranks)
            texts = ", ".join(points(value) for value in sorted(chosen))  # type: ignore[type-var, arg-type]
            found = shop.members(f"score('{score}') in ({texts})", as_of)
            assert found == {customer for customer, value in rows if value in chosen}, score


@EVERY
def test_bands_and_tiers(shop: ScoredShop, as_of: datetime) -> None:
    shop.lines.at(us(as_of))
    calls = [(f"band('{score}')", f"band_{score}") for score in SCORES]
    calls += [(f"tier('{tier}')", tier) for tier in TIERS]
    for call, column in calls:
        rows = shop.lines.rows(f"SELECT customer, {column} FROM customers")
        names = {name for _, name in rows}
        for name in names:
            text = str(name).replace("'", "''")
            rule = f"{call} is missing" if name is None else f"{call} = '{text}'"
            expected = {customer for customer, one in rows if one == name}
            assert shop.members(rule, as_of) == expected, (call, name)
        counted = shop.database.count("true", group_by=call, as_of_us=us(as_of)).groups
        assert counted == {name: sum(one == name for _, one in rows) for name in names}, call


@EVERY
def test_curves_and_totals(shop: ScoredShop, as_of: datetime) -> None:
    shop.lines.at(us(as_of))
    measures = shop.database.measures
    for score in SCORES:
        found = [one for (one,) in shop.lines.rows(f"SELECT {score}::BIGINT FROM customers")]
        values: list[int] = sorted(set(found))  # type: ignore[arg-type]
        borders = [*values[:: max(1, len(values) // 50)], values[0] - 1, values[-1] + 1]
        asked = Thresholds([points(one) for one in borders])
        curve = measures.distribution(f"score('{score}')", cut=asked, as_of_us=us(as_of))
        assert [one.count for one in curve.thresholds] == [
            sum(value >= border for value in found)  # type: ignore[operator]
            for border in borders
        ]
        for tier in TIERS:
            groups = measures.summarize(
                f"score('{score}')", group_by=f"tier('{tier}')", as_of_us=us(as_of)
            ).groups
            rows = shop.lines.rows(
                f"SELECT {tier}, count(*), sum({score})::HUGEINT, min({score}), max({score}) "
                f"FROM customers GROUP BY {tier}"
            )
            assert groups is not None
            assert {
                name: (total.count, total.sum, total.least, total.greatest)
                for name, total in groups.items()
            } == {
                name: (count, *(Fraction(int(one), 1000) for one in numbers))  # type: ignore[call-overload]
                for name, count, *numbers in rows
            }, (score, tier)


@EVERY
def test_through_the_server(shop: ScoredShop, client: Client, as_of: datetime) -> None:
    shop.lines.at(us(as_of))
    for tier in TIERS:
        rows = shop.lines.rows(f"SELECT customer, {tier} FROM customers")
        counted = client.count("true", group_by=f"tier('{tier}')", as_of=as_of).groups
        names = {name for _, name in rows}
        expected = {name: sum(one == name for _, one in rows) for name in names}
        assert {one.value: one.count for one in counted} == expected
        name = sorted(one for one in names if one is not None)[0]  # type: ignore[type-var]
        text = str(name).replace("'", "''")
        listed = client.members(
            f"tier('{tier}') = '{text}'", identifier_kind="customer", as_of=as_of
        )
        assert set(listed.entries()) == {customer for customer, one in rows if one == name}
    for score, bands in BANDS.items():
        asked = [points(bound) for bound in bands.values()]
        curve = distribution(client, f"score('{score}')", thresholds=asked, as_of=as_of).thresholds
        sums = shop.lines.rows(
            "SELECT " + ", ".join(f"sum(({score} >= {one})::INT)" for one in bands.values())
            + " FROM customers"
        )  # fmt: skip
        assert [tuple(one.count for one in curve)] == sums
        groups = summarize(client, f"score('{score}')", group_by="tier('life')", as_of=as_of).groups
        rows = shop.lines.rows(f"SELECT life, sum({score})::BIGINT FROM customers GROUP BY life")
        assert {name: totals.sum for name, totals in groups} == {
            name: Decimal(int(total)).scaleb(-3)  # type: ignore[call-overload]
            for name, total in rows
        }


def test_everything_occurs(shop: ScoredShop) -> None:
    """Cells, stages, bands and shares that nobody has show little."""
    shop.lines.at(us(REFRESHES[2]))
    columns = (*TIERS, *(f"band_{score}" for score in SCORES))
    found = sum(len(shop.lines.rows(f"SELECT DISTINCT {one} FROM customers")) for one in columns)
    assert found >= 50
