"""Many leaves about one category: masks of its codes, held against numpy."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.columns.codes import encode_codes
from engine.core import kernels
from engine.core import operations as ops
from engine.core.program import Program
from engine.store.catalog import FieldKind
from engine.store.writer import Writer
from tests.leaf_masks import COLUMN_ROWS, ROWS, LeafStore, Truth, check_counts, check_masks
from tests.sample_stores import BLOCK_ROWS

# Codes by category and block: masks are made of few, of as many as there are masks for, of none.
TOPS = {"few": (6, 6, 2, 1), "most": (48, 40, 48, 3), "more": (49, 60, 20, 200)}


class Categories(LeafStore):
    """A store of three categories."""

    def put_fields(self, writer: Writer, rng: np.random.Generator) -> None:
        self.codes: dict[int, NDArray[np.int64]] = {}
        for name, tops in TOPS.items():
            field = writer.add_field(name, FieldKind.CODES, "category").id
            codes = self.codes[field] = np.zeros(ROWS, np.int64)
            for block, top in enumerate(tops):
                here = slice(block * BLOCK_ROWS, block * BLOCK_ROWS + COLUMN_ROWS[block])
                drawn = rng.integers(0, top + 1, COLUMN_ROWS[block])
                codes[here] = np.where(self.live[here], drawn, 0)
                column = codes[here].astype(np.uint32)
                writer.put_field(field, block, encode_codes(column))

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


@pytest.fixture(scope="module")
def categories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Categories]:
    with closing(Categories(tmp_path_factory.mktemp("categories") / "store")) as made:
        yield made


@pytest.mark.parametrize("table", kernels.tables())
@pytest.mark.parametrize("leaf_count", [3, 12, 60, 300])
def test_many_leaves_about_a_category_are_what_numpy_says(
    categories: Categories, table: str, leaf_count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All roots together, and each by itself: then its leaves read the columns."""
    monkeypatch.setenv("STRATA_SIMD", table)
    chance, fields = random.Random(leaf_count), list(categories.codes)
    leaves = [categories.leaf(chance.choice(fields), chance) for _ in range(leaf_count)]
    plan, truths = categories.plan(leaves, chance, complement_every=3)
    roots = range(len(truths))
    program = Program(plan, categories.snapshot, roots)
    check_counts(program, truths, roots)
    check_masks(program, truths, roots[-20:])
    for root in roots[-10:]:
        check_counts(program, truths, [root])
