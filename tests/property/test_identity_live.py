"""Live identities against a dictionary with sequences: records, slices, failures, reopenings.

The store is written as an engine with a log would: a commit has records and a slice, or
neither. Records come back from a list when the store is opened again. What was committed is
shown later, so that slices store what no reader may see yet.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray

from engine.identity import shards as shards_module
from engine.identity.digests import UNKNOWN
from engine.identity.live import LiveIdentities
from engine.identity.state import IdentityState
from engine.store.store import Store
from tests.sample_stores import MAP_BYTES

SHARD_ENTRIES = 8

Record = list[tuple[int, int]]


def _drawn(seed: int, count: int) -> Record:
    """Distinct digests, half of them next to borders of shards, some with one high half."""
    random = np.random.default_rng(seed)
    tops = random.integers(0, 256, count).tolist()
    highs = [((top << 56) + int(random.integers(-1, 2))) % (1 << 64) for top in tops]
    highs[::2] = random.integers(0, 1 << 64, len(highs[::2]), np.uint64).tolist()
    return list(dict.fromkeys((int(high), int(random.integers(0, 2))) for high in highs))


# Seeds are few, so that records meet digests that are known.
record = st.builds(_drawn, st.integers(0, 9), st.integers(0, 60))


def _array(digests: Record) -> NDArray[np.uint64]:
    return np.array(digests, np.uint64).reshape(-1, 2)


class LiveStates(RuleBasedStateMachine):
    """`entries` maps a digest to (row, sequence); `log` has the committed records, from 1 on."""

    @initialize()
    def create(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(shards_module, "IDENTITY_SHARD_ENTRIES", SHARD_ENTRIES)
        self.folder = Path(tempfile.mkdtemp(prefix="strata-identities-"))
        self.store = Store.create(self.folder / "s", map_size=MAP_BYTES)
        self.entries: dict[tuple[int, int], tuple[int, int]] = {}
        self.log: list[Record] = []
        self.trimmed = 0
        self.open()

    def open(self) -> None:
        with self.store.snapshot() as snapshot:
            self.live = LiveIdentities.load(snapshot)
        for sequence, added in enumerate(self.log[self.trimmed :], self.trimmed + 1):
            self.add(added, sequence)
        self.shown = len(self.log)
        # States that older versions keep, with their sequence.
        self.held: list[tuple[int, IdentityState]] = []

    def add(self, added: Record, sequence: int) -> None:
        rows = [self.entries[digest][0] for digest in added]
        # As an update does it: one kind after the other, under one sequence.
        half = len(added) // 2
        for cut in (slice(0, half), slice(half, None)):
            self.live.add(_array(added[cut]), np.array(rows[cut], np.uint32), sequence)

    @rule(
        records=st.lists(record, max_size=3),
        budget=st.sampled_from([0, 1, 200, 1_000, None]),
        fails=st.booleans(),
        late=st.booleans(),
    )
    def commit(self, records: list[Record], budget: int | None, fails: bool, late: bool) -> None:
        before = len(self.log)
        new: list[Record] = []
        for wanted in records:
            added = [digest for digest in wanted if digest not in self.entries]
            sequence = before + len(new) + 1
            for digest in added:
                self.entries[digest] = (len(self.entries), sequence)
            self.add(added, sequence)
            new.append(added)
        try:
            with self.store.write() as writer:
                self.live.save_slice(writer, budget)
                writer.put_meta("log", struct.pack("<Q", before + len(new)))
                if fails:
                    raise KeyError
        except KeyError:
            self.live.forget_after(before)
            for digest in [d for added in new for d in added]:
                del self.entries[digest]
            return
        self.log += new
        if late:  # the next batch is resolved before the commit is known to have succeeded
            added = [digest for digest in [(5, 5), (1 << 63, 9)] if digest not in self.entries]
            for digest in added:
                self.entries[digest] = (len(self.entries), len(self.log) + 1)
            self.add(added, len(self.log) + 1)
            self.log.append(added)
        with self.store.snapshot() as snapshot:
            self.live.saved(snapshot)
        since = self.live.dirty_since
        self.trimmed = max(self.trimmed, len(self.log) if since is None else since - 1)
        if budget is None and not late:
            assert since is None

    @rule(keep=st.booleans())
    def show(self, keep: bool) -> None:
        self.shown = len(self.log)
        if keep:
            self.held.append((self.shown, self.live.state))
        self.live.settle(self.shown)

    @invariant()
    def look(self) -> None:
        if hasattr(self, "live"):
            asked = _drawn(99, 20)
            self.compare(self.live.state, asked, None)
            self.compare(self.live.state, asked, self.shown)

    @precondition(lambda self: self.held)
    @rule(at=st.integers(0, 9))
    def look_back(self, at: int) -> None:
        sequence, state = self.held.pop(at % len(self.held))
        self.compare(state, [], sequence)

    @rule()
    def reopen(self) -> None:
        self.held.clear()
        self.store.close()
        del self.live
        self.store = Store.open(self.folder / "s", map_size=MAP_BYTES)
        self.open()

    def compare(self, state: IdentityState, asked: Record, at: int | None) -> None:
        every = [*self.entries, *asked]
        last = len(self.log) if at is None else at
        expected = []
        for digest in every:
            row, sequence = self.entries.get(digest, (UNKNOWN, 0))
            expected.append(row if sequence <= last else UNKNOWN)
        assert state.find(_array(every), at).tolist() == expected

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.write() as writer:
            self.live.save_all(writer)
        with self.store.snapshot() as snapshot:
            self.live.saved(snapshot)
            self.live.settle(len(self.log))
            assert self.live.dirty_since is None and self.live.delta_count == 0
            assert self.live.count == len(self.entries)
            names = snapshot.meta_names("identity/")
            sizes = [len(snapshot.meta(name) or b"") for name in names]
            assert sum(sizes) == 8 * len(names) + 20 * len(self.entries)
            fresh = LiveIdentities.load(snapshot)
            assert fresh.key == self.live.key
            self.compare(fresh.state, [], len(self.log))
        self.held.clear()
        self.store.close()
        self.patch.undo()
        shutil.rmtree(self.folder)


TestLiveStates = LiveStates.TestCase
TestLiveStates.settings = settings(stateful_step_count=25)
