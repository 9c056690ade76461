"""An ingesting store against plain dictionaries: updates, edits, saves, reopening, crashes.

A crash is a copy of the file at an instant at which nothing is being written to it, which is
what SIGKILL leaves; tests/crash has real ones. Everything acknowledged must be in the copy,
and what was only on the heap comes back from the log.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from engine.database import Database
from engine.model.definitions import Source
from engine.store import open_events
from tests.crash.live_batches import (
    GIVER,
    SEALED_EVENTS,
    SOURCE,
    live_batch,
    loaded_updates,
    position_of,
    random_updates,
)
from tests.crash.live_check import FeedPlayer, check_store
from tests.crash.live_world import MODEL_FILES, VARIANT_FILES, World
from tests.crash.live_writer import let_save
from tests.skips import soaking
from tests.told import wait_told

PEOPLE = 25


class LiveStates(RuleBasedStateMachine):
    """One store, and the World that it should be."""

    @initialize(seed=st.integers(0, 2**20))
    def create(self, seed: int) -> None:
        """A store with some people in every segment."""
        self.folder = Path(tempfile.mkdtemp(prefix="strata-live-"))
        self.place = self.loads = 0
        # So that there are sealed chunks beside open tails.
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(open_events, "SEALED_EVENTS", SEALED_EVENTS)
        self.database = Database.create(self.folder / "0", threads=1)
        self.database.apply_model(MODEL_FILES)
        self.world, self.feed = World(), FeedPlayer()
        self.offset = 0
        self.seen = 0
        self.ingest(seed, [PEOPLE, PEOPLE], is_numbered=True)

    @rule(may_save=st.booleans())
    def hold(self, may_save: bool) -> None:
        """From here on, until a save or an opening, commits save blocks or leave them."""
        let_save(self.database, may_save)

    @rule(
        seed=st.integers(0, 2**20),
        sizes=st.lists(st.integers(0, 9), min_size=1, max_size=4),
        is_numbered=st.booleans(),
    )
    def ingest(self, seed: int, sizes: list[int], is_numbered: bool) -> None:
        """Batches handed over at once; the acknowledgements are what the World says."""
        chance = random.Random(seed)
        futures, expected = [], []
        for size in sizes:
            updates = random_updates(chance, size, PEOPLE)
            offsets = range(self.offset + 1, self.offset + 1 + size)
            position = None
            if size and is_numbered:
                self.offset += size
                position = position_of("only", offsets)
            futures.append(self.database.submit(live_batch(updates), position, giver=GIVER))
            before = len(self.world.people)
            source = "" if position is None else SOURCE
            reasons = [self.world.apply(update, GIVER, source) for update in updates]
            expected.append((reasons, len(self.world.people) - before))
        for future, (reasons, created) in zip(futures, expected, strict=True):
            ack = future.result(timeout=60)
            wanted = [(row, reason) for row, reason in enumerate(reasons) if reason]
            assert [row for row, _ in ack.refused] == [row for row, _ in wanted]
            for (_, said), (_, reason) in zip(ack.refused, wanted, strict=True):
                assert said.endswith(reason)
            assert (ack.accepted, ack.created) == (len(reasons) - len(wanted), created)
            assert ack.offset >= self.seen
            self.seen = ack.offset

    @rule(seed=st.integers(0, 2**20))
    def send_again(self, seed: int) -> None:
        """What is durable is never taken twice."""
        if not self.offset:
            return
        size = min(self.offset, 5)
        updates = random_updates(random.Random(seed), size, PEOPLE)
        offsets = range(self.offset - size + 1, self.offset + 1)
        ack = self.database.ingest(live_batch(updates), position_of("only", offsets), giver=GIVER)
        assert (ack.accepted, ack.duplicates, ack.created) == (0, size, 0)

    @rule()
    def edit(self) -> None:
        """The model changes back and forth, at once after what came before."""
        let_save(self.database, True)
        self.world.is_variant = not self.world.is_variant
        self.database.apply_model(VARIANT_FILES if self.world.is_variant else MODEL_FILES)
        self.seen = self.database.data_version

    @rule(seed=st.integers(0, 2**20))
    def load(self, seed: int) -> None:
        """A bulk load of people of its own."""
        let_save(self.database, True)
        self.loads += 1
        updates = loaded_updates(seed, self.loads, PEOPLE)
        with self.database.bulk_load(Source(GIVER, {"member": "member"})) as load:
            load.add(live_batch(updates))
            load.finish()
        for update in updates:
            self.world.apply(update, GIVER)
        self.seen = self.database.data_version

    @rule()
    def save(self) -> None:
        """The log becomes empty."""
        let_save(self.database, True)
        self.database.checkpoint()

    @rule()
    def look(self) -> None:
        """Everything is as it should be."""
        self.database.wait_visible(self.seen)
        check_store(self.database, self.world, self.feed)
        position = self.database.position(SOURCE, "only")
        assert (0 if position is None else position.offset) == self.offset

    @rule()
    def reopen(self) -> None:
        """A close and an opening."""
        self._close()
        self.database = Database.open(self.folder / str(self.place), threads=1)
        self.look()

    @rule(seed=st.integers(0, 2**20), may_save=st.booleans(), is_told=st.booleans())
    def crash(self, seed: int, may_save: bool, is_told: bool) -> None:
        """The process is gone between two writes to the file, with batches that are in the log
        and not saved, and maybe in the feed."""
        let_save(self.database, may_save)
        self.ingest(seed, [3, 5], is_numbered=False)
        if is_told:
            wait_told(self.database, self.seen)
        copy = self.folder / str(self.place + 1)
        copy.mkdir()
        with self.database._store._writing:
            shutil.copy(self.folder / str(self.place) / "data.mdb", copy)
        self._close()
        shutil.rmtree(self.folder / str(self.place))
        self.place += 1
        self.database = Database.open(copy, threads=1)
        self.look()

    def _close(self) -> None:
        let_save(self.database, True)
        self.database.close()

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self._close()
            self.patch.undo()
            shutil.rmtree(self.folder, ignore_errors=True)


TestLiveStates = LiveStates.TestCase
TestLiveStates.settings = settings(
    max_examples=400 if soaking() else 12, stateful_step_count=40 if soaking() else 15
)
