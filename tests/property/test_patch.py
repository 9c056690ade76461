"""Laying cells over stored parts gives what decoding, changing and encoding again gives.

Several changes follow one another, each on the parts that the last one made, and after each
the parts are read back, checked as `verify` does, and compared with the encoder's own bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.bitmaps import directory
from engine.columns import bools, check, codes, column, floats, ints, sets
from engine.columns.patch import patch_codes, patch_floats, patch_ints
from engine.columns.patch_set import patch_bools, patch_codes_set, patch_rows
from engine.columns.zone import Encoded, Zone

BLOCK = 65536
BORDERS = sorted({0, 1, 63, 64, 65, BLOCK - 64, BLOCK - 1, BLOCK} | {
    base + d for base in (4096, 8192, 16384, 32768) for d in (-1, 0, 1)
})  # fmt: skip
SIZES = st.one_of(st.sampled_from(BORDERS), st.integers(0, 300), st.integers(0, BLOCK))
SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.0, 0.001, 0.03, 0.5, 0.97, 0.9999, 1.0])
COUNTS = st.sampled_from([0, 1, 2, 100, 5_000, BLOCK])
INT64 = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-70_000, 70_000),
    st.sampled_from([-(2**63), -1, 0, 1, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1]),
)


@st.composite
def changes(draw: st.DrawFn) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]], Any]:
    """(present rows at first, the changes: rows and which of them become present, chance)."""
    chance = np.random.default_rng(draw(SEEDS))
    present = chance.random(draw(SIZES)) < draw(SHARES)
    made = []
    for _ in range(draw(st.integers(1, 4))):
        reach = draw(st.sampled_from([0, 1, 100, BLOCK]))  # rows past the last one, or not
        rows = np.arange(BLOCK)[: max(len(present), 1) + reach]
        picked = np.sort(chance.choice(rows, min(draw(COUNTS), len(rows)), replace=False))
        made.append((picked.astype(np.uint16), chance.random(len(picked)) < draw(SHARES)))
    return present, made, chance


def cut(present: np.ndarray) -> int:
    """Rows up to the last present one."""
    return int(np.flatnonzero(present)[-1]) + 1 if present.any() else 0


def sound(encoded: Encoded, verify: Callable[[Sequence[bytes]], str]) -> list[memoryview]:
    """The parts as the store hands them out, checked."""
    assert encoded.parts and max(map(len, encoded.parts)) <= directory.PART_BYTES
    assert all(type(part) is bytes for part in encoded.parts)
    assert verify(encoded.parts) == ""
    return [memoryview(part) for part in encoded.parts]


def whole(values: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same for all rows of a block."""
    size = BLOCK - len(present)
    return np.pad(values * present, (0, size)), np.pad(present, (0, size))


def spread(span: int, step: int, low: int, count: int, chance: Any) -> np.ndarray:
    """int64[count]: low, and steps above it."""
    steps = chance.integers(0, span // step, count, np.uint64, endpoint=True)
    return (steps * np.uint64(step) + np.uint64(low % 2**64)).view(np.int64)


STEPS = st.sampled_from([1, 1, 2, 60, 1_000_000])


@given(changes(), st.lists(st.tuples(INT64, INT64, STEPS), min_size=5, max_size=5), st.booleans())
def test_ints(drawn: tuple, ranges: list, is_alike: bool) -> None:
    present, made, chance = drawn
    ranges = [ranges[0]] * 5 if is_alike else ranges
    bounds = [(max(a, b) - min(a, b), step, min(a, b)) for a, b, step in ranges]
    values, present = whole(spread(*bounds[0], len(present), chance), present)
    encoded = ints.encode_ints(values[: cut(present)], present[: cut(present)])
    for (rows, kept), bound in zip(made, bounds[1:], strict=False):
        cells = spread(*bound, len(rows), chance)
        encoded = patch_ints(encoded.parts, rows, cells, kept)
        values[rows], present[rows] = np.where(kept, cells, 0), kept
        afresh = ints.encode_ints(values[: cut(present)], present[: cut(present)])
        parts = sound(encoded, check.check_column)
        found, known = ints.decode_ints(parts)
        assert np.array_equal(known, present[: cut(present)])
        assert np.array_equal(found, values[: cut(present)])
        assert encoded.zone == afresh.zone
        head, fresh = (column.read_head(made.parts[0]) for made in (encoded, afresh))
        low, high = encoded.zone.minimum or 0, encoded.zone.maximum or 0
        assert head.width == ints._width_of((high - low) // head.step)
        if (head.base, head.step) == (fresh.base, fresh.step):
            assert encoded == afresh


@given(changes(), st.floats(allow_nan=False, allow_infinity=False))
def test_floats(drawn: tuple, extreme: float) -> None:
    present, made, chance = drawn

    def some(count: int) -> np.ndarray:
        content = chance.normal(size=count)
        content[chance.random(count) < 0.01] = extreme
        content[chance.random(count) < chance.choice([0, 0.01, 1])] = -0.0
        return content

    values, present = whole(some(len(present)), present)
    encoded = floats.encode_floats(values[: cut(present)], present[: cut(present)])
    for rows, kept in made:
        cells = np.where(kept, some(len(rows)), np.nan)
        encoded = patch_floats(encoded.parts, rows, cells, kept)
        values[rows], present[rows] = np.where(kept, cells, 0), kept
        sound(encoded, check.check_column)
        assert encoded == floats.encode_floats(values[: cut(present)], present[: cut(present)])


@given(changes(), st.lists(st.sampled_from([1, 255, 256, 65535, 65536, 2**32 - 1]), min_size=5))
def test_codes(drawn: tuple, greatest: list[int]) -> None:
    present, made, chance = drawn

    def some(count: int, top: int) -> np.ndarray:
        return chance.integers(1, top, count, np.uint32, endpoint=True)

    values, present = whole(some(len(present), greatest[0]), present)
    encoded = codes.encode_codes(values[: cut(present)])
    for (rows, kept), top in zip(made, greatest[1:], strict=False):
        cells = some(len(rows), top)
        encoded = patch_codes(encoded.parts, rows, cells, kept)
        values[rows], present[rows] = np.where(kept, cells, 0), kept
        sound(encoded, check.check_column)
        assert encoded == codes.encode_codes(values[: cut(present)])


@given(changes(), SHARES)
def test_bools(drawn: tuple, share: float) -> None:
    present, made, chance = drawn
    values, present = whole(chance.random(len(present)) < share, present)
    encoded = bools.encode_bools(values, present)
    for rows, kept in made:
        cells = chance.random(len(rows)) < share
        encoded = patch_bools(encoded.parts, rows, cells, kept)
        values[rows], present[rows] = cells & kept, kept
        sound(encoded, check.check_set)
        assert encoded == bools.encode_bools(values, present)


@given(changes(), st.integers(0, 3), st.sampled_from([1, 2, 30, 5_000, 2**32 - 1]), SHARES)
def test_sets(drawn: tuple, each: int, greatest: int, known: float) -> None:
    present, made, chance = drawn
    members = np.repeat(np.flatnonzero(present).astype(np.uint64), each)
    members |= chance.integers(1, greatest, len(members), np.uint64, endpoint=True) << np.uint64(16)
    pairs = np.unique(members)
    encoded = encode_pairs(pairs)
    for rows, kept in made:
        cells = rows | (
            chance.integers(1, greatest, len(rows), np.uint64, endpoint=True) << np.uint64(16)
        )
        if len(pairs):  # to take out what is there, and put in what is there already
            is_known = chance.random(len(cells)) < known
            cells = np.where(is_known, chance.choice(pairs, len(cells)), cells)
        cells, first = np.unique(cells, return_index=True)
        shuffled = chance.permutation(len(cells))
        cells, kept = cells[shuffled], kept[first][shuffled]
        encoded = patch_codes_set(
            encoded.parts, cells.astype(np.uint16), (cells >> 16).astype(np.uint32), kept
        )
        pairs = np.union1d(np.setdiff1d(pairs, cells), cells[kept])
        sound(encoded, check.check_set)
        assert encoded == encode_pairs(pairs)


def encode_pairs(pairs: np.ndarray) -> Encoded:
    """The set of some pairs, uint64: code << 16 | row."""
    return sets.encode_set_pairs(pairs.astype(np.uint16), (pairs >> 16).astype(np.uint32))


@given(changes())
def test_rows(drawn: tuple) -> None:
    present, made, _ = drawn
    _, present = whole(present, present)
    encoded = sets.encode_rows(np.flatnonzero(present).astype(np.uint16))
    for rows, kept in made:
        encoded = patch_rows(encoded.parts, rows[kept], rows[~kept])
        present[rows] = kept
        sound(encoded, check.check_set)
        assert encoded == sets.encode_rows(np.flatnonzero(present).astype(np.uint16))


NOTHING_YET: list[tuple[Callable[..., Encoded], np.ndarray, Encoded]] = [
    (patch_ints, np.array([7, -9], np.int64), Encoded((), Zone(2, -9, 7))),
    (patch_floats, np.array([7.0, -9.0]), Encoded((), Zone(2, -9.0, 7.0))),
    (patch_codes, np.array([7, 9], np.uint32), Encoded((), Zone(2, 7, 9))),
    (patch_bools, np.array([True, False]), Encoded((), Zone(2, 1, 2))),
]


@given(st.sampled_from(range(4)), st.integers(1, BLOCK - 1))
def test_a_block_that_had_nothing(which: int, row: int) -> None:
    patch, cells, expected = NOTHING_YET[which]
    rows, kept = np.array([row - 1, row], np.uint16), np.ones(2, np.bool_)
    encoded = patch((), rows, cells, kept)
    assert encoded.zone == expected.zone
    verify = check.check_set if patch is patch_bools else check.check_column
    assert verify(encoded.parts) == ""
    erased = patch(encoded.parts, rows, cells, ~kept)
    assert erased.zone == Zone(0) and verify(erased.parts) == ""
    assert erased == patch((), rows, cells, ~kept)
