"""Comparisons in doubles, form by form, against the reference on a whole small world."""

from __future__ import annotations

import pytest

from engine.database import Database
from engine.rules.parse import parse
from engine.rules.reference import ReferenceContext, evaluate
from tests.worlds import NOW_US, TYPES, ZONE, World

# Everybody has `ratio`; the numbers beside it are there for many or, as `price`, for few.
WORLD = World(seed=0, rows=700)
VALUES = (
    "price", "points", "exact", "level", "3 * points", "0.1 * price", "0.1 * exact", "price + 1",
    "level - 0.5", "price - cost", "2 * level + 0.25 * points", "1e30 * points", "0 * level",
    "weight", "0.1 * weight", "weight + 1", "weight - ratio", "level + weight - price", "60.1",
    "-2.5", "0.1 + 0.2",
)  # fmt: skip


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return WORLD.fill(tmp_path_factory.mktemp("floats") / "store")


def members(database: Database, text: str) -> set[int]:
    with database.members(text, as_of_us=NOW_US) as found:
        return set(found.rows.tolist())


def expected(text: str) -> set[int]:
    context = ReferenceContext(TYPES, ZONE, NOW_US)
    tree = parse(text)
    return {row for row in range(WORLD.rows) if evaluate(tree, WORLD.profile(row), context)}


@pytest.mark.parametrize("value", VALUES)
def test_float_against(database: Database, value: str) -> None:
    """Every operator, with the float on either side."""
    for op in ("=", "!=", "<", "<=", ">", ">="):
        for text in (f"ratio {op} {value}", f"{value} {op} ratio"):
            assert members(database, text) == expected(text), text


@pytest.mark.parametrize("text", ["ratio in (0.5, 1, 3)", "ratio not in (0.5, 1, 3)"])
def test_float_among(database: Database, text: str) -> None:
    for value in ("ratio", "2 * ratio", "ratio + level", "level - ratio"):
        wanted = text.replace("ratio", value)
        assert members(database, wanted) == expected(wanted), wanted


def test_the_world_has_what_is_compared() -> None:
    """No comparison above is empty for want of values."""
    for name in ("ratio", "weight", "price", "cost", "points", "exact", "level"):
        assert WORLD.columns[name][1].any(), name
