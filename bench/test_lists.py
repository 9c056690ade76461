"""Lists of members in process: every form, and choices of some, on half of 200,000 profiles.

Measured: what follows once the members are found, without finding them; one thread, no gRPC.
Data: tests/worlds.py; half of the rows, at random, in 4 blocks.
Not shown: rivals, the wire, millions of profiles. Answers are compared with numpy first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from engine.bitmaps.portable import blocks_of_portable
from engine.database import Database
from engine.members import Members
from tests.worlds import World

ROWS = 200_000
WORLD = World(seed=2, rows=ROWS)
HALF = "bucket('half') < 5000"


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """Half of the world, found once."""
    path = tmp_path_factory.mktemp("bench") / "store"
    WORLD.fill(path).close()
    with Database.open(path, threads=1) as database, database.members(HALF) as members:
        yield members


def test_roaring(benchmark: BenchmarkFixture, members: Members) -> None:
    """One portable bitmap."""
    masks = dict(blocks_of_portable(benchmark(members.roaring)))
    assert np.array_equal(np.stack([masks[block] for block in sorted(masks)]), members.masks)


def test_uids(benchmark: BenchmarkFixture, members: Members) -> None:
    """Uids as bytes, all chunks."""
    uids = benchmark(lambda: list(members.uids()))
    assert sum(map(len, uids)) == 16 * members.count
    assert b"".join(uids) == b"".join(table.uids for table in members.table(None, []))


def test_identifiers(benchmark: BenchmarkFixture, members: Members) -> None:
    """Identifiers of one kind as flat arrays, all chunks."""
    batches = benchmark(lambda: list(members.identifier_batches("member")))
    names = [name for strings in batches for name in strings.to_list()]
    assert names == [f"m{row}" for row in members.rows.tolist()]


def test_identifiers_with_attributes(benchmark: BenchmarkFixture, members: Members) -> None:
    """Identifiers beside two attributes, all chunks."""
    names = ["points", "city"]
    tables = benchmark(lambda: list(members.table("member", names)))
    values, present = WORLD.columns["points"]
    rows = members.rows
    expected = [int(v) if has else None for v, has in zip(values[rows], present[rows], strict=True)]
    assert [cell for table in tables for cell in table.columns[0]] == expected


@pytest.fixture
def choices(members: Members) -> Iterator[Members]:
    """The same members, as they were found, for a test that chooses of them."""
    masks, count = members._masks, members.count
    yield members
    members._masks, members.count, members._ordered = masks, count, None


@pytest.mark.parametrize("limit", [100, 10_000])
def test_at_random(benchmark: BenchmarkFixture, choices: Members, limit: int) -> None:
    """Some at random, each time of all."""
    masks = choices._masks

    def choose() -> list[int]:
        choices._masks = masks
        choices.choose(limit, salt="x")
        rows: list[int] = choices.rows.tolist()
        return rows

    assert len(set(benchmark(choose))) == limit


@pytest.mark.parametrize("limit", [100, 10_000])
def test_in_order(benchmark: BenchmarkFixture, choices: Members, limit: int) -> None:
    """The greatest by an attribute."""
    values, present = WORLD.columns["points"]
    rows = choices.rows

    def choose() -> list[int]:
        choices.choose(limit, order_by="points", descending=True)
        rows: list[int] = choices.rows.tolist()
        return rows

    keys = np.where(present[rows], -values[rows], np.iinfo(np.int64).max)
    assert benchmark(choose) == rows[np.argsort(keys, kind="stable")][:limit].tolist()
