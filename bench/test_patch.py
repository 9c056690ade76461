"""Cells laid over the stored column or set of a full block.

Measured: one call with 100 or 1,000 random cells, through the door that updates use; the bytes
of the new parts are a part of it.
Data: uniform random values from a fixed seed in 65,536 rows, all present; sets have 3 values a
row of 1,000, the first ones much more frequent.
Not shown: what encoding afresh takes where a step is lost, and writing the parts to a store.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from engine.columns import bools, codes, floats, ints, sets
from engine.columns.patch import patch_codes, patch_floats, patch_ints
from engine.columns.patch_set import patch_bools, patch_codes_set, patch_rows

ROWS = 65_536
PRESENT = np.ones(ROWS, np.bool_)
TOPS = {1: 200, 2: 60_000, 4: 1 << 31, 8: 1 << 60}
CELLS = [100, 1_000]


def _rows(rng: np.random.Generator, count: int) -> NDArray[np.uint16]:
    return np.sort(rng.choice(ROWS, count, replace=False)).astype(np.uint16)


@pytest.mark.parametrize("count", CELLS)
@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_ints(benchmark: BenchmarkFixture, width: int, count: int) -> None:
    """Ints of a width that the cells fit in."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, TOPS[width], ROWS)
    rows, cells = _rows(rng, count), rng.integers(0, TOPS[width], count)
    parts = ints.encode_ints(values, PRESENT).parts
    patched = benchmark(patch_ints, parts, rows, cells, PRESENT[:count])
    values[rows] = cells
    assert np.array_equal(ints.decode_ints(patched.parts)[0], values)


@pytest.mark.parametrize("count", CELLS)
@pytest.mark.parametrize("width", [1, 2, 4])
def test_codes(benchmark: BenchmarkFixture, width: int, count: int) -> None:
    """Codes of a width that the cells fit in."""
    rng = np.random.default_rng(2)
    values, cells = (rng.integers(1, TOPS[width], n, np.uint32) for n in (ROWS, count))
    rows, parts = _rows(rng, count), codes.encode_codes(values).parts
    patched = benchmark(patch_codes, parts, rows, cells, PRESENT[:count])
    values[rows] = cells
    assert np.array_equal(codes.decode_codes(patched.parts), values)


@pytest.mark.parametrize("count", CELLS)
def test_floats(benchmark: BenchmarkFixture, count: int) -> None:
    """Doubles."""
    rng = np.random.default_rng(3)
    values, cells = rng.normal(size=ROWS), rng.normal(size=count)
    rows, parts = _rows(rng, count), floats.encode_floats(values, PRESENT).parts
    patched = benchmark(patch_floats, parts, rows, cells, PRESENT[:count])
    values[rows] = cells
    assert patched == floats.encode_floats(values, PRESENT)


@pytest.mark.parametrize("count", CELLS)
def test_bools(benchmark: BenchmarkFixture, count: int) -> None:
    """Bools."""
    rng = np.random.default_rng(4)
    values, cells = rng.random(ROWS) < 0.4, rng.random(count) < 0.4
    rows, parts = _rows(rng, count), bools.encode_bools(values, PRESENT).parts
    patched = benchmark(patch_bools, parts, rows, cells, PRESENT[:count])
    values[rows] = cells
    assert patched == bools.encode_bools(values, PRESENT)


@pytest.mark.parametrize("count", CELLS)
def test_set(benchmark: BenchmarkFixture, count: int) -> None:
    """Pairs of a set, half of them put in and half of them taken out."""
    rng = np.random.default_rng(5)
    rows: Any = np.repeat(np.arange(ROWS, dtype=np.uint64), 3)
    values = np.minimum(rng.zipf(1.3, len(rows)), rng.integers(1, 1_001, len(rows)))
    pairs = np.unique(values.astype(np.uint64) << np.uint64(16) | rows)
    parts = _encode_pairs(pairs).parts
    cells = np.unique(rng.choice(pairs, count, replace=False) ^ np.uint64(1))
    cells[: count // 2] = rng.choice(np.setdiff1d(pairs, cells), count // 2, replace=False)
    held = ~np.isin(cells, pairs)
    patched = benchmark(
        patch_codes_set, parts, cells.astype(np.uint16), (cells >> 16).astype(np.uint32), held
    )
    assert patched == _encode_pairs(np.union1d(np.setdiff1d(pairs, cells), cells[held]))


def _encode_pairs(pairs: NDArray[np.uint64]) -> Any:
    return sets.encode_set_pairs(pairs.astype(np.uint16), (pairs >> 16).astype(np.uint32))


@pytest.mark.parametrize("count", CELLS)
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_members(benchmark: BenchmarkFixture, share: float, count: int) -> None:
    """Members of a segment, half of the rows put in and half of them taken out."""
    rng = np.random.default_rng(6)
    members = np.flatnonzero(rng.random(ROWS) < share).astype(np.uint16)
    rows = _rows(rng, count)
    added, removed = rows[::2].copy(), rows[1::2].copy()
    parts = sets.encode_rows(members).parts
    patched = benchmark(patch_rows, parts, added, removed)
    assert patched == sets.encode_rows(np.setdiff1d(np.union1d(members, added), removed))
