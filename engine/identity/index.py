"""The identities of one snapshot, with what a load adds to them before it is written."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.identity.digest_map import DigestMap
from engine.identity.digests import UNKNOWN
from engine.identity.grown_shards import grown_shards
from engine.identity.live import LiveIdentities
from engine.identity.shards import DIRECTORY
from engine.identity.spilled import SpilledRuns
from engine.identity.view import UID, Identities, uid_strings
from engine.limits import LOAD_IDENTITIES, LOAD_IDENTITY_DRAFT_BYTES
from engine.store.drafts import Drafts
from engine.store.snapshot import Snapshot
from engine.store.writer import Writer

__all__ = ["UID", "Identities", "IdentityIndex", "uid_strings"]


class IdentityIndex:
    """See Identities; not for use by two threads at once while something is added.

    `live` are the identities of the open store; without them (a store that nobody else
    writes to) what the snapshot has stored is all there is. With `drafts` those of a load, what
    is added does not stay in memory: beyond LOAD_IDENTITIES entries it is brought to the disk (see
    spilled.py), and `write_ahead` makes drafts of it before the write. Raises StoreCorrupt.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        live: LiveIdentities | None = None,
        drafts: Drafts | None = None,
    ) -> None:
        self._live = LiveIdentities.load(snapshot) if live is None else live
        self._stored = self._live.at(snapshot)
        self._next_sequence = snapshot.data_version + 1
        self._added = DigestMap()
        self._drafts = drafts
        self._spilled: SpilledRuns | None = None
        # The directory of the shards that are drafts.
        self._directory = b""

    @property
    def key(self) -> bytes:
        """The key of the digests, 16 bytes."""
        return self._live.key

    @property
    def spilled_runs(self) -> int:
        """How many runs of entries are on the disk."""
        return 0 if self._spilled is None else self._spilled.run_count

    def digests(self, kind: str, values: Strings) -> NDArray[np.uint64]:
        """See Identities. KeyError for a kind that the store does not have."""
        return self._stored.digests(kind, values)

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """See Identities."""
        if not self._added.count and self._spilled is None:
            return self._stored.find(digests)
        rows, missing = self._added.find(digests)
        if len(missing) == len(rows):
            return self._find_before(digests)
        if len(missing):
            rows[missing] = self._find_before(digests[missing])
        return rows

    def _find_before(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """The rows of digests that are not among those added in memory."""
        if self._spilled is None:
            return self._stored.find(digests)
        rows = self._spilled.find(digests)
        missing = np.flatnonzero(rows == UNKNOWN)
        rows[missing] = self._stored.find(digests[missing])
        return rows

    def lookup(self, kind: str, values: Strings) -> NDArray[np.uint32]:
        """See Identities. KeyError for a kind that the store does not have."""
        rows = self.find(self.digests(kind, values))
        rows[~values.valid] = UNKNOWN
        return rows

    def add(self, digests: NDArray[np.uint64], rows: NDArray[np.uint32]) -> None:
        """Adds distinct digests, uint64 (n, 2), that have no owner yet. Raises StoreUnwritable
        where they are brought to the disk and it takes nothing more."""
        self._added = self._added.with_entries(digests, rows)
        if self._drafts is not None and self._added.count > LOAD_IDENTITIES:
            self._spill(self._drafts)
            # As many will come again, or nearly.
            self._added = DigestMap.with_room_for(LOAD_IDENTITIES)

    def close(self) -> None:
        """Lets go of what is on the disk, which a load that is over needs no more."""
        if self._spilled is not None:
            self._spilled.close()

    def _spill(self, drafts: Drafts) -> None:
        if self._spilled is None:
            self._spilled = SpilledRuns(drafts.folder)
        self._spilled.add(self._added)
        self._added = DigestMap()

    def write_ahead(self) -> None:
        """Makes drafts of what is brought to the disk, for the `save` to come; nothing is added
        between the two. Raises as Drafts.put_named does, and StoreCorrupt."""
        drafts, added = self._drafts, self._spilled
        if drafts is None or added is None:
            return
        if self._added.count:
            self._spill(drafts)
        shards = self._live.state.shards
        replaced: dict[int, list[int]] = {}
        records: dict[str, bytes] = {}
        size = 0
        # The disk takes some while the next ones are made.
        with ThreadPoolExecutor(1, "drafts") as thread:
            written: Future[None] | None = None
            for shard, piece in grown_shards(shards, added):
                replaced.setdefault(shard, []).append(piece.depth)
                records[piece.name] = piece.pack()
                size += piece.nbytes
                if size > LOAD_IDENTITY_DRAFT_BYTES:
                    if written is not None:
                        written.result()
                    written = thread.submit(drafts.put_named, records)
                    records, size = {}, 0
            if written is not None:
                written.result()
        drafts.put_named(records)
        self._directory = shards.directory_with(replaced, shards.count + added.count)

    def save(self, writer: Writer, sequence: int | None = None) -> None:
        """Gives a writer everything that is not stored; nothing where nothing was added.

        `sequence` is that of the write, the next one if it is None. The live identities have
        what was added from now on; where the commit fails they must be told (`forget_after`),
        and where it succeeds too (`saved`). Of what was written ahead they know nothing, and are
        loaded anew; the drafts are handed over by whoever has them.
        """
        if self._directory:
            writer.put_meta(DIRECTORY, self._directory)
            return
        assert self._spilled is None, "what is on the disk is written ahead"
        if not self._added.count:
            return
        at = self._next_sequence if sequence is None else sequence
        added, self._added = self._added, DigestMap()
        self._live.add_all(added, at)
        self._live.save_all(writer)
