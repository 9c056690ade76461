"""Rules over events against SQL written by hand: the same customers, embedded and through gRPC."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

import loaders
from engine.database import Database
from strata.client import Client
from tests.differential.conftest import served
from tests.differential.event_pairs import EVENT_PAIRS
from tests.differential.event_shop import EVENT_SQL
from tests.differential.invoice_lines import LINE_KINDS, OWN_ZONE, invoice_lines
from tests.differential.shop import AS_OF, AS_OF_US

MODEL = Path(__file__).with_name("retail_events.yaml")


@dataclass(frozen=True)
class EventShop:
    """Lines as events in a store, and as a table."""

    store: Path
    database: Database
    oracle: duckdb.DuckDBPyConnection

    def wanted(self, having: str) -> list[str]:
        """The customers of whose lines a condition holds."""
        query = f"SELECT customer FROM lines GROUP BY customer HAVING {having} ORDER BY customer"
        return [customer for (customer,) in self.oracle.execute(query).fetchall()]

    def members(self, rule: str) -> list[str]:
        """The customers for which the store finds a rule true."""
        with self.database.members(rule, as_of_us=AS_OF_US) as members:
            return sorted(c for chunk in members.identifiers("customer") for c in chunk)


@pytest.fixture(scope="module", params=LINE_KINDS)
def events(
    request: pytest.FixtureRequest, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EventShop]:
    """A shop whose lines are events; the real one where there is real data."""
    folder = tmp_path_factory.mktemp(request.param)
    lines, zone = invoice_lines(request, seed, folder)
    text = MODEL.read_text(encoding="utf-8").replace(OWN_ZONE, zone)
    with (
        Database.create(folder / "store") as database,
        contextlib.closing(duckdb.connect()) as oracle,
    ):
        database.apply_model({"m.yaml": text})
        for source in ("sales", "cancellations"):
            loaders.load(database, source, [lines], refused=folder / "refused.csv")
        oracle.execute(
            EVENT_SQL.format(
                table="lines",
                customer="VARCHAR",
                zone=zone,
                path=lines,
                as_of="2011-12-09 12:50:00",
            )
        )
        yield EventShop(folder / "store", database, oracle)


@pytest.fixture(scope="module")
def client(events: EventShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server over the same events."""
    with served(events.store, tmp_path_factory.mktemp("served")) as connected:
        yield connected


each_pair = pytest.mark.parametrize(
    ("rule", "having"), EVENT_PAIRS, ids=[rule for rule, _ in EVENT_PAIRS]
)


@each_pair
def test_embedded(events: EventShop, rule: str, having: str) -> None:
    wanted = events.wanted(having)
    assert events.members(rule) == wanted
    assert events.database.count(rule, as_of_us=AS_OF_US).count == len(wanted)


def test_through_the_server(events: EventShop, client: Client) -> None:
    wanted = [events.wanted(having) for _, having in EVENT_PAIRS]
    answers = client.count_many([rule for rule, _ in EVENT_PAIRS], as_of=AS_OF)
    assert [answer.count for answer in answers] == [len(customers) for customers in wanted]
    for (rule, _), customers in zip(EVENT_PAIRS, wanted, strict=True):
        found = client.members(rule, identifier_kind="customer", as_of=AS_OF)
        assert sorted(found.entries()) == customers, rule


def test_the_pairs_tell_customers_apart(events: EventShop) -> None:
    """A pair that nobody or everybody satisfies shows little."""
    everybody = len(events.wanted("true"))
    counts = [len(events.wanted(having)) for _, having in EVENT_PAIRS]
    assert len(EVENT_PAIRS) >= 60
    assert sum(0 < count < everybody for count in counts) >= len(EVENT_PAIRS) - 12
