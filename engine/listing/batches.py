"""A list cut into batches of rows, each read block by block.

Without an order a batch is the members of one block. With one its rows lie anywhere, so what is
read of each block is put back in its places; such a batch is longer, because it may need every
block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.containers import BLOCK_ROWS, rows_of_mask

__all__ = ["Batch", "Stretch", "batches_of_masks", "batches_of_rows"]

BLOCK_BITS = 16

# Of 10 million profiles each of 150 blocks is then decoded for some 2,000 of its rows.
ORDERED_ROWS = 4 * BLOCK_ROWS


@dataclass(frozen=True, slots=True)
class Stretch:
    """The rows of a batch that lie in one block: `inside` (uint16) counts them from its first,
    `places` says where in the batch each stands, ascending."""

    block: int
    inside: NDArray[np.uint16]
    places: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a list, in its order. `row_count` of them; each is in one stretch."""

    row_count: int
    stretches: tuple[Stretch, ...]

    def rows(self) -> NDArray[np.uint32]:
        """The rows of the store, uint32."""
        rows = np.empty(self.row_count, np.uint32)
        for stretch in self.stretches:
            first = np.uint32(stretch.block << BLOCK_BITS)
            rows[stretch.places] = stretch.inside.astype(np.uint32) + first
        return rows


def batches_of_masks(masks: NDArray[np.uint64]) -> Iterator[Batch]:
    """The rows of uint64 (blocks, 1024), in their order."""
    for block in np.flatnonzero(masks.any(axis=1)).tolist():
        inside = rows_of_mask(masks[block])
        yield Batch(len(inside), (Stretch(block, inside, np.arange(len(inside))),))


def batches_of_rows(rows: NDArray[np.uint32]) -> Iterator[Batch]:
    """Any rows, in the order given."""
    for start in range(0, len(rows), ORDERED_ROWS):
        some = rows[start : start + ORDERED_ROWS]
        blocks = some >> BLOCK_BITS
        order = np.argsort(blocks, kind="stable")
        edges = np.flatnonzero(np.diff(blocks[order])) + 1
        yield Batch(
            len(some),
            tuple(
                Stretch(int(blocks[places[0]]), some[places].astype(np.uint16), places)
                for places in np.split(order, edges)
            ),
        )
