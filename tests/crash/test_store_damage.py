"""Damaged files and killed writers: never a wrong answer, never the end of the process.

Both run in processes of their own, because a fault would take the tests with it.
"""

from __future__ import annotations

import ast
from pathlib import Path

from tests.crash.running import run
from tests.skips import soaking

FACTOR = 20 if soaking() else 1


def test_no_damage_gives_wrong_answers_or_ends_the_process(tmp_path: Path, seed: int) -> None:
    count = 140 * FACTOR
    *failures, outcomes = run("damaged_store", tmp_path, seed, count)
    assert failures == []
    tally = ast.literal_eval(outcomes)
    assert sum(tally.values()) == count
    # Much of a file is in use, and some of it is not: a test that always saw one would not
    # see the other.
    assert tally["refused"] > count // 3 and tally["right"] > count // 20, tally


def test_a_killed_writer_leaves_the_last_commit_or_the_next(tmp_path: Path, seed: int) -> None:
    rounds = 20 * FACTOR
    lines = run("killed_writer", tmp_path / "store", seed, rounds)
    assert len(lines) == rounds and all(line.startswith("survived at") for line in lines)
