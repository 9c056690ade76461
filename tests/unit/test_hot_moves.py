"""Rows moved in many fields at once, held against the same moves field by field."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.columns.hot_rows import HotRows, move_rows
from engine.columns.sets import decode_rows, encode_rows

BLOCK = 65536
BLOCKS = 5
OPEN, NOW = 7, 9  # the newest record that a snapshot sees; the record that moves rows


def fields(seed: int, count: int) -> list[HotRows]:
    """Blocks that may be written (born 8), that a snapshot sees (born 5), and that are not hot."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        field = HotRows()
        for block in range(BLOCKS):
            born = int(rng.choice([0, 5, 8, 8]))
            if born:
                held = np.flatnonzero(rng.random(BLOCK) < rng.choice([0.0, 0.001, 0.5]))
                field.heat(block, encode_rows(held.astype(np.uint16)).parts, born, born)
        made.append(field)
    return made


def some_moves(rng: np.random.Generator, most: int) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Rows of all blocks and of one beyond, many of them at the borders of words and blocks."""
    borders = np.array([0, 1, 63, 64, 65_534, 65_535])
    blocks = rng.integers(0, BLOCKS + 1, most)
    inside = np.where(rng.random(most) < 0.3, rng.choice(borders, most), rng.integers(0, BLOCK))
    rows = np.unique(blocks * BLOCK + inside).astype(np.uint32)
    return rows, rng.random(len(rows)) < 0.5


def contents(field: HotRows) -> list[tuple[int, list[int], int, int]]:
    """Block, rows, cardinality and sequence of what is hot."""
    found = []
    for block in field.blocks():
        hot = field.get(block)
        assert hot is not None
        rows = decode_rows(hot.encode().parts).tolist()
        assert decode_rows(hot.parts).tolist() == rows
        found.append((block, rows, hot.zone.present_count, hot.sequence))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_moves_of_many_fields_are_those_of_each(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 9))
    together, alone = fields(seed, count), fields(seed, count)
    of_field = [some_moves(rng, int(rng.choice([0, 1, 40]))) for _ in range(count)]
    starts = np.cumsum([0] + [len(rows) for rows, _ in of_field]).tolist()
    rows = np.concatenate([rows for rows, _ in of_field])
    entered = np.concatenate([entered for _, entered in of_field])
    grown, changed, refused = move_rows(together, starts, rows, entered, OPEN, NOW)
    expected_refused = []
    expected_changed = set()
    for f, (field, (some, going_in)) in enumerate(zip(alone, of_field, strict=True)):
        moved, blocks = field.write(some, going_in, OPEN, NOW)
        expected_refused += [(f, block) for block in blocks]
        expected_changed |= set((some[moved] >> 16).tolist())
        assert grown[f] == np.count_nonzero(moved & going_in) - np.count_nonzero(moved & ~going_in)
        assert contents(together[f]) == contents(field)
    assert changed == sorted(expected_changed)
    assert [(f, int(rows[start]) >> 16) for f, start, _ in refused] == expected_refused
    for f, start, stop in refused:
        of_block = rows[starts[f] : starts[f + 1]]
        inside = of_block[of_block >> 16 == rows[start] >> 16]
        assert rows[start:stop].tolist() == inside.tolist()


def test_no_moves() -> None:
    nothing, none = np.zeros(0, np.uint32), np.zeros(0, np.bool_)
    grown, changed, refused = move_rows([HotRows(), HotRows()], [0, 0, 0], nothing, none, 0, 1)
    assert grown.tolist() == [0, 0] and not changed and not refused
    assert len(move_rows([], [0], nothing, none, 0, 1)[0]) == 0


@pytest.mark.parametrize("rows", [[2, 1], [1, 1]])
def test_rows_of_a_field_ascend(rows: list[int]) -> None:
    moving = np.array(rows, np.uint32), np.ones(2, np.bool_)
    with pytest.raises(AssertionError):
        move_rows([HotRows()], [0, 2], *moving, 0, 1)
    grown, _, refused = move_rows([HotRows(), HotRows()], [0, 1, 2], *moving, 0, 1)
    assert grown.tolist() == [0, 0] and refused == [(0, 0, 1), (1, 1, 2)]
