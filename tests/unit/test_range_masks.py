"""Many leaves that compare a number with constants: masks of its ranges, held against numpy."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.columns.ints import encode_ints
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
# By number and block: the least value, how many steps there are above it, and how wide one is. So
# stored in 4 bytes (two parts a block), in 1, in 2, in 8, and in different widths.
SPREAD = {
    "wide": [(-5, 40_000_000, 1), (0, 3_000_000, 7), (10**6, 70_000, 100), (0, 2**32 - 3, 1)],
    "bytes": [(18, 72, 1), (-(2**40), 255, 1), (0, 1, 1), (7, 0, 1)],
    "words": [(0, 60_000, 1), (5, 300, 3), (0, 65_535, 1), (0, 256, 1)],
    "long": [(0, 2**40, 1), (0, 2**33, 5), (-(2**62), 2**63 - 1, 1), (0, 2**50, 1)],
    "mixed": [(0, 200, 1), (0, 10**6, 1), (0, 60_000, 1), (0, 2**32 - 1, 1)],
}

Truth = NDArray[np.bool_]


class Ground:
    """A store of some numbers, and what each row has."""

    def __init__(self, path: Path) -> None:
        rng = np.random.default_rng(5)
        self.live = rng.random(ROWS) < 0.9
        self.store = Store.create(path, map_size=MAP_BYTES)
        self.values: dict[int, tuple[NDArray[np.int64], Truth]] = {}
        with self.store.write() as writer:
            writer.set_row_count(ROWS)
            for block in range(BLOCKS):
                here = slice(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS)
                alive = np.flatnonzero(self.live[here]).astype(np.uint16)
                writer.put_field(LIVE.id, block, encode_rows(alive))
            for name, spread in SPREAD.items():
                field = writer.add_field(name, FieldKind.INTS, "int").id
                values, present = np.zeros(ROWS, np.int64), np.zeros(ROWS, bool)
                for block, (least, steps, width) in enumerate(spread):
                    rows = COLUMN_ROWS[block]
                    here = slice(block * BLOCK_ROWS, block * BLOCK_ROWS + rows)
                    drawn = rng.integers(0, steps, rows, endpoint=True)
                    # Both ends occur, and values that are near the least one.
                    drawn[:3], drawn[3:6] = 0, steps
                    drawn[6:40] = np.minimum(drawn[6:40], steps) % 50
                    values[here] = least + width * drawn
                    share = (1.1, 0.7, 0.5, 0.9)[block]
                    present[here] = self.live[here] & (rng.random(rows) < share)
                    encoded = encode_ints(values[here], present[here])
                    writer.put_field(field, block, encoded)
                self.values[field] = values, present
        self.snapshot: Snapshot = self.store.snapshot()

    def leaf(self, field: int, chance: random.Random) -> tuple[ops.IntRangeLeaf, Truth]:
        """A leaf with bounds at values, beside them or far from them; some ask for the others."""
        values, present = self.values[field]
        some = [int(values[chance.randrange(ROWS)]) for _ in range(2)]
        low, high = sorted(one + chance.choice([0, 0, 1, -1, 17]) for one in some)
        low = chance.choice([low, low, -(2**63), -5, 20])
        high = chance.choice([high, 2**63 - 1, low + 3])
        low, high = max(min(low, high), -(2**63)), min(max(low, high), 2**63 - 1)
        negated = chance.random() < 0.1
        truth = (values >= low) & (values <= high)
        return ops.IntRangeLeaf(field, low, high, negated), present & (truth != negated)

    def plan(self, chance: random.Random, count: int) -> tuple[ops.Plan, list[Truth]]:
        """So many leaves about each number, and as many conjunctions of them and of complements."""
        plan, truths, known = ops.Plan(), [], set()
        for field in self.values:
            for _ in range(count):
                leaf, truth = self.leaf(field, chance)
                if leaf not in known:
                    plan.nodes.append(ops.Node("leaf", leaf=leaf))
                    truths.append(truth)
                    known.add(leaf)
        leaves = len(truths)
        for child in range(0, leaves, 5):
            plan.nodes.append(ops.Node("not", (child,)))
            truths.append(self.live & ~truths[child])
        parts = len(truths)
        for _ in range(leaves):
            children = tuple(chance.sample(range(parts), chance.randint(2, 4)))
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
@pytest.mark.parametrize("leaf_count", [3, 26, 60, 140, 300])
def test_many_leaves_about_a_number_are_what_numpy_says(
    ground: Ground, table: str, leaf_count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All roots together, and conjunctions alone, whose leaves have masks only if they are shared;
    and each by itself: then its leaves read the columns."""
    monkeypatch.setenv("STRATA_SIMD", table)
    plan, truths = ground.plan(random.Random(leaf_count), leaf_count)
    roots = list(range(len(truths)))
    expected = [int(truth.sum()) for truth in truths]
    program = Program(plan, ground.snapshot, roots)
    assert evaluate.count_roots(program, roots).tolist() == expected
    last = roots[-40:]
    program = Program(plan, ground.snapshot, last)
    assert evaluate.count_roots(program, last).tolist() == expected[-40:]
    masks, counts = evaluate.many_masks(program, last[-8:])
    assert counts.tolist() == expected[-8:]
    bits = np.unpackbits(masks.view(np.uint8), axis=-1, bitorder="little").astype(bool)
    assert (bits.reshape(len(bits), -1) == truths[-8:]).all()
    for root in roots[-4:]:
        assert evaluate.count_roots(program, [root]).tolist() == [expected[root]]
