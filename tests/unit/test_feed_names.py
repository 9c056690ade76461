"""What a watcher is told is named without waiting for what is being applied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.columns.uids import decode_uids
from engine.database import Database
from engine.errors import StoreCorrupt
from engine.live.change import Cause
from engine.live.feed import FeedChunk, FeedRun
from engine.live.resume_token import FeedPosition
from engine.live.row_names import uids_of
from engine.store.catalog import UIDS
from server.changes import changes
from tests.worlds import World

WORLD = World(seed=9, rows=(1 << 16) + 300)
ROWS = np.array([65_540, 0, 65_535, 65_536, 7, 65_836 - 1], np.uint32)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder: Path = tmp_path_factory.mktemp("names") / "store"
    with WORLD.fill(folder) as database:
        yield database


def test_names_are_read_while_a_record_is_applied(database: Database) -> None:
    run = FeedRun("segments.some", 1, True, Cause.UPDATE, 0, 1, 0, ROWS)
    chunk = FeedChunk((run,), FeedPosition(2), caught_up=True)
    with database._store.snapshot() as snapshot:
        blocks = [decode_uids(snapshot.payloads(UIDS.id, block)) for block in range(2)]
    # Whoever asks for a snapshot here would wait for ever.
    with database._store.turn():
        (told,) = changes(database.feed, chunk, "", database.actions)
    assert told.changes.runs[0].uids == np.concatenate(blocks)[ROWS].tobytes()


def test_a_row_that_was_never_given_out(database: Database) -> None:
    with database._store.snapshot() as snapshot:
        rows = np.array([3, snapshot.row_count], np.uint32)
        assert len(uids_of(snapshot, rows[:0])) == 0
        with pytest.raises(StoreCorrupt, match=f"names row {snapshot.row_count}"):
            uids_of(snapshot, rows)
