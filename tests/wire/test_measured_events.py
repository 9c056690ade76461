"""Values over events and what time will do, asked of a store and of a server: the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import pytest
from typer.testing import CliRunner

from engine.database import Database
from server.coming import LIMIT_MOST
from strata.cli.commands import app
from strata.client import Client
from strata.errors import StrataError
from strata.v1 import coming_pb2, value_pb2
from tests.wire.conftest import running

AS_OF = ["--as-of", "2026-11-22T08:00:00"]
TIMES = re.compile(r'"elapsed_ms": [\d.e-]+|[\d,]+\.\d{3} ms')

MODEL = """\
time_zone: Asia/Shanghai
identifiers:
  member: {per_profile: 1}
attributes:
  city: {type: category}
  joined: {type: time}
events:
  order:
    properties:
      amount: {type: decimal, scale: 2}
      channel: category
      gift: bool
      pieces: int
segments:
  northern: "city = 'Oslo'"
sources:
  people: {identify: {member: id}, attributes: {city: city, joined: joined}}
  orders:
    event: order
    identify: {member: id}
    time: at
    properties: {amount: amount, channel: channel, gift: gift, pieces: pieces}
"""
FRESH = """\
  fresh: "joined > now - 30 days"
  settled: "joined <= now - 30 days"
sources:
"""
PEOPLE = """\
id,city,joined
a,Oslo,2026-11-01T00:00:00Z
b,Rome,2026-10-24T00:00:00Z
c,,2026-01-01T00:00:00Z
d,Oslo,
"""
ORDERS = """\
id,at,amount,channel,gift,pieces
a,2026-11-20T10:00:00Z,30.00,web,true,1
a,2026-11-21T10:00:00Z,90.00,shop,,2
a,2026-11-21T11:00:00Z,0.05,shop,false,
b,2026-08-25T10:00:00Z,250.00,web,,9
b,2026-11-01T10:00:00Z,10.01,web,true,1
c,2025-11-01T10:00:00Z,5.00,fax,false,
"""

READS = [
    ["summarize", "sum(order.amount in last 90 days)"],
    ["summarize", "avg(order.amount)", "--by", "city"],
    ["summarize", "avg(order.amount) - avg(order.pieces)", "--json"],
    ["summarize", "now - last(order)", "--json"],
    ["distribution", "avg(order.amount)", "--json"],
    ["distribution", "avg(order.amount)", "--quantiles", "3"],
    ["distribution", "count(order)", "--thresholds", "1,0,3", "--json"],
    ["distribution", "last_value(order.channel)"],
    ["distribution", "first_value(order.gift)", "--json"],
    ["next"],
    ["next", "--in", "30 days", "--limit", "1"],
    ["next", "fresh", "northern", "--in", "9 weeks", "--json"],
    ["next", "--profile", "member:b"],
    ["next", "settled", "--profile", "member:b", "--json"],
    ["next", "--profile", "member:d"],
    # Refused.
    ["summarize", "last_value(order.channel)"],
    ["summarize", "sum(order.channel)"],
    ["distribution", "count(ordr)"],
    ["distribution", "avg(order.amount)", "--top", "3"],
    ["next", "fesh"],
    ["next", "--profile", "member:x"],
    ["next", "--profile", "phone:1"],
]
WRONG_USAGE = [
    (["next", "--in", "tomorrow"], "is no duration; write 24 hours"),
    (["next", "--in", "999999999999 weeks"], "too far"),
    (["next", "--profile", "x"], "is no identifier"),
    (["next", "--profile", "member:a", "--in", "1 day"], "--profile"),
]

Both = Callable[[list[str]], tuple[int, str, str]]


def _run(arguments: list[str], *place: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*arguments, *place], prog_name="strata")
    return result.exit_code, TIMES.sub("TIME", result.stdout), result.stderr


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the people and their orders."""
    folder = tmp_path_factory.mktemp("orders")
    model, store = folder / "model.yaml", folder / "store"
    for name, text in (("people.csv", PEOPLE), ("orders.csv", ORDERS), ("model.yaml", MODEL)):
        (folder / name).write_text(text)
    commands = [["apply", str(model)]]
    commands += [
        ["load", "--source", name, str(folder / f"{name}.csv")] for name in ("people", "orders")
    ]
    for command in commands:
        status, _, complaint = _run(command, "--store", str(store))
        assert status == 0, complaint
    model.write_text(MODEL.replace("sources:\n", FRESH))
    assert _run(["apply", str(model)], "--store", str(store))[0] == 0
    return store


@pytest.fixture(scope="module")
def address(filled: Path) -> Iterator[str]:
    """A server over a copy of it."""
    other = filled.with_name("served")
    copytree(filled, other)
    with running(Database.open(other)) as found:
        yield found


@pytest.fixture
def both(filled: Path, address: str) -> Both:
    """Runs a command over the store and over the server: what it did, the same both ways."""

    def run(arguments: list[str]) -> tuple[int, str, str]:
        here = _run([*arguments, *AS_OF], "--store", str(filled))
        assert here == _run([*arguments, *AS_OF], "--server", address)
        return here

    return run


@pytest.mark.parametrize("arguments", READS, ids=" ".join)
def test_the_same_both_ways(arguments: list[str], both: Both) -> None:
    status, printed, complaint = both(arguments)
    assert "Traceback" not in complaint and "fault of the program" not in complaint
    if READS.index(arguments) < READS.index(["summarize", "last_value(order.channel)"]):
        assert (status, complaint) == (0, "") and printed
    else:
        assert (status, printed) == (1, "") and complaint.startswith("strata: ")


def test_what_is_said_is_right(both: Both) -> None:
    def told(*arguments: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(
            both([*arguments, "--json"])[1].replace("TIME", '"elapsed_ms": 0')
        )
        return found

    total = told("summarize", "sum(order.amount in last 90 days)")
    assert [total[name] for name in ("present", "sum", "min", "max")] == [
        *(4, "380.06", "0.00", "260.01")
    ]
    mean = told("summarize", "avg(order.amount)")
    assert [mean[name] for name in ("present", "sum", "mean", "min", "max")] == [
        *(3, "175.021667", "58.340556", "5.00", "130.005")
    ]
    bins = told("distribution", "avg(order.amount)", "--edges", "0,40.016666,40.016667,200")["bins"]
    assert [one["count"] for one in bins] == [1, 1, 1]  # type: ignore[attr-defined]
    values = told("distribution", "last_value(order.channel)", "--top", "2")
    assert [values[name] for name in ("present", "values", "other_values", "other_count")] == [
        3,
        [{"value": "fax", "count": 1}, {"value": "shop", "count": 1}],
        1,
        1,
    ]
    coming = told("next", "--in", "30 days")
    assert (coming["count"], coming["until"]) == (4, "2026-12-22T00:00:00.000000Z")
    assert coming["segments"] == [
        {"segment": "fresh", "entering": 0, "leaving": 2},
        {"segment": "settled", "entering": 2, "leaving": 0},
    ]
    changes = told("next", "fresh", "--profile", "member:b")["changes"]
    (uid,) = {change["uid"] for change in changes}  # type: ignore[attr-defined]
    assert changes == [
        {"segment": "fresh", "entered": False, "at": "2026-11-23T00:00:00.000000Z", "uid": uid}
    ]


@pytest.mark.parametrize(("arguments", "complaint"), WRONG_USAGE)
def test_wrong_usage(arguments: list[str], complaint: str, filled: Path) -> None:
    status, printed, told = _run(arguments, "--store", str(filled))
    assert (status, printed) == (2, "") and complaint in told


def test_refused_requests(address: str) -> None:
    """What the command line does not ask."""
    ahead = "/strata.v1.AudienceService/NextChanges"
    day = coming_pb2.NextChangesRequest()
    day.within.FromSeconds(86_400)
    far = coming_pb2.NextChangesRequest()
    far.within.FromSeconds(300_000_000_000)
    back = coming_pb2.NextChangesRequest()
    back.within.FromSeconds(-1)
    odd = coming_pb2.NextChangesRequest()
    odd.within.seconds, odd.within.nanos = 1, -1
    many = coming_pb2.NextChangesRequest(limit=LIMIT_MOST + 1)
    many.within.FromSeconds(1)
    crowd = coming_pb2.NextChangesRequest(segments=["x"] * 10_001)
    crowd.within.FromSeconds(1)
    with Client(address, timeout_s=60) as client:
        found = client.transport.one(ahead, day, coming_pb2.NextChangesResponse)
        assert found.until.seconds - found.as_of.seconds == 86_400
        for request, reason, told in (
            (coming_pb2.NextChangesRequest(), "INPUT_INVALID", "within: is missing"),
            (odd, "INPUT_INVALID", "within: is no duration"),
            (far, "INPUT_INVALID", "within: is no time ahead (give 0 to 1,000 years)"),
            (back, "INPUT_INVALID", "within: is no time ahead"),
            (many, "INPUT_INVALID", "limit: is 10001"),
            (crowd, "INPUT_INVALID", "segments: has 10001 entries"),
        ):
            with pytest.raises(StrataError) as caught:
                client.transport.one(ahead, request, coming_pb2.NextChangesResponse)
            assert caught.value.reason == reason and told in str(caught.value), told
        of_one = "/strata.v1.ProfileService/NextChange"
        asked = [
            (coming_pb2.NextChangeRequest(), "INPUT_INVALID", "identifier: is missing"),
            (
                coming_pb2.NextChangeRequest(
                    identifier=value_pb2.Identifier(kind="member", value="x")
                ),
                *("NOT_FOUND", "member:x"),
            ),
        ]
        for one, reason, told in asked:
            with pytest.raises(StrataError) as caught:
                client.transport.one(of_one, one, coming_pb2.NextChangeResponse)
            assert caught.value.reason == reason and told in str(caught.value)
