"""Part tables: where every part of a field is in memory, for the kernels.

A version of the store differs from the one before in few blocks. So a table is made from the
last one that was made of its field, with the places of the blocks that changed since put in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.store.environment import address_of
from engine.store.overlay import HeapField, aligned
from engine.store.reading import State, View, name_of_entry
from engine.store.records import HEADER_BYTES

__all__ = ["PartTable", "Places", "build_part_table"]


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
    # What keeps the addresses good: the view's transaction, copies of small values by block,
    # and what lies on the heap.
    _view: View | None = field(repr=False)
    _copies: Mapping[int, list[memoryview]] = field(repr=False)
    _heap: Mapping[int, HeapField] = field(repr=False)

    def without_view(self) -> PartTable:
        """The same to build a later table from, not to read through: it pins nothing that the
        later version has not."""
        return replace(self, _view=None, _heap={})


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of one field may be: on the heap for some blocks, else in the map."""

    view: View
    state: State
    field_id: int
    heap: Mapping[int, HeapField]
    block_count: int


def build_part_table(
    places: Places, earlier: PartTable | None = None, changed: Iterable[int] = ()
) -> PartTable:
    """The table of a field; `earlier` is one of a version from which it differs in the blocks
    `changed` alone, and in having fewer blocks."""
    if earlier is None:
        earlier = PartTable(
            np.zeros(1, np.uint32),
            np.zeros(0, np.uint64),
            np.zeros(0, np.uint32),
            None,
            {},
            {},
        )
        changed = _blocks_with_field(places)
    old_counts = np.diff(earlier.first_part)
    counts = np.zeros(places.block_count, np.uint32)
    counts[: len(old_counts)] = old_counts
    copies = dict(earlier._copies)
    found: dict[int, list[memoryview]] = {}
    for block in changed:
        copies.pop(block, None)
        found[block] = _parts(places, block, copies)
        counts[block] = len(found[block])
    first_part = np.zeros(places.block_count + 1, np.uint32)
    np.cumsum(counts, out=first_part[1:])
    address = np.zeros(int(first_part[-1]), np.uint64)
    length = np.zeros(int(first_part[-1]), np.uint32)
    same = np.ones(len(old_counts), np.bool_)
    same[[block for block in found if block < len(old_counts)]] = False
    old = np.flatnonzero(np.repeat(same, old_counts))
    new = np.flatnonzero(
        np.repeat(np.append(same, np.zeros(len(counts) - len(same), np.bool_)), counts)
    )
    address[new], length[new] = earlier.address[old], earlier.length[old]
    for block, parts in found.items():
        for at, part in enumerate(parts, int(first_part[block])):
            address[at], length[at] = address_of(part), len(part)
    return PartTable(first_part, address, length, places.view, copies, places.heap)


def _blocks_with_field(places: Places) -> list[int]:
    """The blocks that have anything of the field."""
    chosen = places.state.entries["field"] == places.field_id
    stored = np.unique(places.state.entry_blocks[chosen]).tolist()
    return sorted({*stored, *places.heap})


def _parts(places: Places, block: int, copies: dict[int, list[memoryview]]) -> list[memoryview]:
    """The verified parts of the field in one block; those that must be copied join `copies`."""
    heap = places.heap.get(block)
    if heap is not None:
        return list(heap.parts)
    if block >= len(places.state.manifests):
        return []
    view, parts = places.view, []
    for entry in places.state.manifests[block].field(places.field_id):
        name, kind, count, expected = name_of_entry(block, entry)
        value = view.locate(name, kind, count, expected)
        if view.is_apart(value):
            view.check(name, value, expected)
            parts.append(value[HEADER_BYTES:])
        else:
            # A value inside LMDB's tree moves when its neighbours change.
            copied = aligned(view.read(name, kind, count, expected))
            copies.setdefault(block, []).append(copied)
            parts.append(copied)
    return parts
