"""The kernels one by one, in each table, and how fast they read beside the portable ones.

Measured: a kernel over columns of 262,144 values, over the masks of one block, or over the rows of
one block, called through the door that tests use, which is about a microsecond of each figure and
most of it where masks are joined. Each table is timed with the portable one in the same test;
`GB/s` counts the bytes of values and masks that are read, once.
Data: uniform random values from a fixed seed, in the second-level cache.
Not shown: memory bandwidth, blocks that headers decide, and what conjuncts save each other.
Answers are compared with numpy first. Tests run each once; `make bench` measures.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from engine.core import kernels

TABLES = kernels.tables()
ROWS = 262_144
BLOCK_ROWS = 65_536
REPETITIONS = 15


def measured(
    benchmark: BenchmarkFixture, table: str, size: int, call: Callable[[str], object]
) -> None:
    """Times `call` with a table, and with the portable one; `size` is the bytes that it reads."""
    benchmark(call, table)
    if not benchmark.enabled:
        return
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        call("portable")
        times.append(time.perf_counter() - start)
    own: Any = benchmark.stats
    benchmark.extra_info["GB/s"] = round(size / own.stats.median / 1e9, 2)
    benchmark.extra_info["portable GB/s"] = round(size / statistics.median(times) / 1e9, 2)


def counted(words: NDArray[np.uint64]) -> int:
    """Bits set."""
    return int(np.bitwise_count(words).sum())


def random_words(seed: int, words: int, share: float = 0.5) -> NDArray[np.uint64]:
    """A mask with about this share of its rows."""
    hits = np.random.default_rng(seed).random(64 * words) < share
    return np.packbits(hits, bitorder="little").view(np.uint64)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("operation", ["and", "or", "and_not", "count"])
def test_masks(benchmark: BenchmarkFixture, table: str, operation: str) -> None:
    """Two masks of a block joined and counted."""
    a, b = random_words(3, 1024), random_words(4, 1024)
    expected = {"and": a & b, "or": a | b, "and_not": a & ~b, "count": a}[operation]
    assert kernels.combine(table, operation, a.copy(), b) == counted(expected)
    out = a.copy()
    size = out.nbytes if operation == "count" else 2 * out.nbytes
    measured(benchmark, table, size, lambda name: kernels.combine(name, operation, out, b))


@pytest.mark.parametrize("table", TABLES)
def test_join(benchmark: BenchmarkFixture, table: str) -> None:
    """Two masks and the complement of a third, counted in one pass."""
    terms = [random_words(seed, 1024) for seed in (5, 6, 7)]
    flips = [False, False, True]
    assert kernels.join(table, terms, flips) == counted(terms[0] & terms[1] & ~terms[2])
    measured(benchmark, table, 3 * 8192, lambda name: kernels.join(name, terms, flips))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("width", ["uint8", "uint16", "uint32", "uint64", "float64"])
def test_range(benchmark: BenchmarkFixture, table: str, width: str) -> None:
    """One comparison with a range that half of the values are in."""
    values: Any = np.random.default_rng(1).integers(0, 200, ROWS).astype(width)
    words = kernels.in_range(table, values, 50, 150)
    assert counted(words) == int(((values >= 50) & (values <= 150)).sum())
    measured(benchmark, table, values.nbytes, lambda name: kernels.in_range(name, values, 50, 150))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("share", [0.5, 0.01, 0.001])
@pytest.mark.parametrize("width", ["uint8", "uint32"])
def test_narrow_to_range(benchmark: BenchmarkFixture, table: str, share: float, width: str) -> None:
    """A comparison for the rows of a mask alone, in place: what is left of it all stays."""
    values: Any = np.random.default_rng(1).integers(0, 200, ROWS).astype(width)
    mask = random_words(8, ROWS // 64, share)
    low, high = 0, 200
    assert kernels.narrow_to_range(table, values, low, high, None, False, mask) == counted(mask)
    measured(
        benchmark,
        table,
        values.nbytes + mask.nbytes,
        lambda name: kernels.narrow_to_range(name, values, low, high, None, False, mask),
    )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("width", ["uint8", "uint16", "uint32"])
def test_member(benchmark: BenchmarkFixture, table: str, width: str) -> None:
    """Codes looked up in a set of codes."""
    rng = np.random.default_rng(2)
    values: Any = rng.integers(0, 250, ROWS).astype(width)
    hits = rng.random(256) < 0.5
    members = np.packbits(hits, bitorder="little").view(np.uint64)
    assert counted(kernels.is_member(table, values, members)) == int(hits[values].sum())
    measured(benchmark, table, values.nbytes, lambda name: kernels.is_member(name, values, members))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("share", [0.5, 0.01])
def test_rows_of_mask(benchmark: BenchmarkFixture, table: str, share: float) -> None:
    """The rows of a mask listed."""
    mask = random_words(9, 1024, share)
    rows = np.zeros(BLOCK_ROWS, np.uint16)
    assert kernels.rows_of(table, mask, rows) == counted(mask)
    measured(benchmark, table, mask.nbytes, lambda name: kernels.rows_of(name, mask, rows))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("count", [512, 4_096])
@pytest.mark.parametrize("width", ["uint8", "uint32", "uint64"])
def test_rows_in_range(benchmark: BenchmarkFixture, table: str, count: int, width: str) -> None:
    """A list of rows tested on a column; half of them stay."""
    rng = np.random.default_rng(10)
    values: Any = rng.integers(0, 200, BLOCK_ROWS).astype(width)
    rows = np.sort(rng.choice(BLOCK_ROWS, count, replace=False)).astype(np.uint16)
    out = np.zeros(count, np.uint16)
    kept = kernels.rows_in_range(table, values, 0, rows, 50, 150, False, out)
    assert kept == int(((values[rows] >= 50) & (values[rows] <= 150)).sum())
    measured(
        benchmark,
        table,
        count * (2 + values.itemsize),
        lambda name: kernels.rows_in_range(name, values, 0, rows, 50, 150, False, out),
    )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("share", [1.0, 0.1, 0.003])
@pytest.mark.parametrize(("width", "codes"), [("uint8", 31), ("uint8", 250), ("uint16", 1_000)])
def test_group(
    benchmark: BenchmarkFixture, table: str, share: float, width: str, codes: int
) -> None:
    """The rows of a mask counted by their code; a few codes have most of them."""
    rng = np.random.default_rng(11)
    values: Any = (rng.random(BLOCK_ROWS) ** 3 * codes).astype(width)
    mask = random_words(12, 1024, share)
    counts = np.zeros(codes, np.int64)
    assert kernels.group(table, values, mask, counts) == counted(mask)
    hits = np.unpackbits(mask.view(np.uint8), bitorder="little").astype(bool)
    assert (counts == np.bincount(values[hits], minlength=codes)).all()
    measured(
        benchmark,
        table,
        values.nbytes + mask.nbytes,
        lambda name: kernels.group(name, values, mask, counts),
    )
