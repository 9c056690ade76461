"""When blocks are saved: between batches, once these have stopped, and after a failed commit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import StoreUnwritable
from engine.live import applier, committing, pipeline
from engine.live.batch import ProfileBatch
from engine.live.committing import Committer
from tests.live_databases import LiveDatabase


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveDatabase]:
    made = LiveDatabase(tmp_path / "store")
    made.database.checkpoint()
    with made.database:
        yield made


def soon(is_so: Callable[[], bool]) -> bool:
    """Whether it is so within ten seconds."""
    until = time.monotonic() + 10
    while not is_so() and time.monotonic() < until:
        time.sleep(0.005)
    return is_so()


def test_nothing_is_saved_between_batches(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the commits that bring the feed, either; what is asked for is saved at once."""
    monkeypatch.setattr(pipeline, "QUIET_S", 3600.0)
    for n in range(4):
        sent = live.sizes(("a", n), ("b", 40 + 5 * n))
        live.database._live.pipeline.told.wait(sent.offset - 1, None, 10.0)
    stats = live.database.stats()
    assert stats["dirty_blocks"] == 1 and stats["log_records"] == 4
    live.database.checkpoint()
    stats = live.database.stats()
    assert (stats["dirty_blocks"], stats["log_records"]) == (0, 0)


def test_once_batches_have_stopped_all_is_saved(live: LiveDatabase) -> None:
    live.sizes(("a", 1), ("b", 60))
    assert soon(lambda: live.database.stats()["log_records"] == 0)
    assert live.database.stats()["dirty_blocks"] == 0


def test_what_was_due_is_due_after_a_commit_that_failed(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "QUIET_S", 3600.0)
    monkeypatch.setattr(pipeline, "RETRY_S", 3600.0)
    committer = live.database._live._committer
    live.sizes(("a", 0))
    live.sizes(("a", 1))
    assert 0 < committer._due < 1  # a little of the one dirty block
    monkeypatch.setattr(committing, "LOG_KEPT_RECORDS", 1)  # from here on, each record is a save

    def fail(name: str) -> None:
        if name == "log.before_commit":
            raise StoreUnwritable("the disk is full")

    before = committer._due
    with monkeypatch.context() as patched:
        patched.setattr(committing, "failpoint", fail)
        with pytest.raises(StoreUnwritable):
            live.sizes(("a", 2))
    assert committer._due == before
    assert live.database.stats()["dirty_blocks"] == 1
    live.sizes(("a", 3))
    assert committer._due < 1


def test_an_acknowledgement_does_not_wait_for_what_is_applied(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a block is due; where saving is late it does, and saves."""
    monkeypatch.setattr(pipeline, "QUIET_S", 3600.0)
    live.sizes(("a", 0))
    save_late_from(monkeypatch, 2.0)
    begun, over = threading.Event(), threading.Event()

    def hold(name: str) -> None:
        if name == "apply.before_publish":
            begun.set()
            over.wait()

    monkeypatch.setattr(applier, "failpoint", hold)
    try:
        live.database.submit(sizes_of(live, ("a", 1))).result(10)
        assert begun.wait(10)
        monkeypatch.setattr(committing, "LOG_KEPT_RECORDS", 1)
        saved = live.database.stats()["saved_bytes"]
        live.database.submit(sizes_of(live, ("a", 2))).result(10)
        assert live.database.stats()["saved_bytes"] == saved
        save_late_from(monkeypatch, 0.0)
        late = live.database.submit(sizes_of(live, ("a", 3)))
        with pytest.raises(TimeoutError):
            late.result(0.1)
    finally:
        over.set()
    late.result(10)
    assert live.database.stats()["saved_bytes"] > saved


def test_what_is_due_is_saved_by_a_commit_that_nobody_waits_for(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One with neither a batch nor what is told of one; where saving is late, by any."""
    monkeypatch.setattr(pipeline, "QUIET_S", 3600.0)
    save_late_from(monkeypatch, 2.0)
    first = live.sizes(("a", 60))
    live.database._live.pipeline.told.wait(first.offset - 1, None, 10.0)
    monkeypatch.setattr(committing, "LOG_KEPT_RECORDS", 1)  # each record is a save
    commits: list[list[str]] = [[]]

    def note(name: str) -> None:
        commits[-1].append(name)
        if name == "log.before_commit":
            commits.append([])

    monkeypatch.setattr(committing, "failpoint", note)
    live.sizes(("a", 1), ("b", 60))
    assert soon(lambda: live.database.stats()["log_records"] == 0)
    kinds = ("log.before_write", "feed.before_write", "save.before_write")
    doing = [[name for name in kinds if name in one] for one in commits]
    assert [names for names in doing if names] == [[name] for name in kinds]
    save_late_from(monkeypatch, 0.0)
    live.sizes(("a", 61))
    live.sizes(("a", 2))
    assert any({"log.before_write", "save.before_write"} <= {*one} for one in commits)


def test_a_pause_saves_one_block_at_a_time(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes meanwhile waits for one block and not for all that are due."""
    for first in range(0, 66_000, 11_000):
        live.sizes(*((f"m{n}", 1) for n in range(first, first + 11_000)))
    live.database.checkpoint()
    monkeypatch.setattr(pipeline, "QUIET_S", 3600.0)
    first = live.sizes(("m0", 60), ("m65999", 60))
    live.database._live.pipeline.told.wait(first.offset - 1, None, 10.0)
    assert live.database.stats()["dirty_blocks"] == 2
    monkeypatch.setattr(committing, "LOG_KEPT_RECORDS", 1)  # each record is a save of each
    saves: list[str] = []

    def note(name: str) -> None:
        if name == "save.before_write":
            saves.append(name)

    monkeypatch.setattr(committing, "failpoint", note)
    save_late_from(monkeypatch, 2.0)
    live.sizes(("m0", 61), ("m65999", 61))
    assert soon(lambda: live.database.stats()["log_records"] == 0)
    assert len(saves) == 2


def test_pauses_catch_up_with_what_a_full_load_has_left(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While they come no batch carries a block; once saving is late all do, until one comes."""
    monkeypatch.setattr(pipeline, "QUIET_S", 3600.0)
    monkeypatch.setattr(committing, "SAVE_LATE_SHARE", 2.0)
    monkeypatch.setattr(committing, "SAVE_CAUGHT_UP_SHARE", 0.0)
    commits: list[list[str]] = [[]]

    def note(name: str) -> None:
        commits[-1].append(name)
        if name == "log.before_commit":
            commits.append([])

    def carried() -> bool:
        return any({"log.before_write", "save.before_write"} <= {*one} for one in commits)

    monkeypatch.setattr(committing, "failpoint", note)
    monkeypatch.setattr(committing, "LOG_KEPT_RECORDS", 1)  # each record is a save
    for n in range(5):
        live.sizes(("a", n), ("b", 40 + 5 * n))
        live.sizes(("a", 0), ("b", 60))
        assert soon(lambda: live.database.stats()["log_records"] == 0)  # by a pause
    commits[:] = [[]]
    with monkeypatch.context() as patched:
        # No pause comes any more.
        patched.setattr(Committer, "has_due", False)
        for n in range(4):
            live.sizes(("a", n))
        assert not carried()
        with monkeypatch.context() as late:
            late.setattr(committing, "SAVE_LATE_SHARE", 1.0)
            live.sizes(("a", 4))
        live.sizes(("a", 5))
        live.sizes(("a", 6))
        assert carried() and sum("save.before_write" in one for one in commits) >= 2
        monkeypatch.setattr(committing, "SAVE_CAUGHT_UP_SHARE", 2.0)
        live.sizes(("a", 7))
        live.sizes(("a", 8))
    committer, line = live.database._live._committer, live.database._live.pipeline
    monkeypatch.setattr(committing, "SAVE_CAUGHT_UP_SHARE", 0.0)
    committer._is_late = True
    with line._changed:
        line._changed.notify_all()
    assert soon(lambda: live.database.stats()["log_records"] == 0)
    assert not committer._is_late


def save_late_from(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """Saving is late from this share of the dirty blocks on, and as long."""
    monkeypatch.setattr(committing, "SAVE_LATE_SHARE", share)
    monkeypatch.setattr(committing, "SAVE_CAUGHT_UP_SHARE", share)


def sizes_of(live: LiveDatabase, *pairs: tuple[str, int]) -> ProfileBatch:
    """The batch that `live.sizes` sends."""
    return live.batch(*({"member": member, "size": size} for member, size in pairs))
