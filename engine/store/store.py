"""The store: one folder, opened by one writing process or several reading ones.

folder/data.mdb   the LMDB file; README.md beside this code has its layout
folder/lock.mdb   LMDB's table of readers, of this process alone
folder/LOCK       who has the store open (flock)
"""

from __future__ import annotations

import errno
import gc
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import lmdb

from engine.columns.zone import Encoded
from engine.errors import EngineError, StoreInUse, StoreUnwritable
from engine.store.catalog import Catalog
from engine.store.checksum import crc32c
from engine.store.commit import Committed
from engine.store.data_file import check_data_file
from engine.store.directory import Root, Section, pack_dictionaries, pack_metas, pack_model
from engine.store.environment import Environment, damaged
from engine.store.folder import check_folder, create_folder
from engine.store.journal import Journal
from engine.store.lock import FolderLock
from engine.store.opening import ROOT, load_state
from engine.store.overlay import HeapBlocks, on_heap
from engine.store.page_tree import check_page_trees
from engine.store.reading import Verified, View
from engine.store.records import (
    Expected,
    PayloadKind,
    RecordName,
    RecordType,
    key_of,
    name_of_key,
    pack_header,
)
from engine.store.snapshot import Snapshot
from engine.store.verify import VerifyReport, verify_pages, verify_records
from engine.store.version import Lineage, Version, and_changed
from engine.store.writer import Writer

__all__ = ["Candidate", "Snapshot", "Store", "VerifyReport", "Writer"]

# The disk, a quota or a limit on the size of files is used up.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# Commits whose writes are remembered, for a version that was begun before them and published
# after. The one thread that publishes begins one at a time, while a commit takes milliseconds.
COMMITS_KEPT = 1024

# What is saved stays on the heap until it has not changed for so many records of the log; it is
# looked for every so many commits.
HOT_RECORDS = 256
COMMITS_BETWEEN_SWEEPS = 64

# What LMDB finds in pages before it writes anything.
_DAMAGE = (lmdb.CorruptedError, lmdb.PageNotFoundError)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A state that is not seen yet, and how it differs from the one before."""

    snapshot: Snapshot
    changes: HeapBlocks


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
        # The failure that a commit under way becomes if it is interrupted at its end.
        self._interrupted = ""
        view = View(environment, environment.begin_read(), self._verified)
        state = load_state(view)
        # Each says which record of the log somebody still needs, None for none.
        self.log_holds: list[Callable[[], int | None]] = []
        self._publishing = threading.Lock()
        self._version: Version | None = Version.opened(view, state, Lineage())
        # How many records of the log were made visible since opening.
        self.published = 0
        # Gives what snapshots of the next version carry for a higher room of the engine.
        self.attach: Callable[[], object] = lambda: None
        # What the next write begins from; newer than what is seen after `show=False`.
        self._newest: Version | None = self._version
        # Of the last commits: their number, and field -> blocks that have moved by them.
        self._written: deque[tuple[int, dict[int, list[int]]]] = deque(maxlen=COMMITS_KEPT)

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
        try:
            return cls(path, _open_folder(path, read_only, map_size))
        except StoreInUse:
            # Perhaps this process had it open, and a cycle of garbage refers to it still.
            gc.collect()
            return cls(path, _open_folder(path, read_only, map_size))

    def close(self) -> None:
        """Let go of the store; its map stays until the last snapshot of it has gone."""
        assert self._writer_thread != threading.get_ident(), "closed within a write"
        with self._writing:
            self._version = self._newest = None
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

    def newest(self) -> Snapshot:
        """The newest committed state, also where it is not shown yet."""
        version = self._newest
        assert version is not None, "the store is closed"
        return Snapshot(version)

    def write(self, *, show: bool = True) -> Writer:
        """A writer to enter; see Writer. With `show` False, new snapshots see what it did only
        once a later write is shown."""
        return Writer(self, show=show)

    def write_group(self) -> Writer:
        """A writer to enter that adds records to the log and saves blocks; see Writer."""
        return Writer(self, is_group=True)

    def reveal(self) -> None:
        """Let new snapshots see what writes have done that were not shown."""
        self.attach_newest()
        with self._publishing:
            self._version = self._newest

    def attach_newest(self) -> None:
        """Let the newest state carry what `attach` gives now, also where it is not seen yet."""
        with self._publishing:
            if self._newest is not None:
                self._newest.attached = self.attach()

    def cool(self) -> None:
        """Let go of what is on the heap and saved; for when nothing is likely to change it."""
        with self._publishing:
            version = self._version
            if version is None or version is not self._newest:
                return
            overlay, cold = version.overlay.cooled(version.data_version + 1)
            if cold:
                after = version.after_commit(
                    version.view, version.state, overlay, version.data_version, cold
                )
                after.attached = version.attached
                # Candidates that were begun before take their tables from the version before.
                self._written.append((version.state.root.commit, cold))
                self._version = self._newest = after

    def candidate(
        self, sequence: int, changes: Mapping[int, Mapping[int, Encoded]], row_count: int
    ) -> Candidate:
        """The state after a record of the log that makes `changes` (field -> block -> bytes),
        for those who derive something from it before anybody else sees it."""
        heap = on_heap(changes, sequence)
        version = self.snapshot().version.after_record(sequence, heap, row_count)
        version.attached = self.attach()
        return Candidate(Snapshot(version), heap)

    def publish(
        self, candidate: Candidate, derived: Mapping[int, Mapping[int, Encoded]] | None = None
    ) -> None:
        """Let new snapshots see a candidate, and with it the fields that were derived from it
        (field -> block -> bytes). One thread makes candidates and publishes them in order."""
        made = candidate.snapshot.version
        more = on_heap(derived or {}, made.data_version)
        with self._publishing:
            current = self._version
            assert current is not None, "the store is closed"
            assert made.data_version == current.data_version + 1, "records are applied in order"
            # Commits may have come between: what they saved is in `current` alone, the tables
            # made meanwhile are in the candidate alone.
            written = self._written_since(made.state.root.commit)
            after = current.after_record(
                made.data_version,
                {**candidate.changes, **more},
                made.row_count,
                and_changed(and_changed(made.trails({}), more), written),
            )
            after.attached = self.attach()
            self._version = self._newest = after
            self.published += 1

    def _written_since(self, commit: int) -> dict[int, list[int]]:
        """Field -> blocks that the commits after one have moved."""
        fields: dict[int, list[int]] = {}
        for number, written in self._written:
            if number > commit:
                for field_id, blocks in written.items():
                    fields.setdefault(field_id, []).extend(blocks)
        return fields

    def log(self) -> Journal:
        """The log as of the newest commit: what somebody may still need of it."""
        return _log_of(self.snapshot().version)

    def feed(self) -> Journal:
        """The feed as of the newest commit."""
        return _feed_of(self.snapshot().version)

    @property
    def root(self) -> Root:
        """What the root record of the newest commit says."""
        return self.snapshot().version.state.root

    def verify(self) -> VerifyReport:
        """Read and check everything anew: LMDB's pages, every record, and what records mean.

        Reads the whole store; writers wait while it looks at LMDB's pages.
        """
        with self._writing:
            version = self.snapshot().version
            faults = tuple(verify_pages(version.view))
        if faults:  # LMDB must not follow such pages
            return VerifyReport(version.state.root.data_version, 0, 0, faults)
        return verify_records(version.view, version.state, _log_of(version), _feed_of(version))

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
        self._failure = self._failure or self._interrupted
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
            self._interrupted = (
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
        self._interrupted = ""
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

    def show(self, committed: Committed, *, seen: bool) -> None:
        """Let new snapshots see what `apply` has just committed, or only the next writer."""
        assert self._environment is not None
        view = View(self._environment, self._environment.begin_read(), self._verified)
        view.catalog = committed.state.catalog
        fields: dict[int, list[int]] = {}
        for number, block in committed.replaced:
            fields.setdefault(number, []).append(block)
        with self._publishing:
            version = self._newest
            assert version is not None, "the store is closed"
            overlay = version.overlay.saved(committed.replaced, committed.whole)
            for number in committed.dropped_fields:
                overlay = overlay.without_field(number)
            if committed.state.root.commit % COMMITS_BETWEEN_SWEEPS == 0:
                overlay, cold = overlay.cooled(version.data_version - HOT_RECORDS)
                for number, blocks in cold.items():
                    fields.setdefault(number, []).extend(blocks)
            visible = version.data_version if committed.is_group else committed.data_version
            after = version.after_commit(view, committed.state, overlay, visible, fields)
            after.attached = self.attach()
            self._written.append((committed.state.root.commit, fields))
            self._newest = after
            if seen:
                self._version = after
        self._interrupted = ""


def _open_folder(path: Path, read_only: bool, map_size: int | None) -> Environment:
    lock = FolderLock(path, exclusive=not read_only)
    anchor = check_page_trees(path, check_data_file(path))
    return Environment.open(path, lock, anchor, read_only=read_only, map_size=map_size)


def _log_of(version: Version) -> Journal:
    root = version.state.root
    kept = root.log_first <= root.data_version
    first, last = (root.log_first, root.data_version) if kept else (0, 0)
    return Journal(RecordType.LOG, version.view, first, last)


def _feed_of(version: Version) -> Journal:
    root = version.state.root
    return Journal(RecordType.FEED, version.view, root.feed_first, root.feed_last)


def _fill(folder: Path) -> None:
    """The records of an empty store."""
    sections = {
        Section.CATALOG: Catalog.new().pack(),
        Section.METAS: pack_metas({}),
        Section.DICTIONARIES: pack_dictionaries({}),
        Section.MODEL: pack_model({}),
    }
    lock = FolderLock(folder, exclusive=True)
    environment = None
    try:
        environment = lmdb.open(str(folder), map_size=1 << 26, lib_version=0, mode=0o644)
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
        if environment is not None:
            environment.close()
        lock.release()
