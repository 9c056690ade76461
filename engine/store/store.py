"""The store: one folder, opened by one writing process or several reading ones.

folder/data.mdb   the LMDB file; README.md beside this code has its layout
folder/lock.mdb   LMDB's table of readers, of this process alone
folder/LOCK       who has the store open (flock)
"""

from __future__ import annotations

import errno
import secrets
import threading
from pathlib import Path
from typing import Self

import lmdb

from engine.errors import EngineError, StoreUnwritable
from engine.store.catalog import Catalog
from engine.store.checksum import crc32c
from engine.store.data_file import check_data_file
from engine.store.directory import Root, Section, pack_dictionaries, pack_metas, pack_model
from engine.store.environment import Environment, damaged
from engine.store.folder import check_folder, create_folder
from engine.store.lock import FolderLock
from engine.store.opening import ROOT, load_state
from engine.store.page_tree import check_page_trees
from engine.store.reading import State, Verified, View
from engine.store.records import (
    Expected,
    PayloadKind,
    RecordName,
    RecordType,
    key_of,
    name_of_key,
    pack_header,
)
from engine.store.snapshot import Lineage, Snapshot, Version
from engine.store.verify import VerifyReport, verify_pages, verify_records
from engine.store.writer import Writer

__all__ = ["Snapshot", "Store", "VerifyReport", "Writer"]

# The disk, a quota or a limit on the size of files is used up.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# What LMDB finds in pages before it writes anything.
_DAMAGE = (lmdb.CorruptedError, lmdb.PageNotFoundError)


class Store:
    """An open store. Safe to use from several threads; see Writer for its one restriction."""

    def __init__(self, path: Path, environment: Environment) -> None:
        self.path = path
        self.read_only = environment.read_only
        self._environment: Environment | None = environment
        self._verified = Verified()
        self._writing = threading.Lock()
        self._writer_thread = 0
        self._failure = ""
        view = View(environment, environment.begin_read(), self._verified)
        self._version: Version | None = Version(view, load_state(view), Lineage())

    @classmethod
    def create(cls, path: Path | str, *, map_size: int | None = None) -> Self:
        """A new empty store, open for writing. Raises AlreadyExists, StoreUnwritable."""
        path = Path(path)
        create_folder(path, _fill)
        return cls.open(path, map_size=map_size)

    @classmethod
    def open(
        cls, path: Path | str, *, read_only: bool = False, map_size: int | None = None
    ) -> Self:
        """Open what is there; reads the directory and the manifests, no field.

        `map_size` in bytes bounds the file; default STRATA_MAP_SIZE, else 1 TiB. Raises
        StoreMissing, StoreInUse, StoreCorrupt, StoreVersionUnsupported, StoreUnwritable,
        InputInvalid.
        """
        path = Path(path)
        check_folder(path)
        check_data_file(path)
        lock = FolderLock(path, exclusive=not read_only)
        anchor = check_page_trees(path, check_data_file(path))
        environment = Environment.open(path, lock, anchor, read_only=read_only, map_size=map_size)
        return cls(path, environment)

    def close(self) -> None:
        """Let go of the store; its map stays until the last snapshot of it has gone."""
        assert self._writer_thread != threading.get_ident(), "closed within a write"
        with self._writing:
            self._version = None
            self._environment = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def snapshot(self) -> Snapshot:
        """The newest committed state."""
        version = self._version
        assert version is not None, "the store is closed"
        return Snapshot(version)

    def write(self) -> Writer:
        """A writer to enter; see Writer."""
        return Writer(self)

    def verify(self) -> VerifyReport:
        """Read and check everything anew: LMDB's pages, every record, and what records mean.

        Reads the whole store; writers wait while it looks at LMDB's pages.
        """
        with self._writing:
            version = self.snapshot().version
            faults = tuple(verify_pages(version.view))
        if faults:  # LMDB must not follow such pages
            return VerifyReport(version.state.root.data_version, 0, 0, faults)
        return verify_records(version.view, version.state)

    @property
    def failure(self) -> str:
        """Why the store takes no more writes until it is opened again, or ''."""
        return self._failure

    # ------------------------------------------------------------ for the store's own rooms

    def acquire_writer(self) -> None:
        """Wait for the turn to write. Raises StoreUnwritable where there can be none."""
        assert self._writer_thread != threading.get_ident(), "a writer within a writer"
        if self.read_only:
            raise StoreUnwritable(
                f"The store at {self.path} is open for reading only. Open it for writing."
            )
        self._writing.acquire()
        if self._failure:
            self._writing.release()
            raise StoreUnwritable(self._failure)
        self._writer_thread = threading.get_ident()

    def release_writer(self) -> None:
        """End the turn."""
        self._writer_thread = 0
        self._writing.release()

    def apply(self, puts: dict[bytes, tuple[bytes, bytes]], deletes: set[bytes]) -> None:
        """Write and delete records in one transaction; empties `puts` as it goes.

        Raises StoreUnwritable, or StoreCorrupt where what is replaced is damaged; in both
        cases nothing has changed.
        """
        assert self._environment is not None, "the store is closed"
        self._check_replaced([*puts, *deletes])
        self._reserve([len(header) + len(payload) for header, payload in puts.values()])
        transaction = None
        try:
            transaction = self._environment.begin_write()
            for key in sorted(deletes):
                transaction.delete(key)
            # LMDB holds a copy of what it is given: let go of each, or the memory doubles.
            for key in sorted(puts):
                transaction.put(key, b"".join(puts.pop(key)))
            # Until `show`: what interrupts it from here on leaves memory behind the disk.
            self._failure = (
                f"The store at {self.path} takes no more writes, because one was interrupted "
                "at its end. Open the store again; it has that write, or the state before it."
            )
            transaction.commit()
        except lmdb.Error as error:
            raise self._unwritable(error) from error
        finally:
            if transaction is not None:
                transaction.abort()

    def _reserve(self, sizes: list[int]) -> None:
        assert self._environment is not None, "the store is closed"
        try:
            self._environment.reserve(sizes)
        except OSError as error:
            reason = "is full" if error.errno in _NO_ROOM else f"fails ({error.strerror})"
            raise StoreUnwritable(
                f"The disk under the store at {self.path} {reason}, and nothing of this write "
                f"was kept. It needs {(sum(sizes) >> 10) + 1:,} KiB. Make room, then try again."
            ) from error

    def _check_replaced(self, keys: list[bytes]) -> None:
        assert self._environment is not None and self._version is not None
        for key in keys:
            value = self._version.view.transaction.get(key)
            if value is not None and (fault := self._environment.fault_in_pages(value)):
                raise damaged(self.path, f"{name_of_key(key)} {fault}")

    def _unwritable(self, error: lmdb.Error) -> EngineError:
        self._failure = ""
        if isinstance(error, lmdb.MapFullError):
            return StoreUnwritable(
                f"The store at {self.path} has reached the size of its map, and nothing of "
                "this write was kept. Set STRATA_MAP_SIZE to more bytes and open it again."
            )
        if isinstance(error, _DAMAGE):
            return damaged(self.path, f"LMDB reports {error}")
        self._failure = (
            f"The store at {self.path} takes no more writes, because one could not be brought "
            f"to the disk: {error}. Check the disk, then open the store again."
        )
        return StoreUnwritable(self._failure)

    def show(self, state: State) -> None:
        """Let new snapshots see a state that `apply` has just committed."""
        assert self._environment is not None and self._version is not None
        view = View(self._environment, self._environment.begin_read(), self._verified)
        view.catalog = state.catalog
        self._version = Version(view, state, self._version.lineage, self._version)
        self._failure = ""


def _fill(folder: Path) -> None:
    """The records of an empty store."""
    sections = {
        Section.CATALOG: Catalog.new().pack(),
        Section.METAS: pack_metas({}),
        Section.DICTIONARIES: pack_dictionaries({}),
        Section.MODEL: pack_model({}),
    }
    lock = FolderLock(folder, exclusive=True)
    environment = lmdb.open(str(folder), map_size=1 << 26, lib_version=0, mode=0o644)
    try:
        with environment.begin(write=True) as transaction:
            listed = []
            for number, payload in sections.items():
                name = RecordName(RecordType.SECTION, number)
                expected = Expected(len(payload), crc32c(payload), 0)
                listed.append((int(number), expected))
                header = pack_header(name, PayloadKind.SECTION, 1, expected)
                transaction.put(key_of(name), header + payload)
            payload = Root(secrets.token_bytes(16), sections=tuple(listed)).pack()
            expected = Expected(len(payload), crc32c(payload), 0)
            header = pack_header(ROOT, PayloadKind.ROOT, 1, expected)
            transaction.put(key_of(ROOT), header + payload)
    except lmdb.Error as error:
        raise OSError(error.code, str(error)) from error
    finally:
        environment.close()
        lock.release()
