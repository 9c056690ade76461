"""What one profile did, as it is listed: embedded and remote, page by page, against plain lists."""

from __future__ import annotations

import datetime
import json
import random
import shutil
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.database import Database
from engine.store import open_events
from strata.answers import ProfileEvent
from strata.cli.commands import app
from strata.cli.embedded import EmbeddedTransport
from strata.client import Client
from strata.errors import StrataError
from strata.updates import Event, Update
from strata.v1 import profile_pb2 as pb
from tests.wire.conftest import running

MODEL = """\
time_zone: Asia/Shanghai
identifiers: {member: {}}
attributes: {size: {type: int}}
events:
  order:
    properties:
      note: {type: text}
      channel: {type: category}
      amount: {type: decimal, scale: 2}
      pieces: {type: int}
      rate: {type: float}
      paid: {type: bool}
      due: {type: date}
      shipped: {type: time}
  visit: {properties: {channel: {type: category}}}
  ping: {}
sources: {crm: {identify: {member: member}, attributes: {size: size}}}
"""
UTC = datetime.UTC
NOON = datetime.datetime(2026, 11, 1, 4, tzinfo=UTC)
SECOND = datetime.timedelta(seconds=1)
ORDER: dict[str, Any] = {
    "note": 'fragile "top"\n',
    "channel": "网店",
    "amount": Decimal("12.50"),
    "pieces": -3,
    "rate": 0.1,
    "paid": False,
    "due": datetime.date(2026, 11, 9),
    "shipped": NOON + datetime.timedelta(microseconds=1),
}
AHEAD = datetime.datetime(2099, 1, 1, tzinfo=UTC)


def _told(event: Event) -> ProfileEvent:
    assert event.time is not None
    return ProfileEvent(event.type, event.time, dict(event.properties))


def _fill(database: Database) -> dict[str, list[Event]]:
    """Events of three members by member, as they are at the end; nothing of it is saved."""
    chance = random.Random(5)
    kept: dict[str, dict[str, Event]] = {"m0": {}, "m1": {}, "m2": {}}
    kept["m0"]["full"] = Event("order", ORDER, NOON, "full")
    kept["m0"]["bare"] = Event("order", {}, NOON, "bare")
    with Client(transport=EmbeddedTransport(database)) as client:
        updates = [
            Update({"member": member}, events=[event])
            for member, events in kept.items()
            for event in events.values()
        ]
        updates.append(Update({"member": "m2"}, {"size": 1}))
        for number in range(400):
            member, id_ = chance.choice(["m0", "m1"]), f"e{number % 300}"
            time = NOON + SECOND * chance.randrange(-40, 40)
            known = kept[member].get(id_)
            type_ = known.type if known else chance.choice(["order", "visit", "ping"])
            if known and chance.random() < 0.5:
                event = Event(type_, id=id_, gone=True)
                del kept[member][id_]
            else:
                said: dict[str, Any] = {"channel": chance.choice("ab")} if type_ != "ping" else {}
                event = kept[member][id_] = Event(type_, said, time, id_)
            updates.append(Update({"member": member}, events=[event]))
        # Alike in all, and told without ids.
        alike = [Event("ping", time=NOON), Event("visit", {"channel": "a"}, NOON)]
        updates += [Update({"member": "m1"}, events=alike)] * 3
        for first in range(0, len(updates), 30):
            ack = client.ingest_batch(updates[first : first + 30], source="shop")
        client.profile("member", "m0", min_offset=ack.offset)
    for number in range(3):
        kept["m1"] |= {f"{number} {event.type}": event for event in alike}
    return {member: list(events.values()) for member, events in kept.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A store with sealed chunks and open tails, and the events that it has."""
    path = tmp_path_factory.mktemp("events") / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_events, "SEALED_EVENTS", 64)
        with Database.create(path) as database:
            database.apply_model({"model.yaml": MODEL})
            events = _fill(database)
    yield path, events


@pytest.fixture(params=["stored", "live", "served"])
def client(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: Any) -> Any:
    """A client of the store: opened, with everything still on the heap, and through a server."""
    monkeypatch.setattr(open_events, "SEALED_EVENTS", 64)
    copy = tmp_path / "store"
    if request.param == "live":
        with Database.create(copy) as database:
            database.apply_model({"model.yaml": MODEL})
            _fill(database)
            with Client(transport=EmbeddedTransport(database)) as live:
                yield live
        return
    shutil.copytree(world[0], copy)
    if request.param == "served":
        with running(Database.open(copy)) as address, Client(address, timeout_s=60) as remote:
            yield remote
        return
    with Database.open(copy) as database, Client(transport=EmbeddedTransport(database)) as here:
        yield here


def _listed(client: Client, member: str = "m1", **asked: Any) -> list[ProfileEvent]:
    return list(client.events("member", member, **asked))


def _plain(events: list[ProfileEvent]) -> list[str]:
    """The events, in an order that knows of no digests."""
    told = sorted(events, key=lambda one: (one.type, sorted(map(repr, one.properties.items()))))
    return [repr(one) for one in sorted(told, key=lambda one: one.time, reverse=True)]


@pytest.mark.parametrize("member", ["m0", "m1", "m2"])
def test_all_that_a_profile_did(client: Client, world: Any, member: str) -> None:
    expected = [_told(event) for event in world[1][member]]
    found = _listed(client, member)
    assert _plain(found) == _plain(expected)
    assert len(found) > 100 or member == "m2"
    assert [(one.time, one.type) for one in found] == sorted(
        [(one.time, one.type) for one in expected],
        key=lambda pair: (-pair[0].timestamp(), pair[1]),
    )
    for size in (1, 7, 64):
        assert _listed(client, member, page_size=size) == found
    for types in (["order"], ["visit", "ping", "visit"]):
        chosen = [one for one in found if one.type in types]
        assert _listed(client, member, types=types, page_size=9) == chosen
    since, until = NOON - 7 * SECOND, NOON + 9 * SECOND
    chosen = [one for one in found if since <= one.time < until]
    assert _listed(client, member, since=since, until=until) == chosen
    as_of = NOON + 3 * SECOND
    assert _listed(client, member, as_of=as_of) == [one for one in found if one.time <= as_of]
    assert _listed(client, member, since=until, until=until + SECOND / 4) == [
        one for one in found if one.time == until
    ]
    assert list(client.profile("member", member).recent_events) == found[:10]
    assert all(not one.recent_events for one in client.profiles([("member", member)]) if one)


def test_values_by_their_types(client: Client) -> None:
    found = [one for one in _listed(client, "m0", types=["order"]) if one.time == NOON]
    full = next(one for one in found if "note" in one.properties)
    assert full.properties == ORDER and list(full.properties) == list(ORDER)
    assert ProfileEvent("order", NOON, {}) in found


def test_pages_stay_while_events_come_and_go(client: Client) -> None:
    before = _listed(client)
    found = client.events("member", "m1", page_size=5)
    seen = [next(found) for _ in range(5)]
    late = Event("ping", time=NOON - 100 * SECOND, id="late")
    updates = [
        Event("order", {"pieces": 1}, before[0].time, "new"),
        Event("order", {"pieces": 1}, NOON + 100 * SECOND, "newer"),
        *(Event("visit", {"channel": "c"}, before[0].time, f"v{at}") for at in range(200)),
    ]
    ack = client.ingest_batch(
        [Update({"member": "m1"}, events=[event]) for event in [*updates, late]], source="shop"
    )
    client.profile("member", "m1", min_offset=ack.offset)
    assert seen + list(found) == [*before, _told(late)]


def test_an_event_ahead_of_its_time(client: Client) -> None:
    soon = datetime.datetime.now(UTC) + datetime.timedelta(hours=9)
    ack = client.ingest_batch(
        [Update({"member": "m2"}, events=[Event("ping", time=soon)])], source="shop"
    )
    assert client.profile("member", "m2", min_offset=ack.offset).recent_events == ()
    assert _listed(client, "m2") == []
    assert _listed(client, "m2", as_of=soon) == [ProfileEvent("ping", soon, {})]
    assert _listed(client, "m2", as_of=soon - SECOND / 1_000_000) == []


WHO = {"kind": "member", "value": "m1"}
REFUSED: list[tuple[Any, str, str]] = [
    ({"identifier": {"kind": "member", "value": "m9"}}, "NOT_FOUND", "identifier member:m9."),
    ({"identifier": {"kind": "membr", "value": "m1"}}, "INPUT_INVALID", "Did you mean member?"),
    ({"identifier": None}, "INPUT_INVALID", "identifier"),
    ({"types": ["oder"]}, "INPUT_INVALID", "no event oder. Did you mean order?"),
    ({"types": ["zzz"]}, "INPUT_INVALID", "There are order, visit, ping."),
    ({"since": {"nanos": -1}}, "INPUT_INVALID", "since"),
    ({"since": {"seconds": 7}, "until": {"seconds": 7}}, "INPUT_INVALID", "is not after since"),
    ({"until": {"seconds": 1 << 40}}, "INPUT_INVALID", "until"),
    ({"as_of": {"seconds": -1 << 40}}, "INPUT_INVALID", "as_of"),
    ({"page_token": "x"}, "INPUT_INVALID", "page_token"),
    ({"page_token": "é"}, "INPUT_INVALID", "page_token"),
    ({"page_token": "Ag" + "A" * 50}, "INPUT_INVALID", "page_token"),
    ({"page_token": "AQ" + "A" * 36 + "AP8="}, "INPUT_INVALID", "page_token"),
]


def test_what_is_refused(client: Client) -> None:
    for asked, reason, message in REFUSED:
        with pytest.raises(StrataError) as caught:
            _page(client, **asked)
        assert caught.value.reason == reason and message in caught.value.message, asked


def _page(client: Client, **asked: Any) -> pb.ListEventsResponse:
    request = pb.ListEventsRequest(**{"identifier": WHO, **asked})
    return client._transport.one(
        "/strata.v1.ProfileService/ListEvents", request, pb.ListEventsResponse
    )


def test_pages_have_bounds(client: Client) -> None:
    page = partial(_page, client)
    everything = len(_listed(client))
    assert len(page().events) == 100 < everything and page().next_page_token
    whole = page(page_size=1 << 31)
    assert len(whole.events) == everything and not whole.next_page_token
    exact = page(page_size=everything)
    assert len(exact.events) == everything and not exact.next_page_token
    assert page(as_of={"seconds": 7, "nanos": 1999}).as_of.nanos == 1000
    assert whole.data_version


COMMANDS: list[list[str]] = [
    ["events", "member:m1"],
    ["events", "member:m1", "--json", "--limit", "150"],
    ["events", "member:m1", "--type", "visit", "--type", "ping", "--limit", "3"],
    ["events", "member:m0", "--since", "2026-11-01T12:00:00", "--until", "2026-11-01T12:00:01"],
    ["events", "member:m0", "--as-of", "2026-11-01T04:00:00Z", "--limit", "4"],
    ["events", "member:m2"],
    ["profile", "member:m1"],
    ["profile", "member:m0", "--json"],
    ["profile", "member:m2"],
    # Refused.
    ["events", "member:m9"],
    ["events", "membr:m1"],
    ["events", "member:m1", "--type", "oder"],
    ["events", "member:m1", "--since", "yesterday"],
    ["events", "nokind"],
    ["events", "member:m1", "--limit", "0"],
]


def test_commands_print_the_same(world: Any, tmp_path: Path) -> None:
    copy = tmp_path / "store"
    shutil.copytree(world[0], copy)

    def run(command: list[str], *place: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, [*command, *place], prog_name="strata")
        return done.exit_code, done.stdout, done.stderr

    here = [run(command, "--store", str(copy)) for command in COMMANDS]
    with running(Database.open(copy)) as address:
        assert here == [run(command, "--server", address) for command in COMMANDS]
    refused = COMMANDS.index(["events", "member:m9"])
    for place, (status, printed, complaint) in enumerate(here):
        assert (status == 0) == (place < refused), (COMMANDS[place], complaint)
        assert "Traceback" not in complaint and (place < refused or not printed)
    assert [status for status, *_ in here[refused:]] == [1, 1, 1, 2, 2, 2]
    assert here[0][1].count("\n") == 100
    assert here[0][2] == "the latest 100; --limit N lists more\n"
    shown = [json.loads(line) for line in here[1][1].splitlines()]
    assert len(shown) == 150 and here[1][2] == ""
    assert set(shown[0]) == {"type", "time", "properties"}
    full = next(line for line in here[3][1].splitlines() if "note" in line)
    assert full == (
        '2026-11-01T04:00:00.000000Z  order  note="fragile \\"top\\"\\n" channel=网店 amount=12.50 '
        "pieces=-3 rate=0.1 paid=false due=2026-11-09 shipped=2026-11-01T04:00:00.000001Z"
    )
    assert (here[5][1], here[8][1].count("last events")) == ("", 0)
    assert here[6][1].count("\n") == 2 + 1 + 1 + 10
    assert len(json.loads(here[7][1])["recent_events"]) == 10
