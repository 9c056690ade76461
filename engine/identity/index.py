"""Which profile owns an identifier: (kind, value) -> row.

1. An identifier is known by its digest, SipHash-128 of kind and value under a key that each
   store draws for itself.
2. All entries, sorted by digest, are cut into 2^bits shards by the leading bits of the
   digest; a shard is one small record of the store, read when it is first asked for. The
   number of shards grows with the store, so that one look-up reads a bounded amount.
3. A load adds to a map in memory; `save` merges it into the shards that it touches.

The uid of a profile is one more identifier, of its own kind.

Bytes, little-endian. `identity`: uint32 version, uint32 bits, uint64 count, 16 bytes key.
`identity/<shard in 4 hex digits>`: uint32 version, uint32 count, then uint64 high[count],
uint64 low[count], uint32 row[count].
"""

from __future__ import annotations

import os
import struct
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.columns.hashing import siphash128_many
from engine.columns.strings import Strings
from engine.errors import StoreCorrupt
from engine.identity.digests import UNKNOWN, DigestMap, Run, merge_runs
from engine.limits import IDENTITY_SHARD_BITS_MAX, IDENTITY_SHARD_ENTRIES
from engine.store.catalog import UIDS, identifier_field
from engine.store.store import Snapshot, Writer

__all__ = ["UID", "Identities", "IdentityIndex", "uid_strings"]

# The kind under which the uids of profiles stand in the index.
UID = "uid"

_VERSION = 1
_KEY_BYTES = 16
_DIRECTORY = struct.Struct("<IIQ16s")
_SHARD = struct.Struct("<II")


class Identities(Protocol):
    """What the rest of the engine asks of an identity index."""

    def digests(self, kind: str, values: Strings) -> NDArray[np.uint64]:
        """Digests of n identifiers of one kind, uint64 (n, 2); of missing ones without meaning."""

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Rows of n digests, uint32 (n,); UNKNOWN where nobody owns it."""

    def lookup(self, kind: str, values: Strings) -> NDArray[np.uint32]:
        """Rows of the owners of n identifiers, uint32 (n,); UNKNOWN where missing or unowned."""

    def add(self, digests: NDArray[np.uint64], rows: NDArray[np.uint32]) -> None:
        """Adds distinct digests that have no owner yet."""

    def save(self, writer: Writer) -> None:
        """Writes what was added into the store."""


def uid_strings(uids: NDArray[np.uint8]) -> Strings:
    """Uids, uint8 (n, 16), as the byte strings that the index knows them by."""
    count = len(uids)
    offsets = np.arange(count + 1, dtype=np.int64) * _KEY_BYTES
    return Strings(offsets, np.ascontiguousarray(uids).reshape(-1), np.ones(count, np.bool_))


class IdentityIndex:
    """The index of one snapshot, with what a load has added to it since."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._shards: dict[int, Run] = {}
        self._added = DigestMap()
        stored = snapshot.meta("identity")
        if stored is None:
            self.key = os.urandom(_KEY_BYTES)
            self._bits, self._count = -1, 0
            return
        if len(stored) != _DIRECTORY.size:
            raise StoreCorrupt("the identity index has a directory of the wrong size")
        version, self._bits, self._count, self.key = _DIRECTORY.unpack(stored)
        if version != _VERSION or self._bits > IDENTITY_SHARD_BITS_MAX:
            raise StoreCorrupt("the identity index has a directory that makes no sense")

    def digests(self, kind: str, values: Strings) -> NDArray[np.uint64]:
        """See Identities. KeyError for a kind that the store does not have."""
        name = UIDS.name if kind == UID else identifier_field(kind)
        return siphash128_many(values, self.key, self._snapshot.fields[name].id)

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """See Identities."""
        rows = self._added.find(digests)
        if not self._count or not len(digests):
            return rows
        order = np.argsort(digests[:, 0])
        high, low = digests[order, 0], digests[order, 1]
        found = rows[order]
        shards = _leading_bits(high, self._bits)
        starts = np.flatnonzero(np.append(True, shards[1:] != shards[:-1]))
        ends = np.append(starts[1:], len(shards))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            piece = slice(start, end)
            self._shard(int(shards[start])).find(high[piece], low[piece], found[piece])
        rows[order] = found
        return rows

    def lookup(self, kind: str, values: Strings) -> NDArray[np.uint32]:
        """See Identities. KeyError for a kind that the store does not have."""
        rows = self.find(self.digests(kind, values))
        rows[~values.valid] = UNKNOWN
        return rows

    def add(self, digests: NDArray[np.uint64], rows: NDArray[np.uint32]) -> None:
        """See Identities."""
        self._added.add(digests, rows)

    def save(self, writer: Writer) -> None:
        """See Identities. Writes nothing where nothing was added."""
        if not self._added.count:
            return
        added = self._added.as_run()
        total = self._count + added.count
        bits = max(self._bits, _bits_for(total))
        shards = _leading_bits(added.high, bits)
        cuts = np.searchsorted(shards, np.arange((1 << bits) + 1, dtype=np.uint64))
        for shard in range(1 << bits):
            piece = slice(cuts[shard], cuts[shard + 1])
            if piece.start == piece.stop and bits == self._bits:
                continue
            new = Run(added.high[piece], added.low[piece], added.numbers[piece])
            whole = merge_runs(self._stored_part(shard, bits), new)
            writer.put_meta(_shard_name(shard), _shard_bytes(whole))
        writer.put_meta("identity", _DIRECTORY.pack(_VERSION, bits, total, self.key))

    def _shard(self, shard: int) -> Run:
        run = self._shards.get(shard)
        if run is None:
            stored = self._snapshot.meta(_shard_name(shard))
            if stored is None:
                raise StoreCorrupt(f"shard {shard} of the identity index is missing")
            run = self._shards[shard] = _shard_run(stored, shard)
        return run

    def _stored_part(self, shard: int, bits: int) -> Run:
        """The stored entries of one of 2^bits shards, where there may be fewer shards now."""
        if self._bits < 0:
            empty = np.zeros(0, np.uint64)
            return Run(empty, empty, np.zeros(0, np.uint32))
        whole = self._shard(shard >> (bits - self._bits))
        if bits == self._bits:
            return whole
        start, end = np.searchsorted(
            _leading_bits(whole.high, bits), np.array([shard, shard + 1], np.uint64)
        )
        return Run(whole.high[start:end], whole.low[start:end], whole.numbers[start:end])


def _bits_for(count: int) -> int:
    """The least number of shard bits that keeps the average shard within its limit."""
    wanted = max(count - 1, 0) // IDENTITY_SHARD_ENTRIES
    return min(wanted.bit_length(), IDENTITY_SHARD_BITS_MAX)


def _leading_bits(high: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    # A shift by the whole width has no meaning in C.
    return high >> np.uint64(64 - bits) if bits else np.zeros(len(high), np.uint64)


def _shard_name(shard: int) -> str:
    return f"identity/{shard:04x}"


def _shard_bytes(run: Run) -> bytes:
    columns = (run.high.astype("<u8"), run.low.astype("<u8"), run.numbers.astype("<u4"))
    return _SHARD.pack(_VERSION, run.count) + b"".join(column.tobytes() for column in columns)


def _shard_run(stored: bytes, shard: int) -> Run:
    if len(stored) < _SHARD.size:
        raise StoreCorrupt(f"shard {shard} of the identity index is cut short")
    version, count = _SHARD.unpack_from(stored)
    if version != _VERSION or len(stored) != _SHARD.size + 20 * count:
        raise StoreCorrupt(f"shard {shard} of the identity index has the wrong size")
    high = np.frombuffer(stored, "<u8", count, _SHARD.size)
    low = np.frombuffer(stored, "<u8", count, _SHARD.size + 8 * count)
    numbers = np.frombuffer(stored, "<u4", count, _SHARD.size + 16 * count)
    return Run(high, low, numbers)
