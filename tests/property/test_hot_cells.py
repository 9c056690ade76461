"""Cells written into hot blocks in place leave what laying them over the stored parts gives.

Several changes follow one another over two hot blocks and one that is not hot. What each block
should have is kept in plain arrays; a block that refuses is patched and made hot again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.columns import bools, check, codes, column, floats, ints, sets
from engine.columns.hot_block import HotBlock
from engine.columns.hot_cells import HotCells
from engine.columns.hot_rows import HotBools, HotRows
from engine.columns.patch import patch_codes, patch_floats, patch_ints
from engine.columns.patch_set import patch_bools, patch_rows
from engine.columns.zone import Encoded
from tests.property.test_patch import (
    BLOCK,
    BORDERS,
    INT64,
    SEEDS,
    SHARES,
    SIZES,
    STEPS,
    cut,
    spread,
    whole,
)

HOT = (1, 3)  # block 2 between them is not hot
COUNTS = st.sampled_from([0, 1, 2, 100, 5_000, BLOCK])


@dataclass
class Block:
    """What one block should have."""

    values: np.ndarray
    present: np.ndarray


@dataclass(frozen=True)
class Kind:
    """A kind of field: its hot blocks, its codec, and what lays cells over stored parts."""

    field: Callable[[], Any]
    encode: Callable[[np.ndarray, np.ndarray], Encoded]
    decode: Callable[[Any], tuple[np.ndarray, np.ndarray]]
    patch: Callable[..., Encoded]
    write: Callable[..., tuple[np.ndarray, list[int]]]


def encode_cut(encode: Callable[..., Encoded]) -> Callable[..., Encoded]:
    """The encoder of a column, given the rows up to the last present one."""
    return lambda values, present: encode(values[: cut(present)], present[: cut(present)])


def write_cells(field: Any, rows: Any, cells: Any, kept: Any, *rest: int) -> Any:
    """What cells and bools take."""
    return field.write(rows, cells, kept, *rest)


INTS = Kind(
    lambda: HotCells(column.INTS),
    encode_cut(ints.encode_ints),
    ints.decode_ints,
    patch_ints,
    write_cells,
)
FLOATS = Kind(
    lambda: HotCells(column.FLOATS),
    encode_cut(floats.encode_floats),
    floats.decode_floats,
    patch_floats,
    write_cells,
)
CODES = Kind(
    lambda: HotCells(column.CODES),
    encode_cut(lambda values, present: codes.encode_codes(values * present)),
    lambda parts: (codes.decode_codes(parts), codes.decode_codes(parts) != 0),
    patch_codes,
    write_cells,
)
BOOLS = Kind(HotBools, bools.encode_bools, bools.decode_bools, patch_bools, write_cells)
ROWS = Kind(
    HotRows,
    lambda _, present: sets.encode_rows(np.flatnonzero(present).astype(np.uint16)),
    lambda parts: 2 * (mask_of(sets.decode_rows(parts)),),
    lambda parts, rows, _, kept: patch_rows(parts, rows[kept], rows[~kept]),
    lambda field, rows, _, kept, *rest: field.write(rows, kept, *rest),
)


def mask_of(rows: np.ndarray) -> np.ndarray:
    """bool[BLOCK] of some rows."""
    mask = np.zeros(BLOCK, np.bool_)
    mask[rows] = True
    return mask


@st.composite
def shapes(draw: st.DrawFn) -> tuple[np.ndarray, Any]:
    """Which rows are present at first (bool[BLOCK]), and chance."""
    chance = np.random.default_rng(draw(SEEDS))
    size, share = draw(SIZES), draw(SHARES)
    present = chance.random(BLOCK) < share
    if draw(st.booleans()):  # runs between borders
        present = np.searchsorted(BORDERS, np.arange(BLOCK), side="right") % 2 == draw(
            st.integers(0, 1)
        )
    present[size:] = False
    return present, chance


def pick(draw: Callable[[Any], Any], chance: Any) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the blocks 1, 2 and 3, and which of them become present."""
    picked = []
    for block in (1, 2, 3):
        count = draw(COUNTS) if block != 2 else draw(st.sampled_from([0, 0, 1, 9]))
        rows = np.arange(BLOCK) if draw(st.booleans()) else np.array([0, 1, 63, 64, BLOCK - 1])
        rows = np.sort(chance.choice(rows, min(count, len(rows)), replace=False))
        picked.append((rows + block * BLOCK).astype(np.uint32))
    rows = np.concatenate(picked)
    return rows, chance.random(len(rows)) < draw(SHARES)


def fits(hot: HotBlock, kind: Kind, cells: np.ndarray) -> bool:
    """Whether the frame of a hot column stores all of these values."""
    if kind not in (INTS, CODES):
        return True
    head = column.read_head(hot.parts[0])
    steps = [divmod(int(cell) - head.base, head.step) for cell in np.unique(cells)]
    return all(rest == 0 and 0 <= step < 1 << 8 * head.width for step, rest in steps)


def look(kind: Kind, hot: HotBlock, block: Block) -> None:
    """The hot block has what it should, and encodes to it."""
    found, known = kind.decode(hot.parts)
    assert np.array_equal(known, block.present)
    assert np.array_equal(found * known, block.values * block.present)
    afresh = kind.encode(block.values, block.present)
    encoded = hot.encode()
    assert encoded.zone == afresh.zone
    verify = check.check_set if kind in (BOOLS, ROWS) else check.check_column
    assert verify(encoded.parts) == ""
    if kind is not INTS:
        assert encoded == afresh
    else:
        look_at_frame(encoded, afresh)
    zone, exact = hot.zone, afresh.zone
    assert zone.present_count == exact.present_count
    assert (zone.minimum is None) == (exact.minimum is None)
    if exact.minimum is not None and exact.maximum is not None:
        assert zone.minimum <= exact.minimum <= exact.maximum <= zone.maximum
        assert type(zone.minimum) is type(exact.minimum) is type(zone.maximum)
    look_at_heads(kind, hot)


def look_at_frame(encoded: Encoded, afresh: Encoded) -> None:
    """As patch_ints leaves it: the narrowest width of its step; else byte by byte."""
    head, fresh = (column.read_head(made.parts[0]) for made in (encoded, afresh))
    low, high = encoded.zone.minimum or 0, encoded.zone.maximum or 0
    assert head.width == ints._width_of((high - low) // head.step)
    if (head.base, head.step) == (fresh.base, fresh.step):
        assert encoded == afresh


def look_at_heads(kind: Kind, hot: HotBlock) -> None:
    """Counts are exact and bounds hold, part by part."""
    assert all(address % 64 == 0 for address in hot.addresses)
    assert all(np.frombuffer(part, np.uint8).ctypes.data == address
               for part, address in zip(hot.parts, hot.addresses, strict=True))  # fmt: skip
    if kind in (BOOLS, ROWS):
        assert check.check_set(hot.parts) == ""
        return
    for part in hot.parts:
        head = column.read_head(part)
        stored, known = column.read_stored(part, head), column.read_present(part, head)
        if kind is CODES:
            known = stored != 0
        else:
            assert head.presence.cardinality == np.count_nonzero(known)
        assert head.present_count == np.count_nonzero(known)
        assert not stored[~known].any()
        assert kind is FLOATS or int(stored.max()) <= head.max_stored


def follow(
    kind: Kind, start: Block, some: Callable[[int], np.ndarray], data: Any, chance: Any
) -> None:
    """Writes random changes and compares after each of them."""
    field = kind.field()
    blocks = {HOT[0]: start, HOT[1]: Block(np.zeros_like(start.values), np.zeros(BLOCK, np.bool_))}
    for number, block in blocks.items():
        parts = kind.encode(block.values, block.present).parts if block.present.any() else ()
        field.heat(number, parts, 1, 1)
        look(kind, field.get(number), block)
    for sequence in range(2, data.draw(st.integers(3, 5))):
        rows, kept = pick(data.draw, chance)
        cells = some(len(rows))
        newest_open = data.draw(st.sampled_from([0, 0, 0, sequence - 1]))
        before = {number: b"".join(field.get(number).parts) for number in HOT}
        standing = {number: field.get(number) for number in HOT}
        changed, refused = kind.write(field, rows, cells, kept, newest_open, sequence)
        assert changed.dtype == np.bool_ and len(changed) == len(rows)
        expected = [2] if np.any(rows // BLOCK == 2) else []
        assert not changed[rows // BLOCK == 2].any()
        for number, block in blocks.items():
            here = rows // BLOCK == number
            at, new, stay = (rows[here] % BLOCK).astype(np.uint16), cells[here], kept[here]
            differs = (block.present[at] != stay) | (stay & (block.values[at] != new))
            hot = standing[number]
            if differs.any() and (hot.born <= newest_open or not fits(hot, kind, new[stay])):
                expected.append(number)
                assert not changed[here].any()
                assert b"".join(hot.parts) == before[number]
                assert hot.sequence < sequence
                patched = kind.patch(hot.parts, at[differs], new[differs], stay[differs])
                made = field.heat(number, patched.parts, sequence, sequence)
                assert made is field.get(number) and made is not hot
                assert b"".join(hot.parts) == before[number]
            else:
                assert np.array_equal(changed[here], differs)
                assert (hot.sequence == sequence) == bool(differs.any())
            block.values[at], block.present[at] = np.where(stay, new, 0), stay
            look(kind, field.get(number), block)
        assert refused == sorted(expected)
        again, refused = kind.write(field, rows, cells, kept, sequence, sequence + 1)
        assert not again.any() and refused in ([], [2])
    for number, block in blocks.items():  # hot from hot
        look(kind, field.heat(number, field.get(number).parts, 1, 1), block)


@given(shapes(), st.lists(st.tuples(INT64, INT64, STEPS), min_size=4), st.booleans(), st.data())
def test_ints(drawn: tuple, ranges: list, is_alike: bool, data: Any) -> None:
    present, chance = drawn
    bounds = [(max(a, b) - min(a, b), step, min(a, b)) for a, b, step in ranges]
    bound = iter([bounds[0]] * 9 if is_alike else bounds * 9)
    values, _ = whole(spread(*next(bound), BLOCK, chance), present)
    follow(
        INTS,
        Block(values * present, present),
        lambda count: spread(*next(bound), count, chance),
        data,
        chance,
    )


@given(shapes(), st.floats(allow_nan=False, allow_infinity=False), st.data())
def test_floats(drawn: tuple, extreme: float, data: Any) -> None:
    present, chance = drawn

    def some(count: int) -> np.ndarray:
        content = chance.normal(size=count)
        content[chance.random(count) < 0.01] = extreme
        content[chance.random(count) < chance.choice([0, 0.01, 1])] = -0.0
        return content

    follow(FLOATS, Block(some(BLOCK) * present, present), some, data, chance)


@given(shapes(), st.sampled_from([1, 255, 256, 65535, 65536, 2**32 - 1]), st.data())
def test_codes(drawn: tuple, top: int, data: Any) -> None:
    present, chance = drawn
    greatest = st.sampled_from([top, top, 1, 255, 256, 65535, 65536, 2**32 - 1])

    def some(count: int) -> np.ndarray:
        return chance.integers(1, data.draw(greatest), count, np.uint32, endpoint=True)

    follow(CODES, Block(some(BLOCK) * present, present), some, data, chance)


@given(shapes(), SHARES, st.data())
def test_bools(drawn: tuple, share: float, data: Any) -> None:
    present, chance = drawn
    values = (chance.random(BLOCK) < share) & present
    follow(BOOLS, Block(values, present), lambda count: chance.random(count) < share, data, chance)


@given(shapes(), st.data())
def test_rows(drawn: tuple, data: Any) -> None:
    present, chance = drawn
    follow(
        ROWS, Block(present.copy(), present), lambda count: np.ones(count, np.bool_), data, chance
    )
