"""What a load does to one field: cells wait, then are folded into blocks.

1. `stage` takes cells as plain arrays, in the order of the updates.
2. `fold` sorts the waiting cells by block, and per block decodes the field as it stands,
   lays the cells over it and encodes it again. Stored blocks stay as they are; the new ones
   are kept encoded, so that a load holds its dirty blocks at their stored size. A block that
   nobody has yet, which is most of a first load, is encoded from the cells alone.
3. Where the cells come in the order of their rows, those of the last block may wait on, so that
   each block is folded once.
4. A block whose bytes come out as they were is no change at all, and is forgotten.

Columns are cut after their last present row, so that the same content always makes the
same bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.same_bytes import same_bytes
from engine.columns.zone import Encoded
from engine.store.catalog import Field
from engine.store.drafts import Drafts
from engine.store.store import Snapshot

__all__ = ["FieldLoad", "are_ascending", "cut_length", "each_block", "first_held"]

Selection = slice | NDArray[np.intp]


def each_block(
    rows: NDArray[np.uint32],
) -> Iterator[tuple[int, NDArray[np.uint16], Selection]]:
    """(block, rows in it, which cells they are) for rows of a store, uint32 (n,).

    Blocks ascend; within one the cells keep their order.
    """
    if not len(rows):
        return
    blocks = rows >> 16
    order: NDArray[np.intp] | None = None
    if (blocks[1:] < blocks[:-1]).any():
        order = np.argsort(blocks, kind="stable")
        blocks, rows = blocks[order], rows[order]
    starts = np.flatnonzero(np.append(True, blocks[1:] != blocks[:-1]))
    ends = np.append(starts[1:], len(blocks))
    in_block = rows.astype(np.uint16)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        cells = slice(start, end) if order is None else order[start:end]
        yield int(blocks[start]), in_block[start:end], cells


def are_ascending(rows: NDArray[np.integer[Any]]) -> bool:
    """Whether each row is greater than the one before."""
    return bool((rows[1:] > rows[:-1]).all())


def first_held(rows: NDArray[np.uint32], hold: int | None) -> int:
    """Where the cells of block `hold` begin, which is the last one of ascending rows; None: none
    are held."""
    return len(rows) if hold is None else int(np.searchsorted(rows, hold << 16))


def cut_length(present: NDArray[np.bool_]) -> int:
    """The number of rows up to the last present one."""
    if len(present) and present[-1]:
        return len(present)
    backwards = present[::-1]
    return len(present) - int(backwards.argmax()) if present.any() else 0


class FieldLoad(ABC):
    """The change that a load makes to one field of the store."""

    def __init__(self, snapshot: Snapshot, field: Field) -> None:
        self.field = field
        self.encoded: dict[int, Encoded] = {}
        self._snapshot = snapshot
        self._drafts: Drafts | None = None

    def write_ahead(self, drafts: Drafts) -> None:
        """From now on blocks that are folded may be on the disk, as drafts."""
        self._drafts = drafts

    def stored(self, block: int) -> Sequence[Buffer]:
        """The parts of a block as they were before the load; none where it has none."""
        if block >= self._snapshot.block_count:
            return ()
        return self._snapshot.stored_payloads(self.field.id, block)

    def parts(self, block: int) -> Sequence[Buffer]:
        """The parts of a block as folded so far."""
        folded = self.encoded.get(block)
        if folded is not None:
            return folded.parts
        if self._drafts is not None and (self.field.id, block) in self._drafts:
            return self._drafts.read(self.field.id, block)
        return self.stored(block)

    def is_folded(self, block: int) -> bool:
        """Whether the load changes a block, as folded so far."""
        drafted = self._drafts is not None and (self.field.id, block) in self._drafts
        return drafted or block in self.encoded

    def keep(self, block: int, encoded: Encoded) -> None:
        """A block as folded; forgotten where its bytes are what the store has."""
        if _same_bytes(encoded.parts, self.stored(block)):
            self.encoded.pop(block, None)
            return
        self.encoded[block] = encoded
        if self._drafts is not None:
            self._drafts.take_back(self.field.id, block)

    def changed_in_block(self, block: int) -> NDArray[np.bool_]:
        """Which rows of a block differ from before the load, bool (65536,)."""
        return self.differing(self.stored(block), self.encoded[block].parts)

    @property
    @abstractmethod
    def staged_bytes(self) -> int:
        """About how much memory the waiting cells take."""

    @abstractmethod
    def fold(self, hold: int | None = None) -> None:
        """Works the waiting cells into `encoded`; but those of block `hold` wait on, which is
        the last one of cells that came in the order of their rows."""

    @abstractmethod
    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """Which rows of a block differ between two states of it, bool (65536,)."""


def _same_bytes(parts: Sequence[bytes], stored: Sequence[Buffer]) -> bool:
    return len(parts) == len(stored) and all(
        same_bytes(part, other) for part, other in zip(parts, stored, strict=True)
    )


assert BLOCK_ROWS == 1 << 16, "blocks are told by the upper half of a row number"
