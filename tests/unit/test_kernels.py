"""Every kernel of every table against its naive twin, on words, borders and random values."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.core import kernels

TABLES = kernels.tables()
WIDTHS = (np.uint8, np.uint16, np.uint32, np.uint64)


def naive_words(hits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Bit i % 64 of word i / 64 for each hit, one by one."""
    words = [0] * (len(hits) // 64)
    for i, hit in enumerate(hits.tolist()):
        words[i // 64] |= int(hit) << (i % 64)
    return np.array(words, dtype=np.uint64)


def masks() -> list[NDArray[np.uint64]]:
    """Empty, full, one bit at either end, alternating and random."""
    rng = np.random.default_rng(1)
    first, last = np.zeros(1024, np.uint64), np.zeros(1024, np.uint64)
    first[0], last[-1] = 1, 1 << 63
    return [
        np.zeros(1024, np.uint64),
        np.full(1024, 2**64 - 1, np.uint64),
        first,
        last,
        np.full(1024, 0x5555555555555555, np.uint64),
        rng.integers(0, 2**64, 1024, dtype=np.uint64),
    ]


@pytest.mark.parametrize("table", TABLES)
def test_mask_algebra(table: str) -> None:
    """And, or, and-not and count, bit by bit."""
    for a in masks():
        for b in masks():
            for name, expected in (("and", a & b), ("or", a | b), ("and_not", a & ~b)):
                result, count = kernels.combine(table, name, a, b)
                assert (result == expected).all(), name
                assert count == sum(int(word).bit_count() for word in expected.tolist())
            assert kernels.combine(table, "count", a, b)[1] == sum(
                int(word).bit_count() for word in a.tolist()
            )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("width", WIDTHS)
def test_range(table: str, width: Any) -> None:
    """Low, high and both ends of the type; 1 word, and a block."""
    most = int(np.iinfo(width).max)
    rng = np.random.default_rng(2)
    for count in (64, 192, 65_536):
        values = rng.integers(0, most, count, dtype=width, endpoint=True)
        values[:4] = [0, 1, most - 1, most]
        middle = int(values[9])
        for low, high in ((0, 0), (0, most), (most, most), (1, most - 1), (middle, middle)):
            expected = naive_words((values >= low) & (values <= high))
            assert (kernels.in_range(table, values, low, high) == expected).all(), (low, high)


@pytest.mark.parametrize("table", TABLES)
def test_range_of_doubles(table: str) -> None:
    """Infinities and NaN as values and bounds, neighbours, and bounds the wrong way round."""
    values = np.random.default_rng(3).normal(0, 10, 640)
    values[:9] = [0.0, -0.0, 5e-324, 1e308, -1e308, 1.0, math.nan, math.inf, -math.inf]
    above = math.nextafter(1.0, 2.0)
    bounds = [(-math.inf, math.inf), (0.0, 0.0), (above, 2.0), (1.0, -1.0), (-3.5, 4.25)]
    for low, high in (*bounds, (math.nan, 1.0), (1.0, math.nan), (math.inf, math.inf)):
        expected = naive_words((values >= low) & (values <= high))
        assert (kernels.in_range(table, values, low, high) == expected).all(), (low, high)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("width", WIDTHS[:3])
def test_member(table: str, width: Any) -> None:
    """No code, all codes, one, and a random half."""
    most = min(int(np.iinfo(width).max), 100_000)
    rng = np.random.default_rng(4)
    values = rng.integers(0, most, 6_400, dtype=width, endpoint=True)
    values[:256] = np.arange(256)
    values[256:258] = most - 1, most
    words = most // 64 + 1
    chosen = [
        np.zeros(words * 64, bool),
        np.ones(words * 64, bool),
        np.arange(words * 64) == int(values[0]),
        rng.random(words * 64) < 0.5,
    ]
    for hits in chosen:
        members = np.packbits(hits, bitorder="little").view(np.uint64)
        expected = naive_words(hits[values])
        assert (kernels.is_member(table, values, members) == expected).all()


def test_ratio_is_rounded_once() -> None:
    """Narrow and wide division equal Python's, which rounds fractions correctly."""
    pick = random.Random(5)
    for _ in range(20_000):
        numerator = pick.getrandbits(pick.randint(1, 126)) * pick.choice((1, -1))
        denominator = pick.choice((1, 3, 10, 10**9, 10**18, pick.getrandbits(59) | 1))
        expected = float(Fraction(numerator, denominator))
        assert kernels.ratio_to_double(numerator, denominator) == expected
        assert kernels.wide_ratio_to_double(numerator, denominator) == expected


def test_ratio_ties_go_to_even() -> None:
    """Numbers half way between two doubles, and a hair beside."""
    pick = random.Random(6)
    for _ in range(5_000):
        tie = (pick.getrandbits(52) | 1 << 52) * 2 + 1
        shift = pick.randint(0, 60)
        for numerator in (tie << shift, (tie << shift) + 1, (tie << shift) - 1):
            assert kernels.ratio_to_double(numerator, 1) == float(numerator)
            assert kernels.wide_ratio_to_double(numerator, 1) == float(numerator)


def test_wide_ratio() -> None:
    """Denominators of a hundred digits."""
    pick = random.Random(7)
    for _ in range(3_000):
        numerator = pick.getrandbits(pick.randint(1, 500)) * pick.choice((1, -1))
        denominator = 10 ** pick.randint(0, 130)
        ratio = Fraction(numerator, denominator)
        if 1e-290 < abs(ratio) < 1e300:
            assert kernels.wide_ratio_to_double(numerator, denominator) == float(ratio)


def test_linear_sign() -> None:
    """Signs of sums of large products, and of sums that cancel to 0, 1 and -1."""
    pick = random.Random(8)
    for _ in range(5_000):
        factors = [pick.getrandbits(pick.randint(1, 380)) * pick.choice((1, -1)) for _ in range(4)]
        values = [
            pick.choice((pick.randint(-(2**63), 2**63 - 1), 0, 1, -1, -(2**63), 2**63 - 1))
            for _ in range(4)
        ]
        total = sum(f * v for f, v in zip(factors, values, strict=True))
        for constant in (0, -total, -total + 1, -total - 1):
            exact = total + constant
            expected = (exact > 0) - (exact < 0)
            assert kernels.linear_sign(factors, values, constant) == expected
