"""Random programs as stored segments: kept = recomputed after every change, and rows tested one
by one, through masks, and by whole blocks agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.core.leaf_plan import LeafPlanner
from engine.core.number_plan import NumberPlanner
from engine.core.plan import Planner
from engine.core.program import Program
from engine.core.row_tests import test_many as rows_tested
from engine.live.standing_list import list_members
from tests.programs import Programs
from tests.skips import soaking
from tests.stored_segments import KeptWorld
from tests.worlds import NOW_US, World

PROGRAMS = 400 if soaking() else 60
CHANGES = 100 if soaking() else 12
SIZES = (1, 4_097, 65_536, 65_537, 70_001)


def _world(path: Path, number: int, seed: int) -> KeptWorld:
    world = World(seed=(seed + number) % 2**32, rows=SIZES[number])
    programs = Programs(world, 77)
    rules = {f"s{i}": programs.expression() for i in range(PROGRAMS)}
    rules = {"rich": "price > 50 or points >= 1000", "local": "city = 'c1'"} | rules
    return KeptWorld(path, world, rules)


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_kept_is_recomputed(number: int, seed: int, tmp_path: Path) -> None:
    """After every random change each stored segment holds whom its definition says."""
    kept = _world(tmp_path / "store", number, seed)
    assert len(kept.segments.stored) > PROGRAMS // 2
    for change in range(CHANGES):
        # Few rows, and so many of one block that its masks are filled.
        touched = kept.write(kept.random_cells(4_000 if change % 6 == 5 else 40))
        outcome = kept.update(touched)
        rows = set().union(*(rows.tolist() for rows in touched.fields.values()))
        assert outcome.rows_evaluated <= len(rows) * len(kept.segments.stored)


@pytest.mark.parametrize("number", [1, 4])
def test_rows_tested_together_and_alone(number: int, seed: int, tmp_path: Path) -> None:
    """Many roots over sorted rows, one root over single rows, masks, and whole blocks."""
    kept = _world(tmp_path / "store", number, seed)
    model = kept.segments.model
    with kept.store.snapshot() as snapshot:
        numbers = NumberPlanner(snapshot, NOW_US, model.time_zone)
        leaves = LeafPlanner(snapshot, numbers, lambda name: list_members(snapshot, model, name))
        planner = Planner(leaves)
        roots = [planner.add(one.body) for one in kept.segments.definitions.values()]
        program = Program(planner.plan, snapshot, roots)
        rng = np.random.default_rng(seed)
        some = rng.integers(0, snapshot.row_count + 70_000, 600).astype(np.uint32)
        rows = np.unique(np.append(some, [0, snapshot.row_count - 1]).astype(np.uint32))
        together = rows_tested(program, roots, rows)
        for by_block_from in (1, 2, 300):
            by_block = rows_tested(program, roots, rows, by_block_from=by_block_from)
            assert (by_block == together).all()
        for root, row in zip(roots, together, strict=True):
            assert (rows_tested(program, [root], rows)[0] == row).all()
        masks = kept.segments.evaluate(snapshot, list(model.segments), now_us=NOW_US)
        known = rows[rows < snapshot.block_count << 16]
        for mask, row in zip(masks.values(), together, strict=True):
            bits = np.unpackbits(mask.view(np.uint8).reshape(-1), bitorder="little")
            assert (bits[known].astype(bool) == row[: len(known)]).all()
            assert not row[len(known) :].any()
