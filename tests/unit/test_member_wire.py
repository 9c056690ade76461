"""Chunks of a list written by hand, beside what protobuf writes of the same."""

from __future__ import annotations

import datetime
import random
from decimal import Decimal
from itertools import pairwise

import pytest

from engine.columns.strings import Strings
from engine.members import MemberTable
from server import convert, member_wire
from server.member_wire import bitmap_chunks, identifier_chunks, table_chunks, uid_chunks
from strata.v1 import audience_pb2 as pb

UTC = datetime.UTC


@pytest.fixture(params=[200, 1 << 18])
def chunk_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(member_wire, "CHUNK_BYTES", request.param)
    size: int = request.param
    return size


def read(messages: list[bytes], limit: int) -> list[pb.MembersChunk]:
    """What protobuf reads; its own bytes of the same are as long."""
    found = []
    for raw in messages:
        response = pb.ListMembersResponse.FromString(raw)
        assert len(response.SerializeToString()) == len(raw)
        assert len(raw) <= limit + 100
        found.append(response.chunk)
    assert all(len(one) + len(next_) >= limit // 2 for one, next_ in pairwise(messages))
    return found


@pytest.mark.parametrize("length", [0, 1, 16, 199, 200, 201, 4096])
def test_bytes(length: int, chunk_bytes: int) -> None:
    content = random.Random(length).randbytes(length)
    bitmap = read(list(bitmap_chunks(content)), chunk_bytes)
    assert b"".join(one.roaring for one in bitmap) == content
    uids = read(list(uid_chunks(content)), chunk_bytes)
    assert b"".join(one.uids for one in uids) == content


def test_no_uid_is_cut_in_two() -> None:
    assert member_wire.CHUNK_BYTES % 16 == 0


@pytest.mark.parametrize("count", [0, 1, 100])
def test_identifiers(count: int, chunk_bytes: int) -> None:
    """Lengths on both sides of a byte of varint, and other scripts."""
    rng = random.Random(count)
    values = [rng.choice("aé客") * rng.choice([1, 2, 60, 63, 64, 127, 128]) for _ in range(count)]
    strings = Strings.from_list(["before", *values, "after"]).slice(1, count + 1)
    found = read(list(identifier_chunks(strings)), max(chunk_bytes, 400))
    assert [one for chunk in found for one in chunk.identifiers] == values


COLUMNS = {
    "ints": [1, -1, 0, None, 1 << 62, 1],
    "mixed": [1, True, 1.0, False, 0, 0.0],
    "decimals": [Decimal("1.50"), Decimal("-0.01"), None, Decimal("0.00"), Decimal("1.50"), None],
    "texts": ["", "x" * 130, "客", None, "a", "a"],
    "sets": [["b", "a"], None, ["a"], ["客", "z"], None, ["a"]],
    "days": [datetime.date(1, 1, 1), None, datetime.date(2026, 1, 1), None, None, None],
    "times": [datetime.datetime(2026, 1, 1, 2, 3, 4, 5, UTC), *[None] * 5],
}


@pytest.mark.parametrize("names", [list(COLUMNS), ["sets"], []])
@pytest.mark.parametrize("by_uid", [False, True])
def test_tables(names: list[str], by_uid: bool, chunk_bytes: int) -> None:
    rng = random.Random(3)
    uids = rng.randbytes(16 * 6)
    owned = ["m1", "客", "", "m4" * 50, "m5", "m6"]
    table = MemberTable(
        None if by_uid else Strings.from_list(owned),
        uids if by_uid else b"",
        [COLUMNS[name] for name in names],  # type: ignore[misc]
    )
    found = read(list(table_chunks(table, names)), max(chunk_bytes, 600))
    assert b"".join(one.uids for one in found) == table.uids
    assert [value for one in found for value in one.identifiers] == ([] if by_uid else owned)
    for place, name in enumerate(names):
        for one in found:
            assert one.columns[place].attribute == name
        values = [value for one in found for value in one.columns[place].values]
        assert values == [convert.value(cell) for cell in COLUMNS[name]], name
