"""The identities at one moment: shards and delta, and the view of them that a snapshot has."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.columns.hashing import siphash128, siphash128_many
from engine.columns.strings import Strings
from engine.identity.digest_map import DigestMap
from engine.identity.digests import UNKNOWN
from engine.identity.shards import ShardTable
from engine.identity.view import UID
from engine.store.catalog import UIDS, Catalog, identifier_field
from engine.store.snapshot import Snapshot

__all__ = ["IdentityState", "IdentityView"]


@dataclass(frozen=True, slots=True)
class IdentityState:
    """All entries known at one moment, pending ones too. Immutable; keeps what it needs."""

    shards: ShardTable
    delta: DigestMap

    def find(self, digests: NDArray[np.uint64], at: int | None = None) -> NDArray[np.uint32]:
        """Rows of n digests, uint64 (n, 2), as uint32 (n,), as of the data version `at`;
        UNKNOWN where nobody owned it then. None: of every entry, pending ones too.

        `at` must not be before the version that was settled when the state was taken.
        """
        if not self.delta.count:
            return self.shards.find(digests)
        rows, missing = self.delta.find(digests, at)
        if len(missing) == len(rows):
            return self.shards.find(digests)
        if len(missing):
            rows[missing] = self.shards.find(digests[missing])
        return rows

    def find_one(self, digest: bytes, at: int | None = None) -> int:
        """The row of one digest, 16 bytes: what `find` gives."""
        row = self.delta.find_one(digest, at) if self.delta.count else None
        return self.shards.find_one(digest) if row is None else row

    def at(self, snapshot: Snapshot) -> IdentityView:
        """The identities as a snapshot sees them."""
        return IdentityView(self, snapshot.fields, snapshot.data_version)

    def has_later(self, at: int) -> bool:
        """Whether it has entries that came after the data version `at`."""
        return self.delta.first_of(at + 1) < self.delta.known


@dataclass(frozen=True, slots=True)
class IdentityView:
    """The identities as of one data version: see Identities. None for `version`: as of now.

    It stays good when the snapshot it was made for is closed.
    """

    state: IdentityState
    fields: Catalog
    version: int | None

    def later(self) -> IdentityView | None:
        """The same with what came after that version; None where nothing did."""
        is_all = self.version is None or not self.state.has_later(self.version)
        return None if is_all else replace(self, version=None)

    def digests(self, kind: str, values: Strings) -> NDArray[np.uint64]:
        """See Identities. KeyError for a kind that the store does not have."""
        name = UIDS.name if kind == UID else identifier_field(kind)
        return siphash128_many(values, self.state.shards.key, self.fields[name].id)

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """See Identities."""
        return self.state.find(digests, self.version)

    def lookup(self, kind: str, values: Strings) -> NDArray[np.uint32]:
        """See Identities. KeyError for a kind that the store does not have."""
        rows = self.find(self.digests(kind, values))
        rows[~values.valid] = UNKNOWN
        return rows

    def row_of(self, kind: str, value: bytes) -> int:
        """The row of the owner of one identifier; UNKNOWN where nobody owns it. KeyError for a kind
        that the store does not have."""
        name = UIDS.name if kind == UID else identifier_field(kind)
        # As siphash128_many has it.
        message = self.fields[name].id.to_bytes(8, "little") + value
        digest = siphash128(message, self.state.shards.key)
        return self.state.find_one(digest, self.version)
