"""Sets of a block from cells: against sets and sorting of plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bitmaps import directory
from engine.columns.cell_pairs import cell_triples, count_by_code, deal_rows
from engine.columns.sets import encode_set_pairs
from engine.columns.zone import Zone

CODES = st.one_of(st.integers(1, 6), st.integers(1, 5_000), st.integers(1, 2**32 - 1))
CELLS = st.lists(
    st.tuples(st.lists(CODES, max_size=60), st.integers(1, 3), st.booleans()), max_size=30
)


@given(CELLS, st.integers(0, 200_000))
def test_triples_are_sorted_by_row_and_each_value_of_a_cell_stands_once(
    cells: list[tuple[list[int], int, bool]], first: int
) -> None:
    rows = np.arange(first, first + 3 * len(cells), 3, dtype=np.uint32)
    # Something before the cells that belongs to nobody.
    codes = [9, 9] + [code for cell, _, _ in cells for code in cell]
    offsets = np.cumsum([2, *(len(cell) for cell, _, _ in cells)])
    found = cell_triples(
        rows,
        np.array([giver for _, giver, _ in cells], np.uint32),
        offsets,
        np.array([held for _, _, held in cells], np.uint8),
        np.array(codes, np.uint32),
    )
    expected = [
        (row % 65_536, code, giver)
        for row, (cell, giver, held) in zip(rows.tolist(), cells, strict=True)
        for code in (sorted(set(cell)) if held else ())
    ]
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected
    assert [column.dtype for column in found] == [np.uint16, np.uint32, np.uint32]


@given(st.lists(st.tuples(st.integers(0, 65_535), CODES), max_size=300), st.booleans())
def test_sets_are_the_same_whatever_the_order_of_their_pairs(
    pairs: list[tuple[int, int]], few: bool
) -> None:
    pairs = [(row, code % 30 + 1) for row, code in pairs] if few else pairs
    by_row = sorted(pairs)
    by_row += by_row[-1:]  # repeats are allowed
    ordered = encode_set_pairs(
        np.array([row for row, _ in by_row], np.uint16),
        np.array([code for _, code in by_row], np.uint32),
    )
    mixed = by_row[::-1]
    assert ordered == encode_set_pairs(
        np.array([row for row, _ in mixed], np.uint16),
        np.array([code for _, code in mixed], np.uint32),
    )
    members: dict[int, set[int]] = {}
    for row, code in pairs:
        members.setdefault(code, set()).add(row)
    found: dict[int, set[int]] = {}
    for part in ordered.parts:
        codes, starts, rows = directory.unpack(part)
        for i, code in enumerate(codes.tolist()):
            found[code] = set(rows[starts[i] : starts[i + 1]].tolist())
    assert found.pop(0) == {row for row, _ in pairs}
    assert found == members
    limits = (min(members), max(members)) if members else (None, None)
    assert ordered.zone == Zone(len({row for row, _ in pairs}), *limits)


def test_rows_are_dealt_out_to_their_codes() -> None:
    rows = np.array([2, 2, 2, 5, 5, 65_535], np.uint16)
    codes = np.array([3, 1, 3, 3, 3, 1], np.uint32)
    different, counts = count_by_code(rows, codes, 4)
    assert (different, counts.tolist()) == (3, [0, 2, 0, 2])
    places, out = np.array([0, 0, 0, 2]), np.zeros(4, np.uint16)
    deal_rows(rows, codes, places, out)
    assert out.tolist() == [2, 65_535, 2, 5]
    assert places.tolist() == [0, 2, 0, 4]


def test_rows_out_of_order_are_not_counted() -> None:
    rows, codes = np.array([2, 1], np.uint16), np.array([1, 1], np.uint32)
    assert count_by_code(rows, codes, 2)[0] == -1


def test_no_value_has_the_code_of_the_presence() -> None:
    for rows in ([1, 2], [2, 1]):
        with pytest.raises(AssertionError, match="presence"):
            encode_set_pairs(np.array(rows, np.uint16), np.array([0, 1], np.uint32))
