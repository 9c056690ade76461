"""Where a profile stands in scores, bands, tiers and with tags: embedded and served."""

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
from strata.explaining import Explanation, explain
from strata.standings import ScoreStanding, TagStanding, TierStanding
from strata.updates import Event, Update
from tests.wire.conftest import running

MODEL = """\
time_zone: Asia/Shanghai
identifiers: {member: {}}
attributes:
  industry: {type: category}
  size: {type: int}
events:
  order: {properties: {amount: {type: decimal, scale: 2}, sku: category}}
  download: {properties: {asset: category}}
  visit: {}
scores:
  lead:
    rules:
      - {when: "industry = '制造业'", points: 20}
      - {each: visit, points: 5, at_most: 12}
      - {each: download, points: 30, half_life: 24 hours}
      - {when: "count(order) = 0", points: -15}
    floor: -10
    ceiling: 90
    bands: {cold: 0, warm: 40, hot: 70}
  fit:
    rules: [{when: "industry = '制造业'", points: 60}, {when: "size >= 100", points: 20}]
    bands: {weak: 0, good: 40, best: 80}
    hold: {best: 50}
  plain:
    rules: [{each: order, points: 1}]
tiers:
  lifecycle:
    stages:
      - {name: new, when: "count(order) = 0"}
      - {name: big, when: "sum(order.amount) >= 5000 and industry = '制造业'"}
      - {name: small, when: "count(order) >= 1"}
    default: rest
  rfm:
    rfm:
      recency: "last(order)"
      frequency: "count(order)"
      monetary: "sum(order.amount)"
      cut: mean
  core: {top: {by: "count(order)", shares: {core: 50%}}, default: rest}
tag_rules:
  - {tag: 买家, when: "count(order) >= 1", keep: live}
  - {tag: 读者, when: "count(download) >= 1", keep: sticky}
  - {tag: '看过{asset}', each: download, keep: sticky}
  - {tag: '买过{sku}', each: "order where amount > 10", keep: live}
"""
NOW = datetime.datetime(2026, 11, 22, 4, tzinfo=datetime.UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
HOUR = datetime.timedelta(hours=1)


def at(hours: int) -> datetime.datetime:
    """So many hours ago."""
    return NOW - hours * HOUR


UPDATES = [
    Update({"member": "m1"}, {"industry": "制造业", "size": 100}, added={"tag": ["手工"]}),
    *(Update({"member": "m1"}, events=[Event("visit", {}, at(9 - n), f"v{n}")]) for n in range(3)),
    Update({"member": "m1"}, events=[Event("download", {"asset": "白皮书"}, at(25), "d1")]),
    Update({"member": "m1"}, events=[Event("download", {"asset": "手册"}, at(2), "d2")]),
    Update(
        {"member": "m2"}, events=[Event("order", {"amount": Decimal(100), "sku": "a"}, at(9), "o1")]
    ),
    Update(
        {"member": "m2"}, events=[Event("order", {"amount": Decimal(5), "sku": "b"}, at(8), "o2")]
    ),
    Update(
        {"member": "m3"}, events=[Event("order", {"amount": Decimal(300), "sku": "a"}, at(2), "o3")]
    ),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store at one instant, whose tiers were refreshed."""
    path = tmp_path_factory.mktemp("subjects") / "store"
    with Database.create(path, now=lambda: NOW_US) as database:
        database.apply_model({"model.yaml": MODEL})
        with Client(transport=EmbeddedTransport(database)) as client:
            client.ingest_batch(UPDATES, source="crm")
            ack = client.ingest_batch([Update({"member": "m1"}, {"size": 1})], source="crm")
            client.profile("member", "m1", min_offset=ack.offset)
            database.tiers.refresh([])
    return path


@pytest.fixture(params=["embedded", "served"])
def client(request: Any, store: Path, tmp_path: Path) -> Iterator[Client]:
    """A client of the store, in process and through a server."""
    store = Path(shutil.copytree(store, tmp_path / "store"))
    if request.param == "served":
        with (
            running(Database.open(store, now=lambda: NOW_US)) as address,
            Client(address, timeout_s=60) as remote,
        ):
            yield remote
        return
    with (
        Database.open(store, now=lambda: NOW_US) as database,
        Client(transport=EmbeddedTransport(database)) as here,
    ):
        yield here


def lines(found: Explanation) -> list[str]:
    """The text of an explanation."""
    return found.text.split("\n")


def test_a_score(client: Client) -> None:
    found = explain(client, "member", "m1", score="lead")
    assert lines(found) == [
        "lead: 59.889 points",
        "   +42.889  download",
        "        2 x: download 2026-11-22 10:00, 2 h ago, +28.316;"
        " download 2026-11-21 11:00, 1 day 1 h ago, +14.573",
        "   +20  industry = '制造业'",
        "   -15  count(order) = 0",
        "   +12  visit (15 without at_most)",
        "        3 x: visit 2026-11-22 05:00, 7 h ago, +5; visit 2026-11-22 04:00, 8 h ago, +5;"
        " visit 2026-11-22 03:00, 9 h ago, +5",
        "✗ hot from 70",
        "✓ warm from 40  <- here",
        "✓ cold from 0",
        "10.111 more to hot",
        "   → 1 more download, before 2026-11-23 10:00 (rule 3 +30)",
        "   → 1 more order, before 2026-11-22 17:00 (rule 4 +15)",
    ]
    assert (found.expression, found.truth, found.nodes) == ("score('lead')", True, ())
    standing = found.standing
    assert isinstance(standing, ScoreStanding)
    assert standing.ledger.band == "warm" and standing.missing == Decimal("10.111")
    assert sum(line.points for line in standing.ledger.lines) == standing.ledger.points
    events = standing.ledger.lines[2].events
    assert [(one.time, one.points) for one in events] == [
        (at(2), Decimal("28.316")),
        (at(25), Decimal("14.573")),
    ]
    assert [one.gains for one in standing.ways] == [{2: Decimal(30)}, {3: Decimal(15)}]
    band = explain(client, "member", "m1", band="lead", ways=False).standing
    assert isinstance(band, ScoreStanding) and band.bands == standing.bands and not band.ways


def test_a_band_that_is_held(client: Client) -> None:
    standing = explain(client, "member", "m1", score="fit").standing
    assert isinstance(standing, ScoreStanding)
    assert standing.ledger.points == 60 and standing.ledger.band == "best"
    assert (standing.next_band, standing.missing, standing.ways) == ("", None, ())
    best, good, _ = standing.bands
    assert (best.bound, best.left_below, best.on, best.since) == (80, 50, True, NOW)
    assert (good.bound, good.left_below, good.on, good.since) == (40, 40, True, None)
    other = explain(client, "member", "m2", score="fit")
    assert lines(other) == [
        "fit: 0 points",
        "✗ best from 80, left below 50",
        "✗ good from 40",
        "✓ weak from 0  <- here",
        "40 more to good",
        "   → industry 制造业 (rule 1 +60)",
    ]
    none = explain(client, "member", "m2", score="plain").standing
    assert isinstance(none, ScoreStanding) and none.bands == () and none.ledger.points == 2


def test_stages(client: Client) -> None:
    found = explain(client, "member", "m2", tier="lifecycle")
    assert lines(found) == [
        "✓ lifecycle: small",
        "   ✗ new",
        "      ✗ count(order) = 0",
        "           count(order) is 2: order 2026-11-22 04:00, order 2026-11-22 03:00",
        "           → nothing is known that would turn it by itself",
        "   ✗ big",
        "      ✗ and",
        "           → 4,895.00 more of order.amount, then industry 制造业",
        "         ✗ sum(order.amount) >= 5000",
        "              sum(order.amount) is 105.00: order 2026-11-22 04:00 5.00,"
        " order 2026-11-22 03:00 100.00",
        "              → 4,895.00 more of order.amount",
        "         ✗ industry = '制造业'",
        "              industry is (missing)",
        "              → industry 制造业",
        "   ✓ small",
        "      ✓ count(order) >= 1",
        "           count(order) is 2: order 2026-11-22 04:00, order 2026-11-22 03:00",
    ]
    standing = found.standing
    assert isinstance(standing, TierStanding) and standing.name == "small"
    assert [(one.name, one.reached, one.node) for one in standing.stages] == [
        ("new", False, 0),
        ("big", False, 1),
        ("small", True, 4),
    ]
    assert [node.parent for node in found.nodes] == [None, None, 1, 1, None]
    plain = explain(client, "member", "m2", tier="lifecycle", ways=False)
    assert "→" not in plain.text and all(node.ways == () for node in plain.nodes)


def test_cells_and_shares(client: Client) -> None:
    standing = explain(client, "member", "m2", tier="rfm").standing
    assert isinstance(standing, TierStanding)
    assert (standing.name, standing.cell, standing.refreshed) == ("一般保持", "LHL", NOW)
    assert [(one.metric, one.found.value, one.cut, one.high) for one in standing.metrics] == [
        ("recency", at(8), at(5), False),
        ("frequency", 2, Decimal("1.5"), True),
        ("monetary", Decimal("105.00"), Decimal("202.50"), False),
    ]
    nobody = explain(client, "member", "m1", tier="rfm")
    assert not nobody.truth and isinstance(nobody.standing, TierStanding)
    assert [one.high for one in nobody.standing.metrics] == [None] * 3
    shares = explain(client, "member", "m1", tier="core").standing
    assert isinstance(shares, TierStanding) and shares.name == "rest"
    assert [(one.name, one.reached, one.cut) for one in shares.stages] == [
        ("core", False, 1),
        ("rest", True, None),
    ]
    assert [(one.metric, one.found.value) for one in shares.metrics] == [("by", 0)]


@pytest.mark.parametrize(
    ("member", "tag", "has", "givers", "rules"),
    [
        ("m1", "手工", True, ("crm",), []),
        ("m2", "手工", False, (), []),
        ("m1", "读者", True, (), [("读者", True, True, True, NOW)]),
        ("m2", "读者", False, (), [("读者", True, False, False, None)]),
        ("m2", "买家", True, (), [("买家", False, True, True, None)]),
        ("m1", "买家", False, (), [("买家", False, False, False, None)]),
        ("m1", "看过手册", True, (), [("看过{asset}", True, True, True, NOW)]),
        ("m2", "买过a", True, (), [("买过{sku}", False, True, True, None)]),
        ("m2", "买过b", False, (), [("买过{sku}", False, False, False, None)]),
    ],
)
def test_tags(
    client: Client, member: str, tag: str, has: bool, givers: tuple[str, ...], rules: list[Any]
) -> None:
    found = explain(client, "member", member, tag=tag)
    standing = found.standing
    assert isinstance(standing, TagStanding)
    assert (standing.has, found.truth, standing.givers) == (has, has, givers)
    told = [
        (one.tag, one.sticky, one.gives, found.nodes[one.node].truth, one.since)
        for one in standing.rules
    ]
    assert told == rules
    assert (tag in client.profile("member", member).tags) == has


def test_a_profile_has_the_tags_that_properties_name(client: Client) -> None:
    assert client.profile("member", "m1").tags == ("手工", "看过手册", "看过白皮书", "读者")
    assert client.profile("member", "m2").tags == ("买家", "买过a")


@pytest.mark.parametrize(
    ("member", "expression", "truth", "tags", "before"),
    [
        ("m1", "tag = '读者'", True, {"手工", "看过手册", "看过白皮书", "读者"}, {"手工"}),
        (
            "m1",
            "tag has all ('手工', '买家')",
            False,
            {"手工", "看过手册", "看过白皮书", "读者"},
            {"手工"},
        ),
        ("m2", "tag in ('买家', 'x')", True, {"买家", "买过a"}, None),
        ("m2", "tag has all ('买家', '买过a')", True, {"买家", "买过a"}, None),
        ("m3", "tag = '手工'", False, {"买家", "买过a"}, None),
    ],
)
def test_a_condition_on_tags_shows_those_that_hold(
    client: Client,
    member: str,
    expression: str,
    truth: bool,
    tags: set[str] | None,
    before: set[str] | None,
) -> None:
    """By a giver, a live rule or a fact, and at the instant asked about."""
    for moment, expected in ((NOW, tags), (at(26), before)):
        found = explain(client, "member", member, expression, as_of=moment)
        (value,) = found.nodes[0].values
        assert isinstance(value.value, tuple | None)
        assert (value.text, value.value and set(value.value)) == ("tag", expected)
        if moment == NOW:
            assert found.truth == truth


@pytest.mark.parametrize("kind", ["score", "band", "tier"])
def test_an_unknown_name(client: Client, kind: str) -> None:
    with pytest.raises(StrataError) as refused:
        explain(client, "member", "m1", **{kind: "leed"})  # type: ignore[arg-type]
    assert refused.value.reason == "EXPRESSION_INVALID"
    assert [issue.field for issue in refused.value.issues] == [kind]


def test_the_command(store: Path) -> None:
    asked = ["explain", "member:m1", "--as-of", "2026-11-22T04:00:00Z", "--store", str(store)]
    plain = CliRunner().invoke(app, [*asked, "--score", "lead"])
    assert plain.exit_code == 0, plain.output
    assert plain.stdout.startswith("lead: 59.889 points\n   +42.889  download\n")
    told = "as of 2026-11-22T04:00:00.000000Z; times above are those of Asia/Shanghai"
    assert told in plain.stdout.splitlines()
    for name, key in (("--tier", "tier"), ("--tag", "tag")):
        made = CliRunner().invoke(app, [*asked, name, "lifecycle", "--json"])
        assert json.loads(made.stdout)["standing"][key] == "lifecycle"
    made = CliRunner().invoke(app, [*asked, "--band", "lead", "--json", "--no-ways"])
    found = json.loads(made.stdout)["standing"]
    assert (found["missing"], found["band"], found["ways"]) == ("10.111", "warm", [])
    both = CliRunner().invoke(app, [*asked, "true", "--tag", "x"])
    assert both.exit_code == 2 and "one of" in both.output
