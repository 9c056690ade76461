"""The identity index at a small size, for its answers; `python -m bench.identity` measures it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.identity.measure import measure

ENTRIES = 60_000
# Rows of every look-up, and of a batch that was resolved.
ANSWERS = 0xB10454C700F3D514


def test_answers_at_a_small_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every answer is checked as it comes; all together stay what they were."""
    figures = measure(tmp_path, ENTRIES, (500, 20_000), 1)
    with capsys.disabled():
        print(f"answers {figures.answers:016x}", end=" ")
    assert figures.answers == ANSWERS
    assert all(value >= 0 for value in figures.values.values())
