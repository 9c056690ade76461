"""Part tables: where every part of a field is in memory, for the kernels.

A version of the store differs from the one before in few blocks. So a table is made from the
last one that was made of its field, with the places of the blocks that changed since put in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.store.aligned import AlignedBytes
from engine.store.environment import address_of
from engine.store.overlay import HeapPayload
from engine.store.reading import State, View, name_of_entry
from engine.store.records import HEADER_BYTES

__all__ = ["PartTable", "Places", "build_part_table", "located"]


@dataclass(frozen=True, slots=True, eq=False)
class PartTable:
    """All parts of one field, verified; addresses are good for as long as the table lives.

    Parts of block b are first_part[b] to first_part[b + 1] (uint32[block_count + 1]);
    `address` (uint64) is a multiple of 64 and `length` (uint32) counts payload bytes; the open tail
    of events is one part, in memory (engine/events/tail.h), and `length` that of its head. A block
    without the field has no parts.
    """

    first_part: NDArray[np.uint32]
    address: NDArray[np.uint64]
    length: NDArray[np.uint32]
    # What keeps the addresses good: the view's transaction, copies of small values by block,
    # and what lies on the heap.
    _view: View | None = field(repr=False)
    _copies: Mapping[int, list[AlignedBytes]] = field(repr=False)
    _heap: Mapping[int, HeapPayload] = field(repr=False)
    # Of blocks on the heap how many of the first parts are as they are stored.
    _kept: Mapping[int, int] = field(repr=False, default_factory=dict)

    def without_view(self) -> PartTable:
        """The same to build a later table from, not to read through: it pins nothing that the
        later version has not."""
        return replace(self, _view=None, _heap={})

    def stored(self, block: int, count: int) -> slice | None:
        """Where the first stored parts of a block are, so many; None where there may be others."""
        if block >= len(self.first_part) - 1 or block in self._copies:
            return None
        start, end = int(self.first_part[block]), int(self.first_part[block + 1])
        kept = self._kept.get(block, end - start)
        return slice(start, start + count) if count <= kept else None


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of one field may be: on the heap for some blocks, else in the map."""

    view: View
    state: State
    field_id: int
    heap: Mapping[int, HeapPayload]
    block_count: int


def build_part_table(
    places: Places,
    earlier: PartTable | None = None,
    changed: Collection[int] = (),
    moved: Collection[int] = (),
) -> PartTable:
    """The table of a field; `earlier` is one of a version from which it differs in the blocks
    `changed` alone, and in having fewer blocks. Of those `moved` the stored parts may lie somewhere
    else; the others' are where they were, since large values stay when others change."""
    if earlier is None:
        earlier = _NOTHING
        changed = _blocks_with_field(places)
    elif not changed and len(earlier.first_part) == places.block_count + 1:
        return replace(earlier, _view=places.view, _heap=places.heap)
    copies, kept = dict(earlier._copies), dict(earlier._kept)
    found: dict[int, _Parts] = {}
    patched = _Patched()
    for block in changed:
        heap = places.heap.get(block)
        if heap is not None and block not in moved and patched.take(earlier, block, heap):
            continue
        known = None
        if heap is not None and heap.kept and block not in moved:
            known = earlier.stored(block, heap.kept)
        if heap is not None and known is not None:
            stored = earlier.address[known].tolist(), earlier.length[known].tolist()
            found[block] = _Parts((*stored[0], *heap.addresses), (*stored[1], *heap.lengths))
        else:
            copies.pop(block, None)
            found[block] = _parts(places, block, copies)
        if heap is None:
            kept.pop(block, None)
        else:
            kept[block] = heap.kept
    first_part = _first_parts(earlier, places.block_count, found)
    if first_part is earlier.first_part:
        address, length = earlier.address, earlier.length
        if found or patched.blocks:
            address, length = address.copy(), length.copy()
    else:
        address, length = _moved(earlier, first_part, found)
    if patched.blocks:
        at = first_part[patched.blocks] + np.array(patched.offsets, np.uint32)
        address[at], length[at] = patched.addresses, patched.lengths
    if found:
        at = np.concatenate([_stretch(first_part, block, found[block]) for block in found])
        address[at] = [place for parts in found.values() for place in parts.addresses]
        length[at] = [size for parts in found.values() for size in parts.lengths]
    return PartTable(first_part, address, length, places.view, copies, places.heap, kept)


class _Patched:
    """Parts on the heap of blocks that have as many of each kind as before: the block of each, its
    place among those of the block, its address and its length."""

    def __init__(self) -> None:
        self.blocks: list[int] = []
        self.offsets: list[int] = []
        self.addresses: list[int] = []
        self.lengths: list[int] = []

    def take(self, earlier: PartTable, block: int, heap: HeapPayload) -> bool:
        """Takes a block over that is like that; else it says no. Stored parts did not move."""
        if earlier._kept.get(block) != heap.kept or block in earlier._copies:
            return False
        addresses = heap.addresses
        before = int(earlier.first_part[block + 1]) - int(earlier.first_part[block])
        if before != heap.kept + len(addresses):
            return False
        self.blocks += [block] * len(addresses)
        self.offsets += range(heap.kept, before)
        self.addresses += addresses
        self.lengths += heap.lengths
        return True


@dataclass(frozen=True, slots=True)
class _Parts:
    """Where the parts of one block are, and how long."""

    addresses: Sequence[int]
    lengths: Sequence[int]


def _stretch(first_part: NDArray[np.uint32], block: int, parts: _Parts) -> NDArray[np.int64]:
    start = int(first_part[block])
    return np.arange(start, start + len(parts.addresses))


def _first_parts(
    earlier: PartTable, block_count: int, found: Mapping[int, _Parts]
) -> NDArray[np.uint32]:
    """Where each block's parts begin: the earlier array itself where nothing has shifted."""
    before = earlier.first_part
    counts = np.zeros(block_count, np.uint32)
    counts[: len(before) - 1] = before[1:] - before[:-1]
    shifted = block_count != len(before) - 1
    for block, parts in found.items():
        if counts[block] != len(parts.addresses):
            counts[block] = len(parts.addresses)
            shifted = True
    if not shifted:
        return before
    first_part = np.zeros(block_count + 1, np.uint32)
    np.cumsum(counts, out=first_part[1:])
    return first_part


def _moved(
    earlier: PartTable, first_part: NDArray[np.uint32], found: Mapping[int, _Parts]
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """The earlier entries in their new places; those of the blocks in `found` are left open."""
    before = earlier.first_part
    same = np.ones(len(before) - 1, np.bool_)
    same[[block for block in found if block < len(same)]] = False
    new = np.append(same, np.zeros(len(first_part) - len(before), np.bool_))
    old_at = np.flatnonzero(np.repeat(same, np.diff(before)))
    new_at = np.flatnonzero(np.repeat(new, np.diff(first_part)))
    address = np.zeros(int(first_part[-1]), np.uint64)
    length = np.zeros(int(first_part[-1]), np.uint32)
    address[new_at], length[new_at] = earlier.address[old_at], earlier.length[old_at]
    return address, length


def _blocks_with_field(places: Places) -> list[int]:
    """The blocks that have anything of the field."""
    chosen = places.state.entries["field"] == places.field_id
    stored = np.unique(places.state.entry_blocks[chosen]).tolist()
    return sorted({*stored, *places.heap})


def _parts(places: Places, block: int, copies: dict[int, list[AlignedBytes]]) -> _Parts:
    """The verified parts of the field in one block; those that must be copied join `copies`."""
    heap = places.heap.get(block)
    if heap is not None and not heap.kept:
        return _Parts(heap.addresses, heap.lengths)
    addresses: list[int] = []
    lengths: list[int] = []
    if block < len(places.state.manifests):
        entries = places.state.manifests[block].field(places.field_id)
        listed = entries if heap is None else entries[: heap.kept]
        addresses, lengths, copied = located(places.view, block, listed)
        if copied:
            copies[block] = copied
    if heap is not None:
        addresses += heap.addresses
        lengths += heap.lengths
    return _Parts(addresses, lengths)


def located(
    view: View, block: int, entries: NDArray[np.void]
) -> tuple[list[int], list[int], list[AlignedBytes]]:
    """Where the records that a manifest lists are, verified, how long they are, and those that
    were copied, which their addresses are good for as long as."""
    addresses: list[int] = []
    lengths: list[int] = []
    copies: list[AlignedBytes] = []
    for entry in entries:
        name, kind, count, expected = name_of_entry(block, entry)
        value = view.locate(name, kind, count, expected)
        if view.is_apart(value):
            view.check(name, value, expected)
            address = address_of(value) + HEADER_BYTES
        else:
            # A value inside LMDB's tree moves when its neighbours change.
            copied = AlignedBytes(view.read(name, kind, count, expected))
            copies.append(copied)
            address = copied.address
        addresses.append(address)
        lengths.append(expected.length)
    return addresses, lengths, copies


_NOTHING = PartTable(
    np.zeros(1, np.uint32), np.zeros(0, np.uint64), np.zeros(0, np.uint32), None, {}, {}, {}
)
