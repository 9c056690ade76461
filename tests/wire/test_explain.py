"""Why a profile satisfies an expression or not: embedded and served, in words and as data."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.database import Database
from strata.cli.commands import app
from strata.cli.embedded import EmbeddedTransport
from strata.client import Client
from strata.errors import StrataError
from strata.explaining import AttributeChange, EventChange, ListChange, explain
from strata.updates import Event, Update
from strata.v1 import audience_pb2, explain_pb2, value_pb2
from tests.wire.conftest import running

MODEL = """\
time_zone: Asia/Shanghai
identifiers: {member: {}, phone: {per_profile: 3}}
attributes:
  industry: {type: category}
  revenue: {type: decimal, scale: 2}
  vip: {type: bool}
events:
  order: {properties: {amount: {type: decimal, scale: 2}, sku: category}}
  download: {properties: {asset: category}}
  register: {}
segments:
  buyer: "count(order in last 90 days) >= 3 or sum(order.amount in last 90 days) > 5000"
  target: "segment('buyer') and tag = '制造业' and not vip"
  fresh: "last(order) > now - 1000 weeks"
tiers:
  lifecycle:
    stages:
      - {name: new, when: "count(order) = 0"}
      - {name: dormant, when: "last(order) < now - 60 weeks"}
    default: active
  rfm:
    rfm:
      recency: "last(order)"
      frequency: "count(order in last 1000 weeks)"
      monetary: "sum(order.amount)"
      cut: {recency: 1000 weeks, frequency: 3, monetary: 4000}
"""
UTC = datetime.UTC
NOW = datetime.datetime(2026, 11, 22, 4, tzinfo=UTC)
DAY = datetime.timedelta(days=1)
UPDATES = [
    Update({"member": "m1", "phone": "1"}, {"industry": "食品", "vip": True}),
    Update(
        {"member": "m1"}, events=[Event("order", {"amount": Decimal(2000)}, NOW - 79 * DAY, "1")]
    ),
    Update(
        {"member": "m1"},
        events=[Event("order", {"amount": Decimal("2988"), "sku": "a"}, NOW - 5 * DAY, "2")],
    ),
    Update({"member": "m1"}, events=[Event("download", {"asset": "白皮书"}, NOW - 2 * DAY, "3")]),
    Update({"member": "m2"}, {"revenue": Decimal("12.50")}),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose clock stands still."""
    path = tmp_path_factory.mktemp("explain") / "store"
    with Database.create(path) as database:
        database.apply_model({"model.yaml": MODEL})
        with Client(transport=EmbeddedTransport(database)) as client:
            ack = client.ingest_batch(UPDATES, source="shop")
            client.upload_list("callers", "phone", ["1", "2"])
            client.profile("member", "m1", min_offset=ack.offset)
    return path


@pytest.fixture(params=["embedded", "served"])
def client(request: Any, store: Path, tmp_path: Path) -> Iterator[Client]:
    """A client of the store, in process and through a server."""
    store = Path(shutil.copytree(store, tmp_path / "store"))
    if request.param == "served":
        with running(Database.open(store)) as address, Client(address, timeout_s=60) as remote:
            yield remote
        return
    with Database.open(store) as database, Client(transport=EmbeddedTransport(database)) as here:
        yield here


def test_a_segment_with_everything_below_it(client: Client) -> None:
    found = explain(client, "member", "m1", "segment('target')", as_of=NOW)
    assert not found.truth and found.as_of == NOW and len(found.uid) == 32
    assert found.text.split("\n") == [
        "✗ segment('target')",
        "     → 1 more order, then tag 制造业, then vip false, before 2026-12-03 12:00",
        "   ✗ and",
        "      ✗ segment('buyer')",
        "         ✗ or",
        "            ✗ count(order in last 90 days) >= 3",
        "                 count(order in last 90 days) is 2: order 2026-11-17 12:00, order"
        " 2026-09-04 12:00",
        "                 → 1 more order, before 2026-12-03 12:00",
        "            ✗ sum(order.amount in last 90 days) > 5000",
        "                 sum(order.amount in last 90 days) is 4,988.00: order 2026-11-17 12:00"
        " 2,988.00, order 2026-09-04 12:00 2,000.00",
        "                 → 12.01 more of order.amount, before 2026-12-03 12:00",
        "      ✗ tag = '制造业'",
        "           tag is (missing)",
        "           → tag 制造业",
        "      ✗ not",
        "         ✓ vip",
        "              → vip false",
    ]
    count = next(node for node in found.nodes if node.text.startswith("count"))
    assert [found.nodes[count.parent or 0].text, count.in_the_way] == ["or", True]
    (value,) = count.values
    assert (value.text, value.value, value.left_out) == ("count(order in last 90 days)", 2, 0)
    assert [event.time for event in value.events] == [NOW - 5 * DAY, NOW - 79 * DAY]
    (way,) = count.ways
    assert way.before == NOW + 11 * DAY and way.at == NOW
    assert way.changes == (EventChange(("order",), 1, None, {}, "", NOW, NOW),)
    tag = next(node for node in found.nodes if node.text == "tag = '制造业'")
    assert tag.ways[0].changes == (AttributeChange("tag", ("制造业",), None),)


def test_sequences_lists_and_what_time_does(client: Client) -> None:
    rule = "sequence(download where asset = '白皮书' then no register within 3 days)"
    found = explain(client, "phone", "1", f"{rule} and list('callers')", as_of=NOW)
    _, sequence, uploaded = found.nodes
    assert [(one.text, one.done, one.time) for one in sequence.steps] == [
        ("download where asset = '白皮书'", True, NOW - 2 * DAY),
        ("no register", False, None),
    ]
    assert sequence.turns_at == NOW + DAY == sequence.ways[0].at
    assert sequence.ways[0].text == "in 1 day, at 2026-11-23 12:00"
    assert uploaded.truth and uploaded.owned == (("phone", "1"),)
    other = explain(client, "member", "m2", "list('callers') and revenue > 20", as_of=NOW)
    assert other.nodes[1].ways[0].changes == (ListChange("callers", True),)
    assert other.nodes[2].ways[0].text == "revenue 20.01 (7.51 more)"
    assert other.read_as_of_today == ("revenue", "list('callers')")
    late = explain(client, "member", "m1", "last(order) > now - 7 days", as_of=NOW)
    assert late.truth and late.nodes[0].turns_at == NOW + 2 * DAY
    never = explain(client, "member", "m1", "bucket('x') < 0 or true and false", as_of=NOW)
    assert "nothing is known that would turn it by itself" in never.text
    assert never.nodes[0].ways == () and never.nodes[1].values[0].text == "bucket('x')"


@pytest.mark.parametrize(
    ("kind", "value", "expression", "reason", "field"),
    [
        ("member", "m3", "true", "NOT_FOUND", ""),
        ("fone", "1", "true", "INPUT_INVALID", "identifier"),
        ("member", "m1", "industri = 'x'", "EXPRESSION_INVALID", "expression"),
        ("member", "m1", "segment('bayer')", "EXPRESSION_INVALID", "expression"),
        ("member", "m1", "list('x')", "EXPRESSION_INVALID", "expression"),
        ("member", "m1", "tier('x') = 'y'", "EXPRESSION_INVALID", "expression"),
    ],
)
def test_wrong_questions(
    client: Client, kind: str, value: str, expression: str, reason: str, field: str
) -> None:
    with pytest.raises(StrataError) as refused:
        explain(client, kind, value, expression)
    assert refused.value.reason == reason
    assert [issue.field for issue in refused.value.issues] == ([field] if field else [])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"expression": "true"}, "identifier"),
        ({"identifier": value_pb2.Identifier(kind="member", value="m1")}, "expression"),
        (
            {
                "identifier": value_pb2.Identifier(kind="member", value="m1"),
                "segment": "bayer",
            },
            "segment",
        ),
    ],
)
def test_what_is_missing_in_a_request(client: Client, given: dict[str, Any], field: str) -> None:
    path = "/strata.v1.AudienceService/Explain"
    with pytest.raises(StrataError) as refused:
        client.transport.one(path, explain_pb2.ExplainRequest(**given), explain_pb2.ExplainResponse)
    assert refused.value.issues[0].field == field


def test_a_segment_by_its_name(client: Client) -> None:
    response = client.transport.one(
        "/strata.v1.AudienceService/Explain",
        explain_pb2.ExplainRequest(
            identifier=value_pb2.Identifier(kind="member", value="m1"), segment="buyer"
        ),
        explain_pb2.ExplainResponse,
    )
    assert response.expression == "segment('buyer')" and len(response.nodes) == 4
    assert audience_pb2.DESCRIPTOR.services_by_name["AudienceService"].methods_by_name["Explain"]


def test_the_command_prints_the_text_or_json(store: Path) -> None:
    asked = ["explain", "member:m1", "segment('buyer')", "--as-of", "2026-11-22T04:00:00Z"]
    plain = CliRunner().invoke(app, [*asked, "--store", str(store)])
    assert plain.exit_code == 0, plain.output
    assert plain.stdout.startswith(
        "✗ segment('buyer')\n     → 1 more order, before 2026-12-03 12:00"
    )
    assert "or 12.01 more of order.amount" in plain.stdout
    made = CliRunner().invoke(app, [*asked, "--store", str(store), "--json"])
    found = json.loads(made.stdout)
    assert (found["truth"], found["nodes"][2]["values"][0]["value"]) == (False, 2)
    assert found["nodes"][2]["ways"][0]["changes"][0]["count"] == 1
    wrong = CliRunner().invoke(app, ["explain", "member:m1", "agee > 3", "--store", str(store)])
    assert wrong.exit_code == 1 and "^~~~" in wrong.stderr


def test_tiers_are_opened_to_their_stages(client: Client) -> None:
    found = explain(client, "member", "m1", "tier('lifecycle') = 'dormant'", as_of=NOW)
    assert found.text.split("\n") == [
        "✗ tier('lifecycle') = 'dormant'",
        "     tier('lifecycle') is active",
        "     → in 415 days, right after 2028-01-11 12:00",
        "   ✗ last(order) < now - 60 weeks",
        "        last(order) is 2026-11-17 12:00: order 2026-11-17 12:00, order 2026-09-04 12:00",
        "        → in 415 days, right after 2028-01-11 12:00",
        "   ✗ count(order) = 0",
        "        count(order) is 2: order 2026-11-17 12:00, order 2026-09-04 12:00",
    ]


def test_a_profile_says_where_it_stands(client: Client) -> None:
    one, other = client.profile("member", "m1"), client.profile("member", "m2")
    assert one.tiers == {"lifecycle": "active", "rfm": "重要发展"} and one.scores == ()
    assert other.tiers == {"lifecycle": "new"}
    assert client.profiles([("member", "m1"), ("member", "x")])[1] is None


def test_the_card_of_a_profile(store: Path) -> None:
    plain = CliRunner().invoke(app, ["profile", "member:m1", "--store", str(store)])
    assert plain.exit_code == 0, plain.output
    lines = plain.stdout.split("\n")
    assert "lifecycle  active" in lines and "rfm        重要发展" in lines
    at = lines.index("by time alone:")
    assert lines[at + 1].endswith("leaves  fresh") and "its last events:" in lines
    made = CliRunner().invoke(app, ["profile", "member:m1", "--store", str(store), "--json"])
    found = json.loads(made.stdout)
    assert found["tiers"] == {"lifecycle": "active", "rfm": "重要发展"} and found["scores"] == []
    assert [one["segment"] for one in found["next_changes"]][-1] == "fresh"
    assert found["attributes"] == {"industry": "食品", "vip": True}
