"""Stores that are closed, copied while they live, opened again, for reading only, or damaged."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StoreUnwritable
from engine.live import log_entry
from engine.live.change import Cause
from engine.live.committing import Committer
from engine.live.feed import FeedCompacted, FeedPosition
from engine.live.positions import StoredPosition
from engine.live.segments import StoredSegments
from engine.store.journal import Journal, JournalRecord
from engine.store.lock import LOCK_FILE
from engine.store.mutation import Mutation
from engine.store.store import Store
from engine.store.writer import Writer
from tests.live_databases import (
    SEGMENTS,
    LiveDatabase,
    copy_store,
    model_files,
    only_the_log,
    place,
)
from tests.loads import ERASE

EVERYTHING = {
    "phone": "1", "city": "京", "size": 60, "spent": 5, "rate": 0.25, "seen": 7,
    "remark": "r", "likes": ["x", "y"], "tag": ["vip"], "time": 100,
}  # fmt: skip


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveDatabase]:
    """An empty live store."""
    made = LiveDatabase(tmp_path / "store")
    with made.database:
        yield made


def write(live: LiveDatabase) -> None:
    """A little of everything, in several records, of two partitions."""
    live.send({"member": "a", **EVERYTHING}, {"member": "b", "size": 55}, at=place([3, 4]))
    live.send({"member": "c", "+tag": ["vip"]}, at=place([9], partition="q", epoch=2))
    live.send({"phone": "1", "size": 10, "time": 50}, {"member": "b", "size": ERASE})
    live.send({"member": "b", "likes": ["x"]}, {"size": 5}, at=place([5, 6]))


def state(live: LiveDatabase) -> Any:
    """Everything that can be asked, but for what the feed says of how it came about."""
    database = live.database
    everybody = live.members("true")
    with database._store.snapshot() as snapshot:
        dictionaries = {name: list(snapshot.dictionary(field.id).values)
                        for name, field in snapshot.fields.items()}  # fmt: skip
    return (
        database.data_version,
        database.model_version,
        database.profile_count,
        database.profiles([("member", member) for member in everybody]),
        [database.position("orders", partition) for partition in "pqr"],
        database.unkept_segments(),
        live.agree(),
        live.runs_as_text(),
        dictionaries,
    )


def refuses_writes(live: LiveDatabase, reason: str) -> None:
    """Whatever would write is refused for a reason."""
    batch = live.batch({"member": "z"})
    for write_something in (
        lambda: live.database.submit(batch).result(60),
        lambda: live.database.ingest(batch),
        lambda: live.database.apply_model(model_files({**SEGMENTS, "fan": "true"})),
        lambda: live.upload("list", "a"),
        live.database.checkpoint,
    ):
        with pytest.raises(StoreUnwritable, match=reason):
            write_something()


def test_closing_and_opening_changes_nothing(live: LiveDatabase) -> None:
    write(live)
    before = state(live)
    live.database.close()
    again = LiveDatabase(live.path)
    with again.database:
        assert again.database.stats()["replayed_records"] == 0
        assert state(again) == before
        assert again.send({"member": "a"}, at=place([6])).duplicates == 1
        again.send({"phone": "1", "size": 1, "time": 70}, {"member": "a", "-tag": ["vip"]})
        assert again.attributes("a")["size"] == 60, "the event time was kept"
        again.send({"member": "a", "size": 2, "time": 101})
        found = again.agree()
        assert found["large"] == [] and found["fan"] == ["a", "b", "c"]


def test_a_restart_carries_out_records_as_one(
    live: LiveDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that the feed has already."""
    with monkeypatch.context() as patched:
        only_the_log(patched)
        for round_ in range(5):
            write(live)
            live.send({"member": "a", "size": 60 - round_}, {"member": f"new {round_}"})
        before = state(live)
        copy = copy_store(live.database, tmp_path / "copy")
    published = []
    publish = Store.publish

    def counted(store: Store, mutation: Mutation, **more: Any) -> None:
        published.append(mutation.sequence - mutation.first + 1)
        publish(store, mutation, **more)

    monkeypatch.setattr(Store, "publish", counted)
    again = LiveDatabase(copy)
    with again.database:
        assert again.database.stats()["replayed_records"] == sum(published) >= 10
        assert len(published) < 5
        assert state(again) == before
        assert again.send({"member": "a", "size": 70}).accepted == 1
        again.agree()


def test_a_store_that_was_killed_is_what_it_was(
    live: LiveDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log alone gives everything back: records, positions, identities, segments, feed."""
    with monkeypatch.context() as patched:
        only_the_log(patched)
        write(live)
        before = state(live)
        copy = copy_store(live.database, tmp_path / "copy")
    again = LiveDatabase(copy)
    with again.database:
        assert again.database.stats()["replayed_records"] == 4
        assert state(again) == before
        sent = again.send({"member": "d", "phone": "2"}, {"phone": "1", "size": 51, "time": 100})
        assert sent.created == 1 and again.attributes("a")["size"] == 51
        assert again.send({"member": "a"}, at=place([6])).duplicates == 1
        again.agree()
        assert again.database.verify().is_sound


def test_a_crash_before_the_feed_was_written(
    live: LiveDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a durable record did is told when it is replayed, with the instant of the record."""
    live.sizes(("a", 60), ("b", 60))
    live.wait_told()
    live.database.checkpoint()
    copy = tmp_path / "copy"

    def copy_once(name: str) -> None:
        if name == "log.after_commit" and not copy.exists():
            shutil.copytree(live.path, copy, ignore=shutil.ignore_patterns(LOCK_FILE))

    with monkeypatch.context() as patched:
        patched.setattr("engine.live.committing.failpoint", copy_once)
        sent = live.send({"member": "a", "size": 1}, {"member": "c", "tag": ["vip"]})
    before = state(live)
    again = LiveDatabase(copy)
    with again.database:
        assert again.database.stats()["replayed_records"] == 1
        assert again.moves(sent.offset - 1) == ["a-large", "c+fan"]
        assert state(again) == before


def test_opened_for_reading_with_a_log_that_is_not_replayed(
    live: LiveDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        only_the_log(patched)
        write(live)
        before = state(live)
        version = live.database.data_version
        copy = copy_store(live.database, tmp_path / "copy")
    file = (copy / "data.mdb").read_bytes()
    for _ in range(2):
        reader = LiveDatabase(copy, read_only=True)
        with reader.database:
            # Asked first: nothing else may be what applies the log.
            assert reader.database.data_version == version
            assert reader.database.stats()["replayed_records"] == 4
            assert state(reader) == before
            refuses_writes(reader, "for reading only")
            assert reader.profile("z") is None and reader.database.write_failure == ""
    assert (copy / "data.mdb").read_bytes() == file


def test_opened_for_reading_with_nothing_to_replay_binds_no_segment(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes longer than all else that opening does."""
    write(live)
    live.database.checkpoint()
    live.database.close()
    made = []

    def counted(*parts: Any) -> StoredSegments:
        made.append(parts)
        return StoredSegments(*parts)

    monkeypatch.setattr("engine.live.live_store.StoredSegments", counted)
    reader = LiveDatabase(live.path, read_only=True)
    with reader.database:
        assert reader.database.profile_count == 3 and reader.profile("a") is not None
        assert reader.database._live.replayed_records == 0
    assert not made
    writer = LiveDatabase(live.path)
    with writer.database:
        assert writer.database.profile_count == 3
    assert len(made) == 1, "by whoever writes, once"


def test_an_identifier_that_was_stored_before_its_record_was_carried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is in a list for it before that record."""
    live = LiveDatabase(tmp_path / "store", {})
    live.upload("called", "1", kind="phone")
    rules = """tag_rules: [{tag: ALONE, when: "not list('called') and size >= 20", keep: sticky}]"""
    model = model_files({})["model.yaml"] + rules
    live.database.apply_model({"model.yaml": model})
    live.sizes(("a", 1), ("b", 1))
    live.database.checkpoint()
    with monkeypatch.context() as patched:
        only_the_log(patched)
        live.sizes(("a", 30))
        save = Committer._save

        def and_identities(committer: Committer, writer: Writer, **more: Any) -> tuple[int, int]:
            through, given = save(committer, writer, **more)
            return through, given + committer.identities.save_all(writer)

        patched.setattr(Committer, "_save", and_identities)
        live.send({"member": "a", "phone": "1"}, {"member": "b", "phone": "2"})
        live.sizes(("b", 30))
        copy = copy_store(live.database, tmp_path / "copy")
    assert live.members("tag = 'ALONE'") == ["a", "b"]
    live.database.close()
    again = LiveDatabase(copy)
    with again.database:
        assert again.members("tag = 'ALONE'") == ["a", "b"]
        assert again.members("list('called')") == ["a"]


def test_an_edit_that_was_cut_in_two(
    live: LiveDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between its two commits: readers see what it says, the next writer completes it."""
    write(live)
    live.wait_told()
    before = live.database.data_version
    copy = tmp_path / "copy"

    def copy_between(name: str) -> None:
        if name == "barrier.after_commit":
            shutil.copytree(live.path, copy, ignore=shutil.ignore_patterns(LOCK_FILE))

    edited = {"northern": "city = '津'", "large": "size > 5", "new": "likes = 'x'"}
    with monkeypatch.context() as patched:
        patched.setattr("engine.live.live_store.failpoint", copy_between)
        live.database.apply_model(model_files(edited))
    found, moves = live.agree(), live.moves(before)
    assert found == {"northern": [], "large": ["a"], "new": ["a", "b"]} and len(moves) >= 7

    reader = LiveDatabase(copy, read_only=True)
    with reader.database:
        for name, rule in edited.items():
            assert reader.members(rule) == reader.members(f"segment('{name}')") == found[name]
            assert reader.database.count(f"segment('{name}')").count == len(found[name])
        records = reader.database.profiles([("member", member) for member in "abc"])
        names = [record.segments for record in records if record is not None]
        assert names == [["large", "new"], ["new"], []]
    writer = LiveDatabase(copy)
    with writer.database:
        assert writer.agree() == found and writer.moves(before) == moves
        writer.sizes(("b", 60))
        assert writer.agree()["large"] == ["a", "b"]


def test_a_checkpoint_empties_the_log(live: LiveDatabase) -> None:
    write(live)
    live.database.checkpoint()
    stats = live.database.stats()
    assert (stats["log_records"], stats["dirty_blocks"]) == (0, 0)
    assert live.database._store.log().first == 0
    assert live.database.verify().is_sound
    live.send({"member": "a", "size": 1})
    live.database.checkpoint()
    assert live.database.stats()["log_records"] == 0
    before = state(live)
    live.database.close()
    again = LiveDatabase(live.path)
    with again.database:
        assert again.database.stats()["replayed_records"] == 0
        assert state(again) == before


def test_positions_outlive_the_log(live: LiveDatabase) -> None:
    live.send({"member": "a"}, at=place([7], epoch=5))
    live.database.checkpoint()
    live.database.close()
    again = LiveDatabase(live.path)
    with again.database:
        assert again.database.position("orders", "p") == StoredPosition(5, 7)


# --------------------------------------------------------------------------------- feed


def test_a_trimmed_feed(live: LiveDatabase) -> None:
    offsets = [live.sizes(("a", 60 * (n % 2 == 0))).offset for n in range(5)]
    live.wait_told()
    feed = live.database.feed
    assert feed.oldest() == FeedPosition(offsets[0])
    token = feed.token(FeedPosition(offsets[1]))

    committer = live.database._live._committer
    committer.feed_kept_us, committer._next_trim_s = 0, 0.0
    last = live.send({"member": "b", "size": 70}).offset
    live.wait_told()
    assert feed.oldest() > FeedPosition(offsets[1])
    with pytest.raises(FeedCompacted) as caught:
        feed.read(feed.position(token), lambda _: True)
    assert caught.value.oldest == feed.oldest()
    # From there on nothing is missing, and whoever had read everything goes on.
    runs = feed.read(caught.value.oldest, lambda _: True).runs
    assert runs[-1].sequence == last and runs[-1].cause is Cause.UPDATE
    assert live.moves(offsets[-1]) == ["b+large"]
    assert live.agree(whole_feed=False)["large"] == ["a", "b"]
    assert live.database.verify().is_sound


def test_the_oldest_record_of_the_feed_is_looked_at_once(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be large, and is looked at between batches."""
    reads: list[int] = []
    read = Journal.read

    def counted(journal: Journal, after: int = 0) -> Iterator[JournalRecord]:
        reads.append(after)
        return read(journal, after)

    committer = live.database._live._committer
    live.sizes(("a", 60))
    live.wait_told()
    monkeypatch.setattr(Journal, "read", counted)
    looks = []
    for n in range(3):
        reads.clear()
        committer._next_trim_s = 0.0
        live.send({"member": "a", "remark": str(n)})
        live.wait_told()
        looks.append(len(reads))
    assert looks == [1, 0, 0]


def test_the_last_record_of_the_feed_stays(live: LiveDatabase) -> None:
    first = live.sizes(("a", 60)).offset
    committer = live.database._live._committer
    committer.feed_kept_us = 0
    for n in range(3):
        committer._next_trim_s = 0.0
        live.send({"member": "a", "remark": str(n)})
        live.wait_told()
    assert live.database.feed.oldest() == FeedPosition(first)
    assert live.moves() == ["a+large"]


# ------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("kind", ["foreign", "torn"])
def test_a_log_that_cannot_be_replayed(
    live: LiveDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The store can be read as of the record before, and says why it takes no writes."""
    with monkeypatch.context() as patched:
        only_the_log(patched)
        live.sizes(("a", 60))
        before = live.agree()
        version = live.database.data_version
        pack = log_entry.pack_entry
        with monkeypatch.context() as packing:
            packing.setattr(
                "engine.live.committing.pack_entry",
                lambda entry: b"?" * 64 if kind == "foreign" else pack(entry)[:-9],
            )
            live.sizes(("b", 70))
        copy = copy_store(live.database, tmp_path / "copy")
    for _ in range(2):  # opening again fails again
        again = LiveDatabase(copy)
        with again.database:
            reason = f"Record {version + 1} of the log"
            assert "cannot be replayed" in again.database.write_failure
            assert reason in again.database.write_failure
            assert again.database.data_version == version
            assert again.members("true") == ["a"] and again.profile("b") is None
            assert again.agree(whole_feed=False) == before
            refuses_writes(again, "cannot be replayed")
