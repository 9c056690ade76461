"""Profiles as they were at another instant, through the command line and through gRPC."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from engine.database import Database
from strata.cli.commands import app
from strata.client import Client
from strata.errors import StrataError
from strata.updates import Event, Update
from tests.wire.conftest import running

MODEL = """\
time_zone: UTC
identifiers: {member: {per_profile: 1}}
attributes:
  stage: {type: category, history: true}
  kinds: {type: set}
  level: {type: int}
events: {order: {properties: {amount: {type: int}}}}
segments:
  won: "stage = 'won'"
  fresh: "last(order) > now - 3 days"
scores:
  lead: {rules: [{when: "stage = 'won'", points: 5}, {each: "order", points: 2}]}
tiers: {step: {stages: [{name: buyer, when: "count(order) > 0"}], default: none}}
tag_rules: [{tag: winner, when: "stage = 'won'", keep: sticky}]
sources: {crm: {identify: {member: member}, attributes: {level: level}}}
"""
DAY_US = 86_400_000_000
# 2024-10-04 is day 20,000.
MEMBER = {"member": "a"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that knows one member: a lead who became a customer after an order."""
    path = tmp_path_factory.mktemp("then") / "store"
    database = Database.create(path, threads=1, now=lambda: 20_011 * DAY_US)
    database.apply_model({"model.yaml": MODEL})
    with running(database) as at, Client(at) as client:
        for update in (
            Update(MEMBER, {"stage": "lead", "kinds": ("c", "a"), "level": 1}, time=_day(20_000)),
            Update(MEMBER, events=[Event("order", time=_day(20_009), properties={"amount": 7})]),
            Update(MEMBER, {"stage": "won", "level": 2}, time=_day(20_010)),
        ):
            offset = client.ingest_batch([update], source="crm").offset
        client.count("true", min_offset=offset)
        yield at


def _day(number: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(number * DAY_US / 1_000_000, datetime.UTC)


def _asked(address: str, *more: str) -> str:
    made = CliRunner().invoke(app, ["profile", "member:a", "--server", address, *more])
    assert made.exit_code == 0, made.output
    return made.stdout


def test_a_card_says_what_was(address: str) -> None:
    now = json.loads(_asked(address, "--json"))
    assert (now["attributes"], now["segments"]) == (
        {"stage": "won", "kinds": ["a", "c"], "level": 2},
        ["won", "fresh"],
    )
    assert now["tags"] == ["winner"] and "as_of" not in now
    assert [one["type"] for one in now["recent_events"]] == ["order"]
    then = json.loads(_asked(address, "--json", "--as-of", "2024-10-08"))
    assert then["attributes"] == {"stage": "lead", "kinds": ["a", "c"], "level": 2}
    assert not (then["segments"] or then["tags"] or then["recent_events"])
    assert then["tiers"] == {"step": "none"} and then["scores"][0]["points"] == "0"
    assert then["as_of"] == "2024-10-08T00:00:00.000000Z"
    assert then["read_as_of_today"] == ["kinds", "level", "tag"]
    # Later than now: nobody has ordered for three days.
    later = json.loads(_asked(address, "--json", "--as-of", "2024-10-17"))
    assert (later["segments"], later["scores"][0]["points"]) == (["won"], "7")
    # Before anything was known of it.
    before = json.loads(_asked(address, "--json", "--as-of", "2024-10-01"))
    assert before["attributes"] == {"kinds": ["a", "c"], "level": 2} and before["uid"] == now["uid"]


def test_a_card_of_then_says_so(address: str) -> None:
    text = _asked(address, "--as-of", "2024-10-08")
    assert text.endswith("\nas of 2024-10-08T00:00:00.000000Z\nas it is today: kinds, level, tag\n")
    assert "as of" not in _asked(address)
    made = CliRunner().invoke(
        app, ["profile", "member:a", "--server", address, "--as-of", "tomorrow"]
    )
    assert made.exit_code == 2 and "--as-of" in made.stderr


def test_clients_ask_for_one_and_for_many(address: str) -> None:
    with Client(address) as client:
        one = client.profile("member", "a", as_of=_day(20_004))
        many = client.profiles([("member", "a"), ("member", "nobody")], as_of=_day(20_004))
        assert one.attributes["stage"] == "lead" and one.as_of == _day(20_004)
        assert many == [one, None]
        assert client.profile("member", "a").as_of is None
        with pytest.raises(StrataError, match="No profile owns"):
            client.profile("member", "nobody", as_of=_day(20_004))
