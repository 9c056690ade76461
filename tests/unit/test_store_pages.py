"""LMDB's own pages: sound files pass, and what LMDB would trip over does not."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import cast

import lmdb
import numpy as np
import pytest

from engine.errors import StoreCorrupt
from engine.store.data_file import check_data_file
from engine.store.environment import ReadTransaction
from engine.store.page_tree import check_page_trees
from engine.store.records import RecordName, RecordType, key_of
from engine.store.store import Store
from tests.sample_stores import MAP_BYTES, contents, opaque, sample_store

PAGE = 4096


@pytest.mark.parametrize("round_seed", range(3))
def test_whatever_lmdb_writes_is_sound(tmp_path: Path, round_seed: int) -> None:
    """Random transactions, each key at most once in each, as a store's commits are."""
    random = np.random.default_rng(round_seed)
    stored: set[bytes] = set()
    with lmdb.open(str(tmp_path), map_size=MAP_BYTES, lib_version=0) as environment:
        for _ in range(25):
            count = int(random.choice([1, 10, 400]))
            numbers = random.integers(0, [40, 200, 2], (count, 3)).tolist()
            keys = {key_of(RecordName(RecordType.DATA, *number)) for number in numbers}
            with environment.begin(write=True) as transaction:
                for key in sorted(keys):
                    if key in stored and random.random() < 0.4:
                        transaction.delete(key)
                        stored.discard(key)
                    else:
                        size = int(random.choice([1, 90, 2_000, 2_050, 9_000, 70_000]))
                        transaction.put(key, bytes(size))
                        stored.add(key)
            meta = check_data_file(tmp_path)
            anchor = check_page_trees(tmp_path, meta)
            assert meta.main.entries == len(stored)
            assert (anchor is None) == (meta.main.overflow_pages == 0)
    assert meta.main.depth >= 2 and meta.free.entries > 0, "the test should see deep trees"


@pytest.mark.parametrize("kind", [RecordType.LOG, RecordType.FEED])
def test_records_that_follow_each_other_are_in_order(tmp_path: Path, kind: RecordType) -> None:
    """Their keys differ in the last bits of large numbers alone."""
    with lmdb.open(str(tmp_path), map_size=MAP_BYTES, lib_version=0) as environment:
        for first in (1, 2**40, 2**47):
            with environment.begin(write=True) as transaction:
                for sequence in range(first, first + 300):
                    transaction.put(key_of(RecordName.of_sequence(kind, sequence)), bytes(90))
    meta = check_data_file(tmp_path)
    assert check_page_trees(tmp_path, meta) is None and meta.main.entries == 900


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """A store whose tree has two levels and whose list of free pages is not empty."""
    sample_store(tmp_path / "store", block_count=12)
    return tmp_path / "store"


def damage(path: Path, change: Callable[[bytearray], None]) -> None:
    """Change the data file."""
    file = path / "data.mdb"
    data = bytearray(file.read_bytes())
    change(data)
    file.write_bytes(data)


def refused(path: Path, words: str) -> None:
    """The store must be refused with these words, by every way of opening it."""
    for read_only in (False, True):
        with pytest.raises(StoreCorrupt, match=words):
            Store.open(path, read_only=read_only, map_size=MAP_BYTES)


def test_a_truncated_file_is_not_mapped(store_path: Path) -> None:
    meta = check_data_file(store_path)
    used = (meta.last_page + 1) * PAGE
    whole = (store_path / "data.mdb").read_bytes()
    for size in (used - 1, used - PAGE, used // 2, 3 * PAGE, 2 * PAGE, PAGE + 200):
        (store_path / "data.mdb").write_bytes(whole[:size])
        refused(store_path, "is truncated")
    for size in (PAGE + 100, PAGE, 200):
        (store_path / "data.mdb").write_bytes(whole[:size])
        refused(store_path, "second page")
    (store_path / "data.mdb").write_bytes(whole[:used])
    Store.open(store_path).close()


def newest_meta(data: bytearray) -> int:
    """Where the meta page in force begins."""
    first, second = (struct.unpack_from("<Q", data, page * PAGE + 144)[0] for page in (0, 1))
    return PAGE if second > first else 0


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (16, 0, "does not begin like|second page"),  # magic
        (20, 2, "damaged (first|second) page"),  # version
        (24, 4096, "damaged (first|second) page"),  # a fixed address
        (40, 2048, "damaged|contradict|truncated"),  # page size
        (136, 1 << 40, "is truncated"),  # last page
        (144, 77, "contradict each other"),  # transaction
        (94, 9, "leads nowhere|head|counts"),  # depth of the tree
        (112, 3, "other counts"),  # large value pages
        (120, 3, "other counts"),  # entries
        (128, 1 << 30, "leads nowhere"),  # root
    ],
)
def test_damaged_meta_pages(store_path: Path, at: int, value: int, words: str) -> None:
    widths = {16: "<I", 20: "<I", 40: "<I", 94: "<H"}

    def change(data: bytearray) -> None:
        struct.pack_into(widths.get(at, "<Q"), data, newest_meta(data) + at, value)

    damage(store_path, change)
    refused(store_path, words)


def test_an_older_state_is_not_taken_for_the_newest(store_path: Path) -> None:
    """A flipped bit in a transaction number would let LMDB open the state before the last."""

    def change(data: bytearray) -> None:
        at = newest_meta(data) + 144
        number = struct.unpack_from("<Q", data, at)[0]
        assert number >= 4
        struct.pack_into("<Q", data, at, number ^ (1 << (number.bit_length() - 1)))

    damage(store_path, change)
    refused(store_path, "contradict each other")


def test_meta_pages_take_turns(store_path: Path) -> None:
    def change(data: bytearray) -> None:
        first, second = (struct.unpack_from("<Q", data, page * PAGE + 144)[0] for page in (0, 1))
        struct.pack_into("<Q", data, 144, second)
        struct.pack_into("<Q", data, PAGE + 144, first)

    damage(store_path, change)
    refused(store_path, "contradict each other")


def test_damage_in_a_page_of_the_tree(store_path: Path) -> None:
    """Every kind of damage, put into the root page of the tree of records."""
    whole = (store_path / "data.mdb").read_bytes()
    root = check_data_file(store_path).main.root * PAGE
    upper, first = struct.unpack_from("<HH", whole, root + 14)
    node = root + first
    kinds: dict[str, list[tuple[str, int, int]]] = {
        "has a damaged head": [
            ("<Q", root, 5),  # page number
            ("<H", root + 10, 2),  # kind
            ("<H", root + 12, 17),  # end of the node list
            ("<H", root + 12, 16),  # no node
            ("<H", root + 14, PAGE + 2),  # beginning of the nodes
        ],
        "has a node outside of it": [
            ("<H", root + 16, PAGE - 4),
            ("<H", root + 16, 17),
            ("<H", root + 16, 20),
        ],
        "has a damaged node": [("<H", node + 6, 40)],  # key size
        "is not filled by its nodes": [("<H", root + 14, upper - 2)],
        "outside of the file": [("<I", node, 1 << 30)],
        "damaged head|twice": [("<H", node, 3)],  # another page
    }
    assert struct.unpack_from("<H", whole, root + 10)[0] == 1, "a branch is wanted"
    for words, changes in kinds.items():
        for layout, at, value in changes:
            data = bytearray(whole)
            struct.pack_into(layout, data, at, value)
            (store_path / "data.mdb").write_bytes(data)
            refused(store_path, words)


def test_keys_out_of_order(store_path: Path) -> None:
    def change(data: bytearray) -> None:
        root = check_data_file(store_path).main.root * PAGE
        node = root + struct.unpack_from("<H", data, root + 16)[0]
        leaf = struct.unpack_from("<I", data, node)[0] * PAGE
        first, second = struct.unpack_from("<HH", data, leaf + 16)
        struct.pack_into("<HH", data, leaf + 16, second, first)

    damage(store_path, change)
    refused(store_path, "out of order")


def test_keys_of_a_branch_out_of_order(store_path: Path) -> None:
    """Each bit of the key between two leaves with which a search would take the wrong way."""
    whole = (store_path / "data.mdb").read_bytes()
    root = check_data_file(store_path).main.root * PAGE
    children = [root + struct.unpack_from("<H", whole, root + at)[0] for at in (16, 18)]
    left, right = (struct.unpack_from("<I", whole, child)[0] * PAGE for child in children)
    last = key_at(whole, left, struct.unpack_from("<H", whole, left + 12)[0] - 2)
    first = key_at(whole, right, 16)
    tried = 0
    for bit in range(8 * len(key_at(whole, root, 18))):
        data = bytearray(whole)
        data[children[1] + 8 + bit // 8] ^= 1 << bit % 8
        if not last < key_at(data, root, 18) <= first:
            (store_path / "data.mdb").write_bytes(data)
            refused(store_path, "keys of a branch are out of order")
            tried += 1
    assert tried > 20


def key_at(data: bytes | bytearray, page: int, slot: int) -> bytes:
    """The key of the node that a slot of a page tells of."""
    node = page + struct.unpack_from("<H", data, page + slot)[0]
    size = struct.unpack_from("<H", data, node + 6)[0]
    return bytes(data[node + 8 : node + 8 + size])


def test_no_search_goes_back_in_a_damaged_tree(store_path: Path) -> None:
    """Who asks for one key after the other would never come to an end."""
    with Store.open(store_path, map_size=MAP_BYTES) as store:
        view = store.snapshot().version.view
        environment = view.environment
        keys = view.transaction.all_keys()

        class Cursor:
            def __enter__(self) -> Cursor:
                return self

            def __exit__(self, *_: object) -> None: ...

            def set_range(self, _: bytes) -> bool:
                return True

            def key(self) -> bytes:
                return keys[3]

            def iternext(self, **_: bool) -> list[bytes]:
                return [keys[0], keys[2], keys[1]]

        class Backwards:
            def cursor(self) -> Cursor:
                return Cursor()

            def abort(self) -> None: ...

        transaction = ReadTransaction(
            environment, cast("lmdb.Transaction[memoryview]", Backwards())
        )
        assert transaction.key_from(keys[2]) == keys[3] == transaction.key_from(keys[3])
        with pytest.raises(StoreCorrupt, match=f"{keys[3].hex()} comes where"):
            transaction.key_from(keys[4])
        with pytest.raises(StoreCorrupt, match=f"{keys[1].hex()} comes where"):
            transaction.all_keys()


def test_free_pages_in_use_are_refused(store_path: Path) -> None:
    """LMDB would write over the tree."""
    meta = check_data_file(store_path)
    data = bytearray((store_path / "data.mdb").read_bytes())
    leaf = meta.free.root * PAGE
    node = leaf + struct.unpack_from("<H", data, leaf + 16)[0]
    count = struct.unpack_from("<Q", data, node + 16)[0]
    assert count >= 1
    least = node + 16 + 8 * count
    for page, words in (
        (meta.main.root, "used twice|out of order"),
        (1, "outside of the file|out of order"),
        (1 << 33, "outside of the file|out of order"),
    ):
        struct.pack_into("<Q", data, least, page)
        (store_path / "data.mdb").write_bytes(data)
        refused(store_path, words)
    struct.pack_into("<Q", data, node + 16, count + 1)
    (store_path / "data.mdb").write_bytes(data)
    refused(store_path, "wrong length")


@pytest.mark.parametrize(("layout", "at", "value"), [("<Q", 0, 3), ("<I", 12, 2)])
def test_a_damaged_head_of_a_large_value_is_not_freed(
    tmp_path: Path, layout: str, at: int, value: int
) -> None:
    """Reading does not need the head of its pages; replacing the value would trust it."""
    path = tmp_path / "store"
    with Store.create(path, map_size=MAP_BYTES) as store, store.write() as writer:
        writer.put_meta("a", opaque(1, 100_000).parts[0])
        writer.put_meta("b", opaque(2, 100_000).parts[0])

    def change(data: bytearray) -> None:
        page = data.index(opaque(2, 100_000).parts[0][:64]) // PAGE
        struct.pack_into(layout, data, page * PAGE + at, value)

    damage(path, change)
    with Store.open(path, map_size=MAP_BYTES) as store:
        before = contents(store.snapshot())
        with pytest.raises(StoreCorrupt, match="page head"), store.write() as writer:
            writer.put_meta("b", b"short")
        assert contents(store.snapshot()) == before
        assert store.verify().faults == ("part 0 of named record 2 has a damaged page head",)


def test_what_lmdb_itself_finds_is_damage_too(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with Store.create(path, map_size=MAP_BYTES) as store, store.write() as writer:
        writer.put_meta("a", opaque(1, 100_000).parts[0])
        writer.put_meta("b", opaque(2, 100_000).parts[0])

    def change(data: bytearray) -> None:
        page = data.index(opaque(2, 100_000).parts[0][:64]) // PAGE
        struct.pack_into("<H", data, page * PAGE + 10, 6)

    damage(path, change)
    with Store.open(path, map_size=MAP_BYTES) as store:
        with pytest.raises(StoreCorrupt, match="LMDB reports"):
            store.snapshot().meta("b")
        with pytest.raises(StoreCorrupt, match="LMDB reports"), store.write() as writer:
            writer.put_meta("b", b"short")
