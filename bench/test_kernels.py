"""The kernels over one block, one by one.

Measured: a kernel over 65,536 values, or over masks of 8 KiB, that lie in the cache, called
through the door that tests use, which is a part of each figure.
Data: uniform random values from a fixed seed; half of the rows hit.
Not shown: memory bandwidth, blocks that headers decide, and what conjuncts save each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from engine.core import kernels

ROWS = 65_536


@pytest.mark.parametrize("table", kernels.tables())
@pytest.mark.parametrize("width", ["uint8", "uint16", "uint32", "uint64", "float64"])
def test_range(benchmark: BenchmarkFixture, table: str, width: str) -> None:
    """One comparison with a range."""
    rng = np.random.default_rng(1)
    values: Any = rng.integers(0, 200, ROWS).astype(width)
    words = benchmark(kernels.in_range, table, values, 50, 150)
    assert int(np.bitwise_count(words).sum()) == int(((values >= 50) & (values <= 150)).sum())


@pytest.mark.parametrize("table", kernels.tables())
@pytest.mark.parametrize("width", ["uint8", "uint16", "uint32"])
def test_member(benchmark: BenchmarkFixture, table: str, width: str) -> None:
    """Codes looked up in a set of codes."""
    rng = np.random.default_rng(2)
    values: Any = rng.integers(0, 250, ROWS).astype(width)
    hits = rng.random(256) < 0.5
    members = np.packbits(hits, bitorder="little").view(np.uint64)
    words = benchmark(kernels.is_member, table, values, members)
    assert int(np.bitwise_count(words).sum()) == int(hits[values].sum())


@pytest.mark.parametrize("table", kernels.tables())
@pytest.mark.parametrize("operation", ["and", "or", "and_not", "count"])
def test_masks(benchmark: BenchmarkFixture, table: str, operation: str) -> None:
    """Two masks joined and counted; a copy of the first is part of it."""
    rng = np.random.default_rng(3)
    a, b = (rng.integers(0, 2**64, 1024, dtype=np.uint64) for _ in range(2))
    expected = {"and": a & b, "or": a | b, "and_not": a & ~b, "count": a}[operation]
    _, count = benchmark(kernels.combine, table, operation, a, b)
    assert count == int(np.bitwise_count(expected).sum())
