"""A store of a few fields and plans of many leaves about them, held against numpy: shared by the
tests of masks that are made once for many leaves."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.columns.sets import encode_rows
from engine.core import evaluate
from engine.core import operations as ops
from engine.core.program import Program
from engine.store.catalog import LIVE
from engine.store.store import Store
from engine.store.writer import Writer
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES

__all__ = ["COLUMN_ROWS", "ROWS", "LeafStore", "Truth", "check_counts", "check_masks"]

# The second block's columns end within a word, though its rows are alive to the end.
COLUMN_ROWS = (BLOCK_ROWS, 50_001, BLOCK_ROWS, 64)
ROWS = len(COLUMN_ROWS) * BLOCK_ROWS

# Of each row, whether something is so of it.
Truth = NDArray[np.bool_]


class LeafStore(ABC):
    """A store whose rows are alive or not at random; what fields they have is the subclass's."""

    def __init__(self, path: Path) -> None:
        rng = np.random.default_rng(5)
        self.live: Truth = rng.random(ROWS) < 0.9
        self._store = Store.create(path, map_size=MAP_BYTES)
        with self._store.write() as writer:
            writer.set_row_count(ROWS)
            for block in range(len(COLUMN_ROWS)):
                here = slice(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS)
                alive = np.flatnonzero(self.live[here]).astype(np.uint16)
                writer.put_field(LIVE.id, block, encode_rows(alive))
            self.put_fields(writer, rng)
        self.snapshot = self._store.snapshot()

    @abstractmethod
    def put_fields(self, writer: Writer, rng: np.random.Generator) -> None:
        """Writes the fields, and keeps what each row has."""

    def plan(
        self,
        leaves: Sequence[tuple[ops.Leaf, Truth]],
        chance: random.Random,
        complement_every: int,
    ) -> tuple[ops.Plan, list[Truth]]:
        """The leaves, complements of one in so many, and a conjunction of some of these for each
        leaf; and of each node what is so of each row."""
        plan, truths = ops.Plan(), []
        for leaf, truth in leaves:
            plan.nodes.append(ops.Node("leaf", leaf=leaf))
            truths.append(truth)
        for child in range(0, len(leaves), complement_every):
            plan.nodes.append(ops.Node("not", (child,)))
            truths.append(self.live & ~truths[child])
        parts = len(truths)
        for _ in leaves:
            children = tuple(chance.sample(range(parts), min(parts, chance.randint(2, 4))))
            plan.nodes.append(ops.Node("and", children))
            truths.append(np.logical_and.reduce([truths[child] for child in children]))
        return plan, truths

    def close(self) -> None:
        """Closes the store."""
        self.snapshot.close()
        self._store.close()


def check_counts(program: Program, truths: Sequence[Truth], roots: Sequence[int]) -> None:
    """The counts of some roots, asked together."""
    expected = [int(truths[root].sum()) for root in roots]
    assert evaluate.count_roots(program, roots).tolist() == expected


def check_masks(program: Program, truths: Sequence[Truth], roots: Sequence[int]) -> None:
    """The masks of some roots, and their counts."""
    masks, counts = evaluate.many_masks(program, roots)
    assert counts.tolist() == [int(truths[root].sum()) for root in roots]
    bits = np.unpackbits(masks.view(np.uint8), axis=-1, bitorder="little").astype(bool)
    for row, root in zip(bits.reshape(len(roots), -1), roots, strict=True):
        assert (row == truths[root]).all()
