"""Measures through a server: what the engine found, in the form that the contract promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner

from engine.database import Database
from engine.measuring.value import Value
from engine.rules.tree import Name
from server import measuring as messages
from strata.answers import Value as Answer
from strata.cli.commands import app
from strata.client import Client
from strata.errors import StrataError
from strata.measuring import distribution, funnel, summarize
from strata.v1 import audience_pb2 as pb
from strata.v1 import error_pb2, measure_pb2
from tests.event_stores import event_batch

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def client(served: str) -> Client:
    """A client of a server over the sample store."""
    return Client(served, timeout_s=60)


def _values(client: Client, name: str, expression: str) -> list[Any]:
    members = client.members(expression, form="uids", attributes=[name], as_of=AS_OF)
    return [
        value for chunk in members for value in (chunk.columns or {})[name] if value is not None
    ]


def test_totals_are_those_of_the_listed_values(client: Client) -> None:
    spend = _values(client, "spend", "age > 40")
    found = summarize(client, "spend", "age > 40", as_of=AS_OF, mean_places=3)
    assert found.measured.count == client.count("age > 40").count
    assert found.measured.present == found.totals.present == len(spend) > 0
    assert (found.totals.sum, found.totals.min, found.totals.max) == (
        sum(spend),
        min(spend),
        max(spend),
    )
    mean = found.totals.mean
    assert isinstance(mean, Decimal) and mean.as_tuple().exponent == -3
    exact = Fraction(sum(spend)) / len(spend)
    assert abs(Fraction(mean) - exact) <= Fraction(1, 2000)
    assert (found.measured.kind, found.measured.value) == ("number", "spend")
    assert found.measured.as_of == AS_OF
    assert found.measured.read_as_of_today == ("age", "spend")


def test_groups_are_in_order_and_add_up(client: Client) -> None:
    found = summarize(client, "age", group_by="城市", as_of=AS_OF)
    counts = [one.count for name, one in found.groups if name is not None]
    assert counts == sorted(counts, reverse=True) and found.groups[-1][0] is None
    assert sum(one.count for _, one in found.groups) == found.totals.count
    sums = [one.sum for _, one in found.groups if isinstance(one.sum, Decimal)]
    assert sum(sums) == found.totals.sum
    by_count = client.count("true", group_by="城市").groups
    assert [(one.value, one.count) for one in by_count] == [
        (name, one.count) for name, one in found.groups
    ]


def test_kinds_have_their_forms(client: Client) -> None:
    kinds: dict[str, tuple[str, type[Any], type[Any]]] = {
        "age": ("number", Decimal, Decimal),
        "weight": ("float", float, float),
        "born": ("date", date, type(None)),
        "joined": ("time", datetime, type(None)),
        "now - joined": ("duration", Decimal, Decimal),
    }
    for value, (kind, end, total) in kinds.items():
        found = summarize(client, value, as_of=AS_OF)
        assert found.measured.kind == kind
        assert type(found.totals.min) is end and type(found.totals.sum) is total
        bins = distribution(client, value, bins=5, as_of=AS_OF).bins
        assert 1 <= len(bins) <= 5 and bins[0].low == found.totals.min
        last = bins[-1]
        assert _above(last.high, found.totals.max)
        assert sum(one.count for one in bins) == found.totals.present


def _above(one: Answer, other: Answer) -> bool:
    assert not isinstance(one, tuple | None) and type(one) is type(other)
    return bool(one > other)  # type: ignore[operator]


def test_thresholds_agree_with_counts(client: Client) -> None:
    found = distribution(client, "spend", "vip", thresholds=["500", "0", "99.99"], as_of=AS_OF)
    for one in found.thresholds:
        counted = client.count(f"vip and spend >= {one.threshold}", as_of=AS_OF).count
        assert one.count == counted
    below = distribution(
        client, "joined", thresholds=["date '2020-01-01'"], at_most=True, as_of=AS_OF
    )
    assert below.thresholds[0].threshold == datetime(2019, 12, 31, 16, tzinfo=UTC)
    assert below.thresholds[0].count == client.count("joined <= date '2020-01-01'").count


def test_one_way_at_a_time(client: Client) -> None:
    with pytest.raises(ValueError, match="bins and top"):
        distribution(client, "age", bins=3, top=3)


BAD: list[tuple[str, Any, str, str]] = [
    ("Distribution", pb.DistributionRequest(), "INPUT_INVALID", "value: "),
    ("Distribution", pb.DistributionRequest(value="age", bins=0), "INPUT_INVALID", "bins: is 0"),
    ("Distribution", pb.DistributionRequest(value="age", quantiles=10_001), "INPUT_INVALID",
     "quantiles: is 10001"),
    ("Distribution", pb.DistributionRequest(value="age", edges=pb.Edges(edges=["1"])),
     "INPUT_INVALID", "edges: has 1 entries"),
    ("Distribution", pb.DistributionRequest(value="age", thresholds=pb.Thresholds()),
     "INPUT_INVALID", "thresholds: has 0"),
    ("Distribution", pb.DistributionRequest(value="age", audience=pb.Audience()),
     "INPUT_INVALID", "audience: is missing"),
    ("Distribution", pb.DistributionRequest(value="age", audience=pb.Audience(frozen="x")),
     "INPUT_INVALID", "audience: is a frozen audience"),
    ("Distribution", pb.DistributionRequest(value="age", edges=pb.Edges(edges=["2", "1"])),
     "INPUT_INVALID", "edges[1]: is not above"),
    ("Distribution", pb.DistributionRequest(value="x" * 2_000_000), "EXPRESSION_INVALID", "value"),
    ("Distribution", pb.DistributionRequest(value="age", edges=pb.Edges(edges=["1", "'"])),
     "EXPRESSION_INVALID", "edges[1]"),
    ("Summarize", pb.SummarizeRequest(), "INPUT_INVALID", "value: "),
    ("Summarize", pb.SummarizeRequest(value="age", mean_places=39), "INPUT_INVALID",
     "mean_places: is 39"),
    ("Summarize", pb.SummarizeRequest(value="age", group_by="agee"), "NOT_FOUND", "There is no"),
    ("Summarize", pb.SummarizeRequest(value="joined + 365000 days + 365000 days"
                                      " + 365000 days + 365000 days + 365000 days"
                                      " + 365000 days + 365000 days + 365000 days"),
     "INPUT_INVALID", "Some values of"),
    ("Funnel", pb.FunnelRequest(), "INPUT_INVALID", "sequence: "),
    ("Funnel", pb.FunnelRequest(sequence="age = 3"), "INPUT_INVALID", "sequence: is no"),
    ("Funnel", pb.FunnelRequest(sequence="sequence(a then b"), "EXPRESSION_INVALID", "sequence"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "request_message", "reason", "told"), BAD)
def test_refusals(
    call: str,
    request_message: Any,
    reason: str,
    told: str,
    served: str,
    connect: Callable[[str], grpc.Channel],
) -> None:
    method = connect(served).unary_unary(f"/strata.v1.AudienceService/{call}")
    with pytest.raises(grpc.RpcError) as caught:
        method(request_message.SerializeToString(), timeout=60)
    trailers = dict(caught.value.trailing_metadata())
    status = error_pb2.ErrorStatus.FromString(trailers["grpc-status-details-bin"])
    detail = error_pb2.ErrorDetail()
    assert status.details[-1].Unpack(detail)
    assert detail.reason == reason
    assert caught.value.details().startswith(told), caught.value.details()


def test_a_funnel_over_unknown_events_has_its_place(client: Client) -> None:
    with pytest.raises(StrataError) as caught:
        funnel(client, "sequence(order then order within 3 days)")
    (issue,) = caught.value.issues
    assert (issue.field, issue.column) == ("sequence", 10)


FUNNEL = "sequence(visit then order within 2 hours then no visit within 1 hour in last 10 days)"


def test_a_funnel_over_events(tmp_path: Path, serve: Callable[..., str]) -> None:
    """By a client and by the command: two of four visitors ordered, one of them came back."""
    model = "identifiers: {member: }\nevents: {visit: , order: }\n"
    now_us = int(AS_OF.timestamp()) * 1_000_000
    hours = {"visit": [5, 5, 5, 5, 2, 400], "order": [4, 3, 2.9, None, None, 399]}
    updates = [
        {"member": f"m{at % 5}", kind: {"time": now_us - int(ago * 3_600_000_000)}}
        for kind, agos in hours.items()
        for at, ago in enumerate(agos)
        if ago is not None
    ]
    updates.append({"member": "m1", "visit": {"time": now_us - 9_000_000_000}})
    database = Database.create(tmp_path / "store", now=lambda: now_us)
    database.apply_model({"model.yaml": model})
    assert database.model is not None
    ack = database.ingest(event_batch(updates, database.model))
    database.wait_visible(ack.offset)
    address = serve(database)
    found = funnel(Client(address, timeout_s=60), FUNNEL, as_of=AS_OF)
    assert (found.count, [one.count for one in found.steps]) == (5, [5, 2, 1])
    assert found.steps[1].step == "then order within 2 hours"
    assert found.sequence == FUNNEL
    early = funnel(
        Client(address, timeout_s=60), FUNNEL, as_of=AS_OF - timedelta(hours=3, minutes=30)
    )
    assert [one.count for one in early.steps] == [4, 1, 0]
    some = funnel(Client(address, timeout_s=60), FUNNEL, "count(order) >= 2", as_of=AS_OF)
    assert (some.count, [one.count for one in some.steps]) == (1, [1, 1, 1])
    options = ["--json", "--server", address, "--as-of", AS_OF.isoformat()]
    result = CliRunner().invoke(app, ["funnel", FUNNEL, *options])
    assert result.exit_code == 0, result.stderr
    assert [one["count"] for one in json.loads(result.stdout)["steps"]] == [5, 2, 1]


@pytest.mark.parametrize(
    ("exact", "digits", "text"),
    [
        (Fraction(5, 2), 0, "3"),
        (Fraction(-5, 2), 0, "-3"),
        (Fraction(1, 3), 4, "0.3333"),
        (Fraction(-1, 3), 1, "-0.3"),
        (Fraction(-1, 30), 1, "0.0"),
        (Fraction(0), 2, "0.00"),
        (Fraction(10**40), 1, "1" + "0" * 40 + ".0"),
        (Fraction(-12345, 1000), 2, "-12.35"),
    ],
)
def test_decimals_are_rounded_half_away_from_zero(exact: Fraction, digits: int, text: str) -> None:
    value = Value("x", "number", Name("x"))
    assert messages._mean(exact, value, digits).decimal_value == text


def test_json_of_measures(store: Path) -> None:
    """The keys that scripts rely on."""

    def shown(*arguments: str) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*arguments, "--json", "--store", str(store)])
        assert result.exit_code == 0, result.stderr
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    head = {
        "value",
        "kind",
        "expression",
        "count",
        "present",
        "as_of",
        "elapsed_ms",
        "data_version",
    }
    bins = shown("distribution", "age", "--bins", "3")
    assert set(bins) == {*head, "bins", "below", "above"}
    assert set(bins["bins"][0]) == {"low", "high", "count"}
    curve = shown("distribution", "age", "--thresholds", "3")
    assert set(curve) == {*head, "thresholds"}
    values = shown("distribution", "城市")
    assert set(values) == {*head, "values", "other_values", "other_count"}
    totals = shown("summarize", "age", "--by", "vip")
    ends = {"sum", "mean", "min", "max"}
    assert set(totals) == {*head, *ends, "mean_places", "groups"}
    assert set(totals["groups"][0]) == {"group", "count", "present", *ends}


def test_a_mean_of_nothing_is_missing(store: Path) -> None:
    with Database.open(store, read_only=True) as database:
        found = messages.summary(database.measures.summarize("age", "false"), 6)
    assert found.totals == measure_pb2.Totals(sum={"decimal_value": "0"})  # type: ignore[arg-type]
