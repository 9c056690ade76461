"""The identities of an open store: what its shards hold, and what they do not hold yet.

1. The log brings entries: digests with the rows that own them, and the sequence of the
   record. They go to the *delta*, a map in memory (34 to 48 bytes an entry), at once; the resolver
   of the next batch finds them there.
2. A reader sees the entries up to the data version of its snapshot. An entry of the delta
   that came later is unknown to it, whether or not a shard has the entry by now: the delta is
   asked first, and only what it does not have is looked for in the shards.
3. A slice writes shards whole, those that waited longest first, with the commit that it is
   part of. Entries come in the order of their sequences and a shard is written with all that
   it has, so one number for each shard tells what is not stored: its least unsaved sequence.
4. An entry leaves the delta once it is stored *and* no view of an earlier version will be
   asked for (`settle`). Until then it is in both places.
5. What readers use is one immutable state, shards and delta, replaced whole: they take no
   lock, and a view that was taken stays exact whatever is saved or dropped later.

A commit that failed is undone by `forget_after`; the slice in it is forgotten too. Replaying
a record whose entries are stored already does no harm: when its shard's turn comes, nothing
of it has to be written.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.identity.digest_map import DigestMap
from engine.identity.digests import unite_runs
from engine.identity.shards import DIRECTORY, Piece, ShardTable
from engine.identity.state import IdentityState, IdentityView
from engine.limits import IDENTITY_SHARD_BITS_MAX
from engine.store.snapshot import Snapshot
from engine.store.writer import Writer

__all__ = ["LiveIdentities"]

# The least unsaved sequence of a shard that has none.
_CLEAN = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class _Slice:
    """What `save_slice` gave to a writer: all entries of the shards `saved` up to `through`.

    `entries` of the delta are stored then. `replaced` has those of the shards that were
    written, with the depths of what they became; `count` is the number of entries stored
    then, and `directory` the record that says so.
    """

    saved: tuple[int, ...]
    entries: int
    replaced: dict[int, list[int]]
    count: int
    through: int
    directory: bytes


class LiveIdentities:
    """One for each open store. Any thread may read; changes are made by one thread at a time,
    and in the order of sequences. `settle` may come from any thread.

    Memory: 34 to 48 bytes for each entry of the delta; 8 bytes for each shard; stored entries are
    read from the map (see ShardTable).
    """

    def __init__(self, snapshot: Snapshot) -> None:
        """Raises StoreCorrupt."""
        self._guard = threading.Lock()
        self._state = IdentityState(ShardTable(snapshot), DigestMap())
        self._fields = snapshot.fields
        self._dirty = np.full(self._state.shards.shard_count, _CLEAN, np.int64)
        self._last = 0
        self._settled = 0
        self._slice: _Slice | None = None
        # What came after the slice was made: high halves and sequence.
        self._late: list[tuple[NDArray[np.uint64], int]] = []
        # Entries of the delta that may be stored and were not looked at since.
        self._leaving = 0

    @classmethod
    def load(cls, snapshot: Snapshot) -> LiveIdentities:
        """What a snapshot has stored; entries of later records are added by replaying them.

        Raises StoreCorrupt.
        """
        return cls(snapshot)

    # ----------------------------------------------------------------------- reading

    @property
    def key(self) -> bytes:
        """The key of the digests, 16 bytes. A new store's becomes durable with its first
        slice, which has to be in the same commit as the first record with digests."""
        return self._state.shards.key

    @property
    def state(self) -> IdentityState:
        """All that is known now; a version keeps it to answer readers from it later."""
        return self._state

    def at(self, snapshot: Snapshot) -> IdentityView:
        """The identities as a snapshot sees them, which is not before what was settled."""
        assert snapshot.data_version >= self._settled, "older than every reader that there was"
        return self._state.at(snapshot)

    def digests(self, kind: str, values: Strings) -> NDArray[np.uint64]:
        """See Identities, by the catalog of the last commit. KeyError for an unknown kind."""
        return self._now().digests(kind, values)

    def find(self, digests: NDArray[np.uint64], at: int | None = None) -> NDArray[np.uint32]:
        """See IdentityState.find."""
        return self._state.find(digests, at)

    def lookup(self, kind: str, values: Strings) -> NDArray[np.uint32]:
        """See Identities; pending entries count. KeyError for an unknown kind."""
        return self._now().lookup(kind, values)

    def _now(self) -> IdentityView:
        return IdentityView(self._state, self._fields, None)

    @property
    def count(self) -> int:
        """Entries that are stored."""
        return self._state.shards.count

    @property
    def delta_count(self) -> int:
        """Entries in memory."""
        return self._state.delta.count

    @property
    def dirty_since(self) -> int | None:
        """The least sequence of an entry that is not stored; None where all are.

        Records from it on are needed to make the index again.
        """
        least = int(self._dirty.min())
        return None if least == _CLEAN else least

    # ---------------------------------------------------------------------- changing

    def add(self, digests: NDArray[np.uint64], rows: NDArray[np.uint32], sequence: int) -> None:
        """Adds distinct digests, uint64 (n, 2), none in the delta, that own `rows` (n,).

        `sequence` is that of their record, not below any before.
        """
        if len(digests):
            self._check_order(sequence)
            with self._guard:
                state = self._state
                delta = state.delta.with_entries(digests, rows, sequence)
                self._note(digests[:, 0], sequence)
                self._state = IdentityState(state.shards, delta)

    def add_all(self, added: DigestMap, sequence: int) -> None:
        """Adds the entries of a map, all by one sequence; nothing is to be added to the map
        then. See `add`."""
        self._check_order(sequence)
        if self._state.delta.count:
            for digests, rows in added.parts():
                self.add(digests, rows, sequence)
            return
        with self._guard:
            some = np.flatnonzero(added.counts_between(0, (1 << 64) - 1)).astype(np.uint64)
            self._note(some << np.uint64(64 - IDENTITY_SHARD_BITS_MAX), sequence)
            self._state = IdentityState(self._state.shards, added.of_sequence(sequence))

    def _check_order(self, sequence: int) -> None:
        assert sequence >= max(1, self._last), "records come in their order"
        assert self._slice is None or sequence > self._slice.through, "its shards are written"

    def _note(self, high: NDArray[np.uint64], sequence: int) -> None:
        """Notes that entries came, by their high halves."""
        shards = self._state.shards.shards_of(high)
        self._dirty[shards[self._dirty[shards] == _CLEAN]] = sequence
        self._last = sequence
        if self._slice is not None:
            self._late.append((high, sequence))

    def forget_after(self, sequence: int) -> None:
        """Drops the entries that came after `sequence`, and the slice if one was made: the
        commit that was to have them failed. Call it after every commit that failed."""
        with self._guard:
            self._slice = None
            self._late.clear()
            self._last = min(self._last, sequence)
            self._dirty[self._dirty > sequence] = _CLEAN
            self._keep(self._state.delta.until(sequence))

    def settle(self, visible_sequence: int) -> None:
        """Says that no view of a version before `visible_sequence` will be asked for any more.

        Views and states taken earlier stay exact: where each version keeps the state of its
        moment, that is the newest version shown; where views are made by `at`, the oldest
        that is still open.
        """
        with self._guard:
            self._settled = max(self._settled, visible_sequence)
            self._drop_settled()

    # ------------------------------------------------------------------------ saving

    def save_all(self, writer: Writer) -> int:
        """Gives a writer everything that is not stored; see `save_slice`."""
        return self.save_slice(writer, None)

    def save_slice(self, writer: Writer, byte_budget: int | None) -> int:
        """Gives a writer shards with entries that are not stored, the longest waiting first,
        while they fit in `byte_budget` bytes, but one at least where it is above 0; None is no
        limit. A new store gets its directory whatever the budget. Returns the bytes given.

        `saved` after the commit makes it count. Raises StoreCorrupt.
        """
        state, last = self._state, self._last
        shards = state.shards
        saved: list[int] = []
        replaced: dict[int, list[int]] = {}
        count, entries, given = shards.count, 0, 0
        budget = math.inf if byte_budget is None else byte_budget
        for shard in self._longest_waiting() if budget > 0 else ():
            stored = shards.piece(shard)
            pieces, unsaved = self._grown(state.delta, stored, int(self._dirty[shard]))
            whole = sum(piece.run.count for piece in pieces)
            # As many: a record replayed, whose entries are all stored.
            if whole > stored.run.count:
                size = sum(piece.nbytes for piece in pieces)
                if given and given + size > budget:
                    break
                for piece in pieces:
                    writer.put_meta(piece.name, piece.pack())
                replaced[shard] = [piece.depth for piece in pieces]
                count, given = count + whole - stored.run.count, given + size
            saved.append(shard)
            entries += unsaved
        directory = shards.directory_with(replaced, count)
        if replaced or not shards.is_stored:
            writer.put_meta(DIRECTORY, directory)
            given += len(directory)
        self._slice = _Slice(tuple(saved), entries, replaced, count, last, directory)
        return given

    def saved(self, snapshot: Snapshot) -> None:
        """Takes the state that a commit has made, with the slice that was given to it.

        Call it after every commit that succeeded, with a slice in it or without: stored
        entries are read in the newest state, so that old pages can be used again.
        """
        with self._guard:
            state, done, self._slice = self._state, self._slice, None
            late, self._late = self._late, []
            self._fields = snapshot.fields
            if done is None:
                shards = state.shards.after(snapshot, {}, state.shards.count)
                self._state = IdentityState(shards, state.delta)
                return
            assert not done.replaced or snapshot.meta(DIRECTORY) == done.directory, (
                "a slice of a commit that failed has to be forgotten"
            )
            shards = state.shards.after(snapshot, done.replaced, done.count)
            self._state = IdentityState(shards, state.delta)
            self._mark_saved(state.shards, done)
            for high, sequence in late:
                self._note(high, sequence)
            self._drop_settled()

    # ------------------------------------------------------------------------- parts

    def _longest_waiting(self) -> list[int]:
        waiting = np.flatnonzero(self._dirty != _CLEAN)
        chosen: list[int] = waiting[np.argsort(self._dirty[waiting], kind="stable")].tolist()
        return chosen

    def _grown(self, delta: DigestMap, stored: Piece, since: int) -> tuple[list[Piece], int]:
        """What a shard becomes with its entries from a sequence on, and how many those are."""
        least = delta.first_of(since)
        counts = delta.counts_between(*stored.bounds, least)
        pieces: list[Piece] = []
        waiting = [(stored, counts)]
        while waiting:
            piece, unsaved = waiting.pop()
            # Before they are brought together: a load may bring all entries at once.
            if piece.is_cut_with(int(unsaved.sum())):
                halves = zip(piece.halves(), np.split(unsaved, 2), strict=True)
                waiting.extend(reversed(list(halves)))
            else:
                new = delta.between(*piece.bounds, least, int(unsaved.sum()))
                run = unite_runs(piece.run, new)
                pieces.extend(Piece(piece.prefix, piece.depth, run).cut())
        return pieces, int(counts.sum())

    def _mark_saved(self, before: ShardTable, done: _Slice) -> None:
        """Marks what a slice stored."""
        self._dirty[list(done.saved)] = _CLEAN
        self._dirty = np.repeat(self._dirty, before.became(done.replaced))
        self._leaving += done.entries

    def _drop_settled(self) -> None:
        """Drops entries that are stored and settled, when there may be enough to be worth it."""
        state = self._state
        if self.dirty_since is None and self._last <= self._settled:
            self._state = IdentityState(state.shards, DigestMap())
            self._leaving = 0
        elif self._leaving > state.delta.count // 4:
            self._leaving = 0
            self._keep(state.delta.only(self._stays))

    def _stays(self, high: NDArray[np.uint64], sequences: NDArray[np.int64]) -> NDArray[np.bool_]:
        unsaved = sequences >= self._dirty[self._state.shards.shards_of(high)]
        stays: NDArray[np.bool_] = unsaved | (sequences > self._settled)
        return stays

    def _keep(self, delta: DigestMap) -> None:
        self._state = IdentityState(self._state.shards, delta)
