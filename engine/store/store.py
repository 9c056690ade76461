"""The store: one folder, opened by one writing process or several reading ones.

folder/data.mdb   the LMDB file; README.md beside this code has its layout
folder/lock.mdb   LMDB's table of readers, of this process alone
folder/LOCK       who has the store open (flock)
"""

from __future__ import annotations

import contextlib
import errno
import gc
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import lmdb

from engine.errors import EngineError, StoreInUse, StoreUnwritable
from engine.limits import HEAP_KEPT_BYTES
from engine.store.catalog import Catalog
from engine.store.checksum import crc32c
from engine.store.commit import Committed
from engine.store.data_file import check_data_file
from engine.store.directory import Root, Section, pack_dictionaries, pack_model
from engine.store.drafts import Drafts, left_behind
from engine.store.environment import Environment, damaged
from engine.store.folder import check_folder, create_folder
from engine.store.hot import HotFields
from engine.store.journal import Journal
from engine.store.lock import FolderLock
from engine.store.mutation import Mutation
from engine.store.opening import ROOT, load_state
from engine.store.page_tree import check_page_trees
from engine.store.pins import Pins
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
from engine.store.version import Lineage, Trail, Version, and_changed
from engine.store.writer import Writer

__all__ = ["Snapshot", "Store", "VerifyReport", "Writer"]

# The disk, a quota or a limit on the size of files is used up.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# Commits whose writes are remembered, for a version that was begun before them and published
# after. The one thread that publishes begins one at a time, while a commit takes milliseconds.
COMMITS_KEPT = 1024

# Records between two looks at what is on the heap and saved.
RECORDS_BETWEEN_SWEEPS = 64

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
        # Gives the drafts of the write that has some; set by whoever has the turn to write.
        self.drafting: Callable[[], Drafts | None] = lambda: None
        self._failure = ""
        # The failure that a commit under way becomes if it is interrupted at its end.
        self._interrupted = ""
        view = View(environment, environment.begin_read(), self._verified)
        state = load_state(view)
        # Each says which record of the log somebody still needs, None for none.
        self.log_holds: list[Callable[[], int | None]] = []
        self._publishing = threading.Lock()
        self._pins = Pins()
        self._hot = HotFields()
        # While memory may be changed: the newest data version that a snapshot sees.
        self._newest_open: int | None = None
        # Why nothing can be read: memory was left in the middle of a change.
        self._torn = ""
        self._version: Version | None = Version.opened(view, state, Lineage())
        # How many records of the log were made visible since opening, and of those that say
        # something of profiles; the others let time pass.
        self.published = self.published_updates = 0
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
            store = cls(path, _open_folder(path, read_only, map_size))
        except StoreInUse:
            # Perhaps this process had it open, and a cycle of garbage refers to it still.
            gc.collect()
            store = cls(path, _open_folder(path, read_only, map_size))
        if not read_only:
            store._drop_drafts()
        return store

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
        """The newest visible state, which stays as it is until the snapshot is closed.

        Waits while a record is applied. Raises StoreUnwritable where that was interrupted.
        """
        pin = self._pins.pin(self._visible)
        if self._torn:
            raise StoreUnwritable(self._torn)
        return Snapshot(pin.version, pin)

    def snapshot_now(self) -> Snapshot | None:
        """The same without waiting; None while a record is applied."""
        pin = self._pins.pin_now(self._visible)
        if self._torn:
            raise StoreUnwritable(self._torn)
        return None if pin is None else Snapshot(pin.version, pin)

    def glance(self) -> Snapshot:
        """The newest visible state for its counts, names and texts; takes no time. What blocks
        hold may change while it is read."""
        return Snapshot(self._visible())

    def _visible(self) -> Version:
        version = self._version
        assert version is not None, "the store is closed"
        return version

    def newest(self) -> Snapshot:
        """The newest committed state, also where it is not shown yet, for those who edit the
        store; it is not pinned."""
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

    def _cool(self) -> None:
        """Let go of what is saved and beyond the room that there is on the heap for it."""
        with self._publishing:
            version = self._version
            if version is None or version is not self._newest:
                return
            overlay, cold = version.overlay.cooled(HEAP_KEPT_BYTES)
            if cold:
                after = version.after_commit(
                    version.view, version.state, overlay, version.data_version, cold
                )
                after.attached = version.attached
                self._hot.forget(cold)
                self._version = self._newest = after

    @contextlib.contextmanager
    def turn(self) -> Iterator[Callable[[], bool]]:
        """The turn to carry out mutations, one after the other: new snapshots wait for its end.
        Gives a function that says whether it should end."""
        with self._pins.changing() as self._newest_open:
            try:
                yield self._pins.is_over
            finally:
                self._newest_open = None

    @contextlib.contextmanager
    def mutation(self, sequence: int, *, first: int | None = None) -> Iterator[Mutation]:
        """Carry a record of the log into the visible state, or all from the `first` on as one; see
        Mutation. One thread does so with each record in its order, and publishes it in the end; in
        a turn that it has, or in one of its own."""
        with contextlib.nullcontext() if self._newest_open is not None else self.turn():
            newest_open = self._newest_open
            assert newest_open is not None
            mutation = Mutation(
                self._visible(),
                self._hot,
                sequence,
                newest_open,
                self.attach,
                sequence if first is None else first,
            )
            try:
                yield mutation
                assert self._visible().data_version == sequence, "a record is published"
            except BaseException as error:
                self._hot.clear()
                if mutation.may_have_written and self._visible().data_version != sequence:
                    self._torn = (
                        f"The store at {self.path} cannot be read for the moment, because a "
                        f"change of it was interrupted: {error}. Open the store again; nothing "
                        "that was acknowledged is lost."
                    )
                raise

    @property
    def is_torn(self) -> bool:
        """Whether nothing can be read, because a mutation was interrupted."""
        return bool(self._torn)

    def mend(self) -> None:
        """Let snapshots be taken again: what `start_over` began is done."""
        self._torn = ""

    def start_over(self) -> None:
        """Go back to what the disk has, as after opening; nobody else writes."""
        with self._publishing:
            version = self._visible()
            self._hot.clear()
            self._version = Version.opened(version.view, version.state, version.lineage)
            self._version.attached = self.attach()
            self._newest = self._version

    def publish(self, mutation: Mutation, *, is_tick: bool = False) -> None:
        """Let new snapshots see what a mutation has done; `is_tick`: by the clock alone."""
        made = mutation.candidate_version
        assert made is not None, "a candidate is made first"
        with self._publishing:
            current = self._visible()
            assert mutation.first == current.data_version + 1, "records are applied in order"
            changes = {**mutation.changes, **mutation.derived}
            tables: Version | dict[int, Trail] = made
            if current is not mutation.base:
                # Commits came between: what they saved is in `current` alone, the tables made
                # meanwhile are in the candidate alone.
                moved = self._written_since(made.state.root.commit)
                tables = and_changed(made.trails(mutation.derived), moved, moved=True)
            after = current.after_record(
                made.data_version,
                changes,
                made.row_count,
                mutation.in_place,
                tables,
                first=mutation.first,
            )
            after.attached = self.attach()
            self._version = self._newest = after
            self.published += 1
            self.published_updates += not is_tick
        if self.published % RECORDS_BETWEEN_SWEEPS == 0:
            self._cool()

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
        return _log_of(self._visible())

    def feed(self) -> Journal:
        """The feed as of the newest commit."""
        return _feed_of(self._visible())

    @property
    def root(self) -> Root:
        """What the root record of the newest commit says."""
        return self._visible().state.root

    def verify(self) -> VerifyReport:
        """Read and check everything anew: LMDB's pages, every record, and what records mean.

        Reads the whole store; writers wait while it looks at LMDB's pages.
        """
        with self._writing:
            version = self._visible()
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

    def apply_ahead(self, puts: dict[bytes, tuple[bytes, bytes]], deletes: set[bytes]) -> None:
        """The same for records that no state lists: what can be seen stays as it is."""
        self.apply(puts, deletes)
        self._interrupted = ""

    def view_of_now(self) -> View:
        """A view of all that is stored at this moment, drafts too."""
        assert self._environment is not None, "the store is closed"
        return View(self._environment, self._environment.begin_read(), self._verified)

    def _drop_drafts(self) -> None:
        """Removes the drafts of a write that a crash has ended."""
        version = self._visible()
        keys = left_behind(version.state, version.view.transaction.key_from)
        if keys:
            with contextlib.suppress(StoreUnwritable):
                self.apply_ahead({}, set(keys))

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
            self._hot.forget(fields)
            for number in committed.dropped_fields:
                overlay = overlay.without_field(number)
                self._hot.drop(number)
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
