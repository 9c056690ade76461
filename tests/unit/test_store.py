"""A store's folder: creation, opening, locks, and what is said when it cannot be opened."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest

from engine.errors import (
    AlreadyExists,
    InputInvalid,
    StoreCorrupt,
    StoreInUse,
    StoreMissing,
    StoreUnwritable,
    StoreVersionUnsupported,
)
from engine.store.checksum import crc32c
from engine.store.records import (
    HEADER_BYTES,
    LAYOUT_VERSION,
    Expected,
    PayloadKind,
    RecordName,
    RecordType,
    key_of,
    pack_header,
)
from engine.store.store import Store
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES, contents, sample_store
from tests.skips import needs_unprivileged_user


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "store"


def test_a_new_store_is_empty(path: Path) -> None:
    with Store.create(path, map_size=MAP_BYTES) as store, store.snapshot() as snapshot:
        assert snapshot.data_version == snapshot.row_count == snapshot.block_count == 0
        assert snapshot.live_count == snapshot.model_version == 0
        assert list(snapshot.fields) == [":live", ":uid"]
        assert not snapshot.model_files and snapshot.meta_names() == []
        assert len(snapshot.store_uid) == 16
    assert sorted(os.listdir(path)) == ["LOCK", "data.mdb", "lock.mdb"]
    assert os.listdir(path.parent) == ["store"]


def test_reopened_is_the_same(path: Path) -> None:
    sample_store(path)
    with Store.open(path, map_size=MAP_BYTES) as store:
        written = contents(store.snapshot())
        uid = store.snapshot().store_uid
    with Store.open(path, read_only=True) as store:
        assert contents(store.snapshot()) == written
        assert store.snapshot().store_uid == uid
        report = store.verify()
    assert report.is_sound, report.faults
    assert report.data_version == 3 and report.record_count > 20


def test_two_stores_differ_in_uid(tmp_path: Path) -> None:
    uids = set()
    for name in ("a", "b"):
        with Store.create(tmp_path / name) as store:
            uids.add(store.snapshot().store_uid)
    assert len(uids) == 2


def test_creation_refuses_what_stands_there(path: Path) -> None:
    Store.create(path).close()
    before = (path / "data.mdb").read_bytes()
    with pytest.raises(AlreadyExists, match="stands at"):
        Store.create(path)
    assert (path / "data.mdb").read_bytes() == before
    file = path.with_name("file")
    file.write_text("mine")
    with pytest.raises(AlreadyExists):
        Store.create(file)
    assert file.read_text() == "mine"


def test_creation_takes_an_empty_folder(path: Path) -> None:
    path.mkdir()
    Store.create(path).close()
    Store.open(path).close()


def test_creation_needs_the_folder_above(tmp_path: Path) -> None:
    with pytest.raises(StoreUnwritable, match="must be there first"):
        Store.create(tmp_path / "no" / "store")
    assert os.listdir(tmp_path) == []


def test_interrupted_creation_leaves_no_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(StoreUnwritable, match="No space left"):
        Store.create(path)
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("read_only", [False, True])
def test_nothing_there(path: Path, read_only: bool) -> None:
    with pytest.raises(StoreMissing, match="no store at"):
        Store.open(path, read_only=read_only)
    path.write_text("a file")
    with pytest.raises(StoreMissing, match="a store is a folder"):
        Store.open(path, read_only=read_only)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreMissing, match=r"has no data\.mdb"):
        Store.open(path, read_only=read_only)
    assert os.listdir(path) == [], "looking at a folder must leave nothing in it"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04" * 3000, "does not begin like"),
        (bytes(100), "does not begin like"),
    ],
)
def test_a_file_that_is_no_store(path: Path, data: bytes, words: str) -> None:
    path.mkdir()
    (path / "data.mdb").write_bytes(data)
    with pytest.raises(StoreCorrupt, match=words):
        Store.open(path)


def test_an_lmdb_file_of_something_else(path: Path) -> None:
    with lmdb.open(str(path), lib_version=0) as other, other.begin(write=True) as transaction:
        transaction.put(b"a key of another", b"program")
    with pytest.raises(StoreCorrupt, match="no root record"):
        Store.open(path)


def test_another_layout_version(path: Path) -> None:
    Store.create(path).close()
    with lmdb.open(str(path), lib_version=0) as raw, raw.begin(write=True) as transaction:
        key = key_of(RecordName(RecordType.ROOT))
        root = bytearray(transaction.get(key) or b"")
        root[4:6] = (LAYOUT_VERSION + 1).to_bytes(2, "little")
        transaction.put(key, bytes(root))
    with pytest.raises(StoreVersionUnsupported, match=f"layout version {LAYOUT_VERSION + 1}"):
        Store.open(path)


def change_root(path: Path, change: Callable[[bytearray], None], *, sealed: bool) -> None:
    """Change the payload of the root record, its checksums made right again or not."""
    name = RecordName(RecordType.ROOT)
    with lmdb.open(str(path), lib_version=0) as raw, raw.begin(write=True) as transaction:
        value = transaction.get(key_of(name)) or b""
        header, payload = value[:HEADER_BYTES], bytearray(value[HEADER_BYTES:])
        change(payload)
        if sealed:
            sequence = int.from_bytes(header[24:32], "little")
            expected = Expected(len(payload), crc32c(payload), sequence)
            header = pack_header(name, PayloadKind.ROOT, 1, expected)
        transaction.put(key_of(name), header + bytes(payload))


def test_a_damaged_root(path: Path) -> None:
    sample_store(path)

    def one_bit(payload: bytearray) -> None:
        payload[24] ^= 1

    change_root(path, one_bit, sealed=False)
    with pytest.raises(StoreCorrupt, match="the root record does not match its checksum"):
        Store.open(path)


@pytest.mark.parametrize("blocks", [3, 5])
def test_a_root_of_other_blocks_than_are_listed(path: Path, blocks: int) -> None:
    sample_store(path, block_count=4)

    def other_count(payload: bytearray) -> None:
        payload[32:36] = (blocks * BLOCK_ROWS).to_bytes(4, "little")

    change_root(path, other_count, sealed=True)
    with pytest.raises(StoreCorrupt, match=f"4 manifests are listed for {blocks} blocks"):
        Store.open(path)


def test_one_writer(path: Path) -> None:
    with Store.create(path):
        for read_only in (False, True):
            with pytest.raises(StoreInUse, match=f"process {os.getpid()} has it open"):
                Store.open(path, read_only=read_only)
    Store.open(path).close()
    assert (path / "LOCK").read_bytes() == b""


def test_many_readers_and_no_writer(path: Path) -> None:
    Store.create(path).close()
    reader = (
        "import sys; from engine.store.store import Store;"
        "s = Store.open(sys.argv[1], read_only=True); print(s.snapshot().data_version, flush=True);"
        "sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", reader, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "0\n"
        Store.open(path, read_only=True).close()
        with pytest.raises(StoreInUse, match="is reading it"):
            Store.open(path)
        process.stdin.close()
    Store.open(path).close()


def test_a_snapshot_keeps_the_store_open(path: Path) -> None:
    sample_store(path)
    store = Store.open(path, map_size=MAP_BYTES)
    snapshot = store.snapshot()
    before = contents(snapshot)
    store.close()
    assert contents(snapshot) == before
    with pytest.raises(StoreInUse):
        Store.open(path)
    snapshot.close()
    Store.open(path).close()


def test_a_reader_cannot_write(path: Path) -> None:
    Store.create(path).close()
    with (
        Store.open(path, read_only=True) as store,
        pytest.raises(StoreUnwritable, match="for reading only"),
        store.write(),
    ):
        pass


def test_map_size_of_the_environment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.create(path).close()
    monkeypatch.setenv("STRATA_MAP_SIZE", "many")
    with pytest.raises(InputInvalid, match="STRATA_MAP_SIZE is 'many'"):
        Store.open(path)
    monkeypatch.setenv("STRATA_MAP_SIZE", str(1 << 20))
    with (
        Store.open(path) as store,
        pytest.raises(StoreUnwritable, match="size of its map"),
        store.write() as writer,
    ):
        writer.put_meta("too much", bytes(1 << 21))


def test_little_address_space(path: Path) -> None:
    Store.create(path).close()
    limited = (
        "import resource, sys; from engine.store.store import Store;"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30));"
        "s = Store.open(sys.argv[1]);\n"
        "with s.write() as w: w.put_meta('a', b'b')\n"
        "print(s.verify().is_sound)"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


@needs_unprivileged_user
def test_no_permission(path: Path) -> None:
    sample_store(path, block_count=1)
    path.chmod(0o500)
    (path / "LOCK").chmod(0o400)
    (path / "data.mdb").chmod(0o400)
    try:
        with Store.open(path, read_only=True) as store:
            assert store.snapshot().data_version == 3
        with pytest.raises(StoreUnwritable, match="for writing: Permission denied"):
            Store.open(path)
        (path / "data.mdb").chmod(0)
        with pytest.raises(InputInvalid, match="cannot be read"):
            Store.open(path, read_only=True)
        path.chmod(0)
        with pytest.raises(InputInvalid, match="cannot be read"):
            Store.open(path, read_only=True)
    finally:
        path.chmod(0o700)
    with pytest.raises(StoreUnwritable, match="cannot be created"):
        path.parent.chmod(0o500)
        try:
            Store.create(path.with_name("another"))
        finally:
            path.parent.chmod(0o700)
