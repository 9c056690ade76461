"""Selection lists and counts by code, of every table of kernels, against naive twins."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.core import kernels
from tests.unit.test_kernels import (
    CODES,
    NUMBERS,
    TABLES,
    Words,
    bounds,
    code_sets,
    codes,
    in_range,
    masks,
    naive_count,
    naive_words,
    numbers,
)

UNTOUCHED = 0xABCD


def hits_of(mask: Words) -> NDArray[np.bool_]:
    """One bool for each row."""
    return np.unpackbits(mask.view(np.uint8), bitorder="little").astype(bool)


def random_masks() -> list[Words]:
    """Masks with few rows and with many: tables change their way between."""
    rng = np.random.default_rng(6)
    shares = (0.0005, 0.01, 0.022, 0.024, 0.1, 0.9)
    return [naive_words(rng.random(65_536) < share) for share in shares]


@pytest.mark.parametrize("table", TABLES)
def test_rows_of_mask(table: str) -> None:
    """Nothing is written beyond the last row."""
    for mask in (*masks(), *random_masks()):
        expected = np.flatnonzero(hits_of(mask)).tolist()
        rows = np.full(len(expected) + 64, UNTOUCHED, np.uint16)
        assert kernels.rows_of(table, mask, rows) == len(expected)
        assert rows[: len(expected)].tolist() == expected
        assert (rows[len(expected) :] == UNTOUCHED).all()


def lists(first: int, end: int) -> Iterator[NDArray[np.uint16]]:
    """Rows within first <= row < end: one, a register's worth, one less and more, all, some."""
    rng = np.random.default_rng(7)
    every = np.arange(first, end)
    for count in (1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 500):
        yield np.sort(rng.choice(every, count, replace=False)).astype(np.uint16)
    yield every.astype(np.uint16)
    yield every[-1:].astype(np.uint16)


def judge(
    hits: NDArray[np.bool_],
    first: int,
    flip: bool,
    shorten: Callable[[NDArray[np.uint16], NDArray[np.uint16]], int],
) -> None:
    """Asserts what `shorten(rows, out)` leaves, in another array and in the list itself.

    hits[0] is that of row `first`.
    """
    for rows in lists(first, first + len(hits)):
        kept = rows[hits[rows.astype(np.int64) - first] != flip]
        out = np.full(len(rows) + 32, UNTOUCHED, np.uint16)
        assert shorten(rows, out) == len(kept)
        assert (out[: len(kept)] == kept).all()
        assert (out[len(rows) :] == UNTOUCHED).all()
        itself = rows.copy()
        assert shorten(itself, itself) == len(kept)
        assert (itself[: len(kept)] == kept).all()


# A column that begins with the block, and a part of one that ends with it.
PARTS = ((0, 1_280), (65_536 - 1_280, 1_280))


@pytest.mark.parametrize("table", TABLES)
def test_rows_in_mask(table: str) -> None:
    """Kept and turned."""
    for mask, flip in itertools.product(masks(), (False, True)):
        shorten = functools.partial(kernels.rows_in_mask, table)
        judge(
            hits_of(mask),
            0,
            flip,
            lambda rows, out, keep=shorten, test=(mask, flip): keep(rows, *test, out),
        )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("width", NUMBERS)
def test_rows_in_range(table: str, width: Any) -> None:
    """Kept and turned, at the ends of the type."""
    for first, count in PARTS:
        values = numbers(width, count)
        shorten = functools.partial(kernels.rows_in_range, table, values, first)
        for (low, high), flip in itertools.product(bounds(width, values), (False, True)):
            judge(
                in_range(values, low, high),
                first,
                flip,
                lambda rows, out, keep=shorten, test=(low, high, flip): keep(rows, *test, out),
            )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("width", CODES)
def test_rows_that_are_members(table: str, width: Any) -> None:
    """Kept and turned, of no code to all."""
    for first, count in PARTS:
        values = codes(width, count)
        shorten = functools.partial(kernels.rows_that_are_members, table, values, first)
        for (hits, members), flip in itertools.product(code_sets(values), (False, True)):
            judge(
                hits[values],
                first,
                flip,
                lambda rows, out, keep=shorten, test=(members, flip): keep(rows, *test, out),
            )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("width", CODES)
def test_group(table: str, width: Any) -> None:
    """Few codes and many, one for all rows, few rows and all; added to what was counted before."""
    rng = np.random.default_rng(8)
    most = min(int(np.iinfo(width).max) + 1, 100_000)
    given = [*masks(), *random_masks()]
    for code_count in sorted({1, 2, 8, 9, 31, 248, 249, 255, 256, 1_024, 1_025, most}):
        if code_count > most:
            continue
        columns = [
            rng.integers(0, code_count, 65_536).astype(width),
            np.full(65_536, code_count - 1, width),
        ]
        for values in columns:
            for mask in given:
                counts = np.full(code_count, 5, np.int64)
                assert kernels.group(table, values, mask, counts) == naive_count(mask)
                picked = values[hits_of(mask)]
                assert (counts - 5 == np.bincount(picked, minlength=code_count)).all(), code_count


@pytest.mark.parametrize("table", TABLES)
def test_group_of_a_part(table: str) -> None:
    """One word, and as many as do not fill a stretch of any of the loops."""
    rng = np.random.default_rng(9)
    for words in (1, 2, 63, 65, 127, 128, 129, 254, 255, 256, 257, 511):
        for width, code_count in ((np.uint8, 3), (np.uint8, 200), (np.uint16, 3_000)):
            values = rng.integers(0, code_count, 64 * words).astype(width)
            for mask in masks(words):
                counts = np.zeros(code_count, np.int64)
                assert kernels.group(table, values, mask, counts) == naive_count(mask)
                picked = values[hits_of(mask)]
                assert (counts == np.bincount(picked, minlength=code_count)).all()
