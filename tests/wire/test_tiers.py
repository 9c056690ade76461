"""Refreshes, flows and groups by tier through a server and by the commands."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from strata.cli.commands import app
from strata.client import Client
from strata.errors import StrataError
from strata.measuring import distribution, summarize
from strata.tiers import flow, refresh
from strata.v1 import tier_pb2 as pb
from tests.moving_worlds import DAY_US, START_US
from tests.tiered import SEGMENTS, Customers, TieredDatabase

ZONE = ZoneInfo("Europe/Berlin")
START = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=START_US)
DAY = timedelta(days=1)


@pytest.fixture
def customers() -> Customers:
    return Customers()


@pytest.fixture
def live(tmp_path: Path, customers: Customers) -> Iterator[TieredDatabase]:
    database = TieredDatabase(tmp_path / "store", SEGMENTS, now_us=START_US)
    database.send(*customers.updates(random.Random(7), START_US, 40))
    database.go(START_US)
    yield database


@pytest.fixture
def address(live: TieredDatabase, serve: Callable[..., str]) -> str:
    return serve(live.database)


@pytest.fixture
def client(address: str) -> Client:
    return Client(address, timeout_s=60)


def run(*arguments: str) -> tuple[int, str, str]:
    """A command: its status, what it printed and what it complained of."""
    result = CliRunner().invoke(app, list(arguments), prog_name="strata")
    return result.exit_code, result.stdout, result.stderr


def test_a_refresh_tells_cuts_and_sizes(client: Client, address: str, customers: Customers) -> None:
    expected = customers.tiers(START_US, ZONE)
    found = {one.tier: one for one in refresh(client)}
    assert list(found) == ["mean", "median", "quintile", "rfe", "top", "dear"]
    for name, one in found.items():
        assert one.instant == START
        assert [cut.exact for cut in one.cuts] == list(expected[name].cuts)
        names = [size.name for size in one.sizes]
        context = customers.context(START_US, expected, ZONE)
        for size in one.sizes:
            assert size.after == customers.holding(f"tier('{name}') = '{size.name}'", context)
        # The store was empty when the model was applied: nobody was high.
        if name not in ("top", "dear"):
            assert {size.name for size in one.sizes if size.before} <= {"一般挽留"}
        assert len(names) == len(set(names))
    kinds = [cut.kind for cut in found["mean"].cuts]
    assert kinds == ["time", "number", "number"]
    assert [cut.kind for cut in found["dear"].cuts] == ["float"]
    recency = found["mean"].cuts[0]
    assert isinstance(recency.value, datetime)
    status, printed, _ = run("refresh", "top", "--json", "--server", address)
    (shown,) = json.loads(printed)
    assert status == 0 and shown["tier"] == "top"
    assert [Fraction(cut["exact"]) for cut in shown["cuts"]] == list(expected["top"].cuts)
    assert shown["sizes"] == [
        {"name": size.name, "before": size.after, "after": size.after}
        for size in found["top"].sizes
    ]
    status, printed, _ = run("refresh", "--server", address)
    assert status == 0 and printed.count("as of 2025-10-09T08:53:20.000000Z") == 6
    assert "  recency " in printed and "before  after" in printed


def test_a_flow_is_a_matrix_of_both_instants(
    client: Client, address: str, live: TieredDatabase, customers: Customers
) -> None:
    earlier = START - 3 * DAY
    tiers = customers.tiers(START_US, ZONE)
    found = flow(client, "life", from_=earlier)
    assert (found.from_, found.to, found.names) == (
        earlier,
        START,
        ("new", "lost", "buyer", "looker"),
    )
    at = [customers.context(us, tiers, ZONE) for us in (START_US - 3 * DAY_US, START_US)]
    texts = {name: f"tier('life') = '{name}'" for name in found.names}
    members = sorted(customers.events)
    named: list[dict[str, str]] = []
    for context in at:
        named.append({})
        for member in members:
            alone = Customers()
            alone.events = {member: customers.events[member]}
            (name,) = [name for name, text in texts.items() if alone.holding(text, context)]
            named[-1][member] = name
    for (before, after), count in found.counts.items():
        moved = [m for m in members if (named[0][m], named[1][m]) == (before, after)]
        assert count == len(moved), (before, after)
    assert sum(found.counts.values()) == len(members)
    status, printed, _ = run(
        "flow", "life", "--from", earlier.isoformat(), "--to", START.isoformat(), "--json",
        "--server", address,
    )  # fmt: skip
    shown = json.loads(printed)
    assert status == 0
    assert {(one["from"], one["to"]): one["count"] for one in shown["flows"]} == {
        pair: count for pair, count in found.counts.items() if count
    }
    status, printed, _ = run("flow", "life", "--from", "2025-10-01", "--server", address)
    assert status == 0 and "(none)" in printed and "looker" in printed
    # Nobody moves between two instants with nothing in between but the same cells.
    still = flow(client, "top", from_=START - timedelta(microseconds=1), to=START)
    assert all(count == 0 or a == b for (a, b), count in still.counts.items())


def test_groups_by_tier(client: Client, address: str) -> None:
    refresh(client)
    names = ("new", "lost", "buyer", "looker")
    each = {name: client.count(f"tier('life') = '{name}' and size = 1").count for name in names}
    counted = client.count("size = 1", group_by="tier('life')", nodes=True)
    assert {group.value: group.count for group in counted.groups} == {
        name: count for name, count in each.items() if count
    }
    assert counted.count == sum(each.values()) and counted.nodes[0].count == counted.count
    cells = client.count("size = 1", group_by="TIER( 'mean' )")
    assert sum(group.count for group in cells.groups) == cells.count
    assert cells.groups[-1].value is None, "without an order there is no cell"
    summed = summarize(client, "count(order)", "size = 1", group_by="tier('life')")
    for name, totals in summed.groups:
        alone = summarize(client, "count(order)", f"tier('life') = '{name}' and size = 1")
        assert totals == alone.totals
    status, printed, _ = run(
        "summarize", "count(order)", "--by", "tier('life')", "--server", address
    )
    assert status == 0 and "looker" in printed


def test_the_most_frequent_tiers(live: TieredDatabase, client: Client, address: str) -> None:
    for audience in ("size = 1", "tier('life') != 'lost'", "size > 5"):
        groups = client.count(audience, group_by="tier('life')").groups
        named = [(one.value or "", one.count) for one in groups if one.value is not None]
        named.sort(key=lambda one: (-one[1], one[0]))
        found = distribution(client, "tier('life')", audience, top=2)
        assert [(one.value, one.count) for one in found.values] == named[:2]
        assert (found.other_values, found.other_count) == (
            len(named[2:]),
            sum(count for _, count in named[2:]),
        )
        assert found.measured.value == "tier('life')"
        assert found.measured.present == sum(count for _, count in named)
    assert distribution(client, "tier('mean')").measured.present == 0
    refresh(client, ["mean"])
    cells = distribution(client, "tier('mean')").measured
    assert 0 < cells.present < cells.count
    before = distribution(client, "tier('life')", as_of=START - 5 * DAY)
    assert before.measured.as_of == START - 5 * DAY
    status, shown, _ = run("distribution", "tier('life')", "--server", address)
    assert status == 0 and "buyer" in shown
    for told, ask in (
        ("tier('life') is a category", lambda: summarize(client, "tier('life')")),
        ("tier('life') is a category", lambda: distribution(client, "tier('life')", bins=3)),
        ("no tier named 'lif'", lambda: distribution(client, "tier('lif')")),
    ):
        with pytest.raises(StrataError) as error:
            ask()
        assert told in str(error.value), error.value


@pytest.mark.parametrize(
    ("call", "reason", "told"),
    [
        (lambda c: refresh(c, ["nothing"]), "NOT_FOUND", "no tier named 'nothing'"),
        (lambda c: refresh(c, ["medain"]), "NOT_FOUND", "Did you mean 'median'?"),
        (lambda c: refresh(c, ["life"]), "INPUT_INVALID", "has no cuts to work out"),
        (lambda c: refresh(c, ["mean", "fixed"]), "INPUT_INVALID", "has no cuts to work out"),
        (lambda c: flow(c, "", from_=START), "INPUT_INVALID", "tier: is missing"),
        (lambda c: flow(c, "lief", from_=START - DAY), "NOT_FOUND", "Did you mean 'life'?"),
        (lambda c: flow(c, "life", from_=START + DAY), "INPUT_INVALID", "to a later one"),
        (lambda c: flow(c, "life", from_=START, to=START), "INPUT_INVALID", "to a later one"),
        (lambda c: c.count("true", group_by="tier('x')"), "NOT_FOUND", "no tier named 'x'"),
        (lambda c: c.count("true", group_by="band('x')"), "NOT_FOUND", "no score named 'x'"),
        (lambda c: c.count("true", group_by="score('x')"), "NOT_FOUND", "no score named 'x'"),
        (lambda c: c.count("true", group_by="tier(life)"), "NOT_FOUND", "no attribute"),
        (lambda c: c.count("tier('life') = 'nwe'"), "EXPRESSION_INVALID", "did you mean 'new'?"),
        (lambda c: c.count("tier('life') > 'new'"), "EXPRESSION_INVALID", "tiers have no order"),
        (lambda c: c.count("tier('life') = size"), "EXPRESSION_INVALID", "size is a number"),
    ],
)  # fmt: skip
def test_wrong_input(client: Client, call: Callable[[Client], Any], reason: str, told: str) -> None:
    version = client.stats()["data_version"]
    with pytest.raises(StrataError) as refused:
        call(client)
    assert refused.value.reason == reason
    assert told in f"{refused.value} {refused.value.issues}"
    assert client.stats()["data_version"] == version


def test_a_flow_without_an_instant(client: Client) -> None:
    with pytest.raises(StrataError, match="from: is missing"):
        client.transport.one(
            "/strata.v1.AudienceService/Flow", pb.FlowRequest(tier="life"), pb.FlowResponse
        )


def test_commands_refuse_wrong_usage() -> None:
    for arguments in (
        ["flow", "life"],
        ["flow", "--from", "2025-01-01"],
    ):
        status, printed, complaint = run(*arguments, "--store", "x")
        assert (status, printed) == (2, "") and "Error: " in complaint


def test_a_store_and_a_server_say_the_same(live: TieredDatabase, tmp_path: Path) -> None:
    live.close()
    store = str(tmp_path / "store")
    status, printed, _ = run("refresh", "mean", "--json", "--store", store)
    assert status == 0 and json.loads(printed)[0]["tier"] == "mean"
    status, printed, complaint = run("refresh", "life", "--store", store)
    assert (status, printed) == (1, "") and "has no cuts to work out" in complaint
    status, printed, _ = run("flow", "mean", "--from", "2025-10-01", "--store", store)
    assert status == 0 and "重要价值" in printed
