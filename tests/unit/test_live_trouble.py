"""What writers and waiters are told when the line is full, a commit fails, or time is up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.core.control import Control
from engine.errors import Cancelled, DeadlineExceeded, InputInvalid, Overloaded, StoreUnwritable
from engine.limits import INGEST_QUEUE_BATCHES
from engine.live.positions import StoredPosition
from engine.store.store import Store
from tests.live_databases import SEGMENTS, LiveDatabase, model_files, place


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveDatabase]:
    """A live store with the member `a`."""
    made = LiveDatabase(tmp_path / "store")
    with made.database:
        made.sizes(("a", 10))
        yield made


class FullDisk:
    """Lets some of the next writes of a store fail, as a full disk does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        self.failed = threading.Event()
        apply = Store.apply

        def apply_or_fail(store: Store, puts: Any, deletes: Any) -> None:
            if self.left > 0:
                self.left -= 1
                self.failed.set()
                raise StoreUnwritable("The disk is full.")
            apply(store, puts, deletes)

        monkeypatch.setattr(Store, "apply", apply_or_fail)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    return FullDisk(monkeypatch)


# ---------------------------------------------------------------------------- full line


def test_a_full_line(live: LiveDatabase) -> None:
    batch = live.batch({"member": "a", "+likes": ["x"]})
    with live.database._live.pipeline.drained():
        futures = [live.database.submit(batch) for _ in range(INGEST_QUEUE_BATCHES)]
        with pytest.raises(Overloaded, match="send this one again") as caught:
            live.database.submit(batch)
        assert caught.value.retry_after_ms > 0
        assert not any(future.done() for future in futures)
        # `ingest` waits for room instead.
        acks: list[Any] = []
        waiting = threading.Thread(target=lambda: acks.append(live.database.ingest(batch)))
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive() and not acks
    waiting.join()
    offsets = [future.result().offset for future in futures]
    assert offsets == sorted(set(offsets)) and acks[0].accepted == 1
    assert live.database.submit(batch).result().accepted == 1


# ------------------------------------------------------------------------ failed commits


def test_a_failed_commit_answers_everybody_and_keeps_nothing(
    live: LiveDatabase, full_disk: FullDisk
) -> None:
    live.wait_told()
    live.database.checkpoint()
    before = live.database.data_version
    with live.database._live.pipeline.drained():
        futures = [
            live.database.submit(live.batch({"member": "b", "size": 60}), place([1])),
            live.database.submit(live.batch({"member": "c", "phone": "1"}), place([2])),
            live.database.submit(live.batch({"phone": "1", "city": "京"}, {"member": "a"})),
        ]
        full_disk.left = 1
    for future in futures:
        with pytest.raises(StoreUnwritable, match="The disk is full"):
            future.result(60)
    assert live.database.position("orders", "p") is None
    assert live.database.data_version == before and live.members("true") == ["a"]
    assert live.database.write_failure == ""

    # The same again: nothing of the first time is in the way, and nothing is missing.
    rows = live.database.stats()["rows"]
    first = live.send({"member": "c", "size": 70}, {"member": "b", "phone": "1"}, at=place([1, 2]))
    assert (first.accepted, first.duplicates, first.created) == (2, 0, 2)
    assert first.offset == before + 1 and live.database.stats()["rows"] == rows + 2
    second = live.send({"phone": "1", "size": 80})
    assert (second.accepted, second.created) == (1, 0)
    assert live.attributes("b") == {"size": 80} and live.attributes("c") == {"size": 70}
    assert live.database.position("orders", "p") == StoredPosition(1, 2)
    assert live.agree()["large"] == ["b", "c"]
    assert live.database.verify().is_sound


def test_what_is_behind_a_refused_batch_of_its_partition_is_refused_too(
    live: LiveDatabase, full_disk: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the position would pass records that were never kept."""
    monkeypatch.setattr("engine.live.pipeline.GROUP_BATCHES", 1)
    live.wait_told()
    live.database.checkpoint()
    with live.database._live.pipeline.drained():
        first, second = (
            live.database.submit(live.batch({"member": f"m{n}"}), place([n])) for n in (1, 2)
        )
        other = live.database.submit(live.batch({"member": "m3"}), place([1], partition="q"))
        full_disk.left = 1
    for future in (first, second):
        with pytest.raises(StoreUnwritable):
            future.result(60)
    assert other.result(60).accepted == 1
    assert live.database.position("orders", "p") is None
    again = live.send({"member": "m1"}, {"member": "m2"}, at=place([1, 2]))
    assert (again.accepted, again.duplicates) == (2, 0)
    assert live.members("true") == ["a", "m1", "m2", "m3"]


def test_new_strings_of_a_failed_commit_are_forgotten(
    live: LiveDatabase, full_disk: FullDisk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "strata.engine")  # a warning would keep the traceback
    with live.database._live.pipeline.drained():
        failing = live.database.submit(live.batch({"member": "a", "city": "沪", "tag": ["t"]}))
        full_disk.left = 1
    assert isinstance(failing.exception(60), StoreUnwritable)
    live.send({"member": "a", "city": "京"}, {"member": "b", "city": "津", "tag": ["u"]})
    assert live.attributes("a") == {"size": 10, "city": "京"}
    assert live.agree()["northern"] == ["a", "b"]
    live.database.close()
    del failing  # its traceback refers to the store
    again = LiveDatabase(live.path)
    with again.database:
        assert again.attributes("b") == {"city": "津", "tag": ["u"]}


def test_what_was_visible_is_told_once_there_is_room_again(
    live: LiveDatabase, full_disk: FullDisk
) -> None:
    """Commits without a batch may fail, too: those that tell the feed and save blocks."""
    full_disk.left = 0
    ack = live.database.ingest(live.batch({"member": "a", "size": 60}))
    full_disk.left = 2
    live.database.wait_visible(ack.offset)
    assert live.moves() == ["a+large"]
    deadline = time.monotonic() + 60
    while live.database.stats()["log_records"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert full_disk.left == 0
    assert live.database.stats()["log_records"] == 0
    live.agree()


def test_an_edit_that_cannot_be_written_changes_nothing(
    live: LiveDatabase, full_disk: FullDisk
) -> None:
    live.wait_told()
    live.database.checkpoint()
    edited = model_files({**SEGMENTS, "large": "size >= 5", "new": "size < 60"})
    for change in (
        lambda: live.database.apply_model(edited),
        lambda: live.upload("list", "a"),
    ):
        full_disk.left = 1
        with pytest.raises(StoreUnwritable, match="The disk is full"):
            change()
        assert live.database.model_version == 1 and live.database.lists() == []
        assert live.agree()["large"] == []
        assert live.sizes(("b", 3)).accepted == 1
        live.database.checkpoint()
    live.database.apply_model(edited)
    assert live.agree()["large"] == ["a"]


def test_an_edit_that_fails_half_way(live: LiveDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first commit is durable, its second is not: nobody sees half of it, nothing is written
    on top of it, and opening the store again completes it."""
    live.wait_told()
    live.database.checkpoint()
    before = live.agree()
    apply, calls = Store.apply, []

    def fail_the_second(store: Store, puts: Any, deletes: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise StoreUnwritable("The disk is full.")
        apply(store, puts, deletes)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "apply", fail_the_second)
        with pytest.raises(StoreUnwritable):
            live.database.apply_model(model_files({**SEGMENTS, "large": "size >= 5"}))
    acknowledged = []
    for member in ("b", "c"):
        try:
            acknowledged.append((member, live.database.ingest(live.batch({"member": member}))))
        except StoreUnwritable:
            assert live.agree(whole_feed=False) == before
    for _, ack in acknowledged:
        live.database.wait_visible(ack.offset)
    live.database.close()
    again = LiveDatabase(live.path)
    with again.database:
        assert again.members("true") == ["a", *(member for member, _ in acknowledged)]
        assert again.agree()["large"] == (["a"] if again.database.model_version == 2 else [])
        again.sizes(("d", 7))
        again.agree()
        assert again.database.verify().is_sound


# ------------------------------------------------------------------------------ waiting


def test_waiting_for_what_is_visible_already(live: LiveDatabase) -> None:
    control = Control(1)
    live.database.wait_visible(0, control)
    live.database.wait_visible(live.database.data_version, control)


def test_waiting_heeds_the_deadline_and_a_cancel(live: LiveDatabase) -> None:
    ahead = live.database.data_version + 1
    with pytest.raises(DeadlineExceeded):
        live.database.wait_visible(ahead, Control(time.monotonic_ns() + 20_000_000))
    control, caught = Control(), list[BaseException]()

    def wait() -> None:
        try:
            live.database.wait_visible(ahead, control)
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    control.cancel()
    thread.join()
    assert [type(error) for error in caught] == [Cancelled]


def test_waiting_ends_with_what_is_waited_for(live: LiveDatabase) -> None:
    ahead = live.database.data_version + 1
    seen = []

    def wait() -> None:
        live.database.wait_visible(ahead)
        seen.append(live.members("size = 77"))

    thread = threading.Thread(target=wait)
    thread.start()
    live.database.ingest(live.batch({"member": "a", "size": 77}))
    thread.join()
    assert seen == [["a"]]


def test_nothing_goes_wrong_while_all_goes_well(live: LiveDatabase) -> None:
    """`write_failure` is empty while commits come and go."""
    found, stop = set(), threading.Event()

    def look() -> None:
        while not stop.is_set():
            found.add(live.database.write_failure)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for n in range(20):
            live.sizes(("a", n))
    finally:
        stop.set()
        thread.join()
    assert found == {""}


def test_a_closed_database_takes_nothing(live: LiveDatabase) -> None:
    batch = live.batch({"member": "b"})
    live.database.close()
    live.database.close()
    for write in (live.database.submit, live.database.ingest):
        with pytest.raises(StoreUnwritable, match="closed"):
            write(batch)


def test_a_list_that_segments_read_stays(live: LiveDatabase) -> None:
    live.upload("chosen", "a")
    live.database.apply_model(model_files({**SEGMENTS, "chosen": "list('chosen')"}))
    with pytest.raises(InputInvalid, match="chosen"):
        live.database.delete_list("chosen")
    live.sizes(("b", 1))
    assert live.agree()["chosen"] == ["a"]
