"""Whole counts in process, from text to number, on 200,000 profiles of a random world.

Measured: parse, bind, plan, layout and evaluation in one thread, as a caller sees it.
Data: tests/worlds.py; 4 blocks, so that what is done once for each question weighs more than it
does on millions of profiles.
Not shown: rivals, large stores, gRPC. Answers are compared with numpy first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from engine.database import Database
from tests.worlds import World

ROWS = 200_000
WORLD = World(seed=2, rows=ROWS)
EXPRESSIONS = {
    "three tags": "tag = 'dense' and tag = 'half' and not tag = 'rare'",
    "column": "points between -5000 and 5000",
    "category": "city in ('c1', 'c2', 'c3')",
    "selective": "tag = 'rare' and points > 0 and city = 'c1'",
    "sum": "points + level > 100",
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The world in a store, read by one thread."""
    path = tmp_path_factory.mktemp("bench") / "store"
    WORLD.fill(path).close()
    with Database.open(path, threads=1) as database:
        yield database


def expected(name: str) -> int:
    """The count by numpy over the columns that the world was made from."""
    tags = WORLD.members_of["tag"]
    points, has_points = WORLD.columns["points"]
    level, has_level = WORLD.columns["level"]
    city, has_city = WORLD.columns["city"]
    match name:
        case "three tags":
            hits = tags["dense"] & tags["half"] & ~tags["rare"]
        case "column":
            hits = has_points & (points >= -5000) & (points <= 5000)
        case "category":
            hits = has_city & np.isin(city.astype(str), ["c1", "c2", "c3"])
        case "selective":
            hits = tags["rare"] & has_points & (points > 0) & has_city & (city == "c1")
        case _:
            hits = has_points & has_level & (points + level > 100)
    return int(hits.sum())


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_count(benchmark: BenchmarkFixture, database: Database, name: str) -> None:
    """One expression, counted."""
    result = benchmark(database.count, EXPRESSIONS[name])
    assert result.count == expected(name)


def test_twenty_at_once(benchmark: BenchmarkFixture, database: Database) -> None:
    """Twenty expressions over the same fields in one call."""
    texts = [f"{text} and points > {n}" for n in range(4) for text in EXPRESSIONS.values()]
    results = benchmark(database.count_many, texts)
    assert [one.count for one in results] == [database.count(text).count for text in texts]
