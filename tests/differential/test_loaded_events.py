"""Invoice lines loaded as events: what the chunks hold is what DuckDB reads of the file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

import loaders
from engine.database import Database
from tests.differential.invoice_lines import LINE_KINDS, invoice_lines
from tests.event_stores import stored_events

MODEL = Path(__file__).with_name("retail_events.yaml")
SOURCES = {"sales": "sale", "cancellations": "cancellation"}
# Digits behind the point of prices and amounts, as the model has them.
SCALES = {"sale": (3, 3), "cancellation": (5, 2)}
_EPOCH_DAY = date(1970, 1, 1).toordinal()

# Written by itself, and not taken from the model's queries.
_LINES = """
    SELECT CustomerID::VARCHAR, epoch_us(InvoiceDate::TIMESTAMP), InvoiceNo::VARCHAR,
      StockCode::VARCHAR, Description, Quantity::BIGINT, UnitPrice::DECIMAL(12,3),
      (Quantity * UnitPrice::DECIMAL(12,3))::DECIMAL(18,{amount}), UnitPrice::DOUBLE / 3,
      CASE Country WHEN 'Unspecified' THEN NULL WHEN 'United Kingdom' THEN false ELSE true END,
      InvoiceDate::DATE
    FROM read_csv('{path}', types = {{'UnitPrice': 'VARCHAR', 'InvoiceNo': 'VARCHAR'}})
    WHERE CustomerID IS NOT NULL AND (InvoiceNo[1] = 'C') = {cancelled}
"""


@pytest.fixture(scope="module", params=LINE_KINDS)
def lines(request: pytest.FixtureRequest, seed: int, tmp_path_factory: Any) -> Path:
    """A file of lines; the real one where there is real data."""
    path, _ = invoice_lines(request, seed, tmp_path_factory.mktemp("made"))
    return path


@pytest.fixture(scope="module")
def database(lines: Path, tmp_path_factory: Any) -> Iterator[Database]:
    """The lines in a store, loaded by both sources."""
    folder = tmp_path_factory.mktemp("events")
    with Database.create(folder / "store") as made:
        made.apply_model({"m.yaml": MODEL.read_text(encoding="utf-8")})
        for source in SOURCES:
            summary = loaders.load(made, source, [lines], refused=folder / "refused.csv")
            assert (summary.refused, summary.events_replaced) == (0, 0)
            assert summary.events_added == summary.accepted
        yield made


def expected(lines: Path, event: str) -> list[tuple[Any, ...]]:
    """The lines of a type, as DuckDB reads them."""
    query = _LINES.format(path=lines, cancelled=event == "cancellation", amount=SCALES[event][1])
    return sorted(duckdb.sql(query).fetchall(), key=repr)


def loaded(database: Database, event: str) -> Iterator[tuple[Any, ...]]:
    """The same from the chunks."""
    price, amount = SCALES[event]
    with database.members("true") as members:
        owners = [owner for chunk in members.identifiers("customer") for owner in chunk]
    for row, time, cells in stored_events(database._store, event):
        assert cells["seen"] == time
        yield (
            owners[row],
            time,
            cells["invoice"],
            cells["product"],
            cells.get("description"),
            cells["quantity"],
            Decimal(cells["price"]).scaleb(-price).quantize(Decimal("0.001")),
            Decimal(cells["amount"]).scaleb(-amount),
            cells["rate"],
            cells.get("abroad"),
            date.fromordinal(_EPOCH_DAY + cells["day"]),
        )


@pytest.mark.parametrize("event", SOURCES.values())
def test_every_line_is_an_event(database: Database, lines: Path, event: str) -> None:
    assert sorted(loaded(database, event), key=repr) == expected(lines, event)


def test_totals(database: Database, lines: Path) -> None:
    figures = database.stats()
    counts = {event: len(expected(lines, event)) for event in SOURCES.values()}
    assert {event: figures[f"events.{event}"] for event in counts} == counts
    assert figures["events"] == sum(counts.values())
    customers = f"SELECT count(DISTINCT CustomerID) FROM read_csv('{lines}')"
    assert duckdb.sql(customers).fetchall() == [(database.profile_count,)]
    assert database.verify().faults == ()


def test_loading_again_changes_nothing(database: Database, lines: Path, tmp_path: Path) -> None:
    version = database.data_version
    for source, event in SOURCES.items():
        summary = loaders.load(database, source, [lines], refused=tmp_path / "refused.csv")
        assert (summary.events_added, summary.events_replaced) == (0, 0)
        assert summary.events_unchanged == database.stats()[f"events.{event}"]
        assert (summary.blocks_written, summary.data_version) == (0, version)
