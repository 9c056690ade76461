"""The first half of the random programs, and the same programs in one thread and in several."""

from __future__ import annotations

from pathlib import Path

from engine.database import Database
from tests.programs import Programs
from tests.readings import judge_half
from tests.worlds import NOW_US, World


def test_every_reading_is_the_same(seed: int, tmp_path: Path) -> None:
    """See tests/readings.py."""
    judge_half(0, seed, tmp_path)


def test_threads_change_nothing(tmp_path: Path) -> None:
    """Counts, node counts and members are the same in one thread and in three."""
    world = World(seed=7, rows=200_001)
    path = tmp_path / "store"
    world.fill(path).close()
    programs = Programs(world, 5)
    texts = [programs.expression() for _ in range(40)]
    with Database.open(path, threads=1) as one:
        alone = [(r.count, r.nodes) for r in one.count_many(texts, as_of_us=NOW_US, nodes=True)]
        groups = one.count("points > 0", group_by="city").groups
    with Database.open(path, threads=3) as three:
        shared = [(r.count, r.nodes) for r in three.count_many(texts, as_of_us=NOW_US, nodes=True)]
        assert [three.count(text, as_of_us=NOW_US).count for text in texts] == [
            count for count, _ in alone
        ]
        assert three.count("points > 0", group_by="city").groups == groups
    assert shared == alone
