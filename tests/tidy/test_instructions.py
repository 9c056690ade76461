"""The evaluator takes no more instructions than is stored, and no fewer: see bench/instructions."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.instructions.figures import Figures, build_of, differences
from bench.instructions.measure import QUESTIONS, measure
from engine.core import kernels
from tests.skips import NO_AVX2, OTHER_BUILD, needs_program, skip


@needs_program("valgrind")
def test_as_many_instructions_as_stored(tmp_path: Path) -> None:
    """`python -m bench.instructions --renew` stores them anew where a change is meant."""
    stored = Figures.read()
    if build_of() not in stored.of:
        skip(OTHER_BUILD)
    if "avx2" not in kernels.tables():
        skip(NO_AVX2)
    counted = measure(tmp_path)
    assert list(counted) == list(QUESTIONS)
    assert not (faults := differences(stored.of[build_of()], counted, stored.tolerance)), faults


def test_a_difference_is_seen() -> None:
    """More, less, and a question that is on one side alone."""
    stored = {"a": 1_000, "b": 1_000, "c": 1_000, "gone": 5}
    counted = {"a": 1_029, "b": 1_031, "c": 969, "new": 5}
    faults = differences(stored, counted, 0.03)
    assert [fault.split(":")[0] for fault in faults] == ["b", "c", "gone", "new"]
    assert differences(stored, stored, 0.03) == []


def test_a_build_is_named() -> None:
    """The compiler and the interpreter, as the modules have them."""
    assert "cpython-" in build_of() or "abi" in build_of()


@pytest.mark.parametrize("build", Figures.read().of)
def test_every_question_is_stored(build: str) -> None:
    """A question that is added or renamed needs figures of every build that has any."""
    assert Figures.read().of[build].keys() == QUESTIONS.keys()
