"""The second half of the random programs."""

from __future__ import annotations

from pathlib import Path

from tests.readings import judge_half


def test_every_reading_is_the_same(seed: int, tmp_path: Path) -> None:
    """See tests/readings.py."""
    judge_half(1, seed, tmp_path)
