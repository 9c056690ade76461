"""What rows are called outside: uids, and identifiers of a kind, for rows in any order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.columns.column import rows_per_part
from engine.columns.uid_rows import uids_of_rows
from engine.columns.uids import UID_BYTES
from engine.columns.values import read_row
from engine.errors import StoreCorrupt
from engine.store.catalog import UIDS, identifier_field
from engine.store.snapshot import Snapshot

__all__ = ["identifiers_of", "uids_of"]

BLOCK_BITS = 16
BLOCK_MASK = 0xFFFF


def uids_of(snapshot: Snapshot, rows: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """The uids of rows, uint8 (n, 16). StoreCorrupt where a row was never given out."""
    if len(rows) and int(rows.max()) >= snapshot.row_count:
        raise _unknown(int(rows[np.argmax(rows)]))
    joined = uids_of_rows(snapshot.addresses(UIDS.id), rows, rows_per_part(UID_BYTES))
    return np.frombuffer(joined, np.uint8).reshape(-1, UID_BYTES)


def identifiers_of(snapshot: Snapshot, kind: str, rows: NDArray[np.uint32]) -> list[list[str]]:
    """The identifiers of a kind that the profile of each row owns, in the order of their bytes."""
    found: list[list[str]] = [[] for _ in range(len(rows))]
    field = snapshot.fields.get(identifier_field(kind))
    if field is None:
        return found
    for block, places in _by_block(rows):
        parts = snapshot.payloads(field.id, block) if block < snapshot.block_count else []
        if parts:
            for place in places.tolist():
                found[place] = read_row(parts, int(rows[place]) & BLOCK_MASK)
    return found


def _by_block(rows: NDArray[np.uint32]) -> Iterator[tuple[int, NDArray[np.integer[Any]]]]:
    """(block, places in `rows`) of each block that has some."""
    blocks = rows >> BLOCK_BITS
    order = np.argsort(blocks, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(blocks[order])) + 1):
        if len(places):
            yield int(blocks[places[0]]), places


def _unknown(row: int) -> StoreCorrupt:
    return StoreCorrupt(f"The feed names row {row}, which the store never gave out.")
