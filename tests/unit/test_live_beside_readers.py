"""Reads beside a stream of batches that is written in place: each says one data version.

What goes wrong in the middle of a change is here, too: memory that was left half changed is not
read, and opening the store again has all that was acknowledged.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StoreUnwritable
from engine.live.applier import Applier
from engine.live.applying import apply_update
from engine.live.block_writer import BlockWriter
from engine.live.committing import Logged
from tests.live_databases import LiveDatabase, copy_store, only_the_log
from tests.sample_stores import contents

MEMBERS = [f"m{number}" for number in range(60)]
CITIES = ["京", "津", "沪", "深"]
STREAM_S = 1.2
PARTS = {"large": "size >= 50", "small": "size < 50", "unsized": "size is missing"}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveDatabase]:
    """A live store of which everybody has a size, and the same as a rate."""
    made = LiveDatabase(tmp_path / "store", {**PARTS, "northern": "city in ('京', '津')"})
    with made.database:
        chance = random.Random(1)
        made.send(*(update(chance, member) for member in MEMBERS))
        yield made


def update(chance: random.Random, member: str) -> dict[str, Any]:
    """What always belongs together: the size, the rate, the remark and the set."""
    size = chance.randrange(100)
    half = "upper" if size >= 50 else "lower"
    return {
        "member": member, "size": size, "rate": float(size), "remark": str(size),
        "city": chance.choice(CITIES), "likes": [half],
    }  # fmt: skip


class Stream:
    """Batches, one after the other, until the time is over; everything is then visible."""

    def __init__(self, live: LiveDatabase, *, has_new: bool = True) -> None:
        self.acknowledged = 0
        self.is_over = threading.Event()
        self._live = live
        self._has_new = has_new

    def run(self) -> int:
        """How many batches there were."""
        chance, count, end = random.Random(7), 0, time.monotonic() + STREAM_S
        try:
            while time.monotonic() < end or count < 20:
                members = chance.sample(MEMBERS, 20)
                if self._has_new and count % 10 == 0:
                    members.append(f"new {count}")
                batch = self._live.batch(*(update(chance, member) for member in members))
                self.acknowledged = self._live.database.ingest(batch).offset
                count += 1
            self._live.database.wait_visible(self.acknowledged)
        finally:
            self.is_over.set()
        return count

    def beside(self, *readers: Callable[[Stream], int]) -> int:
        """Runs it beside readers, each called again and again; how many batches there were."""

        def read(reader: Callable[[Stream], int]) -> int:
            calls = 0
            while not (self.is_over.is_set() and calls):
                calls += reader(self)
            return calls

        with ThreadPoolExecutor(len(readers) + 1) as pool:
            stream = pool.submit(self.run)
            reads = [pool.submit(read, reader) for reader in readers]
            assert all(done.result(60) for done in reads)
            return stream.result(60)


# ---------------------------------------------------------------------------------- reads


def counts_agree(live: LiveDatabase) -> int:
    """Counts of one call are of one data version."""
    database = live.database
    names = [f"segment('{name}')" for name in PARTS]
    expressions = ["true", *PARTS.values(), *names, "likes = 'upper'", "likes = 'lower'"]
    total, *found = (result.count for result in database.count_many(expressions))
    assert total == sum(found[:3]) >= len(MEMBERS)
    assert found[:3] == found[3:6], "what is stored of a segment is its expression"
    assert found[6:] == found[:2], "the set was written together with the size"
    assert sum(database.count("true", group_by="city").groups.values()) >= len(MEMBERS)
    return 1


def profiles_agree(live: LiveDatabase) -> int:
    """A profile is of one data version."""
    records = live.database.profiles([("member", member) for member in MEMBERS])
    for record in records:
        assert record is not None
        found = record.attributes
        size = found["size"]
        assert (found["rate"], found["remark"]) == (float(size), str(size))
        assert found["likes"] == ["upper" if size >= 50 else "lower"]
        segments = ["large" if size >= 50 else "small"]
        segments += ["northern"] * (found["city"] in ("京", "津"))
        assert record.segments == segments
    return 1


def members_agree(live: LiveDatabase) -> int:
    """Members that are read chunk by chunk stay those of one data version."""
    with live.database.members("size >= 50 or size < 50") as members:
        found = [value for chunk in members.identifiers("member") for value in chunk]
    assert len(found) == len(set(found)) and {*MEMBERS} <= {*found}
    return 1


def acknowledged_is_seen(live: LiveDatabase, stream: Stream) -> int:
    """Who waits for an acknowledgement reads nothing older."""
    offset = stream.acknowledged
    live.database.wait_visible(offset)
    with live.database._store.snapshot() as snapshot:
        assert snapshot.data_version >= offset
    return 1


def check_the_end(live: LiveDatabase) -> None:
    """What is stored is what is computed, the feed has led there, and it is all on the disk."""
    found = live.agree()
    assert sorted(found["large"] + found["small"]) == live.members("true")
    assert found["unsized"] == []
    live.database.checkpoint()
    assert live.database.verify().is_sound
    live.database.close()
    again = LiveDatabase(live.path)
    with again.database:
        assert again.agree() == found


def test_reads_beside_a_stream_are_of_one_data_version(live: LiveDatabase) -> None:
    def first(stream: Stream) -> int:
        return counts_agree(live) + acknowledged_is_seen(live, stream)

    def second(stream: Stream) -> int:
        return profiles_agree(live) + members_agree(live)

    assert Stream(live).beside(first, second) >= 20
    check_the_end(live)


def test_a_snapshot_that_is_open_all_the_time_stays_as_it_is(live: LiveDatabase) -> None:
    with live.database._store.snapshot() as held:
        before = contents(held)
        sizes = live.database.count("size >= 50").count

        def first(stream: Stream) -> int:
            assert contents(held) == before
            return counts_agree(live)

        def second(stream: Stream) -> int:
            return profiles_agree(live) + acknowledged_is_seen(live, stream)

        assert Stream(live, has_new=False).beside(first, second) >= 20
        assert contents(held) == before
        assert held.data_version < live.database.data_version
        large = held.zone(held.fields[":segment:large"].id, 0)
        assert large is not None and large.present_count == sizes
    check_the_end(live)


def test_a_stored_count_waits_for_no_change_under_way(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = live.database.count("segment('large')").count
    is_changing, may_go_on = threading.Event(), threading.Event()
    write = BlockWriter.write_cells

    def write_late(writer: BlockWriter, *rest: Any) -> Any:
        is_changing.set()
        assert may_go_on.wait(60)
        return write(writer, *rest)

    batch = live.batch(*({"member": f"large {n}", "size": 200} for n in range(3)))
    with monkeypatch.context() as patched, ThreadPoolExecutor(2) as pool:
        patched.setattr(BlockWriter, "write_cells", write_late)
        ack = live.database.submit(batch)
        try:
            assert is_changing.wait(60)
            counting = pool.submit(live.database.stored_count, "segment('large')")
            found = counting.result(30)
            assert found is not None and found.count == before
            assert found.data_version == live.database.data_version
            reading = pool.submit(live.database.count, "segment('large')")
            assert not reading.done()
        finally:
            may_go_on.set()
        live.database.wait_visible(ack.result(60).offset)
        assert reading.result(60).count in (before, before + 3)
    found = live.database.stored_count("segment('large')")
    assert found is not None and found.count == before + 3


# -------------------------------------------------------------------------------- trouble


def fail_half_way(patched: pytest.MonkeyPatch, value: int) -> threading.Event:
    """What has this value in a cell fails once it has written some cells."""
    failed = threading.Event()
    write = BlockWriter.write_cells

    def write_or_fail(writer: BlockWriter, field: Any, rows: Any, values: Any, *rest: Any) -> Any:
        changed = write(writer, field, rows, values, *rest)
        if value in values:
            failed.set()
            raise MemoryError("no room for more")
        return changed

    patched.setattr(BlockWriter, "write_cells", write_or_fail)
    return failed


def test_memory_that_was_left_half_changed_is_made_anew(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads are refused while it is, and then go on as of the record before."""
    database = live.database
    before, version = live.agree(), database.data_version
    batch = live.batch(*({"member": member, "size": 200} for member in MEMBERS[:7]))
    later = live.batch({"member": "m9", "size": 300})
    may_go_on = threading.Event()
    start_over = database._live.pipeline._start_over

    def start_over_late() -> None:
        assert may_go_on.wait(60)
        start_over()

    with monkeypatch.context() as patched:
        patched.setattr(database._live.pipeline, "_start_over", start_over_late)
        failed = fail_half_way(patched, 200)
        ack = database.ingest(batch)
        with pytest.raises(StoreUnwritable, match="Open the store again"):
            database.wait_visible(ack.offset)
        assert failed.is_set()
    try:
        for read in (
            lambda: database.count("true"),
            lambda: database.members("size = 200"),
            lambda: database.profiles([("member", "m1")]),
        ):
            with pytest.raises(StoreUnwritable, match=r"cannot be read.*Open the store again"):
                read()
        assert database.stored_count("segment('large')") is None
    finally:
        may_go_on.set()
    database._live.pipeline._threads[1].join(60)
    assert live.agree(whole_feed=False) == before and database.data_version == version
    assert live.members("size = 200") == []
    with pytest.raises(StoreUnwritable, match="Open the store again"):
        database.submit(later).result(60)
    database.close()
    again = LiveDatabase(live.path)
    with again.database:
        assert again.database.write_failure == ""
        assert again.members("size = 200") == sorted(MEMBERS[:7]), "it had been acknowledged"
        assert again.profile("m9") is not None and again.members("size = 300") == []
        again.send({"member": "m9", "size": 300})
        assert again.members("size = 300") == ["m9"]
        again.agree()
        assert again.database.verify().is_sound


def test_a_failure_before_anything_is_written_lets_reads_go_on(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = live.agree()
    with monkeypatch.context() as patched:

        def fail(*_: Any) -> None:
            raise MemoryError("no room at all")

        patched.setattr("engine.live.applier.apply_update", fail)
        ack = live.database.ingest(live.batch({"member": "m1", "size": 200}))
        with pytest.raises(StoreUnwritable, match="no room at all"):
            live.database.wait_visible(ack.offset)
    assert live.agree(whole_feed=False) == before
    live.database.close()
    again = LiveDatabase(live.path)
    with again.database:
        assert again.members("size = 200") == ["m1"]


@pytest.mark.parametrize("is_begun", [False, True], ids=["not begun", "half written"])
def test_a_replay_that_fails_lets_reads_go_on_as_of_the_record_before(
    live: LiveDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_begun: bool
) -> None:
    live.database.checkpoint()
    with monkeypatch.context() as patched:
        only_the_log(patched)
        # Records before it, so that it is written in place when it is replayed.
        for size in (10, 90, 40):
            live.send(*({"member": m, "size": size, "rate": size} for m in MEMBERS[:20]))
        before, version = live.agree(), live.database.data_version
        live.send(*({"member": m, "size": 77, "rate": 7.0} for m in MEMBERS[:13]))
        after = live.agree()
        copy = copy_store(live.database, tmp_path / "copy")

    def fail(mutation: Any, update: Any, *rest: Any) -> Any:
        if any(77 in cells.values for cells in update.vectors):
            raise MemoryError("no room at all")
        return apply_update(mutation, update, *rest)

    for _ in range(2):  # opening again fails again
        with monkeypatch.context() as patched:
            if is_begun:
                failed = fail_half_way(patched, 77)
            else:
                patched.setattr("engine.live.applier.apply_update", fail)
            again = LiveDatabase(copy)
            with again.database:
                assert not is_begun or failed.is_set()
                assert "cannot be replayed" in again.database.write_failure
                assert again.database.data_version == version
                assert again.agree(whole_feed=False) == before
                assert again.attributes("m0")["size"] == 40
                assert again.members("size = 77") == []
                with pytest.raises(StoreUnwritable, match="cannot be replayed"):
                    again.sizes(("m1", 5))
    again = LiveDatabase(copy)
    with again.database:
        assert again.database.write_failure == "" and again.agree() == after


@pytest.mark.parametrize("ends_damaged", [False, True], ids=["whole", "damaged"])
def test_records_that_fail_as_one_are_carried_out_one_by_one(
    live: LiveDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ends_damaged: bool
) -> None:
    """Memory that the group left half changed is made anew, and is read as if nothing had been;
    where a record cannot be read, as of the one before it."""
    live.database.checkpoint()
    with monkeypatch.context() as patched:
        only_the_log(patched)
        for size in (10, 90, 40):
            live.send(*({"member": m, "size": size, "rate": size} for m in MEMBERS[:20]))
        before, version = live.agree(), live.database.data_version
        if ends_damaged:
            patched.setattr("engine.live.committing.pack_entry", lambda entry: b"?" * 64)
            live.send({"member": "m0", "size": 77})
        copy = copy_store(live.database, tmp_path / "copy")
    apply = Applier.apply
    groups = []

    def fail_before_publish(name: str) -> None:
        if name == "apply.before_publish":
            raise MemoryError("no room for so many")

    def fail_as_one(applier: Applier, logged: Logged, *rest: Any, **more: Any) -> None:
        with monkeypatch.context() as patched:
            if more.get("first", logged.sequence) < logged.sequence:
                groups.append(logged.sequence)
                patched.setattr("engine.live.applier.failpoint", fail_before_publish)
            apply(applier, logged, *rest, **more)

    monkeypatch.setattr(Applier, "apply", fail_as_one)
    again = LiveDatabase(copy)
    with again.database:
        assert groups, "records are carried out as one first"
        assert ("cannot be replayed" in again.database.write_failure) == ends_damaged
        assert again.database.data_version == version
        assert again.attributes("m0")["size"] == 40
        assert again.agree(whole_feed=False) == before
