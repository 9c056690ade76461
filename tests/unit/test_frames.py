"""Frames of columns against what plain Python makes of the same numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.frames import lay_ints, measure_codes, measure_ints

LEAST, GREATEST = -(2**63), 2**63 - 1
INT64 = st.one_of(
    st.integers(LEAST, GREATEST),
    st.sampled_from([LEAST, LEAST + 1, -1, 0, 1, 255, 256, 65_535, 65_536, 2**32, GREATEST]),
)
CELLS = st.lists(st.tuples(INT64, st.booleans()), max_size=200)


def width_of(span: int) -> int:
    return next(width for width in (0, 1, 2, 4, 8) if span < 1 << 8 * width)


def measured(values: list[int], present: list[bool]) -> tuple[int, int, int, int]:
    """The same, value by value."""
    known = [value for value, there in zip(values, present, strict=True) if there]
    if not known:
        return 0, 0, 0, 1
    low, high = min(known), max(known)
    divisor = math.gcd(*(value - low for value in known)) or 1
    saves = width_of(high - low) > 1 and width_of((high - low) // divisor) < width_of(high - low)
    return len(known), low, high, divisor if saves else 1


def arrays(values: list[int], present: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(values, np.int64), np.array(present, np.uint8)


@given(CELLS, st.sampled_from([1, 1, 7, 1_000_000, 86_400_000_000]), st.integers(0, 5))
def test_ints_are_measured_and_laid_out(
    cells: list[tuple[int, bool]], step: int, shift: int
) -> None:
    values = [(value // step * step + shift) for value, _ in cells]
    values = [min(max(value, LEAST), GREATEST) for value in values]
    present = [there for _, there in cells]
    count, low, high, found = measure_ints(*arrays(values, present))
    assert (count, low, high, found) == measured(values, present)
    for width in (1, 2, 4, 8):
        if (high - low) // found < 1 << 8 * width:
            laid = lay_ints(*arrays(values, present), low, found, width)
            assert laid.dtype.itemsize == width
            assert laid.tolist() == [
                (value - low) // found if there else 0
                for value, there in zip(values, present, strict=True)
            ]


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([0, 600, 300], 300),
        ([0, 600, 301], 1),
        ([5, 5, 5], 1),
        # A divisor that saves nothing is no step.
        ([0, 2, 4], 1),
        ([LEAST, GREATEST], 2**64 - 1),
        ([LEAST, 0, GREATEST], 1),
    ],
)
def test_a_step_is_taken_where_it_saves_width(values: list[int], step: int) -> None:
    assert measure_ints(*arrays(values, [True] * len(values)))[3] == step


@given(st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)), max_size=200))
def test_codes_are_measured(codes: list[int]) -> None:
    known = [code for code in codes if code]
    expected = (len(known), min(known), max(known)) if known else (0, 0, 0)
    assert measure_codes(np.array(codes, np.uint32)) == expected
