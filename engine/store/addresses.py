"""Part tables: where every part of a field is in memory, for the kernels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.store.environment import address_of
from engine.store.reading import State, View, name_of_entry
from engine.store.records import HEADER_BYTES

__all__ = ["PartTable", "build_part_table"]

# What kernels may assume of an address.
ALIGNMENT = 64


@dataclass(frozen=True, slots=True, eq=False)
class PartTable:
    """All parts of one field, verified; addresses are good for as long as the table lives.

    Parts of block b are first_part[b] to first_part[b + 1] (uint32[block_count + 1]);
    `address` (uint64) is a multiple of 64 and `length` (uint32) counts payload bytes. A
    block without the field has no parts.
    """

    first_part: NDArray[np.uint32]
    address: NDArray[np.uint64]
    length: NDArray[np.uint32]
    _entries: NDArray[np.void] = field(repr=False)
    _blocks: NDArray[np.uint32] = field(repr=False)
    # What keeps the addresses good: the view's transaction, and copies of small values.
    _view: View | None = field(repr=False)
    _copies: dict[int, NDArray[np.uint8]] = field(repr=False)

    def without_view(self) -> PartTable:
        """The same to build a later table from, not to read through: it pins nothing."""
        return replace(self, _view=None)


def build_part_table(
    view: View, state: State, field_id: int, earlier: PartTable | None
) -> PartTable:
    """The table of a field. Parts that an earlier table of the field has are taken from it:
    a large value stays where it is while it exists, and a copy is shared.
    """
    chosen = np.flatnonzero(state.entries["field"] == field_id)
    entries = state.entries[chosen]
    blocks = state.entry_blocks[chosen]
    counts = np.bincount(blocks, minlength=len(state.manifests))
    first_part = np.zeros(len(state.manifests) + 1, np.uint32)
    np.cumsum(counts, out=first_part[1:])
    address = np.zeros(len(entries), np.uint64)
    known = np.zeros(len(entries), np.bool_)
    copies: dict[int, NDArray[np.uint8]] = {}
    if earlier is not None and len(earlier.address):
        known = _carry(earlier, blocks, entries, address, copies)
    for i in np.flatnonzero(~known).tolist():
        address[i] = _place(view, int(blocks[i]), entries[i], copies)
    return PartTable(first_part, address, entries["length"].copy(), entries, blocks, view, copies)


def _part_keys(blocks: NDArray[np.uint32], entries: NDArray[np.void]) -> NDArray[np.uint64]:
    return blocks.astype(np.uint64) << np.uint64(16) | entries["part"].astype(np.uint64)


def _carry(
    earlier: PartTable,
    blocks: NDArray[np.uint32],
    entries: NDArray[np.void],
    address: NDArray[np.uint64],
    copies: dict[int, NDArray[np.uint8]],
) -> NDArray[np.bool_]:
    """Fill in the addresses of parts that have not changed; return which."""
    old_keys = _part_keys(earlier._blocks, earlier._entries)
    at = np.searchsorted(old_keys, _part_keys(blocks, entries)).clip(max=len(old_keys) - 1)
    known: NDArray[np.bool_] = (old_keys[at] == _part_keys(blocks, entries)) & (
        earlier._entries["sequence"][at] == entries["sequence"]
    )
    address[known] = earlier.address[at[known]]
    if earlier._copies:
        held = earlier._copies.keys() & set(address[known].tolist())
        copies.update((where, earlier._copies[where]) for where in held)
    return known


def _place(view: View, block: int, entry: np.void, copies: dict[int, NDArray[np.uint8]]) -> int:
    """The address of one verified part; a value inside LMDB's tree is copied and kept."""
    name, kind, parts, expected = name_of_entry(block, entry)
    value = view.locate(name, kind, parts, expected)
    if view.is_apart(value):
        view.check(name, value, expected)
        return address_of(value) + HEADER_BYTES
    payload = view.read(name, kind, parts, expected)
    room = np.zeros(len(payload) + ALIGNMENT, np.uint8)
    start = -room.__array_interface__["data"][0] % ALIGNMENT
    copy = room[start : start + len(payload)]
    copy[:] = np.frombuffer(payload, np.uint8)
    where = int(copy.__array_interface__["data"][0])
    copies[where] = room
    return where
