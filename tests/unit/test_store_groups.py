"""Groups: records added to the log, states shown before they are saved, blocks saved later."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import lmdb
import numpy as np
import pytest

from engine.columns.ints import encode_ints
from engine.columns.zone import Encoded
from engine.errors import StoreCorrupt
from engine.store.catalog import FieldKind, segment_field
from engine.store.journal import Journal
from engine.store.overlay import HeapPayload
from engine.store.records import PART_BYTES, RecordName, RecordType, key_of
from engine.store.snapshot import Snapshot
from engine.store.store import Store
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES, opaque, sample_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of four blocks with some of everything."""
    sample_store(tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """The same, open."""
    with Store.open(path, map_size=MAP_BYTES) as opened:
        yield opened


def ages(value: int) -> Encoded:
    """A block in which everybody has the same age."""
    everybody = np.ones(BLOCK_ROWS, np.bool_)
    return encode_ints(np.full(BLOCK_ROWS, value, np.int64), everybody)


def age_field(snapshot: Snapshot) -> int:
    return snapshot.fields["age"].id


def log(store: Store, *payloads: bytes) -> None:
    with store.write_group() as writer:
        for payload in payloads:
            writer.log(payload)


def show(store: Store, block: int, value: int) -> None:
    """Applies the next record of the log: new ages in one block."""
    with store.mutation(store.glance().data_version + 1) as mutation:
        snapshot = mutation.snapshot
        mutation.put(age_field(snapshot), block, ages(value))
        mutation.candidate(snapshot.row_count)
        store.publish(mutation)


def save(store: Store, *blocks: int) -> None:
    with store.write_group() as writer, writer.resting():
        writer.set_feed_through(writer.snapshot.data_version)
        for block in blocks:
            writer.save_block(block)


def minimum(snapshot: Snapshot, block: int) -> float | None:
    zone = snapshot.zone(age_field(snapshot), block)
    return None if zone is None else zone.minimum


def heap(snapshot: Snapshot, block: int) -> HeapPayload:
    payload = snapshot.version.overlay.get(age_field(snapshot), block)
    assert payload is not None
    return payload


def stored(snapshot: Snapshot, block: int) -> tuple[bytes, ...]:
    """What is, or would be, stored of the ages of a block."""
    payload = snapshot.version.overlay.get(age_field(snapshot), block)
    if payload is not None:
        return payload.encode().parts
    return tuple(map(bytes, snapshot.payloads(age_field(snapshot), block)))


def read_log(journal: Journal, after: int = 0) -> list[tuple[int, bytes]]:
    return [(record.sequence, record.payload) for record in journal.read(after)]


def test_a_record_is_logged_before_it_is_visible(store: Store) -> None:
    before = store.snapshot().data_version
    log(store, b"one", b"two" * PART_BYTES)
    assert store.root.data_version == before + 2
    assert store.snapshot().data_version == before
    expected = [(before + 1, b"one"), (before + 2, b"two" * PART_BYTES)]
    assert read_log(store.log()) == expected
    assert read_log(store.log(), before + 1) == expected[1:]
    assert store.verify().is_sound


def test_a_candidate_is_seen_only_when_published(store: Store) -> None:
    old = store.snapshot()
    log(store, b"one")
    with store.mutation(old.data_version + 1) as mutation:
        mutation.put(age_field(old), 1, ages(7))
        candidate = mutation.candidate(old.row_count)
        assert minimum(candidate, 1) == 7
        assert minimum(store.glance(), 1) == minimum(old, 1) != 7
        store.publish(mutation)
    new = store.snapshot()
    assert (minimum(new, 1), new.data_version) == (7, old.data_version + 1)
    assert minimum(old, 1) != 7, "an older snapshot stays as it was"
    assert stored(new, 1) == ages(7).parts


def test_tables_of_addresses_follow_every_change(store: Store) -> None:
    def read(snapshot: Snapshot) -> list[bytes]:
        table = snapshot.addresses(age_field(snapshot))
        assert not (table.address % 64).any()
        first = table.first_part
        out = []
        for block in range(snapshot.block_count):
            parts = snapshot.payloads(age_field(snapshot), block)
            lengths = table.length[first[block] : first[block + 1]].tolist()
            assert lengths == [len(part) for part in parts]
            places = table.address[first[block] : first[block + 1]].tolist()
            read_back = [
                np.ctypeslib.as_array(
                    (np.ctypeslib.ctypes.c_uint8 * length).from_address(place)
                ).tobytes()
                for place, length in zip(places, lengths, strict=True)
            ]
            assert read_back == [bytes(part) for part in parts]
            out.append(b"".join(read_back))
        return out

    first = read(store.snapshot())
    log(store, b"one", b"two", b"three")
    show(store, 1, 7)
    second = read(store.snapshot())
    assert [a == b for a, b in zip(first, second, strict=True)].count(False) == 1
    show(store, 2, 8)
    save(store, 1)
    show(store, 1, 9)
    save(store, 1, 2)
    read(store.snapshot())
    assert stored(store.snapshot(), 1) == ages(9).parts
    assert stored(store.snapshot(), 2) == ages(8).parts


def test_a_commit_between_candidate_and_publication(store: Store) -> None:
    log(store, b"one", b"two")
    show(store, 1, 7)
    with store.snapshot() as snapshot:
        snapshot.addresses(age_field(snapshot))
    with contextlib.ExitStack() as stack:
        with store.write_group() as writer:
            with writer.resting():
                writer.set_feed_through(writer.snapshot.data_version)
                writer.save_block(1)
            mutation = stack.enter_context(store.mutation(store.glance().data_version + 1))
            mutation.put(age_field(mutation.snapshot), 2, ages(8))
            candidate = mutation.candidate(mutation.snapshot.row_count)
            candidate.addresses(age_field(candidate))
        store.publish(mutation)
    after = store.snapshot()
    assert (minimum(after, 1), minimum(after, 2)) == (7, 8)
    assert set(after.version.overlay.dirty) == {2}
    table = after.addresses(age_field(after))
    assert table.address[table.first_part[1]] == heap(after, 1).addresses[0]


def test_the_log_is_kept_for_as_long_as_a_block_needs_it(store: Store) -> None:
    first = store.snapshot().data_version + 1
    log(store, b"one", b"two", b"three")
    for block, value in ((1, 7), (2, 8), (1, 9)):
        show(store, block, value)
    assert store.snapshot().version.overlay.dirty == {1: first, 2: first + 1}
    save(store, 1)
    assert [sequence for sequence, _ in read_log(store.log())] == [first + 1, first + 2]
    held = [first + 2]
    store.log_holds.append(lambda: held[0])
    save(store, 2)
    assert [sequence for sequence, _ in read_log(store.log())] == [first + 2]
    held[0] = first + 3
    save(store)
    assert read_log(store.log()) == []
    assert store.verify().is_sound


def test_blocks_say_which_records_they_have(path: Path) -> None:
    with Store.open(path, map_size=MAP_BYTES) as store:
        first = store.snapshot().data_version + 1
        log(store, b"one", b"two", b"three")
        show(store, 1, 7)
        show(store, 2, 8)
        save(store, 2)
        show(store, 2, 9)
    with Store.open(path, map_size=MAP_BYTES) as store:
        snapshot = store.snapshot()
        assert snapshot.data_version == first - 1, "the log is there to be replayed"
        absorbed = [manifest.sequence for manifest in snapshot.version.state.manifests]
        assert absorbed[2] == first + 1
        assert absorbed[1] < first
        assert minimum(snapshot, 2) == 8
        assert [sequence for sequence, _ in read_log(store.log())] == [first, first + 1, first + 2]


def test_what_was_changed_while_it_was_saved_stays_dirty(store: Store) -> None:
    first = store.snapshot().data_version + 1
    log(store, b"one", b"two")
    show(store, 1, 7)
    with store.write_group() as writer:
        with writer.resting():
            writer.set_feed_through(writer.snapshot.data_version)
            writer.save_block(1)
        show(store, 1, 8)
    snapshot = store.snapshot()
    assert minimum(snapshot, 1) == 8
    assert snapshot.version.overlay.dirty == {1: first + 1}
    assert [sequence for sequence, _ in read_log(store.log())] == [first + 1]


def test_an_ordinary_write_saves_the_blocks_it_touches_whole(path: Path) -> None:
    with Store.open(path, map_size=MAP_BYTES) as store:
        log(store, b"one", b"two")
        show(store, 1, 7)
        show(store, 2, 8)
        with store.write() as writer:
            writer.put_field(writer.fields["rank"].id, 1, ages(3))
        snapshot = store.snapshot()
        assert set(snapshot.version.overlay.dirty) == {2}
        manifests = snapshot.version.state.manifests
        assert manifests[1].sequence == snapshot.data_version
        assert minimum(snapshot, 1) == 7
        del snapshot
    with Store.open(path, map_size=MAP_BYTES) as store:
        assert minimum(store.snapshot(), 1) == 7
        assert store.verify().is_sound


def test_members_put_by_an_edit_leave_the_rest_of_their_block_to_the_log(store: Store) -> None:
    with store.write() as writer:
        writer.add_field(segment_field("s"), FieldKind.MEMBERSHIP, "1")
    first = store.snapshot().data_version + 1
    log(store, b"one")
    show(store, 1, 7)
    with store.write() as writer:
        writer.put_field(writer.fields[segment_field("s")].id, 1, opaque(5, 100))
    assert store.snapshot().version.overlay.dirty == {1: first}
    assert [sequence for sequence, _ in read_log(store.log())] == [first, first + 1]


def test_a_write_that_is_not_shown(store: Store) -> None:
    before = store.snapshot().data_version
    with store.write(show=False) as writer:
        writer.put_meta("note", b"x")
    assert store.snapshot().data_version == before
    assert store.snapshot().meta("note") is None
    assert store.newest().meta("note") == b"x"
    with store.write(show=False) as writer:
        assert writer.meta("note") == b"x"
        writer.delete_meta("note")
    store.reveal()
    assert store.snapshot().data_version == before + 2


def test_the_feed_is_a_chain_and_can_be_cut_at_its_beginning(store: Store) -> None:
    first = store.snapshot().data_version + 1
    log(store, *[b"-"] * 6)
    for _ in range(6):
        show(store, 1, 7)
    with store.write_group() as writer:
        for number in (0, 2, 3, 5):
            writer.put_feed(first + number, b"%d" % number * PART_BYTES)
        writer.set_feed_through(first + 5)
    root = store.root
    assert (root.feed_first, root.feed_last, root.feed_through) == (first, first + 5, first + 5)
    assert [sequence - first for sequence, _ in read_log(store.feed())] == [0, 2, 3, 5]
    assert [sequence - first for sequence, _ in read_log(store.feed(), first + 2)] == [3, 5]
    with store.write_group() as writer:
        writer.trim_feed(first + 3)
    assert [sequence - first for sequence, _ in read_log(store.feed())] == [3, 5]
    assert read_log(store.feed(), first + 5) == []
    assert store.verify().is_sound


@pytest.mark.parametrize("kind", [RecordType.LOG, RecordType.FEED])
@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_record_that_is_gone_is_noticed(path: Path, kind: RecordType, number: int) -> None:
    with Store.open(path, map_size=MAP_BYTES) as store:
        first = store.snapshot().data_version + 1
        log(store, *[b"-"] * 5)
        with store.write_group() as writer:
            for sequence in range(first, first + 5):
                writer.put_feed(sequence, b"entry")
    with lmdb.open(str(path), lib_version=0) as raw, raw.begin(write=True) as transaction:
        assert transaction.delete(key_of(RecordName.of_sequence(kind, first + number)))
    with Store.open(path, map_size=MAP_BYTES) as store:
        journal = store.log() if kind == RecordType.LOG else store.feed()
        with pytest.raises(StoreCorrupt, match="lacks"):
            read_log(journal)
        assert not store.verify().is_sound
