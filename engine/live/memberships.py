"""Memberships as masks, and as changes of blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.columns.zone import Encoded, Zone
from engine.core import memberships
from engine.store.snapshot import Snapshot

__all__ = ["changed_memberships", "rows_of_masks", "stored_masks"]

_BLOCK_BITS = 16


def stored_masks(snapshot: Snapshot, field_id: int | None) -> NDArray[np.uint64]:
    """The members that are stored, uint64 (blocks, 1024); nobody where there is no field."""
    if field_id is None:
        return np.zeros((snapshot.block_count, 1024), np.uint64)
    return memberships.stored_masks(snapshot.addresses(field_id), snapshot.block_count)


def rows_of_masks(masks: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """The rows of masks (blocks, 1024), sorted uint32."""
    filled = np.flatnonzero(masks.any(axis=1))
    bits = np.unpackbits(masks[filled].view(np.uint8), axis=1, bitorder="little")
    block, inside = np.nonzero(bits)
    rows: NDArray[np.uint32] = (filled[block] << _BLOCK_BITS | inside).astype(np.uint32)
    return rows


def changed_memberships(
    masks: NDArray[np.uint64], stored: NDArray[np.uint64]
) -> tuple[dict[int, Encoded], NDArray[np.uint32], NDArray[np.uint32]]:
    """What turns a stored membership into another: payloads of the blocks that differ, the rows
    that enter and those that leave. Both masks are (blocks, 1024)."""
    differ = np.flatnonzero((masks != stored).any(axis=1))
    blocks = {block: _encoded(masks[block]) for block in differ.tolist()}
    return blocks, rows_of_masks(masks & ~stored), rows_of_masks(stored & ~masks)


def _encoded(mask: NDArray[np.uint64]) -> Encoded:
    payload, count = memberships.encode_mask(mask)
    return Encoded((payload,), Zone(count))
