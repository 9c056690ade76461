"""Frames, containers and refusals of patched columns and sets, case by case.

That a patched payload reads right whatever it is made from is tests/property/test_patch.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.bitmaps import directory
from engine.bitmaps.containers import ARRAY, BITSET, EMPTY, RUN
from engine.columns import check, codes, column, floats, ints, sets
from engine.columns.patch import patch_codes, patch_floats, patch_ints
from engine.columns.patch_set import patch_codes_set, patch_rows
from engine.columns.zone import Encoded, Zone

BLOCK = 65536
FULL = np.ones(BLOCK, np.bool_)
NO_ROWS = np.zeros(0, np.uint16)


def lay(parts: Any, cells: dict[int, int | None]) -> Encoded:
    """Cells of ints by row; None erases."""
    rows = np.array(sorted(cells), np.uint16)
    kept = np.array([cells[row] is not None for row in sorted(cells)], np.bool_)
    values = np.array([cells[row] or 0 for row in sorted(cells)], np.int64)
    encoded = patch_ints(parts, rows, values, kept)
    assert check.check_column(encoded.parts) == ""
    return encoded


def frame(encoded: Encoded) -> tuple[int, int, int]:
    """(base, step, width), which all parts share."""
    heads = [column.read_head(part) for part in encoded.parts]
    frames = {(head.base, head.step, head.width) for head in heads}
    assert len(frames) == 1
    return frames.pop()


def top_of(width: int) -> int:
    """The greatest value that a width holds above a base of 0."""
    return min((1 << 8 * width) - 1, 2**63 - 1)


@pytest.mark.parametrize("new", [0, 1, 2, 4, 8])
@pytest.mark.parametrize("old", [0, 1, 2, 4, 8])
def test_a_width_follows_the_greatest_value(old: int, new: int) -> None:
    content = np.arange(BLOCK, dtype=np.int64) % (2 if old else 1)
    content[70] = top_of(old)
    encoded = ints.encode_ints(content, FULL)
    assert frame(encoded) == (0, 1, old)
    cells = {70: top_of(new)} if new else {row: 0 for row in range(BLOCK)}
    patched = lay(encoded.parts, cells)
    assert frame(patched) == (0, 1, new)
    found, known = ints.decode_ints(patched.parts)
    content[list(cells)] = list(cells.values())
    assert known.all() and np.array_equal(found, content)
    assert patched.zone == Zone(BLOCK, 0, int(content.max()))


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize(
    ("low", "width"), [(99, 1), (-1, 2), (-70_000, 4), (-(2**40), 8), (-(2**63), 8)]
)
def test_a_base_moves_down_to_the_least_value(low: int, width: int, share: float) -> None:
    chance = np.random.default_rng(1)
    present = chance.random(BLOCK) < share
    present[[0, 1, -1]] = True
    content = np.where(present, chance.integers(100, 300, BLOCK), 0)
    content[:2] = 100, 299
    encoded = ints.encode_ints(content, present)
    content[9], present[9] = low, True
    patched = lay(encoded.parts, {9: low})
    assert frame(patched) == (low, 1, width)
    assert patched == ints.encode_ints(content, present)


def test_a_base_stays_where_its_value_is_erased() -> None:
    encoded = ints.encode_ints(np.arange(100, 400), np.ones(300, np.bool_))
    patched = lay(encoded.parts, {0: None, 1: 399})
    assert frame(patched) == (100, 1, 2)
    assert patched.zone == Zone(299, 102, 399)


def test_a_width_that_no_value_needs_is_given_up_with_its_base() -> None:
    encoded = ints.encode_ints(np.array([-(2**40), 1_000, 1_255]), np.ones(3, np.bool_))
    assert frame(encoded)[2] == 8
    assert frame(lay(encoded.parts, {0: None})) == (1_000, 1, 1)
    assert frame(lay(encoded.parts, {0: 1_000, 2: 1_000})) == (1_000, 1, 0)


def test_a_step_stays_for_values_on_it_and_goes_for_others() -> None:
    hours = 3_600_000_000 * np.arange(-500, 500)
    encoded = ints.encode_ints(hours, np.ones(1_000, np.bool_))
    assert frame(encoded) == (int(hours[0]), 3_600_000_000, 2)
    later = lay(encoded.parts, {5: int(hours[-1]) + 7_200_000_000})
    assert frame(later) == (int(hours[0]), 3_600_000_000, 2)
    earlier = lay(encoded.parts, {5: int(hours[0]) - 70_000 * 3_600_000_000})
    assert frame(earlier) == (int(hours[0]) - 70_000 * 3_600_000_000, 3_600_000_000, 4)
    between = lay(encoded.parts, {5: 1})
    assert frame(between) == (int(hours[0]), 1, 8)
    hours[5] = 1
    assert np.array_equal(ints.decode_ints(between.parts)[0], hours)


def test_rows_past_the_last_one_make_parts_and_their_erasure_takes_them_away() -> None:
    encoded = floats.encode_floats(np.ones(10), np.ones(10, np.bool_))
    last, one = np.array([65_535], np.uint16), np.ones(1)
    longer = patch_floats(encoded.parts, last, one, one.astype(np.bool_))
    assert [column.read_head(part).row_count for part in longer.parts] == [16_384] * 4
    assert longer.zone == Zone(11, 1.0, 1.0)
    assert patch_floats(longer.parts, last, one, np.zeros(1, np.bool_)) == encoded


def test_erasing_rows_that_are_not_stored_changes_nothing() -> None:
    rows, gone = np.array([10, 63, 64, 65_535], np.uint16), np.zeros(4, np.bool_)
    five = codes.encode_codes(np.arange(1, 6, dtype=np.uint32))
    assert patch_codes(five.parts, rows, np.zeros(4, np.uint32), gone) == five
    assert patch_codes((), rows, np.zeros(4, np.uint32), gone).zone == Zone(0)


def test_codes_past_missing_rows_are_cut_off() -> None:
    content = np.zeros(BLOCK, np.uint32)
    content[[3, 65_000]] = 1, 70_000
    encoded = codes.encode_codes(content[:65_001])
    erased = patch_codes(
        encoded.parts, np.array([65_000], np.uint16), np.zeros(1, np.uint32), np.zeros(1, np.bool_)
    )
    assert erased == codes.encode_codes(content[:4])
    assert column.read_head(erased.parts[0]).width == 1


@pytest.mark.parametrize("rows", [[2, 1], [1, 1]])
def test_rows_out_of_order_are_refused(rows: list[int]) -> None:
    cells = np.zeros(2, np.int64)
    with pytest.raises(AssertionError, match="rows ascend"):
        patch_ints((), np.array(rows, np.uint16), cells, np.ones(2, np.bool_))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_a_number_is_refused(value: float) -> None:
    with pytest.raises(AssertionError, match="NaN and infinity"):
        patch_floats((), np.array([1], np.uint16), np.array([value]), np.ones(1, np.bool_))


def test_code_0_is_refused() -> None:
    one, zero = np.array([1], np.uint16), np.zeros(1, np.uint32)
    with pytest.raises(AssertionError, match="missing"):
        patch_codes((), one, zero, np.ones(1, np.bool_))
    with pytest.raises(AssertionError, match="presence"):
        patch_codes_set((), one, zero, np.ones(1, np.bool_))


def test_a_pair_twice_is_refused() -> None:
    twice = np.array([1, 1], np.uint16)
    with pytest.raises(AssertionError, match="each pair once"):
        patch_codes_set((), twice, twice.astype(np.uint32), np.ones(2, np.bool_))


def kinds(encoded: Encoded) -> list[int]:
    """The kinds of all containers, the presence first."""
    found = []
    for part in encoded.parts:
        raw = np.frombuffer(part, np.uint8, 16 * int.from_bytes(part[:4], "little"), 16)
        found += raw.reshape(-1, 16)[:, 14].tolist()
    return found


@pytest.mark.parametrize(
    ("rows", "added", "removed", "before", "after"),
    [
        pytest.param(range(0), [5], [], EMPTY, ARRAY, id="the first row"),
        pytest.param(range(5, 6), [], [5], ARRAY, EMPTY, id="the last row"),
        pytest.param(range(100), [], range(1, 100, 2), RUN, ARRAY, id="holes"),
        pytest.param(range(0, 200, 2), range(200), [], ARRAY, RUN, id="filled"),
        pytest.param(range(0, 8192, 2), [1, 65_535], [], ARRAY, BITSET, id="grown"),
        pytest.param(range(0, 8194, 2), [], [0], BITSET, ARRAY, id="shrunk"),
        pytest.param(range(BLOCK), [], range(0, BLOCK, 2), RUN, BITSET, id="halved"),
    ],
)
def test_a_container_takes_its_smallest_form(
    rows: Any, added: Any, removed: Any, before: int, after: int
) -> None:
    held, into, out = (np.array(list(some), np.uint16) for some in (rows, added, removed))
    encoded = sets.encode_rows(held)
    patched = patch_rows(encoded.parts, into, out)
    assert (kinds(encoded), kinds(patched)) == ([before], [after])
    assert patched == sets.encode_rows(np.setdiff1d(np.union1d(held, into), out))


@pytest.mark.parametrize("row_count", [10, 5_000, BLOCK])
def test_the_presence_follows_the_last_value(row_count: int) -> None:
    rows = np.arange(row_count, dtype=np.uint16)
    members = np.concatenate([rows, rows[::3], rows[:1]])
    held = np.repeat(np.array([1, 2, 9], np.uint32), [len(rows), len(rows[::3]), 1])
    encoded = sets.encode_set_pairs(members, held)
    # Row 0 keeps 9, row 3 keeps 2, row 1 gets 5 for its 1, and row 2 has nothing left.
    where, what = np.array([0, 0, 1, 1, 2, 3], np.uint16), np.array([1, 2, 1, 5, 1, 1], np.uint32)
    patched = patch_codes_set(encoded.parts, where, what, what == 5)
    assert check.check_set(patched.parts) == ""
    assert [sets.read_row(patched.parts, row).tolist() for row in range(4)] == [[9], [5], [], [2]]
    assert sets.decode_rows(patched.parts).tolist() == [row for row in rows.tolist() if row != 2]
    assert patched.zone == Zone(row_count - 1, 1, 9)


def test_containers_move_to_another_part_where_one_is_full() -> None:
    rows = np.tile(np.arange(0, BLOCK, 4, dtype=np.uint16), 40)
    held = np.repeat(np.arange(2, 42, dtype=np.uint32), BLOCK // 4)
    encoded = sets.encode_set_pairs(rows, held)
    assert len(encoded.parts) == 2
    first = patch_codes_set(
        encoded.parts, np.arange(0, BLOCK, 2, dtype=np.uint16), np.full(BLOCK // 2, 1, np.uint32),
        np.ones(BLOCK // 2, np.bool_),
    )  # fmt: skip
    assert max(map(len, first.parts)) <= directory.PART_BYTES
    assert directory.unpack(first.parts[1])[0][0] < directory.unpack(encoded.parts[1])[0][0]
    assert check.check_set(first.parts) == ""
    back = patch_codes_set(
        first.parts, np.arange(0, BLOCK, 2, dtype=np.uint16), np.full(BLOCK // 2, 1, np.uint32),
        np.zeros(BLOCK // 2, np.bool_),
    )  # fmt: skip
    assert back == encoded


def _one_of_each() -> dict[str, tuple[Callable[..., Encoded], Encoded, np.ndarray]]:
    chance, present = np.random.default_rng(1), np.arange(BLOCK) % 3 > 0
    numbers = chance.integers(0, 2**30, BLOCK)
    return {
        "ints": (patch_ints, ints.encode_ints(numbers, present), numbers[:2]),
        "floats": (patch_floats, floats.encode_floats(numbers / 7.0, present), numbers[:2] / 7.0),
        "codes": (
            patch_codes,
            codes.encode_codes(numbers.astype(np.uint32)),
            np.array([1, 2], np.uint32),
        ),
    }


@pytest.mark.parametrize("kind", ["ints", "floats", "codes"])
def test_old_parts_are_read_at_any_alignment_and_left_alone(kind: str) -> None:
    patch, encoded, cells = _one_of_each()[kind]
    rows, kept = np.array([7, 65_000], np.uint16), np.ones(2, np.bool_)
    shifted = [memoryview(b"x" + part)[1:] for part in encoded.parts]
    before = [bytes(part) for part in encoded.parts]
    assert patch(shifted, rows, cells, kept) == patch(encoded.parts, rows, cells, kept)
    assert list(encoded.parts) == before
