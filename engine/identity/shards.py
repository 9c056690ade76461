"""The stored entries of the identity index: digest -> row, in shards of the store.

1. All entries, sorted by digest, are cut into shards. A shard has the digests that begin with
   its *prefix*, of `depth` bits; the prefixes of all shards together cover every digest once.
   A new store has one shard, of depth 0.
2. A shard is one small record. It is found in the map when it is first asked for, and only
   its address is kept: state bytes per stored identifier on the heap are 0 (21 for each
   shard, and whole shards too small to have pages of their own in the file).
3. A shard that grows beyond IDENTITY_SHARD_ENTRIES when it is saved is cut in two by the next
   bit, again where needed. So a store grows shard by shard, and no save rewrites them all.
4. A table is one state of the shards and never changes, but for addresses as they become
   known. It keeps the read transaction in which they are good. The table of a later state
   shares the addresses: what was not written again has not moved.

Bytes, little-endian. `identity`: uint32 version, uint32 shards, uint64 count of entries, 16
bytes key of the digests, uint8 depth[shards] in the order of prefixes.
`identity/<prefix, its bits followed by zeros to 16, in 4 hex digits>`: uint32 version, uint32
count, then uint64 high[count], uint64 low[count], uint32 row[count], sorted by (high, low).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import StoreCorrupt
from engine.identity.digest_search import row_in_shards, rows_in_shards, shards_of_digests
from engine.identity.digests import UNKNOWN, Run
from engine.limits import IDENTITY_SHARD_BITS_MAX, IDENTITY_SHARD_ENTRIES
from engine.store.reading import MappedBytes
from engine.store.records import PayloadKind, RecordName, RecordType
from engine.store.snapshot import Snapshot

__all__ = ["DIRECTORY", "Piece", "ShardTable"]

# The record that lists the shards.
DIRECTORY = "identity"

_KEY_BYTES = 16
_VERSION = 2
_DIRECTORY = struct.Struct("<IIQ16s")
_SHARD = struct.Struct("<II")
_ENTRY_BYTES = 20


@dataclass(frozen=True, slots=True)
class Piece:
    """A shard to be: the bits of its prefix, how many they are, and its entries."""

    prefix: int
    depth: int
    run: Run

    @property
    def name(self) -> str:
        """The name of its record."""
        return _shard_name(self.prefix, self.depth)

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the greatest high half that it may have."""
        first = self.prefix << (64 - self.depth)
        return first, first + (1 << (64 - self.depth)) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of its record."""
        return _SHARD.size + _ENTRY_BYTES * self.run.count

    def pack(self) -> bytes:
        """Its record."""
        columns = (self.run.high, self.run.low, self.run.numbers)
        return b"".join(
            (_SHARD.pack(_VERSION, self.run.count), *(column.data for column in columns))
        )

    def is_cut_with(self, added: int) -> bool:
        """Whether it is certain to be cut with so many entries more, some of which may be its
        own: half of all together are too many."""
        whole = self.run.count + added
        return whole > 2 * IDENTITY_SHARD_ENTRIES and self.depth < IDENTITY_SHARD_BITS_MAX

    def halves(self) -> tuple[Piece, Piece]:
        """The two that the next bit makes of it."""
        prefix, depth = 2 * self.prefix, self.depth + 1
        border = np.uint64((prefix + 1) << (64 - depth))
        middle = int(np.searchsorted(self.run.high, border))
        low, high = self.run.slice(0, middle), self.run.slice(middle, self.run.count)
        return Piece(prefix, depth, low), Piece(prefix + 1, depth, high)

    def cut(self) -> list[Piece]:
        """Itself where it is a shard, else those that it has to be cut into."""
        if self.run.count <= IDENTITY_SHARD_ENTRIES or self.depth == IDENTITY_SHARD_BITS_MAX:
            return [self]
        return [piece for half in self.halves() for piece in half.cut()]


class ShardTable:
    """The shards as of one state of the store; safe to share between threads.

    `key` is that of the digests, 16 bytes; `count` the number of entries. `is_stored` is
    False for a store without an index: its table has one empty shard and a key newly drawn,
    which becomes the store's once the directory is written.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        """Raises StoreCorrupt where the directory makes no sense."""
        stored = snapshot.meta(DIRECTORY)
        self.is_stored = stored is not None
        if stored is None:
            self.count, self.key = 0, os.urandom(_KEY_BYTES)
            depths = np.zeros(1, np.uint8)
        else:
            self.count, self.key, depths = _un_pack_directory(stored)
        self._set_depths(depths)
        self._set_state(snapshot)
        self._addresses = np.zeros(len(depths), np.uint64)
        self._counts = np.zeros(len(depths), np.int64)
        # Payloads that are not in the map, by shard.
        self._copies: dict[int, NDArray[np.uint8]] = {}

    def _set_depths(self, depths: NDArray[np.uint8]) -> None:
        self._depths = depths
        self._bits = int(depths.max())
        spans = np.int64(1) << (self._bits - depths.astype(np.int64))
        self._shard_of = np.repeat(np.arange(len(depths), dtype=np.uint32), spans)
        # Prefixes with zeros behind them, to the bits of the deepest shard.
        self._starts = np.cumsum(spans) - spans

    def _set_state(self, snapshot: Snapshot) -> None:
        # Not the version itself: versions may keep tables, and would keep one another.
        self._view = snapshot.version.view
        self._metas = snapshot.version.state.metas

    @property
    def shard_count(self) -> int:
        """How many shards there are."""
        return len(self._depths)

    def shards_of(self, high: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """The shard of each of n digests by their high halves, uint32 (n,)."""
        if not self._bits:  # a shift by the whole width has no meaning in C
            return np.zeros(len(high), np.uint32)
        shards: NDArray[np.uint32] = self._shard_of[high >> np.uint64(64 - self._bits)]
        return shards

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Rows of n digests, uint64 (n, 2), as uint32 (n,); UNKNOWN where not stored.

        Raises StoreCorrupt where a shard is missing or makes no sense.
        """
        if not self.count or not len(digests):
            return np.full(len(digests), UNKNOWN, np.uint32)
        asked = np.ascontiguousarray(digests)
        shards, known = shards_of_digests(asked, self._shard_of, self._bits, self._addresses)
        if not known:
            for shard in np.unique(shards[self._addresses[shards] == 0]).tolist():
                self._locate(shard)
        return rows_in_shards(asked, shards, self._addresses, self._counts, self._depths)

    def find_one(self, digest: bytes) -> int:
        """The row of one digest, 16 bytes: what `find` gives."""
        if not self.count:
            return UNKNOWN
        row = row_in_shards(
            digest, self._shard_of, self._bits, self._addresses, self._counts, self._depths
        )
        if row is None:
            (row,) = self.find(np.frombuffer(digest, np.uint64).reshape(1, 2)).tolist()
        return row

    def piece(self, shard: int) -> Piece:
        """A shard with its entries, which are good as long as the table is kept.

        Raises StoreCorrupt.
        """
        return Piece(self._prefix(shard), int(self._depths[shard]), self._run(shard))

    def _run(self, shard: int) -> Run:
        if not self.count:
            empty = np.zeros(0, np.uint64)
            return Run(empty, empty, np.zeros(0, np.uint32))
        payload = self._payload(shard)
        count = (len(payload) - _SHARD.size) // _ENTRY_BYTES
        return Run(
            np.frombuffer(payload, "<u8", count, _SHARD.size),
            np.frombuffer(payload, "<u8", count, _SHARD.size + 8 * count),
            np.frombuffer(payload, "<u4", count, _SHARD.size + 16 * count),
        )

    def directory_with(self, replaced: Mapping[int, Sequence[int]], count: int) -> bytes:
        """The directory once each shard in `replaced` has become ones of these depths."""
        return _pack_directory(count, self.key, self._depths_with(replaced))

    def after(
        self, snapshot: Snapshot, replaced: Mapping[int, Sequence[int]], count: int
    ) -> ShardTable:
        """The table of a later state, in which only the shards in `replaced` were written, and
        have become ones of these depths; it has `count` entries."""
        later = ShardTable.__new__(ShardTable)
        later.count, later.key = count, self.key
        later._set_state(snapshot)
        later.is_stored = DIRECTORY in later._metas
        if not replaced:
            later._depths, later._bits = self._depths, self._bits
            later._shard_of, later._starts = self._shard_of, self._starts
            later._addresses, later._counts = self._addresses, self._counts
            later._copies = self._copies
            return later
        later._set_depths(self._depths_with(replaced))
        became = self.became(replaced)
        later._addresses = np.repeat(self._addresses, became)
        later._counts = np.repeat(self._counts, became)
        first = np.cumsum(became) - became
        for shard in replaced:
            later._addresses[first[shard] : first[shard] + became[shard]] = 0
        later._copies = {
            int(first[shard]): copy
            for shard, copy in list(self._copies.items())
            if shard not in replaced
        }
        return later

    def became(self, replaced: Mapping[int, Sequence[int]]) -> NDArray[np.int64]:
        """How many shards each shard becomes, int64 (shards,)."""
        became = np.ones(self.shard_count, np.int64)
        for shard, depths in replaced.items():
            became[shard] = len(depths)
        return became

    # ------------------------------------------------------------------------- parts

    def _prefix(self, shard: int) -> int:
        return int(self._starts[shard]) >> (self._bits - int(self._depths[shard]))

    def _depths_with(self, replaced: Mapping[int, Sequence[int]]) -> NDArray[np.uint8]:
        became = self.became(replaced)
        depths = np.repeat(self._depths, became)
        first = np.cumsum(became) - became
        for shard, new in replaced.items():
            depths[first[shard] : first[shard] + len(new)] = new
        return depths

    def _locate(self, shard: int) -> None:
        """Notes where the columns of a shard are."""
        payload = self._payload(shard)
        data = np.frombuffer(payload, np.uint8)
        if not isinstance(getattr(payload.obj, "base", None), MappedBytes):
            # Two readers may come at once: the copy whose address the first one noted stays.
            data = self._copies.setdefault(shard, data)
        self._counts[shard] = (len(payload) - _SHARD.size) // _ENTRY_BYTES
        # Last: who sees the address sees the rest.
        self._addresses[shard] = data.__array_interface__["data"][0] + _SHARD.size

    def _payload(self, shard: int) -> memoryview:
        """The record of a shard, checked: its columns have the length that it says."""
        name = _shard_name(self._prefix(shard), int(self._depths[shard]))
        listing = self._metas.get(name)
        if listing is None:
            raise StoreCorrupt(f"shard {name} of the identity index is missing")
        parts = [
            self._view.read(
                RecordName(RecordType.META, listing.id, 0, part),
                PayloadKind.META,
                len(listing.parts),
                expected,
            )
            for part, expected in enumerate(listing.parts)
        ]
        payload = parts[0] if len(parts) == 1 else memoryview(b"".join(parts))
        if len(payload) < _SHARD.size:
            raise StoreCorrupt(f"shard {name} of the identity index is cut short")
        version, count = _SHARD.unpack_from(payload)
        if version != _VERSION or len(payload) != _SHARD.size + _ENTRY_BYTES * count:
            raise StoreCorrupt(f"shard {name} of the identity index has the wrong size")
        return payload


def _shard_name(prefix: int, depth: int) -> str:
    return f"{DIRECTORY}/{prefix << (IDENTITY_SHARD_BITS_MAX - depth):04x}"


def _pack_directory(count: int, key: bytes, depths: NDArray[np.uint8]) -> bytes:
    """The record that lists the shards."""
    return _DIRECTORY.pack(_VERSION, len(depths), count, key) + depths.tobytes()


def _un_pack_directory(stored: bytes) -> tuple[int, bytes, NDArray[np.uint8]]:
    """Count of entries, key and depths. Raises StoreCorrupt."""
    if len(stored) <= _DIRECTORY.size:
        raise StoreCorrupt("the identity index has a directory of the wrong size")
    version, shards, count, key = _DIRECTORY.unpack_from(stored)
    depths = np.frombuffer(stored, np.uint8, -1, _DIRECTORY.size)
    if version != _VERSION or shards != len(depths) or not _cover_everything(depths):
        raise StoreCorrupt("the identity index has a directory that makes no sense")
    return count, key, depths


def _cover_everything(depths: NDArray[np.uint8]) -> bool:
    """Whether shards of these depths, one after the other, cover every digest once."""
    if int(depths.max()) > IDENTITY_SHARD_BITS_MAX:
        return False
    spans = np.int64(1) << (IDENTITY_SHARD_BITS_MAX - depths.astype(np.int64))
    ends = np.cumsum(spans)
    aligned = (ends - spans) % spans == 0
    return bool(aligned.all()) and int(ends[-1]) == 1 << IDENTITY_SHARD_BITS_MAX
