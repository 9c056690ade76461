"""Hot blocks, case by case: who has them, what may be written, frames, and what is refused.

That what is written reads right whatever it is made from is tests/property/test_hot_cells.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.bitmaps.containers import ARRAY, BITSET, EMPTY, RUN
from engine.columns import bools, codes, column, floats, ints, sets
from engine.columns.hot_block import HotBlock, HotField
from engine.columns.hot_cells import HotCells, read_rows
from engine.columns.hot_rows import HotBools, HotRows
from engine.columns.zone import NOTHING, Encoded, Zone
from engine.store.addresses import PartTable
from engine.store.aligned import AlignedBytes

BLOCK = 65536
FULL = np.ones(BLOCK, np.bool_)
MOST, LEAST = 2**63 - 1, -(2**63)


def hot_ints(content: list[int | None] | np.ndarray) -> HotCells:
    """A field whose block 0 is hot since record 5 and starts with these ints."""
    field = HotCells(column.INTS)
    field.heat(0, encode(content).parts, 5, 5)
    return field


def encode(content: list[int | None] | np.ndarray) -> Encoded:
    """Ints as stored; None where missing."""
    if isinstance(content, np.ndarray):
        return ints.encode_ints(content, np.ones(len(content), np.bool_))
    known = np.array([value is not None for value in content], np.bool_)
    return ints.encode_ints(np.array([value or 0 for value in content], np.int64), known)


def block_of(field: HotField, number: int = 0) -> HotBlock:
    """The hot block that must be there."""
    found = field.get(number)
    assert found is not None
    return found


def write(field: Any, cells: dict[int, Any], newest_open: int = 0, sequence: int = 9) -> Any:
    """Cells by row, None erases; (which changed, refused blocks)."""
    dtype = {HotBools: np.bool_}.get(type(field), np.int64)
    rows = np.array(list(cells), np.uint32)
    kept = np.array([cell is not None for cell in cells.values()], np.bool_)
    values = np.array([cell or 0 for cell in cells.values()], dtype)
    changed, refused = field.write(rows, values, kept, newest_open, sequence)
    return changed.tolist(), refused


def frame(block: HotBlock) -> tuple[int, int, int]:
    """(base, step, width), which all parts share."""
    heads = [column.read_head(part) for part in block.parts]
    frames = {(head.base, head.step, head.width) for head in heads}
    assert len(frames) == 1
    return frames.pop()


def contents(block: HotBlock) -> dict[int, int]:
    """The ints of a block by row."""
    values, known = ints.decode_ints(block.parts)
    return {int(row): int(values[row]) for row in np.flatnonzero(known)}


# ------------------------------------------------------------------------------------ fields


@pytest.mark.parametrize("field", [HotCells(column.INTS), HotRows(), HotBools()])
def test_blocks_are_found_by_number_until_they_are_forgotten(field: HotField) -> None:
    assert field.blocks() == [] and field.get(0) is None
    made = {number: field.heat(number, (), number + 1, number) for number in (40, 3, 17)}
    assert field.blocks() == [3, 17, 40]
    assert all(field.get(number) is block for number, block in made.items())
    assert all(field.get(number) is None for number in (0, 4, 39, 41, 2**32 - 1))
    assert [(block.born, block.sequence) for block in made.values()] == [(41, 40), (4, 3), (18, 17)]
    field.forget(17)
    field.forget(18)
    field.forget(2**32 - 1)
    assert field.blocks() == [3, 40] and field.get(17) is None
    assert made[17].zone == NOTHING and made[17].encode().zone == NOTHING


def test_a_replaced_block_is_left_to_those_who_have_it() -> None:
    field = hot_ints([1, 2, 3])
    old = block_of(field)
    parts = old.parts
    field.heat(0, old.parts, 6, 6)
    assert write(field, {1: 3}) == ([True], [])
    assert contents(old) == {0: 1, 1: 2, 2: 3}
    assert contents(block_of(field)) == {0: 1, 1: 3, 2: 3}
    field.forget(0)
    del field, old
    assert ints.decode_ints(parts)[0][:3].tolist() == [1, 2, 3]


def test_parts_are_read_only_and_where_they_say() -> None:
    block = block_of(hot_ints(np.array([0, 1, 2**40])))
    assert len(block.parts) == len(block.addresses) == 4
    for part, address in zip(block.parts, block.addresses, strict=True):
        assert part.readonly and address % 64 == 0
        assert np.frombuffer(part, np.uint8).ctypes.data == address
        assert len(part) == 64 + BLOCK // 4 * 8 + BLOCK // 8
    block.born, block.sequence = 2**64 - 1, 7
    assert (block.born, block.sequence) == (2**64 - 1, 7)


def test_the_base_classes_have_no_payload() -> None:
    with pytest.raises(NotImplementedError):
        HotField().heat(0, (), 1, 1)
    with pytest.raises(NotImplementedError):
        HotBlock().encode()
    with pytest.raises(NotImplementedError):
        _ = HotBlock().zone


# ------------------------------------------------------------------------------------ writing


@pytest.mark.parametrize(("newest_open", "refused"), [(0, []), (4, []), (5, [0]), (6, [0])])
def test_memory_that_an_open_snapshot_sees_is_not_written(
    newest_open: int, refused: list[int]
) -> None:
    for field in (hot_ints([1, 2]), HotRows(), HotBools()):
        if not isinstance(field, HotCells):
            field.heat(0, (), 5, 5)
        rows, kept = np.array([1, 2], np.uint32), np.array([True, False])
        cells = () if isinstance(field, HotRows) else (np.array([1, 1], field_dtype(field)),)
        before = bytes(block_of(field).parts[0])
        changed, left = field.write(rows, *cells, kept, newest_open, 9)  # type: ignore[attr-defined]
        assert left == refused and changed.tolist() == [not refused, False]
        assert (bytes(block_of(field).parts[0]) == before) == bool(refused)
        assert block_of(field).sequence == (5 if refused else 9)


def field_dtype(field: HotField) -> type[Any]:
    """What its cells are."""
    return np.bool_ if isinstance(field, HotBools) else np.int64


def test_a_block_where_nothing_differs_is_not_refused_and_keeps_its_sequence() -> None:
    field = hot_ints([1, None, 3])
    assert write(field, {0: 1, 1: None, 2: 3, 99: None}, newest_open=5) == ([False] * 4, [])
    assert block_of(field).sequence == 5


def test_one_cell_that_does_not_fit_refuses_its_block_and_no_other() -> None:
    field = hot_ints([1, 250])
    for number in (1, 4):
        field.heat(number, encode([1, 250]).parts, 5, 5)
    cells = {0: 9, BLOCK: 9, BLOCK + 1: 257, 2 * BLOCK: 9, 4 * BLOCK: None, 9 * BLOCK: None}
    changed, refused = write(field, cells)
    assert changed == [True, False, False, False, True, False]
    assert refused == [1, 2, 9]
    assert contents(block_of(field)) == {0: 9, 1: 250}
    assert contents(block_of(field, 1)) == {0: 1, 1: 250}
    assert contents(block_of(field, 4)) == {1: 250}
    assert [block_of(field, number).sequence for number in (0, 1, 4)] == [9, 5, 9]


def test_no_rows_change_nothing() -> None:
    nothing, none = np.zeros(0, np.uint32), np.zeros(0, np.bool_)
    changed, refused = HotRows().write(nothing, none, 0, 1)
    assert len(changed) == 0 and refused == []
    assert write(hot_ints([1]), {}) == ([], [])
    assert write(HotBools(), {}) == ([], [])


def test_the_last_rows_of_the_last_block() -> None:
    field = HotRows()
    last = 2**16 - 1
    field.heat(last, (), 1, 1)
    rows = np.array([2**32 - 2, 2**32 - 1], np.uint32)
    changed, refused = field.write(rows, np.ones(2, np.bool_), 0, 2)
    assert changed.all() and refused == []
    assert sets.decode_rows(block_of(field, last).parts).tolist() == [BLOCK - 2, BLOCK - 1]


@pytest.mark.parametrize("rows", [[1, 0], [1, 1]])
def test_rows_that_do_not_ascend_are_a_mistake(rows: list[int]) -> None:
    cells, kept = np.array(rows, np.uint32), np.ones(2, np.bool_)
    with pytest.raises(AssertionError, match="ascend"):
        HotRows().write(cells, kept, 0, 1)
    with pytest.raises(AssertionError, match="ascend"):
        hot_ints([1]).write(cells, np.ones(2, np.int64), kept, 0, 1)
    with pytest.raises(AssertionError, match="ascend"):
        read_rows(table_of([encode([1])]), cells)


def test_cells_that_mean_nothing_are_a_mistake() -> None:
    row, kept = np.array([7], np.uint32), np.ones(1, np.bool_)
    numbers, known = HotCells(column.FLOATS), HotCells(column.CODES)
    numbers.heat(0, (), 1, 1)
    known.heat(0, (), 1, 1)
    for wrong in (np.nan, np.inf, -np.inf):
        with pytest.raises(AssertionError, match="NaN"):
            numbers.write(row, np.array([wrong]), kept, 0, 1)
        assert numbers.write(row, np.array([wrong]), ~kept, 0, 1)[1] == []
    with pytest.raises(AssertionError, match="code 0"):
        known.write(row, np.zeros(1, np.uint32), kept, 0, 1)
    assert known.write(row, np.zeros(1, np.uint32), ~kept, 0, 1)[1] == []
    for wrong_values in (np.ones(1, np.int32), np.ones(2, np.uint32)):
        with pytest.raises(AssertionError):
            known.write(row, wrong_values, kept, 0, 1)
    with pytest.raises(AssertionError):
        known.write(row, np.ones(1, np.uint32), np.ones(1, np.uint8), 0, 1)  # type: ignore[arg-type]


def test_a_payload_of_another_kind_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="kind"):
        HotCells(column.FLOATS).heat(0, encode([1, 2]).parts, 1, 1)
    three = bools.encode_bools(FULL, FULL)
    with pytest.raises(AssertionError, match="code"):
        HotRows().heat(0, three.parts, 1, 1)
    with pytest.raises(KeyError):
        HotCells(column.UIDS)


# ------------------------------------------------------------------------------------- frames


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([7, 7], (7, 1, 1)),
        ([7, 8], (7, 1, 1)),
        ([0, 1, 256], (0, 1, 2)),
        ([0, 65_536, 1], (0, 1, 4)),
        ([LEAST, LEAST + 1, MOST], (LEAST, 1, 8)),
        ([60, 120, 60 * 300], (60, 1, 2)),
        ([60_000, 120_000, 60_000 * 300], (60_000, 60_000, 2)),
        ([], (0, 1, 1)),
    ],
)
def test_a_frame_is_that_of_the_payload_but_for_a_width_of_0(
    content: list[int | None], expected: tuple[int, int, int]
) -> None:
    block = block_of(hot_ints(content))
    assert frame(block) == expected
    assert contents(block) == dict(enumerate(content))
    assert block.zone == block.encode().zone == encode(content).zone


@pytest.mark.parametrize(
    ("content", "last", "beyond"),
    [
        ([10, 11], 265, 266),
        ([10, 11], 10, 9),
        ([0, 1, 256], 65_535, 65_536),
        ([0, 1, 2**16], 2**32 - 1, 2**32),
        ([LEAST, LEAST + 1], LEAST + 255, MOST),
        ([MOST - 1, MOST], MOST, LEAST),
        ([-(2**62), 1 - 2**62, 0], MOST, -(2**62) - 1),
    ],
)
def test_the_borders_of_a_frame(content: list[int | None], last: int, beyond: int) -> None:
    field = hot_ints(content)
    block = block_of(field)
    assert write(field, {5: beyond}) == ([False], [0])
    assert contents(block) == dict(enumerate(content))
    assert write(field, {5: last}) == ([True], [])
    assert contents(block) == {**dict(enumerate(content)), 5: last}
    assert block.zone == block.encode().zone
    assert max(column.read_head(part).max_stored for part in block.parts) >= last - frame(block)[0]


def test_values_between_two_steps_do_not_fit() -> None:
    hours = 3_600_000_000
    field = hot_ints(hours * np.arange(-400, 400))
    assert frame(block_of(field)) == (-400 * hours, hours, 2)
    assert write(field, {3: 1}) == ([False], [0])
    assert write(field, {3: -397 * hours + 1}) == ([False], [0])
    assert write(field, {3: hours * (65_535 - 400)}) == ([True], [])
    assert contents(block_of(field))[3] == hours * (65_535 - 400)


def test_bounds_stay_wide_until_the_block_is_encoded() -> None:
    field = hot_ints([10, 200, 265])
    block = block_of(field)
    assert write(field, {0: None, 1: 30, 2: None}) == ([True] * 3, [])
    assert block.zone == Zone(1, 10, 265)
    assert block.encode() == encode([None, 30])
    assert write(field, {1: None}) == ([True], [])
    assert block.zone == block.encode().zone == NOTHING
    assert [column.read_head(part).presence.kind for part in block.parts] == [EMPTY]
    assert write(field, {9: 12}) == ([True], [])
    assert [column.read_head(part).presence.kind for part in block.parts] == [BITSET]
    assert contents(block) == {9: 12}


def test_parts_of_several_frames_are_made_one() -> None:
    left, right = encode([5, 6] * (BLOCK // 8)), encode([700] * 64)
    second = bytearray(right.parts[0])
    second[4:8] = (BLOCK // 4).to_bytes(4, "little")
    mixed = [left.parts[0], bytes(second)]
    head = column.read_head(mixed[1])
    assert head.first_row == BLOCK // 4 and head.width == 0
    # Presence rows are numbered within the block: one run from the part's first row.
    second[head.presence.offset + 2 : head.presence.offset + 4] = (BLOCK // 4).to_bytes(2, "little")
    field = HotCells(column.INTS)
    block = field.heat(0, [mixed[0], bytes(second)], 1, 1)
    expected = {
        **dict(enumerate([5, 6] * (BLOCK // 8))),
        **dict.fromkeys(range(BLOCK // 4, BLOCK // 4 + 64), 700),
    }
    assert contents(block) == expected


def test_zeros_of_floats_have_no_sign() -> None:
    field = HotCells(column.FLOATS)
    block = field.heat(0, floats.encode_floats(np.zeros(2), np.ones(2, np.bool_)).parts, 1, 1)
    rows, kept = np.array([0, 2], np.uint32), np.ones(2, np.bool_)
    changed, refused = field.write(rows, np.array([-0.0, -0.0]), kept, 0, 2)
    assert changed.tolist() == [False, True] and refused == []
    assert block.encode() == floats.encode_floats(np.zeros(3), np.ones(3, np.bool_))
    assert block.zone == Zone(3, 0.0, 0.0)
    assert not np.signbit(floats.decode_floats(block.parts)[0]).any()


def test_codes_keep_their_width_and_refuse_wider_ones() -> None:
    field = HotCells(column.CODES)
    block = field.heat(0, codes.encode_codes(np.array([3, 0, 255], np.uint32)).parts, 1, 1)
    row, kept = np.array([1], np.uint32), np.ones(1, np.bool_)
    assert field.write(row, np.array([256], np.uint32), kept, 0, 2)[1] == [0]
    assert field.write(row, np.array([9], np.uint32), kept, 0, 2)[0].all()
    assert codes.decode_codes(block.parts)[:4].tolist() == [3, 9, 255, 0]
    assert column.read_head(block.parts[0]).present_count == 3
    assert block.encode() == codes.encode_codes(np.array([3, 9, 255], np.uint32))


def test_a_bool_is_in_two_bitsets_at_most() -> None:
    field = HotBools()
    block = field.heat(0, (), 1, 1)
    for cell, counts in ((True, (1, 0, 1)), (False, (1, 1, 0)), (None, (0, 0, 0))):
        assert write(field, {7: cell}) == ([True], [])
        entries = [sets.rows_of_code(block.parts, code) for code in (1, 2)]
        assert (len(sets.decode_rows(block.parts)), *map(len, entries)) == counts
        known = [code for code in (1, 2) if counts[code]]
        assert block.zone == (Zone(1, known[0], known[0]) if known else NOTHING)
        assert write(field, {7: cell}, newest_open=9) == ([False], [])


# ------------------------------------------------------------------------------------ reading


def table_of(blocks: list[Encoded | HotBlock | None]) -> PartTable:
    """A part table of some blocks, as stored or hot; None has nothing of the field."""
    first, addresses, kept = [0], [], []
    for block in blocks:
        if isinstance(block, HotBlock):
            addresses += block.addresses
            kept.append(block)
        elif block is not None:
            placed = [AlignedBytes(part) for part in block.parts]
            addresses += [part.address for part in placed]
            kept += placed
        first.append(len(addresses))
    length = np.zeros(len(addresses), np.uint32)
    table = (np.array(first, np.uint32), np.array(addresses, np.uint64), length)
    _ALIVE.append(kept)
    return PartTable(*table, None, {}, {})


_ALIVE: list[Any] = []  # what the addresses of tables point to


def test_ints_of_rows_are_read_through_all_blocks() -> None:
    chance = np.random.default_rng(3)
    content = {
        ARRAY: (chance.integers(0, 9, BLOCK), chance.random(BLOCK) < 0.01),
        RUN: (chance.integers(LEAST, MOST, BLOCK), (np.arange(BLOCK) // 9_000) % 2 == 1),
        BITSET: (chance.integers(-(2**31), 2**31, BLOCK) * 60_000, chance.random(BLOCK) < 0.5),
        EMPTY: (np.full(BLOCK, 77), FULL & (np.arange(BLOCK) < 300)),
    }
    encoded = [ints.encode_ints(values, present) for values, present in content.values()]
    hot = HotCells(column.INTS).heat(0, encoded[1].parts, 1, 1)
    blocks = [
        encoded[0],
        None,
        encoded[1],
        encoded[2],
        hot,
        ints.encode_ints(np.full(300, 77), FULL[:300]),
    ]
    kinds = [ARRAY, None, RUN, BITSET, RUN, EMPTY]
    values = [content[kind][0] if kind is not None else np.zeros(BLOCK) for kind in kinds]
    known = [content[kind][1] if kind is not None else ~FULL for kind in kinds]
    everything = np.concatenate([*values, np.zeros(BLOCK)]).astype(np.int64)
    for first, kind in enumerate(kinds):  # exact: int64 does not pass through floats
        if kind is not None:
            everything[first * BLOCK : (first + 1) * BLOCK] = content[kind][0]
    present = np.concatenate([*known, ~FULL])
    table = table_of(blocks)
    for rows in (np.arange(7 * BLOCK), np.flatnonzero(chance.random(7 * BLOCK) < 0.001)):
        found, there = read_rows(table, rows.astype(np.uint32))
        assert found.dtype == np.int64 and there.dtype == np.bool_
        assert np.array_equal(there, present[rows])
        assert np.array_equal(found, everything[rows] * present[rows])


def test_nothing_is_known_where_there_is_no_part() -> None:
    rows = np.array([0, 5, 2**32 - 1], np.uint32)
    for table in (table_of([]), table_of([None, None])):
        found, there = read_rows(table, rows)
        assert found.tolist() == [0, 0, 0] and not there.any()
    found, there = read_rows(table_of([encode([4])]), rows)
    assert found.tolist() == [4, 0, 0] and there.tolist() == [True, False, False]
    assert len(read_rows(table_of([encode([4])]), np.zeros(0, np.uint32))[0]) == 0
