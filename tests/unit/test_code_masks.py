"""Many leaves about one category: masks of its codes, held against numpy."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.columns.codes import encode_codes
from engine.columns.sets import encode_rows
from engine.core import evaluate, kernels
from engine.core import operations as ops
from engine.core.program import Program
from engine.store.catalog import LIVE, FieldKind
from engine.store.snapshot import Snapshot
from engine.store.store import Store
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES

# The second block's columns end within a word, though its rows are alive to the end.
COLUMN_ROWS = (BLOCK_ROWS, 50_001, BLOCK_ROWS, 64)
BLOCKS = len(COLUMN_ROWS)
ROWS = BLOCKS * BLOCK_ROWS
# Codes by category and block: masks are made of few, of as many as there are masks for, of none.
TOPS = {"few": (6, 6, 2, 1), "most": (48, 40, 48, 3), "more": (49, 60, 20, 200)}

Truth = NDArray[np.bool_]


class Ground:
    """A store of three categories, and what each row has."""

    def __init__(self, path: Path) -> None:
        rng = np.random.default_rng(5)
        self.live = rng.random(ROWS) < 0.9
        self.store = Store.create(path, map_size=MAP_BYTES)
        self.codes: dict[int, NDArray[np.int64]] = {}
        with self.store.write() as writer:
            writer.set_row_count(ROWS)
            for block in range(BLOCKS):
                here = slice(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS)
                alive = np.flatnonzero(self.live[here]).astype(np.uint16)
                writer.put_field(LIVE.id, block, encode_rows(alive))
            for name, tops in TOPS.items():
                field = writer.add_field(name, FieldKind.CODES, "category").id
                codes = self.codes[field] = np.zeros(ROWS, np.int64)
                for block, top in enumerate(tops):
                    here = slice(block * BLOCK_ROWS, block * BLOCK_ROWS + COLUMN_ROWS[block])
                    drawn = rng.integers(0, top + 1, COLUMN_ROWS[block])
                    codes[here] = np.where(self.live[here], drawn, 0)
                    column = codes[here].astype(np.uint32)
                    writer.put_field(field, block, encode_codes(column))
        self.snapshot: Snapshot = self.store.snapshot()

    def leaf(self, field: int, chance: random.Random) -> tuple[ops.CodesLeaf, Truth]:
        """A leaf about some codes, of which a block may have none, and what is so of each row."""
        chosen = sorted(chance.sample(range(1, 61), chance.choice([1, 2, 3, 5, 12, 13, 30])))
        if chance.random() < 0.3:
            chosen = list(range(chosen[0], chosen[0] + chance.randint(1, 4)))
        members = np.zeros(1024, bool)
        members[chosen] = True
        packed = np.packbits(members, bitorder="little").tobytes()
        whole = chosen[-1] - chosen[0] + 1 == len(chosen)
        leaf = ops.CodesLeaf(field, packed, chosen[0], chosen[-1], whole)
        return leaf, np.isin(self.codes[field], chosen)

    def plan(self, chance: random.Random, count: int) -> tuple[ops.Plan, list[Truth]]:
        """So many leaves, and as many conjunctions of them and of their complements."""
        plan, truths = ops.Plan(), []
        for _ in range(count):
            leaf, truth = self.leaf(chance.choice(list(self.codes)), chance)
            plan.nodes.append(ops.Node("leaf", leaf=leaf))
            truths.append(truth)
        for child in range(0, count, 3):
            plan.nodes.append(ops.Node("not", (child,)))
            truths.append(self.live & ~truths[child])
        parts = len(truths)
        for _ in range(count):
            children = tuple(chance.sample(range(parts), min(parts, chance.randint(2, 4))))
            plan.nodes.append(ops.Node("and", children))
            truths.append(np.logical_and.reduce([truths[child] for child in children]))
        return plan, truths


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("ground") / "store")
    yield made
    made.snapshot.close()
    made.store.close()


@pytest.mark.parametrize("table", kernels.tables())
@pytest.mark.parametrize("leaf_count", [3, 12, 60, 300])
def test_many_leaves_about_a_category_are_what_numpy_says(
    ground: Ground, table: str, leaf_count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All roots together, and each by itself: then its leaves read the columns."""
    monkeypatch.setenv("STRATA_SIMD", table)
    plan, truths = ground.plan(random.Random(leaf_count), leaf_count)
    roots = list(range(len(truths)))
    expected = [int(truth.sum()) for truth in truths]
    program = Program(plan, ground.snapshot, roots)
    assert evaluate.count_roots(program, roots).tolist() == expected
    masks, counts = evaluate.many_masks(program, roots[-20:])
    assert counts.tolist() == expected[-20:]
    bits = np.unpackbits(masks.view(np.uint8), axis=-1, bitorder="little").astype(bool)
    assert (bits.reshape(len(bits), -1) == truths[-20:]).all()
    for root in roots[-10:]:
        assert evaluate.count_roots(program, [root]).tolist() == [expected[root]]
