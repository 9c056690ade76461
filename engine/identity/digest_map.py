"""A map from 128-bit digests to 32-bit numbers, each with the sequence it came by.

1. Entries stand in a table in the order of digests (see digest_table.h), 256 parts that grow
   one by one. An addition costs a line of memory an entry, a look-up the same, and the entries
   of a stretch of digests come out sorted without looking at the others.
2. Maps never change: an addition makes another map, which shares the table with the one
   before. Entries have ordinals in the order of their coming, and a map knows those below its
   own bound alone; so whoever holds a map reads it without a lock while another thread adds.
3. Sequences ascend with ordinals: where each one begins is noted once, not for every entry.
   What a reader of an earlier sequence sees is again a bound of ordinals.
4. What is dropped leaves by building the table anew.

Digests of different strings are taken to differ: they are SipHash-128 under a secret key, so that
nobody can choose two that meet, nor many that crowd in one place.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.identity.digest_table import (
    PARTS,
    add_entries,
    counts_between,
    entries_between,
    entries_in_parts,
    find_entries,
    find_entry,
    move_slots,
)
from engine.identity.digests import Run

__all__ = ["DigestMap"]

_LARGEST = (1 << 64) - 1
# Ordinals have 32 bits; behind the last one entries are numbered again.
_ORDINALS = 1 << 32

# A part is at most this full, or searches for what is not there become long; it grows to twice
# its entries. So an entry takes 34 to 48 bytes, except in parts of a few.
_MOST_FULL = 0.7
_SLOTS_PER_ENTRY = 2
# How many standard deviations beyond its share a part of uniform digests has room for.
_DEVIATIONS = 6
_SLOTS_AT_LEAST = 8
_SLOT_WORDS = 3


class _Marks:
    """Where sequences begin, shared by the maps of one table: entries from `ordinals[i]` on came
    by `sequences[i]`, both ascending. `next` is the ordinal that the table's next entry gets."""

    __slots__ = ("next", "ordinals", "sequences")

    def __init__(self, sequences: list[int], ordinals: list[int], following: int) -> None:
        self.sequences, self.ordinals, self.next = sequences, ordinals, following

    def note(self, sequence: int) -> None:
        """The next entries come by this sequence."""
        assert not self.sequences or sequence >= self.sequences[-1], "sequences ascend"
        if not self.sequences or sequence > self.sequences[-1]:
            # The ordinal first: readers of other threads look for sequences.
            self.ordinals.append(self.next)
            self.sequences.append(sequence)

    def first_of(self, sequence: int) -> int:
        """The least ordinal of an entry of this sequence or a later one."""
        at = bisect_left(self.sequences, sequence)
        return self.ordinals[at] if at < len(self.sequences) else _ORDINALS

    def behind(self, sequence: int) -> int:
        """One more than the greatest ordinal of an entry of this sequence or an earlier one."""
        at = bisect_right(self.sequences, sequence)
        return self.ordinals[at] if at < len(self.sequences) else _ORDINALS

    def of(self, ordinals: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The sequences of entries."""
        at = np.searchsorted(np.array(self.ordinals, np.uint64), ordinals, "right") - 1
        return np.array(self.sequences, np.int64)[at]


def _nothing() -> NDArray[np.int64]:
    return np.zeros(PARTS, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class DigestMap:
    """Distinct digests to numbers below UNKNOWN. See the head of this file.

    `count` digests are in the map, all of ordinals below `known`. `slots` are the parts, uint64
    (m, 3) or None; `addresses` and `sizes` say the same to compiled loops; `used` slots are taken.
    """

    count: int = 0
    known: int = 0
    slots: tuple[NDArray[np.uint64] | None, ...] = (None,) * PARTS
    addresses: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(PARTS, np.uint64))
    sizes: NDArray[np.int64] = field(default_factory=_nothing)
    used: NDArray[np.int64] = field(default_factory=_nothing)
    marks: _Marks = field(default_factory=lambda: _Marks([], [], 0))

    @classmethod
    def with_room_for(cls, entries: int) -> DigestMap:
        """An empty map whose parts need not grow before there are about so many entries."""
        share = entries / PARTS
        most = share + _DEVIATIONS * math.sqrt(share)
        size = max(_SLOTS_AT_LEAST, math.ceil(most / _MOST_FULL))
        empty = {part: np.zeros((size, _SLOT_WORDS), np.uint64) for part in range(PARTS)}
        return cls()._with_parts(empty)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return sum(part.nbytes for part in self.slots if part is not None)

    def find(
        self, digests: NDArray[np.uint64], at: int | None = None
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Numbers of n digests, uint64 (n, 2), as uint32 (n,), and the places of those that are
        not in the map, int64, ascending.

        UNKNOWN where one is not there, or came by a later sequence than `at`.
        """
        visible = self.known if at is None else self.marks.behind(at)
        asked = np.ascontiguousarray(digests)
        return find_entries(self.addresses, self.sizes, asked, self.known, visible)

    def find_one(self, digest: bytes, at: int | None = None) -> int | None:
        """The number of one digest, 16 bytes: what `find` gives; None where it is not in the
        map."""
        visible = self.known if at is None else self.marks.behind(at)
        return find_entry(self.addresses, self.sizes, digest, self.known, visible)

    def with_entries(
        self, digests: NDArray[np.uint64], numbers: NDArray[np.uint32], sequence: int = 0
    ) -> DigestMap:
        """The map with n distinct digests, uint64 (n, 2), more, of which it has none yet.

        `sequence` is theirs, not below any before.
        """
        if not len(digests):
            return self
        if self.marks.next != self.known or self.known + len(digests) > _ORDINALS:
            # Another map has added to the table what this one must not know.
            return self._rebuilt(renumbered=True).with_entries(digests, numbers, sequence)
        added = np.ascontiguousarray(digests)
        counts = entries_in_parts(added)
        grown = self._with_room(counts)
        self.marks.note(sequence)
        self.marks.next += len(added)
        add_entries(grown.addresses, grown.sizes, added, np.ascontiguousarray(numbers), self.known)
        return replace(
            grown,
            count=self.count + len(added),
            known=self.known + len(added),
            used=self.used + counts,
        )

    def _with_room(self, counts: NDArray[np.int64]) -> DigestMap:
        """The same map in a table with room for so many entries more in each part."""
        wanted = self.used + counts
        small = np.flatnonzero((counts > 0) & (wanted > self.sizes * _MOST_FULL)).tolist()
        if not small:
            return self
        parts = {part: _part_of(int(wanted[part]), self.slots[part]) for part in small}
        return self._with_parts(parts)

    def _with_parts(self, parts: dict[int, NDArray[np.uint64]]) -> DigestMap:
        slots, addresses, sizes = list(self.slots), self.addresses.copy(), self.sizes.copy()
        for part, array in parts.items():
            slots[part], sizes[part] = array, len(array)
            addresses[part] = array.__array_interface__["data"][0]
        return replace(self, slots=tuple(slots), addresses=addresses, sizes=sizes)

    def first_of(self, sequence: int) -> int:
        """The least ordinal of an entry of this sequence or a later one."""
        return self.marks.first_of(sequence)

    def counts_between(self, first: int, last: int, since: int = 0) -> NDArray[np.int64]:
        """How many entries of ordinals from `since` on have a high half from `first` to `last`,
        both included: an element for each first 16 bits from those of `first` on."""
        return counts_between(self.addresses, self.sizes, first, last, since, self.known)

    def between(self, first: int, last: int, since: int = 0, count: int | None = None) -> Run:
        """The same entries as a run; `count` says how many there are, where that is known."""
        if count is None:
            count = int(self.counts_between(first, last, since).sum())
        return Run(
            *entries_between(self.addresses, self.sizes, first, last, since, self.known, count)
        )

    def as_run(self) -> Run:
        """All entries as one run."""
        return self.between(0, _LARGEST)

    def parts(self) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.uint32]]]:
        """Digests, uint64 (n, 2), and numbers, uint32 (n,), of each part that has any."""
        for _, taken in self._taken():
            yield taken[:, :2], ~taken[:, 2].astype(np.uint32)

    def of_sequence(self, sequence: int) -> DigestMap:
        """The same entries, all by one sequence; nothing is to be added to this map then."""
        self.marks.next = -1
        return replace(self, marks=_Marks([sequence], [0], self.known))

    def until(self, sequence: int) -> DigestMap:
        """The map without the entries of later sequences."""
        known = min(self.known, self.marks.behind(sequence))
        left = int(counts_between(self.addresses, self.sizes, 0, _LARGEST, 0, known).sum())
        return replace(self, known=known, count=left) if left else DigestMap()

    def only(
        self, wanted: Callable[[NDArray[np.uint64], NDArray[np.int64]], NDArray[np.bool_]]
    ) -> DigestMap:
        """The map with those entries alone of which `wanted` says so, by their high halves
        uint64 (n,) and sequences int64 (n,), in any order."""
        return self._rebuilt(wanted)

    def _rebuilt(
        self,
        wanted: Callable[[NDArray[np.uint64], NDArray[np.int64]], NDArray[np.bool_]] | None = None,
        *,
        renumbered: bool = False,
    ) -> DigestMap:
        """A map with a table of its own, of the entries that are wanted."""
        kept = []
        for part, taken in self._taken():
            if wanted is not None:
                sequences = self.marks.of(taken[:, 2] >> np.uint64(32))
                taken = taken[wanted(taken[:, 0], sequences)]
            if len(taken):
                kept.append((part, taken))
        if not kept:
            return DigestMap()
        ordinals = np.array(self.marks.ordinals, np.uint64)
        known = self.known
        if renumbered:
            every = np.sort(np.concatenate([taken[:, 2] >> np.uint64(32) for _, taken in kept]))
            for _, taken in kept:
                places = np.searchsorted(every, taken[:, 2] >> np.uint64(32)).astype(np.uint64)
                taken[:, 2] &= np.uint64(0xFFFFFFFF)
                taken[:, 2] |= places << np.uint64(32)
            ordinals = np.searchsorted(every, ordinals).astype(np.uint64)
            known = len(every)
        parts, used = {}, _nothing()
        for part, taken in kept:
            parts[part], used[part] = _part_of(len(taken), taken), len(taken)
        # Sequences without entries that are left, and those that other maps came to know.
        least = min(int(taken[:, 2].min() >> np.uint64(32)) for _, taken in kept)
        own = slice(
            max(int(np.searchsorted(ordinals, least, "right")) - 1, 0),
            int(np.searchsorted(ordinals, known)),
        )
        marks = _Marks(self.marks.sequences[own], ordinals[own].tolist(), known)
        empty = DigestMap(int(used.sum()), known, used=used, marks=marks)
        return empty._with_parts(parts)

    def _taken(self) -> Iterator[tuple[int, NDArray[np.uint64]]]:
        """The taken slots of each part that has any, copied."""
        for part, slots in enumerate(self.slots):
            if slots is not None:
                ordinals = slots[:, 2] >> np.uint64(32)
                taken = slots[(slots[:, 2] != 0) & (ordinals < self.known)]
                if len(taken):
                    yield part, taken


def _part_of(entries: int, slots: NDArray[np.uint64] | None) -> NDArray[np.uint64]:
    """A part with room for so many entries, and the ones of these slots in it."""
    size = max(_SLOTS_AT_LEAST, _SLOTS_PER_ENTRY * entries)
    part = np.zeros((size, _SLOT_WORDS), np.uint64)
    if slots is not None:
        move_slots(slots, part)
    return part
