"""Actions from an update to a receiver: through a server, the commands and the sender."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from delivery.run import deliver
from delivery.settings import load_settings
from strata.cli.commands import app
from strata.client import Client
from strata.errors import StrataError
from strata.watching import Change, watch
from tests.moving_events import EventDatabase
from tests.moving_worlds import DAY_US, START_US, MovingDatabase
from tests.webhook_receiver import Answer, Delivery, Receiver

RULES = """\
scores:
  lead:
    rules:
    - {when: "size >= 50", points: 60}
    - {when: "born < date '1990-01-01' and stage is present", points: 50}
    bands: {hot: 60, mql: 100}
actions:
  mql_to_sales:
    on: "band('lead') = 'mql'"
    do: assign
    owner: {by: stage, table: {华东: east}, else: hub}
    due: 2 hours
    send: [born, size]
  call: {on: "joined <= now - 1 day", do: call}
"""
ASKED = {
    "do": "assign",
    "owner": "east",
    "due": "2025-10-09T10:53:20.000000Z",
    "send": {"born": "1980-02-29", "size": 50},
    "evidence": [
        "band('lead') = 'mql'",
        "band('lead') is mql",
        "lead: 110 points",
        "+60  size >= 50",
        "+50  born < date '1990-01-01' and stage is present",
    ],
}


@pytest.fixture
def live(tmp_path: Path) -> MovingDatabase:
    return MovingDatabase(tmp_path / "store", {"all": "true"}, rules=RULES)


@pytest.fixture
def address(live: MovingDatabase, serve: Callable[..., str]) -> str:
    return serve(live.database)


def become_mql(live: MovingDatabase, member: str = "a", stage: str = "华东") -> None:
    """Somebody is a hot lead by one attribute, and an MQL by the next."""
    live.send({"member": member, "size": 50, "stage": stage})
    live.send({"member": member, "born": date(1980, 2, 29)})


def changes(address: str, *names: str) -> list[Change]:
    """What there is in the feed of some actions."""
    found: list[Change] = []
    with (
        Client(address, timeout_s=60) as client,
        watch(client, actions=names, from_oldest=True, identifier_kind="member") as watching,
    ):
        for message in watching:
            found += message.changes
            if message.caught_up:
                break
    return found


def test_a_watch_says_what_there_is_to_do(live: MovingDatabase, address: str) -> None:
    live.send({"member": "b", "joined": START_US})
    become_mql(live)
    live.go(START_US + DAY_US)
    live.entries()
    first, second = changes(address, "mql_to_sales", "call")
    assert (first.definition, first.old_value, first.new_value, first.identifiers) == (
        "actions.mql_to_sales", False, True, ("a",),
    )  # fmt: skip
    assert first.to_do is not None
    assert first.to_do.due == first.instant + timedelta(hours=2)
    assert first.to_do.send == {"born": date(1980, 2, 29), "size": 50}
    assert second.to_do is not None
    assert (second.to_do.do, second.to_do.owner, second.to_do.due) == ("call", None, None)
    assert [one.definition for one in changes(address)] == ["segments.all"] * 2
    with pytest.raises(StrataError, match="There is no action mql to watch"):
        changes(address, "mql")


def test_the_command_prints_it(live: MovingDatabase, address: str) -> None:
    become_mql(live)
    live.entries()
    asked = ["watch", "--action", "mql_to_sales", "--from-start", "--no-follow", "--ids", "member"]
    result = CliRunner().invoke(app, [*asked, "--server", address])
    (line,) = result.stdout.splitlines()
    assert line == (
        "2025-10-09T08:53:20.000000Z  assign by east until 2025-10-09T10:53:20.000000Z"
        "  mql_to_sales  a  (update)"
    )
    result = CliRunner().invoke(app, [*asked, "--server", address, "--json"])
    shown = json.loads(result.stdout.splitlines()[0])
    assert shown["to_do"]["evidence"] == ASKED["evidence"]
    assert shown["to_do"]["send"] == ASKED["send"]


def test_a_receiver_gets_owner_due_and_evidence_at_least_once(
    live: MovingDatabase, address: str, tmp_path: Path
) -> None:
    answers: Iterator[Answer] = iter([503, None, 200])

    def answer(delivery: Delivery) -> Answer:
        return next(answers, 200)

    with Receiver(answer) as receiver:
        endpoint: dict[str, Any] = {"url": receiver.url, "actions": ["mql_to_sales"]}
        endpoint |= {"from_start": True, "first_wait_s": 0.01, "most_wait_s": 0.02}
        endpoint |= {"identifier_kind": "member"}
        given = load_settings(None, state=tmp_path / "state", endpoints={"crm": endpoint})

        def send() -> None:
            live.entries()
            deliver(given, lambda: Client(address), follow=False)

        become_mql(live)
        send()
        (change,) = receiver.came[-1].changes
        assert change["to_do"] == ASKED
        assert change["identifiers"] == ["a"]
        # It was tried until it was taken, and comes no more.
        assert len(receiver.came) == 3
        assert len(set(receiver.taken)) == 1
        send()
        assert len(receiver.came) == 3
        # Nothing when it is over; again when it is so again.
        live.send({"member": "a", "size": 1, "stage": "北"})
        send()
        assert len(receiver.came) == 3
        live.send({"member": "a", "size": 60})
        send()
        (again,) = receiver.came[-1].changes
        assert again["to_do"]["owner"] == "hub"
        assert again["id"] != change["id"]
        assert len(set(receiver.taken)) == 2


def test_the_command_delivers_it(live: MovingDatabase, tmp_path: Path) -> None:
    become_mql(live)
    live.close()
    state, store = str(tmp_path / "state"), str(live.path)
    with Receiver() as receiver:
        asked = ["deliver", "--url", receiver.url, "--state", state, "--action", "mql_to_sales"]
        result = CliRunner().invoke(app, [*asked, "--from-start", "--store", store])
        assert result.exit_code == 0, result.output
        (change,) = receiver.came[-1].changes
    assert change["definition"] == "actions.mql_to_sales"
    assert change["to_do"] == ASKED
    result = CliRunner().invoke(app, ["deliver", "--config", "x", "--action", "y"])
    assert result.exit_code == 2


POINTS = RULES.replace("    bands: {hot", "    feed: changes\n    bands: {hot")


def test_points_reach_whoever_asks_for_them(tmp_path: Path, serve: Callable[..., str]) -> None:
    live = MovingDatabase(tmp_path / "store", {}, rules=POINTS.replace("points: 60", "points: 6.5"))
    address = serve(live.database)
    live.send({"member": "a", "size": 50})
    live.send({"member": "a", "size": 5})
    live.entries()
    with (
        Client(address, timeout_s=60) as client,
        watch(client, points=["lead"], from_oldest=True) as watching,
    ):
        message = next(iter(watching))
    assert [(one.definition, one.old_value, one.new_value) for one in message.changes] == [
        ("scores.lead.points", None, Decimal("6.500")),
        ("scores.lead.points", Decimal("6.500"), Decimal("0.000")),
    ]
    asked = ["watch", "--points", "lead", "--from-start", "--no-follow", "--ids", "member"]
    shown = CliRunner().invoke(app, [*asked, "--server", address])
    assert shown.stdout.splitlines() == [
        "2025-10-09T08:53:20.000000Z  - -> 6.5  lead.points  a  (update)",
        "2025-10-09T08:53:20.000000Z  6.5 -> 0  lead.points  a  (update)",
    ]
    shown = CliRunner().invoke(app, [*asked, "--server", address, "--json"])
    first = json.loads(shown.stdout.splitlines()[0])
    assert (first["from"], first["to"]) == (None, "6.500")
    with Receiver() as receiver:
        endpoint: dict[str, Any] = {"url": receiver.url, "points": ["lead"], "from_start": True}
        given = load_settings(None, state=tmp_path / "state", endpoints={"crm": endpoint})
        deliver(given, lambda: Client(address), follow=False)
        came = [change for delivery in receiver.came for change in delivery.changes]
        assert [(change["from"], change["to"]) for change in came] == [
            (None, "6.500"),
            ("6.500", "0.000"),
        ]
    live.apply({}, rules=RULES)
    with (
        Client(address, timeout_s=60) as client,
        pytest.raises(StrataError, match=r"the feed tells the bands of lead alone.*feed: changes"),
    ):
        next(iter(watch(client, points=["lead"])))


EACH = """\
actions:
  thank: {each: order where amount >= 10, do: thank, due: 1 hour}
  all: {each: any, do: look}
"""


def test_each_event_reaches_a_receiver(tmp_path: Path, serve: Callable[..., str]) -> None:
    live = EventDatabase(tmp_path / "store", {}, rules=EACH)
    address = serve(live.database)
    order = {"time": START_US - 60_000_000, "amount": 1250, "id": "1"}
    live.send({"member": "a", "order": order}, {"member": "a", "order": {"time": START_US}})
    live.send({"member": "a", "order": order}, {"member": "b", "order": {**order, "id": "2"}})
    live.entries()
    happened = "2025-10-09T08:52:20.000000Z"
    event = {"type": "order", "time": happened, "properties": {"amount": "12.50"}}
    first, second = changes(address, "thank")
    assert [one.identifiers for one in (first, second)] == [("a",), ("b",)]
    assert first.to_do is not None
    assert first.to_do.event is not None
    assert first.to_do.due == first.instant + timedelta(hours=1)
    assert (first.old_value, first.new_value) == (False, True)
    assert len(changes(address, "thank", "all")) == 5

    asked = ["watch", "--action", "thank", "--from-start", "--no-follow", "--ids", "member"]
    shown = CliRunner().invoke(app, [*asked, "--server", address])
    assert shown.stdout.splitlines()[0] == (
        "2025-10-09T08:53:20.000000Z  thank until 2025-10-09T09:53:20.000000Z for order of"
        f" {happened}  thank  a  (update)"
    )
    shown = CliRunner().invoke(app, [*asked, "--server", address, "--json"])
    assert json.loads(shown.stdout.splitlines()[0])["to_do"]["event"] == event
    with Receiver() as receiver:
        endpoint: dict[str, Any] = {"url": receiver.url, "actions": ["thank"], "from_start": True}
        given = load_settings(None, state=tmp_path / "state", endpoints={"crm": endpoint})
        deliver(given, lambda: Client(address), follow=False)
        came = [change for delivery in receiver.came for change in delivery.changes]
        assert [change["to_do"]["event"] for change in came] == [event, event]
        assert came[0]["to_do"]["evidence"] == ["order where amount >= 10: 2025-10-09 10:52:20"]
        assert len({change["id"] for change in came}) == 2
