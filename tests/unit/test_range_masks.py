"""Many leaves that compare a number with constants: masks of its ranges, held against numpy."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.columns.ints import encode_ints
from engine.core import kernels
from engine.core import operations as ops
from engine.core.program import Program
from engine.store.catalog import FieldKind
from engine.store.writer import Writer
from tests.leaf_masks import COLUMN_ROWS, ROWS, LeafStore, Truth, check_counts, check_masks
from tests.sample_stores import BLOCK_ROWS

# By number and block: the least value, how many steps there are above it, and how wide one is. So
# stored in 4 bytes (two parts a block), in 1, in 2, in 8, and in different widths.
SPREAD = {
    "wide": [(-5, 40_000_000, 1), (0, 3_000_000, 7), (10**6, 70_000, 100), (0, 2**32 - 3, 1)],
    "bytes": [(18, 72, 1), (-(2**40), 255, 1), (0, 1, 1), (7, 0, 1)],
    "words": [(0, 60_000, 1), (5, 300, 3), (0, 65_535, 1), (0, 256, 1)],
    "long": [(0, 2**40, 1), (0, 2**33, 5), (-(2**62), 2**63 - 1, 1), (0, 2**50, 1)],
    "mixed": [(0, 200, 1), (0, 10**6, 1), (0, 60_000, 1), (0, 2**32 - 1, 1)],
}


class Numbers(LeafStore):
    """A store of some numbers."""

    def put_fields(self, writer: Writer, rng: np.random.Generator) -> None:
        self.values: dict[int, tuple[NDArray[np.int64], Truth]] = {}
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

    def leaves(self, count: int, chance: random.Random) -> list[tuple[ops.IntRangeLeaf, Truth]]:
        """So many leaves about each number, each once."""
        made: dict[ops.IntRangeLeaf, Truth] = {}
        for field in self.values:
            for _ in range(count):
                leaf, truth = self.leaf(field, chance)
                made[leaf] = truth
        return list(made.items())


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Numbers]:
    with closing(Numbers(tmp_path_factory.mktemp("numbers") / "store")) as made:
        yield made


@pytest.mark.parametrize("table", kernels.tables())
@pytest.mark.parametrize("leaf_count", [3, 26, 60, 140, 300])
def test_many_leaves_about_a_number_are_what_numpy_says(
    numbers: Numbers, table: str, leaf_count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All roots together, and conjunctions alone, whose leaves have masks only if they are shared;
    and each by itself: then its leaves read the columns."""
    monkeypatch.setenv("STRATA_SIMD", table)
    chance = random.Random(leaf_count)
    plan, truths = numbers.plan(numbers.leaves(leaf_count, chance), chance, complement_every=5)
    roots = range(len(truths))
    check_counts(Program(plan, numbers.snapshot, roots), truths, roots)
    last = roots[-40:]
    program = Program(plan, numbers.snapshot, last)
    check_counts(program, truths, last)
    check_masks(program, truths, last[-8:])
    for root in last[-4:]:
        check_counts(program, truths, [root])
