"""The identities of one snapshot, with what a load adds to them before it is written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.identity.digest_map import DigestMap
from engine.identity.digests import UNKNOWN
from engine.identity.live import LiveIdentities
from engine.identity.view import UID, Identities, uid_strings
from engine.store.snapshot import Snapshot
from engine.store.writer import Writer

__all__ = ["UID", "Identities", "IdentityIndex", "uid_strings"]


class IdentityIndex:
    """See Identities; not for use by two threads at once while something is added.

    `live` are the identities of the open store; without them (a store that nobody else
    writes to) what the snapshot has stored is all there is. Raises StoreCorrupt.
    """

    def __init__(self, snapshot: Snapshot, live: LiveIdentities | None = None) -> None:
        self._live = LiveIdentities.load(snapshot) if live is None else live
        self._stored = self._live.at(snapshot)
        self._next_sequence = snapshot.data_version + 1
        self._added = DigestMap()

    @property
    def key(self) -> bytes:
        """The key of the digests, 16 bytes."""
        return self._live.key

    def digests(self, kind: str, values: Strings) -> NDArray[np.uint64]:
        """See Identities. KeyError for a kind that the store does not have."""
        return self._stored.digests(kind, values)

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """See Identities."""
        if not self._added.count:
            return self._stored.find(digests)
        rows, missing = self._added.find(digests)
        if len(missing) == len(rows):
            return self._stored.find(digests)
        if len(missing):
            rows[missing] = self._stored.find(digests[missing])
        return rows

    def lookup(self, kind: str, values: Strings) -> NDArray[np.uint32]:
        """See Identities. KeyError for a kind that the store does not have."""
        rows = self.find(self.digests(kind, values))
        rows[~values.valid] = UNKNOWN
        return rows

    def add(self, digests: NDArray[np.uint64], rows: NDArray[np.uint32]) -> None:
        """Adds distinct digests, uint64 (n, 2), that have no owner yet."""
        self._added = self._added.with_entries(digests, rows)

    def save(self, writer: Writer, sequence: int | None = None) -> None:
        """Gives a writer everything that is not stored; nothing where nothing was added.

        `sequence` is that of the write, the next one if it is None. The live identities have
        what was added from now on; where the commit fails they must be told (`forget_after`),
        and where it succeeds too (`saved`).
        """
        if not self._added.count:
            return
        at = self._next_sequence if sequence is None else sequence
        added, self._added = self._added, DigestMap()
        self._live.add_all(added, at)
        self._live.save_all(writer)
