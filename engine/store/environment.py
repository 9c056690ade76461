"""The LMDB environment under a store: how it is opened, read and written.

LMDB 0.9 is pinned: the wheel ships 1.0 beside it, which places values elsewhere and writes
another file. Never `writemap` (a full disk kills the process), never `sync=False` (a power
cut corrupts). One large sparse map, because resizing it would move every address in use.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import lmdb
import numpy as np

from engine.errors import (
    EngineError,
    InputInvalid,
    StoreCorrupt,
    StoreInUse,
    StoreUnwritable,
)
from engine.limits import DEFAULT_MAP_BYTES, MAX_SNAPSHOTS, SMALLEST_MAP_BYTES
from engine.store.data_file import DATA_FILE
from engine.store.lock import FolderLock
from engine.store.page_tree import Anchor
from engine.store.records import HEADER_BYTES

__all__ = ["MAP_SIZE_VARIABLE", "Environment", "ReadTransaction", "address_of", "damaged"]

MAP_SIZE_VARIABLE = "STRATA_MAP_SIZE"

# Header of an LMDB page; the value of an overflow page begins right behind it.
PAGE_HEADER_BYTES = 16
_PAGE_HEAD = struct.Struct("<QHHI")  # number, pad, flags, count

assert lmdb.version(lib_version=0)[:2] == (0, 9), "LMDB 0.9 is needed: lmdb must ship it"
assert (PAGE_HEADER_BYTES + HEADER_BYTES) % 64 == 0


def address_of(view: memoryview) -> int:
    """Where the bytes of a view are in memory."""
    address: int = np.frombuffer(view, np.uint8).__array_interface__["data"][0]
    return address


def map_size_wanted(given: int | None) -> int:
    """Bytes of the map: the argument, else the environment variable, else the default."""
    if given is not None:
        return given
    text = os.environ.get(MAP_SIZE_VARIABLE)
    if text is None:
        return DEFAULT_MAP_BYTES
    try:
        size = int(text)
    except ValueError:
        size = 0
    if size <= 0:
        raise InputInvalid(
            f"{MAP_SIZE_VARIABLE} is {text!r}, which is not a number of bytes. "
            "Unset it, or give the largest size that the store may grow to, in bytes."
        )
    return size


def damaged(path: Path, what: str) -> StoreCorrupt:
    """The error for stored bytes that are not what was written."""
    return StoreCorrupt(
        f"The store at {path} is damaged: {what}. Restore it from a backup; `strata verify` "
        "lists everything that is wrong."
    )


class Environment:
    """An open LMDB environment and the lock on its folder.

    It closes when nothing refers to it any more: a snapshot or an address in use keeps the
    map, and with it the folder, until it goes.
    """

    def __init__(
        self,
        path: Path,
        opened: lmdb.Environment,
        lock: FolderLock,
        anchor: Anchor | None,
    ) -> None:
        self._lmdb = opened
        self._lock = lock
        self.path = path
        self.read_only = opened.flags()["readonly"]
        self.page_size = opened.stat()["psize"]
        # Address of page 0; None while there is no large value to tell it by.
        self._map_start: int | None = None
        value = None if anchor is None else self.begin_read().get(anchor.key)
        if value is not None and anchor is not None:
            self._map_start = address_of(value) - PAGE_HEADER_BYTES - anchor.page * self.page_size

    @classmethod
    def open(
        cls,
        path: Path,
        lock: FolderLock,
        anchor: Anchor | None,
        *,
        read_only: bool,
        map_size: int | None = None,
    ) -> Environment:
        """Map the data file of a folder that has been locked and checked."""
        size = map_size_wanted(map_size)
        while True:
            try:
                return cls(path, _open(path, size, read_only), lock, anchor)
            except lmdb.Error as error:
                no_room = isinstance(error, lmdb.MemoryError) or error.code == errno.ENOMEM
                if not no_room or size // 2 < SMALLEST_MAP_BYTES:
                    raise _refused(path, error) from error
                size //= 2

    def __del__(self) -> None:
        self._lmdb.close()
        self._lock.release()

    def reserve(self, sizes: Sequence[int]) -> None:
        """Make sure that the disk can take values of these sizes; OSError where it can not.

        LMDB reports a disk that fills up in the middle of a commit in the same words as a
        failed sync, after which nothing could be trusted. So the file is made long enough
        beforehand, for the case that no free page can be used again.
        """
        page = self.page_size
        values = sum((PAGE_HEADER_BYTES - 1 + size) // page + 1 for size in sizes)
        tree = self._lmdb.stat()
        # The pages of the tree that may change, new ones at least a third full of keys.
        tree_pages = min(tree["leaf_pages"], len(sizes)) + len(sizes) // 40
        pages = values + tree_pages + tree_pages // 40 + values // 500 + 2 * tree["depth"] + 16
        info = self._lmdb.info()
        start = (info["last_pgno"] + 1) * page
        end = min(start + pages * page, info["map_size"])
        descriptor = os.open(self.path / DATA_FILE, os.O_RDWR)
        try:
            length = os.fstat(descriptor).st_size
            if end > length:
                try:
                    os.posix_fallocate(descriptor, length, end - length)
                except OSError as error:
                    os.ftruncate(descriptor, length)
                    if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                        raise
        finally:
            os.close(descriptor)

    def fault_in_pages(self, value: memoryview) -> str:
        """What is wrong with the head of a large value's pages, or ''.

        LMDB reads it when the value is replaced: it says which pages become free.
        """
        start = address_of(value) - PAGE_HEADER_BYTES
        if start % self.page_size != 0:
            return ""
        number, _, flags, pages = _PAGE_HEAD.unpack(ctypes.string_at(start, PAGE_HEADER_BYTES))
        wanted = (PAGE_HEADER_BYTES - 1 + len(value)) // self.page_size + 1
        moved = self._map_start is not None and start != self._map_start + number * self.page_size
        return "has a damaged page head" if moved or (flags, pages) != (4, wanted) else ""

    def begin_read(self) -> ReadTransaction:
        """A consistent view of everything committed so far."""
        try:
            transaction = self._lmdb.begin(buffers=True)
        except lmdb.ReadersFullError as error:
            raise StoreInUse(
                f"The store at {self.path} has {MAX_SNAPSHOTS} snapshots open, and no more can "
                "be taken. Close some."
            ) from error
        return ReadTransaction(self, transaction)

    def begin_write(self) -> lmdb.Transaction[memoryview]:
        """The one write transaction; commit or abort it in the thread that began it."""
        return self._lmdb.begin(write=True, buffers=True)


def _open(path: Path, size: int, read_only: bool) -> lmdb.Environment:
    # Readers need no table of LMDB's: the folder's lock keeps every writer away from them,
    # and so a read-only disk can be read.
    opened = lmdb.open(
        os.fspath(path),
        map_size=size,
        readonly=read_only,
        lock=not read_only,
        create=False,
        mode=0o644,
        max_readers=MAX_SNAPSHOTS,
        max_spare_txns=1,
        lib_version=0,
    )
    assert opened.lib_version()[:2] == (0, 9)
    return opened


def _refused(path: Path, error: lmdb.Error) -> EngineError:
    if "already open" in str(error):
        return StoreInUse(
            f"The store at {path} is still open in this process. Close it and its snapshots, "
            "then open it again."
        )
    if isinstance(error, (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError)):
        return StoreCorrupt(f"The store at {path} cannot be read: {error}. Restore a backup.")
    return StoreUnwritable(
        f"The store at {path} cannot be opened: {error}. Check who owns its files, and the "
        "memory limits of this process."
    )


class ReadTransaction:
    """A read transaction that ends when nothing refers to it any more.

    Whatever hands out bytes of the map must keep this object alive with them: a view into a
    finished transaction still reads, silently, whatever stands there by then.
    """

    __slots__ = ("_environment", "_guard", "_transaction")

    def __init__(self, environment: Environment, transaction: lmdb.Transaction[memoryview]) -> None:
        self._environment = environment
        self._transaction = transaction
        self._guard = threading.Lock()

    def get(self, key: bytes) -> memoryview | None:
        """The value in the map, or None. LMDB allows one thread at a time in a transaction.

        Raises StoreCorrupt where LMDB itself finds a page that is not what it should be.
        """
        try:
            with self._guard:
                return self._transaction.get(key)
        except lmdb.Error as error:
            raise damaged(self._environment.path, f"LMDB reports {error}") from error

    def all_keys(self) -> list[bytes]:
        """All keys, in order. Raises as `get` does, and where they are in no order."""
        try:
            with self._guard, self._transaction.cursor() as cursor:
                keys = [bytes(key) for key in cursor.iternext(keys=True, values=False)]
        except lmdb.Error as error:
            raise damaged(self._environment.path, f"LMDB reports {error}") from error
        for before, key in pairwise(keys):
            if key <= before:
                raise self._out_of_order(before, key)
        return keys

    def key_from(self, key: bytes) -> bytes | None:
        """The first key that is not before this one, or None.

        Raises as `all_keys` does: who asks for one key after the other comes to an end in a
        damaged tree too.
        """
        try:
            with self._guard, self._transaction.cursor() as cursor:
                found = bytes(cursor.key()) if cursor.set_range(key) else None
        except lmdb.Error as error:
            raise damaged(self._environment.path, f"LMDB reports {error}") from error
        if found is not None and found < key:
            raise self._out_of_order(key, found)
        return found

    def _out_of_order(self, before: bytes, key: bytes) -> StoreCorrupt:
        what = f"the key {key.hex()} comes where only keys from {before.hex()} on belong"
        return damaged(self._environment.path, what)

    @property
    def id(self) -> int:
        """Number of the transaction that this one sees."""
        return self._transaction.id()

    def __del__(self) -> None:
        self._transaction.abort()
