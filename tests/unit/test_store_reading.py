"""Reading: snapshots stay as they are, addresses stay good, and bytes are checked first."""

from __future__ import annotations

import ctypes
import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.errors import StoreCorrupt, StoreInUse
from engine.store import environment, reading
from engine.store.catalog import FieldKind
from engine.store.store import Store
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES, contents, opaque, sample_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of four blocks with some of everything."""
    sample_store(tmp_path / "store")
    with Store.open(tmp_path / "store", map_size=MAP_BYTES) as opened:
        yield opened


def write_age(store: Store, seed: int, blocks: range = range(4)) -> None:
    """Replace a field by parts of both kinds: inside LMDB's tree, and on their own pages."""
    with store.write() as writer:
        for block in blocks:
            writer.put_field(writer.fields["age"].id, block, opaque(seed + block, 50_000, 30))


def test_a_snapshot_does_not_see_later_writes(store: Store) -> None:
    snapshots, states = [], []
    for seed in range(6):
        snapshots.append(store.snapshot())
        states.append(contents(snapshots[-1]))
        write_age(store, 10 * seed)
    for snapshot, state in zip(snapshots, states, strict=True):
        assert contents(snapshot) == state
    assert len({snapshot.data_version for snapshot in snapshots}) == 6


def test_addresses_are_aligned_and_hold_the_parts(store: Store) -> None:
    write_age(store, 1)
    age = store.snapshot().fields["age"].id
    table = store.snapshot().addresses(age)
    assert table.first_part.dtype == np.uint32 and table.first_part.tolist() == [0, 2, 4, 6, 8]
    assert table.address.dtype == np.uint64 and not (table.address % 64).any()
    assert table.length.dtype == np.uint32 and table.length.tolist() == [50_000, 30] * 4
    for i, part in enumerate(p for b in range(4) for p in opaque(1 + b, 50_000, 30).parts):
        assert ctypes.string_at(int(table.address[i]), int(table.length[i])) == part


def test_unchanged_parts_keep_their_address_over_commits(store: Store) -> None:
    write_age(store, 1)
    age = store.snapshot().fields["age"].id
    first = store.snapshot().addresses(age)
    write_age(store, 500, range(2, 3))
    with store.write() as writer:
        writer.put_meta("anything", bytes(100_000))
        writer.set_row_count(5 * BLOCK_ROWS)
    third = store.snapshot().addresses(age)
    same = (first.address == third.address).tolist()
    assert same == [True] * 4 + [False] * 2 + [True] * 2
    assert third.first_part.tolist() == [0, 2, 4, 6, 8, 8]
    del first
    expected = [opaque(500 + b if b == 2 else 1 + b, 50_000, 30).parts for b in range(4)]
    for i, part in enumerate(part for parts in expected for part in parts):
        assert ctypes.string_at(int(third.address[i]), int(third.length[i])) == part


def test_a_table_is_made_once_and_shared(store: Store) -> None:
    age = store.snapshot().fields["age"].id
    assert store.snapshot().addresses(age) is store.snapshot().addresses(age)


@pytest.mark.parametrize("kept", ["payload", "table"])
def test_what_a_snapshot_gave_outlives_it(store: Store, kept: str) -> None:
    write_age(store, 1)
    snapshot = store.snapshot()
    age = snapshot.fields["age"].id
    table = snapshot.addresses(age) if kept == "table" else None
    payload = snapshot.payloads(age, 0)[0] if kept == "payload" else None
    snapshot.close()
    del snapshot
    # Enough commits that freed pages would have been used again.
    for seed in range(20, 32):
        write_age(store, 100 * seed)
    wanted = opaque(1, 50_000, 30).parts
    if table is not None:
        found = [ctypes.string_at(int(table.address[i]), int(table.length[i])) for i in range(2)]
        assert found == list(wanted)
    else:
        assert payload == wanted[0]


def test_an_old_version_goes_with_its_last_user(store: Store) -> None:
    snapshot = store.snapshot()
    version = weakref.ref(snapshot.version)
    view = weakref.ref(snapshot.version.view)
    table = snapshot.addresses(snapshot.fields["age"].id)
    write_age(store, 1)
    snapshot.close()
    gc.collect()
    assert version() is None and view() is not None
    del table
    gc.collect()
    assert view() is None


def test_payloads_are_read_only(store: Store) -> None:
    for name in ("age", "rank"):
        for part in store.snapshot().payloads(store.snapshot().fields[name].id, 0):
            assert part.readonly and part.format == "B"


def test_bytes_are_checked_at_first_touch_and_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_age(store, 1)
    checked: list[int] = []
    check = reading.payload_fault

    def noting(payload: memoryview, expected: object) -> str:
        checked.append(len(payload))
        return check(payload, expected)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "payload_fault", noting)
    snapshot = store.snapshot()
    age = snapshot.fields["age"].id
    assert checked == []
    snapshot.payloads(age, 0)
    snapshot.addresses(age)
    assert checked.count(50_000) == 4
    write_age(store, 77, range(1))
    store.snapshot().addresses(age)
    store.snapshot().payloads(age, 3)
    assert checked.count(50_000) == 5


def test_a_listed_record_that_is_missing_is_damage(store: Store) -> None:
    age = store.snapshot().fields["age"].id
    key = b"\x04" + (2).to_bytes(4, "big") + age.to_bytes(4, "big") + b"\0\0"
    assert store._environment is not None
    with store._environment.begin_write() as transaction:
        assert transaction.delete(key)
    store.close()
    with Store.open(store.path, map_size=MAP_BYTES) as damaged:
        snapshot = damaged.snapshot()
        assert snapshot.payloads(age, 1)
        for read in (lambda: snapshot.payloads(age, 2), lambda: snapshot.addresses(age)):
            with pytest.raises(StoreCorrupt, match="part 0 of 'age' in block 2 is missing"):
                read()
        assert damaged.verify().faults == ("part 0 of 'age' in block 2 is missing",)


@pytest.mark.parametrize("name", ["age", "rank"])
@pytest.mark.parametrize(
    ("at", "words"), [(30, "has a damaged header"), (60, "does not match its checksum")]
)
def test_a_flipped_bit_is_damage(store: Store, name: str, at: int, words: str) -> None:
    """In the header and in the payload, of large values and of small ones."""
    write_age(store, 1)
    field = store.snapshot().fields[name].id
    key = b"\x04" + (2).to_bytes(4, "big") + field.to_bytes(4, "big") + b"\0\0"
    assert store._environment is not None
    with store._environment.begin_write() as transaction:
        value = bytearray(transaction.get(key) or b"")
        value[at] ^= 4
        transaction.put(key, bytes(value))
    store.close()
    with Store.open(store.path, map_size=MAP_BYTES) as damaged:
        snapshot = damaged.snapshot()
        for read in (lambda: snapshot.payloads(field, 2), lambda: snapshot.addresses(field)):
            with pytest.raises(StoreCorrupt, match=f"part 0 of '{name}' in block 2 {words}"):
                read()
        assert f"part 0 of '{name}' in block 2 {words}" in damaged.verify().faults


def test_a_record_that_nothing_lists_is_reported(store: Store) -> None:
    assert store._environment is not None
    with store._environment.begin_write() as transaction:
        transaction.put(b"\x04" + bytes(10), b"stray")
        transaction.put(b"other", b"stray")
    store.close()
    with Store.open(store.path, map_size=MAP_BYTES) as opened:
        assert opened.verify().faults == (
            "part 0 of field 0 in block 0 is stored, and nothing lists it",
            "the key 6f74686572 is stored, and nothing lists it",
        )


def test_many_threads_read_while_one_writes(store: Store) -> None:
    write_age(store, 0)
    stop = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not stop.is_set():
            with store.snapshot() as snapshot:
                age = snapshot.fields["age"].id
                seeds = {snapshot.zone(age, block).present_count - block for block in range(4)}  # type: ignore[union-attr]
                seed = seeds.pop()
                table = snapshot.addresses(age)
                first = ctypes.string_at(int(table.address[0]), int(table.length[0]))
                if seeds or first != opaque(seed, 50_000, 30).parts[0]:
                    wrong.append(seed)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for seed in range(1, 25):
        write_age(store, seed * 10)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_too_many_snapshots_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "MAX_SNAPSHOTS", 4)
    store = Store.create(tmp_path / "s", map_size=MAP_BYTES)
    held = []
    with pytest.raises(StoreInUse, match="4 snapshots open"):
        for version in range(500):  # LMDB rounds the size of its table up
            held.append(store.snapshot())
            with store.write() as writer:
                writer.put_meta("version", b"%d" % version)
    written = held[-1].data_version + 1
    assert "interrupted at its end" in store.failure
    held.clear()
    store.close()
    with Store.open(tmp_path / "s", map_size=MAP_BYTES) as again:
        assert again.snapshot().data_version == written


def test_the_directory_of_many_blocks(tmp_path: Path) -> None:
    """More blocks than one manifest section lists."""
    with Store.create(tmp_path / "s", map_size=MAP_BYTES) as store:
        with store.write() as writer:
            field = writer.add_field("f", FieldKind.INTS, "int")
            writer.set_row_count(1030 * BLOCK_ROWS)
            for block in (0, 1023, 1024, 1029):
                writer.put_field(field.id, block, opaque(block, 100))
        with store.write() as writer:
            writer.put_field(field.id, 1025, opaque(7, 100))
    with Store.open(tmp_path / "s", map_size=MAP_BYTES) as store:
        snapshot = store.snapshot()
        assert snapshot.block_count == 1030
        held = np.flatnonzero(np.diff(snapshot.addresses(field.id).first_part)).tolist()
        assert held == [0, 1023, 1024, 1025, 1029]
        assert bytes(snapshot.payloads(field.id, 1025)[0]) == opaque(7, 100).parts[0]
