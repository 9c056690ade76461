"""Lists over the wire: slow readers beside updates, frozen audiences, and what is refused."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from engine.database import Database
from server import member_wire
from strata.answers import Frozen
from strata.client import Client
from strata.errors import StrataError
from strata.updates import Update
from strata.v1 import audience_pb2 as pb
from tests.live_databases import LiveDatabase
from tests.wire.conftest import running

PEOPLE = 30_000


@pytest.fixture
def client(store: Path, tmp_path: Path) -> Iterator[Client]:
    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    with running(Database.open(copy)) as address, Client(address) as client:
        yield client


@pytest.mark.parametrize("patience_s", [0.0, 1000.0])
def test_a_slow_reader_beside_updates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience_s: float
) -> None:
    """Every byte of the list is of its data version. Once the patience with its reader is over,
    nothing holds that version any more, though the reader has hardly begun."""
    monkeypatch.setattr(member_wire, "CHUNK_BYTES", 2048)
    live = LiveDatabase(tmp_path / "store")
    live.sizes(*((f"m{number:06}", number) for number in range(PEOPLE)))
    held = live.database._store._pins._count_of
    with (
        running(live.database, list_patience_s=patience_s, list_folder=tmp_path) as address,
        Client(address) as client,
        Client(address) as writer,
    ):
        before = client.members("size >= 0", form="uids", attributes=["size", "city", "remark"])
        chunks = iter(before)
        first = next(chunks)
        for _ in range(3000):
            if not held or patience_s:
                break
            time.sleep(0.01)
        assert bool(held) == bool(patience_s)
        for turn in range(5):
            updates = [
                Update({"member": f"m{number:06}"}, {"size": -turn - 1, "remark": "x" * 200})
                for number in range(0, PEOPLE, 3)
            ]
            writer.ingest_batch(updates, source="test")
        columns = [chunk.columns or {} for chunk in (first, *chunks)]
        assert len(columns) > 100
        assert [value for one in columns for value in one["size"]] == list(range(PEOPLE))
        assert not any(value for one in columns for value in one["remark"])
        assert client.count("size >= 0").data_version > before.header.data_version


def test_frozen_audiences(client: Client) -> None:
    made = client.freeze("old", "age > 60", made_by="ann")
    assert client.frozen("old") == made and client.frozen_audiences() == [made]
    assert made.count == client.count("age > 60").count
    uids = b"".join(client.members(Frozen("old"), form="uids").uids())
    assert uids == b"".join(client.members("age > 60", form="uids").uids())
    pages = [
        b"".join(client.members(Frozen("old"), form="uids", page=(first, 100)).uids())
        for first in range(0, made.count, 100)
    ]
    assert b"".join(pages) == uids and len(pages[0]) == 1600
    header = client.members(Frozen("old"), form="roaring").header
    assert header.frozen == made and (header.matched, header.gone) == (made.count, 0)
    assert header.row_epoch == made.row_epoch
    counted = client.count(Frozen("old"))
    assert (counted.count, counted.gone, counted.expression) == (made.count, 0, made.expression)
    assert counted.as_of == made.as_of
    part = client.count("age > 80 or vip", nodes=True, among=Frozen("old"))
    assert part.count == client.count("age > 60 and (age > 80 or vip)").count
    assert [(node.text, node.count) for node in part.nodes] == [
        ("or", part.count),
        ("age > 80", client.count("age > 80").count),
        ("vip", client.count("age > 60 and vip").count),
    ]
    assert (part.expression, part.as_of > made.as_of) == ("age > 80 or vip", True)
    groups = client.count(Frozen("old"), group_by="城市").groups
    assert groups == client.count("age > 60", group_by="城市").groups
    counter = client.count("segment('adults')", among=Frozen("old"))
    assert counter.count == made.count != client.count("segment('adults')").count
    found = client.compare(Frozen("old"), "age > 80")
    assert (found.left, found.both) == (made.count, found.right)
    client.drop_frozen("old")
    assert client.frozen_audiences() == []


def test_many_are_named_page_by_page(client: Client) -> None:
    names = [f"n{number:03}" for number in range(103)]
    for name in reversed(names):
        client.freeze(name, "age = 3")
    assert [one.name for one in client.frozen_audiences()] == names


BAD: dict[str, tuple[Callable[[Client], object], str, str]] = {
    "page of an expression": (
        lambda c: c.members("true", form="uids", page=(0, 3)),
        "INPUT_INVALID",
        "page",
    ),
    "page beside a limit": (
        lambda c: c.members(Frozen("old"), form="uids", page=(0, 3), limit=2),
        "INPUT_INVALID",
        "page",
    ),
    "page beside an order": (
        lambda c: c.members(Frozen("old"), form="uids", page=(0, 3), order_by="age"),
        "INPUT_INVALID",
        "page",
    ),
    "empty page": (
        lambda c: c.members(Frozen("old"), form="uids", page=(3, 0)),
        "INPUT_INVALID",
        "page.size",
    ),
    "no such kind": (
        lambda c: c.members(Frozen("old"), identifier_kind="fone"),
        "INPUT_INVALID",
        "identifier_kind",
    ),
    "nobody": (lambda c: c.members(Frozen("odl"), form="uids"), "NOT_FOUND", ""),
    "no name": (lambda c: c.members(Frozen(""), form="uids"), "INPUT_INVALID", "audience"),
    "freezing without a name": (lambda c: c.freeze("", "true"), "INPUT_INVALID", "name"),
    "freezing twice": (lambda c: c.freeze("old", "true"), "ALREADY_EXISTS", ""),
    "freezing what is frozen": (
        lambda c: c.freeze("new", Frozen("old")),
        "INPUT_INVALID",
        "audience",
    ),
    "freezing nobody": (lambda c: c.freeze("new", "true", limit=0), "INPUT_INVALID", "limit"),
    "an order without a limit": (
        lambda c: c.freeze("new", "true", order_by="age"),
        "INPUT_INVALID",
        "order_by",
    ),
    "no order": (
        lambda c: c.freeze("new", "true", limit=3, descending=True),
        "INPUT_INVALID",
        "descending",
    ),
    "counting nobody": (lambda c: c.count(Frozen("odl")), "NOT_FOUND", ""),
    "counting by nodes": (
        lambda c: c.count(Frozen("old"), nodes=True),
        "INPUT_INVALID",
        "include_nodes",
    ),
    "counting in groups of nothing": (
        lambda c: c.count(Frozen("old"), group_by="city"),
        "NOT_FOUND",
        "group_by",
    ),
    "counting those of nobody": (
        lambda c: c.count("true", among=Frozen("odl")),
        "NOT_FOUND",
        "",
    ),
    "counting those of both": (
        lambda c: c.count(Frozen("old"), among=Frozen("old")),
        "INPUT_INVALID",
        "among_frozen",
    ),
    "counting for whom an error holds": (
        lambda c: c.count("agee > 3", among=Frozen("old")),
        "EXPRESSION_INVALID",
        "audience",
    ),
    "counting another instant": (
        lambda c: c.count(Frozen("old"), as_of=datetime.now(UTC)),
        "INPUT_INVALID",
        "as_of",
    ),
    "counting many that are frozen": (
        lambda c: c.transport.one(
            "/strata.v1.AudienceService/CountMany",
            pb.CountManyRequest(audiences=[pb.Audience(frozen="old")]),
            pb.CountManyResponse,
        ),
        "INPUT_INVALID",
        "audiences[0]",
    ),
    "comparing with nothing": (
        lambda c: c.transport.one(
            "/strata.v1.AudienceService/CompareAudiences",
            pb.CompareAudiencesRequest(left=pb.Audience(frozen="old")),
            pb.CompareAudiencesResponse,
        ),
        "INPUT_INVALID",
        "right",
    ),
    "comparing with an error": (
        lambda c: c.compare(Frozen("old"), "agee > 3"),
        "EXPRESSION_INVALID",
        "",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_refused(what: str, client: Client) -> None:
    act, reason, field = BAD[what]
    made = client.freeze("old", "age > 60")
    with pytest.raises(StrataError) as caught:
        act(client)
    assert caught.value.reason == reason, caught.value.message
    if field:
        assert [issue.field for issue in caught.value.issues] == [field]
    assert client.frozen_audiences() == [made]


def test_a_reader_that_leaves_lets_go(client: Client, tmp_path: Path) -> None:
    for _ in range(20):
        members = client.members("true", identifier_kind="member")
        with contextlib.suppress(grpc.RpcError):
            members.close()
    assert client.count("true").count > 0
