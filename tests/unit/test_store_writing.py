"""Writing: all or nothing, only what changed, and what happens when the disk refuses."""

from __future__ import annotations

import errno
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import pytest

from engine.columns.strings import Strings
from engine.columns.zone import Encoded, Zone
from engine.errors import StoreUnwritable
from engine.store import commit as commit_module
from engine.store.catalog import GIVERS, LIVE, FieldKind
from engine.store.environment import Environment
from engine.store.records import RecordType
from engine.store.store import Store
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES, contents, opaque, sample_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of four blocks with some of everything."""
    sample_store(tmp_path / "store")
    with Store.open(tmp_path / "store", map_size=MAP_BYTES) as opened:
        yield opened


def keys_written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record types of everything that later commits write."""
    written: list[int] = []
    apply = Store.apply

    def noting(self: Store, puts: dict[bytes, Any], deletes: set[bytes]) -> None:
        written.extend(key[0] for key in puts)
        apply(self, puts, deletes)

    monkeypatch.setattr(Store, "apply", noting)
    return written


def test_an_exception_changes_nothing(store: Store) -> None:
    before = contents(store.snapshot())
    with pytest.raises(KeyError), store.write() as writer:
        field = writer.add_field("new", FieldKind.INTS, "int")
        writer.put_field(field.id, 0, opaque(1, 5_000))
        writer.put_field(writer.fields["age"].id, 1, opaque(2, 10))
        writer.intern(writer.fields["city"].id, Strings.from_list(["never"]))
        writer.put_meta("short", b"gone")
        writer.delete_meta("long")
        writer.set_model({})
        writer.set_row_count(9 * BLOCK_ROWS)
        raise KeyError
    assert contents(store.snapshot()) == before
    city = store.snapshot().fields["city"].id
    assert store.snapshot().dictionary(city).code("never") == 0
    with store.write() as writer:
        assert writer.intern(city, Strings.from_list(["other"])).tolist() == [303]
    assert store.verify().is_sound


def test_the_same_bytes_make_no_version(store: Store) -> None:
    snapshot = store.snapshot()
    with store.write() as writer:
        for field in writer.fields.values():
            for block in range(snapshot.block_count):
                zone = snapshot.zone(field.id, block)
                if zone is not None:
                    parts = tuple(bytes(part) for part in snapshot.payloads(field.id, block))
                    writer.put_field(field.id, block, Encoded(parts, zone))
        for name in snapshot.meta_names():
            writer.put_meta(name, snapshot.meta(name) or b"")
        writer.set_model(snapshot.model_files)
        writer.intern(writer.fields["city"].id, Strings.from_list(["later 0", None]))
        writer.delete_meta("nobody has this")
        writer.set_row_count(snapshot.row_count)
    assert (writer.data_version, writer.blocks_written) == (3, 0)
    assert store.snapshot().data_version == 3


def test_only_what_changed_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    age = store.snapshot().fields["age"].id
    with store.write() as writer:
        writer.put_field(age, 2, opaque(1, 100, 70_000, 100))
        writer.put_meta("long", bytes(256 << 10) + b"old tail")
    written = keys_written(monkeypatch)
    first, second, third = opaque(1, 100, 70_000, 100).parts
    with store.write() as writer:
        writer.put_field(age, 2, Encoded((first, second, third[:-1] + b"!"), Zone(1, -1, 1)))
        writer.put_meta("long", bytes(256 << 10) + b"new tail")
    assert writer.blocks_written == 1
    assert sorted(written) == [
        RecordType.ROOT,
        RecordType.SECTION,
        RecordType.SECTION,
        RecordType.MANIFEST,
        RecordType.DATA,
        RecordType.META,
    ]
    assert store.snapshot().meta("long") == bytes(256 << 10) + b"new tail"
    parts = [bytes(part) for part in store.snapshot().payloads(age, 2)]
    assert parts == [first, second, third[:-1] + b"!"]


def test_equal_checksums_are_not_taken_for_equal_bytes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    age = store.snapshot().fields["age"].id
    with store.write() as writer:
        writer.put_field(age, 0, opaque(1, 500))
        writer.put_meta("twin", b"first")
    other = opaque(2, 500)
    same = opaque(1, 500)
    real = commit_module.crc32c
    lie = {other.parts[0]: real(same.parts[0]), b"other": real(b"first")}
    for module in ("engine.store.writer", "engine.store.commit"):
        monkeypatch.setattr(f"{module}.crc32c", lambda data: lie.get(bytes(data), real(data)))
    with store.write() as writer:
        writer.put_field(age, 0, Encoded(other.parts, same.zone))
    assert (writer.data_version, writer.blocks_written) == (5, 1)
    with store.write() as writer:
        writer.put_meta("twin", b"other")
    assert writer.data_version == 6


def test_the_last_word_counts(store: Store) -> None:
    age = store.snapshot().fields["age"].id
    stored = Encoded(
        tuple(bytes(part) for part in store.snapshot().payloads(age, 0)),
        store.snapshot().zone(age, 0) or Zone(0),
    )
    with store.write() as writer:
        writer.put_field(age, 0, opaque(1, 9_000))
        writer.put_field(age, 0, stored)
        writer.put_meta("short", b"1")
        writer.put_meta("short", b"little")
        assert writer.meta("short") == b"little" and writer.meta("nothing") is None
    assert writer.data_version == 3
    with store.write() as writer:
        writer.put_field(age, 0, opaque(1, 9_000))
        writer.put_field(age, 0, opaque(2, 8_000, 7))
    assert [len(part) for part in store.snapshot().payloads(age, 0)] == [8_000, 7]


def test_fewer_and_more_parts(store: Store) -> None:
    age = store.snapshot().fields["age"].id
    for sizes in [(10, 3_000, 50_000), (10,), (10, 3_000), (0,), (262_144, 1)]:
        with store.write() as writer:
            writer.put_field(age, 1, opaque(3, *sizes))
        snapshot = store.snapshot()
        assert [bytes(p) for p in snapshot.payloads(age, 1)] == list(opaque(3, *sizes).parts)
        assert snapshot.addresses(age).length[1 : 1 + len(sizes)].tolist() == list(sizes)
        assert snapshot.zone(age, 1) == Zone(3, -3, 3)
    for size in (0, 1, 262_144, 262_145, 600_000, 5):
        with store.write() as writer:
            writer.put_meta("grows", b"g" * size)
        assert store.snapshot().meta("grows") == b"g" * size
    # Opaque bytes are no payload of a field, and this is all that may be wrong.
    assert all("'age' in block 1" in fault for fault in store.verify().faults)


def test_a_zone_alone_is_a_change(store: Store) -> None:
    age = store.snapshot().fields["age"].id
    parts = tuple(bytes(part) for part in store.snapshot().payloads(age, 0))
    with store.write() as writer:
        writer.put_field(age, 0, Encoded(parts, Zone(1, 2, 3)))
    assert (writer.data_version, writer.blocks_written) == (4, 1)
    assert store.snapshot().zone(age, 0) == Zone(1, 2, 3)
    assert [bytes(part) for part in store.snapshot().payloads(age, 0)] == list(parts)


def test_new_blocks_come_with_rows(store: Store) -> None:
    with store.write() as writer:
        writer.set_row_count(6 * BLOCK_ROWS + 1)
        assert writer.row_count == 6 * BLOCK_ROWS + 1
    snapshot = store.snapshot()
    assert (snapshot.block_count, snapshot.row_count) == (7, 6 * BLOCK_ROWS + 1)
    assert snapshot.zone(LIVE.id, 6) is None and snapshot.payloads(LIVE.id, 6) == []
    assert snapshot.addresses(LIVE.id).first_part.tolist() == [0, 1, 2, 3, 4, 4, 4, 4]
    assert store.verify().is_sound


def test_live_rows_are_counted(store: Store) -> None:
    assert store.snapshot().live_count == 4 * 3_000
    parts = store.snapshot().payloads(LIVE.id, 0)
    with store.write() as writer:
        writer.put_field(LIVE.id, 0, Encoded((bytes(parts[0]),), Zone(17)))
    assert store.snapshot().live_count == 3 * 3_000 + 17


def test_a_dropped_field_leaves_nothing(store: Store) -> None:
    city = store.snapshot().fields["city"].id
    with store.write() as writer:
        writer.put_field(city, 1, opaque(1, 10))
        writer.intern(city, Strings.from_list(["late"]))
        writer.drop_field(city)
        assert "city" not in writer.fields
        assert writer.add_field("city", FieldKind.SET, "set").id > city
    snapshot = store.snapshot()
    assert snapshot.payloads(city, 1) == [] and snapshot.zone(city, 1) is None
    assert len(snapshot.addresses(city).address) == 0
    assert len(snapshot.dictionary(city)) == 0
    assert store.verify().is_sound
    with store.write() as writer:
        field = writer.add_field("brief", FieldKind.INTS)
        writer.set_row_count(9 * BLOCK_ROWS)
        writer.put_field(field.id, 8, opaque(1, 10))
        writer.drop_field(field.id)
    assert store.verify().is_sound


def test_model_versions(store: Store) -> None:
    assert store.snapshot().model_version == 1
    with store.write() as writer:
        assert writer.set_model({"b.yaml": "x", "a.yaml": "y"}) == 2
    assert list(store.snapshot().model_files.items()) == [("b.yaml", "x"), ("a.yaml", "y")]
    with store.write() as writer:
        assert writer.set_model({"b.yaml": "x", "a.yaml": "y"}) == 2
    assert (store.snapshot().model_version, store.snapshot().data_version) == (2, 4)


def test_writers_take_turns(store: Store) -> None:
    order: list[str] = []
    entered = threading.Event()

    def second() -> None:
        with store.write() as writer:
            order.append("second")
            writer.put_meta("turn", (writer.meta("turn") or b"") + b"2")

    thread = threading.Thread(target=second)
    with store.write() as writer:
        thread.start()
        entered.wait(0.05)
        order.append("first")
        writer.put_meta("turn", b"1")
    thread.join()
    assert order == ["first", "second"]
    assert store.snapshot().meta("turn") == b"12"


def test_a_writer_belongs_to_its_block_and_thread(store: Store) -> None:
    with store.write() as writer:
        with pytest.raises(AssertionError, match="within a writer"), store.write():
            pass
        failures: list[BaseException] = []

        def meddle() -> None:
            try:
                writer.put_meta("a", b"b")
            except AssertionError as error:
                failures.append(error)

        thread = threading.Thread(target=meddle)
        thread.start()
        thread.join()
        assert len(failures) == 1
    with pytest.raises(AssertionError, match="inside its"):
        writer.put_meta("a", b"b")


def test_a_block_beyond_the_rows_is_refused(store: Store) -> None:
    with pytest.raises(AssertionError, match="beyond the row count"), store.write() as writer:
        writer.put_field(LIVE.id, 4, opaque(1, 10))
    assert store.snapshot().data_version == 3


def test_a_full_map_changes_nothing(tmp_path: Path) -> None:
    Store.create(tmp_path / "s").close()
    with Store.open(tmp_path / "s", map_size=1 << 20) as store:
        with store.write() as writer:
            writer.put_meta("kept", b"1")
        with pytest.raises(StoreUnwritable, match="STRATA_MAP_SIZE"), store.write() as writer:
            writer.put_meta("kept", b"2")
            writer.put_meta("big", bytes(2 << 20))
        assert store.snapshot().meta("kept") == b"1" and store.failure == ""
        with store.write() as writer:
            writer.put_meta("kept", b"3")
        assert store.snapshot().meta("kept") == b"3" and store.verify().is_sound


def test_a_full_disk_changes_nothing(store: Store) -> None:
    before = contents(store.snapshot())
    size = (store.path / "data.mdb").stat().st_size
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 65_536, unlimited[1]))
    try:
        with pytest.raises(StoreUnwritable, match="is full"), store.write() as writer:
            writer.put_meta("short", b"other")
            writer.put_meta("big", bytes(1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert contents(store.snapshot()) == before and store.failure == ""
    assert (store.path / "data.mdb").stat().st_size == size
    with store.write() as writer:
        writer.put_meta("big", bytes(1 << 20))
    assert store.snapshot().meta("big") == bytes(1 << 20) and store.verify().is_sound


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "is full"), (errno.EIO, "fails"), (errno.EOPNOTSUPP, "")]
)
def test_room_that_is_given_in_part_is_handed_back(
    store: Store, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    size = (store.path / "data.mdb").stat().st_size

    def in_part(descriptor: int, start: int, length: int) -> None:
        os.ftruncate(descriptor, start + length // 2)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", in_part)
    written = False
    try:
        with store.write() as writer:
            writer.put_meta("big", bytes(1 << 20))
        written = True
    except StoreUnwritable as error:
        assert words in error.message
        assert (store.path / "data.mdb").stat().st_size == size
    # A file system that cannot reserve room is not one without room.
    assert written == (words == "") and store.failure == ""


class _FailingSync:
    """A write transaction whose commit fails as after a failed sync."""

    def __init__(self, transaction: lmdb.Transaction[memoryview]) -> None:
        self._transaction = transaction

    def commit(self) -> None:
        self._transaction.abort()
        raise lmdb.Error("mdb_txn_commit", errno.EIO)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)


def test_after_a_failed_sync_it_only_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(store.snapshot())
    begin = Environment.begin_write
    monkeypatch.setattr(Environment, "begin_write", lambda self: _FailingSync(begin(self)))
    with pytest.raises(StoreUnwritable, match="takes no more writes"), store.write() as writer:
        writer.put_meta("short", b"other")
    monkeypatch.undo()
    assert "takes no more writes" in store.failure
    with pytest.raises(StoreUnwritable, match="takes no more writes"), store.write():
        pass
    assert contents(store.snapshot()) == before
    store.close()
    with Store.open(store.path, map_size=MAP_BYTES) as again:
        assert contents(again.snapshot()) == before
        with again.write() as writer:
            writer.put_meta("short", b"other")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_interrupt_at_the_end_of_a_commit(
    store: Store, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Memory must not go on from a state that the disk may have left."""
    before = contents(store.snapshot())

    class Interrupted(_FailingSync):
        def commit(self) -> None:
            if moment == "after":
                self._transaction.commit()
            raise KeyboardInterrupt

    begin = Environment.begin_write
    monkeypatch.setattr(Environment, "begin_write", lambda self: Interrupted(begin(self)))
    with pytest.raises(KeyboardInterrupt), store.write() as writer:
        writer.put_meta("short", b"other")
    monkeypatch.undo()
    assert contents(store.snapshot()) == before
    with pytest.raises(StoreUnwritable, match="interrupted at its end"), store.write():
        pass
    store.close()
    with Store.open(store.path, map_size=MAP_BYTES) as again:
        assert again.snapshot().data_version == (3 if moment == "before" else 4)
        assert again.verify().is_sound


def test_givers_have_a_dictionary_of_their_own(store: Store) -> None:
    with store.write() as writer:
        codes = writer.intern(GIVERS, Strings.from_list(["crm", "anna", "crm"]))
    assert codes.tolist() == [1, 2, 1]
    assert list(store.snapshot().dictionary(GIVERS).values) == ["crm", "anna"]
    assert store.verify().is_sound
