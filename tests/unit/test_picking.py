"""Uids of chosen rows, beside the same in plain numpy; choices beside sorted plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.columns.column import rows_per_part
from engine.columns.hashing import xxh64, xxh64_many16
from engine.columns.uid_rows import uids_of_rows
from engine.columns.uids import UID_BYTES, decode_uids
from engine.database import Database
from engine.errors import InputInvalid, NotFound
from engine.listing import choosing
from engine.listing.batches import ORDERED_ROWS, batches_of_masks, batches_of_rows
from engine.listing.choosing import check_order, choose_at_random, choose_in_order
from engine.listing.picking import hashes_of_mask, uids_of_mask
from engine.live.memberships import rows_of_masks
from engine.store.catalog import UIDS
from engine.store.snapshot import Snapshot
from tests.worlds import World

WORLD = World(seed=8, rows=65_536 + 8_192 + 37)
SHARES = [0.0, 0.00002, 0.01, 0.5, 0.999, 1.0]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with WORLD.fill(tmp_path_factory.mktemp("picking") / "store") as database:
        yield database


@pytest.fixture(scope="module")
def snapshot(database: Database) -> Iterator[Snapshot]:
    with database._store.snapshot() as snapshot:
        yield snapshot


def masks_of(snapshot: Snapshot, share: float, seed: int = 1) -> NDArray[np.uint64]:
    """A random share of the rows, with the first and the last of each block and part."""
    rng = np.random.default_rng(seed)
    bits = np.zeros(snapshot.block_count << 16, np.bool_)
    bits[: WORLD.rows] = rng.random(WORLD.rows) < share
    if share > 0:
        bits[[0, 8_191, 8_192, 65_535, 65_536, WORLD.rows - 1]] = True
    packed: NDArray[np.uint64] = np.packbits(bits, bitorder="little").view(np.uint64)
    return packed.reshape(-1, 1024)


def uids(snapshot: Snapshot) -> NDArray[np.uint8]:
    """All uids, by row."""
    field = snapshot.fields[UIDS.name].id
    return np.concatenate([decode_uids(snapshot.payloads(field, block)) for block in (0, 1)])


@pytest.mark.parametrize("share", SHARES)
def test_uids_of_masks_and_rows(snapshot: Snapshot, share: float) -> None:
    table = snapshot.addresses(snapshot.fields[UIDS.name].id)
    masks = masks_of(snapshot, share)
    rows = rows_of_masks(masks)
    picked = b"".join(uids_of_mask(table, block, masks[block]) for block in (0, 1))
    assert picked == uids(snapshot)[rows].tobytes()
    mixed = np.random.default_rng(2).permutation(rows).astype(np.uint32)
    assert uids_of_rows(table, mixed, rows_per_part(UID_BYTES)) == uids(snapshot)[mixed].tobytes()


def test_rows_without_a_uid_are_a_defect(snapshot: Snapshot) -> None:
    table = snapshot.addresses(snapshot.fields[UIDS.name].id)
    beyond = np.zeros(1024, np.uint64)
    beyond[1023] = 1
    for block in (1, 2):
        with pytest.raises(AssertionError):
            uids_of_mask(table, block, beyond)
    for row in (WORLD.rows, WORLD.rows + 8_192, 2 << 16, (1 << 32) - 1):
        with pytest.raises(AssertionError):
            uids_of_rows(table, np.array([0, row], np.uint32), rows_per_part(UID_BYTES))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("most", [0, 1 << 50, 1 << 63, 2**64 - 1])
def test_hashes(snapshot: Snapshot, share: float, most: int) -> None:
    table = snapshot.addresses(snapshot.fields[UIDS.name].id)
    masks = masks_of(snapshot, share)
    found = [hashes_of_mask(table, block, masks[block], 77, most) for block in (0, 1)]
    rows = rows_of_masks(masks)
    hashes = xxh64_many16(uids(snapshot)[rows], 77)
    kept = hashes <= np.uint64(most)
    assert np.array_equal(np.concatenate([one for one, _ in found]), hashes[kept])
    assert np.array_equal(np.concatenate([one for _, one in found]), rows[kept])


@pytest.mark.parametrize("share", SHARES)
def test_a_random_choice_has_the_smallest_hashes(snapshot: Snapshot, share: float) -> None:
    masks = masks_of(snapshot, share)
    rows = rows_of_masks(masks)
    hashes = xxh64_many16(uids(snapshot)[rows], xxh64("盐".encode(), 0)).tolist()
    by_hash = [row for _, row in sorted(zip(hashes, rows.tolist(), strict=True))]
    for limit in {0, 1, 2, 63, 1000, len(rows) - 1, len(rows), len(rows) + 1} - {-1}:
        chosen = rows_of_masks(choose_at_random(snapshot, masks, limit, "盐")).tolist()
        assert chosen == sorted(by_hash[:limit]), limit


def test_a_bound_that_was_too_low_is_raised(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = masks_of(snapshot, 0.5)
    expected = choose_at_random(snapshot, masks, 5000, "a")
    asked: list[int] = []

    def low(table: Any, block: int, words: Any, seed: int, most: int) -> Any:
        asked.append(most)
        return hashes_of_mask(table, block, words, seed, most if most == 2**64 - 1 else most // 2)

    monkeypatch.setattr(choosing, "hashes_of_mask", low)
    assert np.array_equal(choose_at_random(snapshot, masks, 5000, "a"), expected)
    assert asked[-1] == 2**64 - 1 and len(asked) == 4


def test_equal_hashes_are_taken_by_row(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    def equal(table: Any, block: int, words: Any, seed: int, most: int) -> Any:
        hashes, rows = hashes_of_mask(table, block, words, seed, 2**64 - 1)
        return hashes * np.uint64(0) + np.uint64(rows[0] == 0), rows

    masks = masks_of(snapshot, 0.3)
    monkeypatch.setattr(choosing, "hashes_of_mask", equal)
    rows = rows_of_masks(masks)
    later = rows[rows >= 65_536]
    for limit in (1, len(later), len(later) + 5):
        chosen = rows_of_masks(choose_at_random(snapshot, masks, limit, ""))
        wanted = np.concatenate([later, rows])[:limit]
        assert np.array_equal(chosen, np.sort(wanted))


@pytest.mark.parametrize("name", ["points", "weight", "exact", "joined", "birthday"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("slack", [0, 4 << 16])
def test_the_first_in_an_order_are_those_of_a_sort(
    database: Database,
    snapshot: Snapshot,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    descending: bool,
    slack: int,
) -> None:
    """With a slack of 0 the bound is found at once, and everything later is held against it."""
    monkeypatch.setattr(choosing, "_SLACK", slack)
    model = database.model
    assert model is not None
    values, present = WORLD.columns[name]
    for share in SHARES:
        masks = masks_of(snapshot, share, seed=3)
        rows = sorted(
            rows_of_masks(masks).tolist(),
            key=lambda row: (
                not present[row],
                (-values[row] if descending else values[row]) if present[row] else 0,
                row,
            ),
        )
        for limit in (0, 1, 2, 1000, len(rows) - 1, len(rows), len(rows) + 1, None):
            if limit is None or limit >= 0:
                found = choose_in_order(snapshot, model, masks, limit, name, descending=descending)
                assert found.dtype == np.uint32
                assert found.tolist() == rows[:limit], (share, limit)


def test_no_order(database: Database) -> None:
    model = database.model
    assert model is not None
    with pytest.raises(NotFound, match="Did you mean points"):
        check_order(model, "pints")
    with pytest.raises(InputInvalid, match="no order"):
        check_order(model, "city")


def test_batches_have_every_row_once(snapshot: Snapshot) -> None:
    masks = masks_of(snapshot, 0.7)
    rows = rows_of_masks(masks)
    found = np.concatenate([batch.rows() for batch in batches_of_masks(masks)])
    assert np.array_equal(found, rows)
    rng = np.random.default_rng(4)
    many = rng.integers(0, 1 << 32, ORDERED_ROWS + 3).astype(np.uint32)
    batches = list(batches_of_rows(many))
    assert [batch.row_count for batch in batches] == [ORDERED_ROWS, 3]
    assert np.array_equal(np.concatenate([batch.rows() for batch in batches]), many)


def test_what_is_read_of_many_blocks_stands_in_its_place(database: Database) -> None:
    """Rows of both blocks in turn, in batches that have some of each."""
    with database.members("points > 0 or vip", order_by="weight") as members:
        rows = members.rows.tolist()
        assert len({row >> 16 for row in rows[:200]}) == 2
        names = [f"m{row}" for row in rows]
        assert [one for chunk in members.identifiers("member") for one in chunk] == names
        (table,) = members.table("member", ["points", "city", "tag"])
        assert table.identifiers is not None and table.identifiers.to_list() == names
        for row, *cells in list(zip(rows, *table.columns, strict=True))[::97]:
            profile = WORLD.profile(row)
            values, present = WORLD.columns["points"]
            assert cells[0] == (int(values[row]) if present[row] else None)
            assert cells[1] == profile.get("city")
            assert set(cells[2] or ()) == set(profile.get("tag") or ())
