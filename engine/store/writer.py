"""Writers: what is to change, staged in memory until it is committed whole."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.same_bytes import same_bytes
from engine.columns.strings import Strings
from engine.columns.zone import Encoded
from engine.store.catalog import Catalog, Field, FieldKind
from engine.store.checksum import crc32c
from engine.store.commit import commit
from engine.store.dictionary import DictionaryGrowth
from engine.store.directory import MetaListing
from engine.store.manifest import entries_of
from engine.store.overlay import HeapPayload
from engine.store.records import PART_BYTES, PayloadKind, RecordName, RecordType, key_of
from engine.store.snapshot import Snapshot
from engine.store.staging import StagedField, Staging

if TYPE_CHECKING:
    from engine.store.store import Store

__all__ = ["Writer"]


class Writer:
    """One atomic change of the store: `with store.write() as writer: ...`.

    Nothing is changed unless the block is left without an exception; then everything is, in
    one commit. One thread, and one writer at a time; others wait in `store.write()`.

    As a rule a write is one record of the log, whose sequence is its `data_version`; its
    records need no replaying, and a write that changes no bytes makes none. It must begin when
    every record of the log has been applied. The writes of `store.write_group()` instead add
    records to the log that somebody else applies, and save blocks as they are.
    """

    def __init__(self, store: Store, *, is_group: bool = False, show: bool = True) -> None:
        self._store = store
        self._is_group = is_group
        self._is_shown = show
        self._thread = 0
        self._staging: Staging | None = None
        self.data_version = 0
        self.blocks_written = 0

    def __enter__(self) -> Self:
        self._store.acquire_writer()
        try:
            snapshot = self._store.newest()
            last = snapshot.version.state.root.data_version
            applied = snapshot.data_version == last
            assert applied or self._is_group, "a write began before the log was applied"
        except BaseException:
            self._store.release_writer()
            raise
        self._thread = threading.get_ident()
        self._staging = Staging(snapshot, self._is_group, self._is_shown)
        self.data_version = last
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        staging, self._staging = self._open(), None
        try:
            if kind is None:
                if not self._is_group:
                    self._complete_blocks(staging)
                self.blocks_written = len(staging.blocks)
                self.data_version = commit(self._store, staging)
        finally:
            staging.snapshot.close()
            self._store.release_writer()

    def _open(self) -> Staging:
        assert self._staging is not None, "a writer is used inside its `with` block"
        assert self._thread == threading.get_ident(), "a writer belongs to one thread"
        return self._staging

    @property
    def snapshot(self) -> Snapshot:
        """The state that this write began from."""
        return self._open().snapshot

    @property
    def fields(self) -> Catalog:
        """The catalog with the fields added and dropped so far."""
        return self._open().catalog

    @property
    def row_count(self) -> int:
        """Rows ever given out, with those of this write."""
        return self._open().row_count

    def set_row_count(self, row_count: int) -> None:
        """Give out rows up to a count; it never falls."""
        staging = self._open()
        assert staging.row_count <= row_count < 1 << 32
        staging.row_count = row_count

    def add_field(self, name: str, kind: FieldKind, type_: str = "", scale: int = 0) -> Field:
        """A new field; its name must be free."""
        staging = self._open()
        assert name not in staging.catalog, f"there is a field {name!r} already"
        staging.catalog = staging.catalog.with_field(name, kind, type_, scale)
        return staging.catalog[name]

    def retype_field(self, field_id: int, type_: str) -> None:
        """Give a field another type, where that does not change what its payloads mean."""
        staging = self._open()
        staging.catalog = staging.catalog.retyped(field_id, type_)

    def drop_field(self, field_id: int) -> None:
        """Remove a field, its records in every block and its dictionary."""
        staging = self._open()
        staging.catalog = staging.catalog.without(field_id)
        for manifest in staging.state.manifests:
            if len(manifest.field(field_id)):
                staging.blocks.setdefault(manifest.block, {})[field_id] = None
            elif manifest.block in staging.blocks:
                staging.forget(field_id, manifest.block)
        for block in [b for b in staging.blocks if b >= len(staging.state.manifests)]:
            staging.forget(field_id, block)
        staging.growths.pop(field_id, None)
        staging.dropped_fields.add(field_id)
        if field_id in staging.state.dictionaries:
            staging.dropped_dictionaries.add(field_id)

    def put_field(self, field_id: int, block: int, encoded: Encoded) -> None:
        """Replace a field of a block. Parts of the same bytes as stored are not written."""
        staging = self._open()
        field = staging.catalog.by_id(field_id)
        assert field is not None, f"there is no field {field_id}"
        assert encoded.parts and all(len(part) <= PART_BYTES for part in encoded.parts)
        kind = PayloadKind.FIELD_DATA + field.kind
        records = [(len(part), crc32c(part), staging.commit) for part in encoded.parts]
        entries = entries_of(field_id, kind, records, encoded.zone)
        stored = staging.stored_entries(field_id, block)
        unchanged = self._unchanged(block, encoded, entries, stored)
        if unchanged.any():
            at = np.flatnonzero(unchanged)
            entries["sequence"][at] = stored["sequence"][at]
        if bool(unchanged.all()) and _same_listing(entries, stored):
            staging.forget(field_id, block)
        else:
            parts = tuple(
                None if same else part
                for same, part in zip(unchanged.tolist(), encoded.parts, strict=True)
            )
            staging.blocks.setdefault(block, {})[field_id] = StagedField(parts, entries)
            staging.replaced.add((field_id, block))

    def empty_field(self, field_id: int, block: int) -> None:
        """Remove what a field has in a block; harmless where that is nothing."""
        staging = self._open()
        staging.forget(field_id, block)
        if len(staging.stored_entries(field_id, block)):
            staging.blocks.setdefault(block, {})[field_id] = None
            staging.replaced.add((field_id, block))

    def adopt_field(
        self, field_id: int, block: int, staged: StagedField, keys: Iterable[bytes]
    ) -> None:
        """Take a field of a block that is stored already as a draft, under these keys; see
        engine.store.drafts."""
        staging = self._open()
        staging.blocks.setdefault(block, {})[field_id] = staged
        staging.replaced.add((field_id, block))
        staging.adopted.update(keys)

    def adopt_meta(self, name: str, listing: MetaListing) -> None:
        """Take a named record that is stored already as a draft, in place of what it was."""
        staging = self._open()
        assert name not in staging.metas and listing.id >= staging.state.root.next_meta
        staging.adopted_metas[name] = listing
        staging.adopted.update(
            key_of(RecordName(RecordType.META, listing.id, 0, part))
            for part in range(len(listing.parts))
        )

    def _unchanged(
        self, block: int, encoded: Encoded, entries: NDArray[np.void], stored: NDArray[np.void]
    ) -> NDArray[np.bool_]:
        """Which parts are stored already, byte for byte, under the same header."""
        same = np.zeros(len(entries), np.bool_)
        if int(entries["field"][0]) in self._open().snapshot.version.unsaved(block):
            return same
        return self._same_parts(block, encoded.parts, entries, stored)

    def _same_parts(
        self,
        block: int,
        parts: Sequence[Buffer],
        entries: NDArray[np.void],
        stored: NDArray[np.void],
    ) -> NDArray[np.bool_]:
        """Which of the parts are stored at their place already, whatever else is."""
        same = np.zeros(len(entries), np.bool_)
        both = min(len(entries), len(stored))
        view = self._open().snapshot.version.view
        likely = np.logical_and.reduce(
            [
                entries[name][:both] == stored[name][:both]
                for name in ("length", "crc", "payload_kind", "parts")
            ]
        )
        for i in np.flatnonzero(likely).tolist():
            same[i] = same_bytes(view.read_entry(block, stored[i]), parts[i])
        return same

    # ----------------------------------------------------------------- groups of records

    def log(self, payload: bytes) -> int:
        """Add a record to the log; returns its sequence."""
        staging = self._open()
        assert self._is_group, "a record of the log is added by a group"
        staging.log.append(payload)
        return staging.next_sequence - 1

    @property
    def logged_records(self) -> int:
        """Records added to the log so far."""
        return len(self._open().log)

    @property
    def logged_bytes(self) -> int:
        """Bytes of them."""
        return sum(map(len, self._open().log))

    @property
    def next_sequence(self) -> int:
        """The sequence of the next record of the log."""
        return self._open().next_sequence

    def put_feed(self, sequence: int, payload: bytes) -> None:
        """Add a record to the feed: what the record `sequence` of the log did to the segments."""
        self._open().feed.append((sequence, payload))

    def set_feed_through(self, sequence: int) -> None:
        """The feed is complete for every record of the log up to this one."""
        self._open().feed_through = sequence

    def trim_feed(self, first: int) -> None:
        """Remove the records of the feed before one, which stays."""
        self._open().feed_first = first

    def unsaved_since(self) -> list[int]:
        """Since which records of the log the blocks are dirty that are not saved so far."""
        staging = self._open()
        dirty = staging.snapshot.version.overlay.dirty
        return [since for block, since in dirty.items() if block not in staging.whole]

    def catch_up(self) -> None:
        """For a group: go on from the newest state that is visible, as far as counts and names go
        (see Store.glance)."""
        self._open().move(Snapshot(self._store.glance().version))

    @contextlib.contextmanager
    def resting(self, *, wait: bool = True) -> Iterator[bool]:
        """For a group that saves blocks: inside, the visible state is the newest there is, and
        nothing of it changes. Without `wait` gives False where a record is being applied: then
        that is not so."""
        snapshot = self._store.snapshot() if wait else self._store.snapshot_now()
        if snapshot is None:
            yield False
            return
        with snapshot:
            self._open().move(Snapshot(snapshot.version))
            yield True

    def save_block(self, block: int) -> int:
        """Save all that the visible state has of a block and the disk has not; bytes of it.

        Within `resting`.
        """
        staging = self._open()
        staging.whole.add(block)
        unsaved = staging.snapshot.version.unsaved(block)
        return sum(self._put_heap(field_id, block, heap) for field_id, heap in unsaved.items())

    def _put_heap(self, field_id: int, block: int, heap: HeapPayload) -> int:
        """Stages what is on the heap of a field of a block; bytes of it."""
        staging = self._open()
        field = staging.catalog.by_id(field_id)
        if field is None:
            return 0
        kind = PayloadKind.FIELD_DATA + field.kind
        encoded = heap.encode()
        stored = staging.stored_entries(field_id, block)
        kept = [(int(e["length"]), int(e["crc"]), int(e["sequence"])) for e in stored[: heap.kept]]
        assert len(kept) == heap.kept, "what a block keeps is stored"
        records = [(len(part), crc32c(part), staging.commit) for part in encoded.parts]
        if not kept and not records:
            staging.blocks.setdefault(block, {})[field_id] = None
            return 0
        entries = entries_of(field_id, kind, [*kept, *records], encoded.zone)
        parts: list[bytes | None] = [*(None for _ in kept), *encoded.parts]
        if field.kind == FieldKind.EVENTS:
            self._leave_stored(block, parts, entries, stored)
        staging.blocks.setdefault(block, {})[field_id] = StagedField(tuple(parts), entries)
        return sum(len(part) for part in parts if part is not None)

    def _leave_stored(
        self,
        block: int,
        parts: list[bytes | None],
        entries: NDArray[np.void],
        stored: NDArray[np.void],
    ) -> None:
        """Chunks that have been saved before and are on the heap still are not written again."""
        same = self._same_parts(block, [part or b"" for part in parts], entries, stored)
        for i in np.flatnonzero(same).tolist():
            parts[i], entries["sequence"][i] = None, stored["sequence"][i]

    def _complete_blocks(self, staging: Staging) -> None:
        """A block of which the log's records would be wrong after this write is saved whole."""
        self._staging = staging
        for block, fields in list(staging.blocks.items()):
            put = (staging.catalog.by_id(field_id) for field_id in fields)
            if all(field is None or field.kind == FieldKind.MEMBERSHIP for field in put):
                continue
            staging.whole.add(block)
            for field_id, heap in staging.snapshot.version.unsaved(block).items():
                if field_id not in fields:
                    self._put_heap(field_id, block, heap)
        self._staging = None

    # --------------------------------------------------------- dictionaries, records, model

    def intern(self, field_id: int, strings: Strings) -> NDArray[np.uint32]:
        """Codes (uint32, 0 where missing) of strings in a field's dictionary.

        New strings get the next codes, for good once this write commits. GIVERS is the
        dictionary of givers. Raises InputInvalid beyond the limits of a dictionary.
        """
        return self._growth(field_id).intern(strings)

    def _growth(self, field_id: int) -> DictionaryGrowth:
        staging = self._open()
        growth = staging.growths.get(field_id)
        if growth is None:
            version = staging.snapshot.version
            table = version.lineage.dictionary(version.view, staging.state, field_id)
            growth = staging.growths[field_id] = DictionaryGrowth(table)
        return growth

    def put_meta(self, name: str, value: bytes) -> None:
        """Replace a named record; the same bytes as stored are not written."""
        self._open().metas[name] = bytes(value)

    def delete_meta(self, name: str) -> None:
        """Remove a named record; nothing happens where there is none."""
        self._open().metas[name] = None

    def meta(self, name: str) -> bytes | None:
        """A named record as this write has it."""
        staging = self._open()
        return staging.metas[name] if name in staging.metas else staging.snapshot.meta(name)

    def set_model(self, files: Mapping[str, str]) -> int:
        """Replace the model's files; returns the model version, one more if they differ."""
        staging = self._open()
        staging.model = dict(files)
        return staging.model_version


def _same_listing(entries: Any, stored: Any) -> bool:
    return len(entries) == len(stored) and entries.tobytes() == stored.tobytes()
