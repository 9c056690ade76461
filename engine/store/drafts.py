"""Drafts: fields of blocks that are yet to come, brought to the disk ahead of their commit.

A load of 100 million profiles makes ten gigabytes of blocks, which belong into one commit and not
into memory. So finished ones are written before it, in transactions of their own:
1. Only for blocks beyond those that the root counts. No listing names such a record, so nobody
   reads it, and a store with drafts is the store without them.
2. The commit that makes the blocks lists their drafts as it lists any record. Until then nothing
   of them counts: all or nothing is decided by the root, as ever.
3. Whoever gives up removes them. After a crash, opening does: they are told by their keys alone.
   A commit that makes blocks removes what drafts it does not list there.

Whoever makes drafts says before each transaction that the state they are made for still stands,
because another writer may take the same blocks meanwhile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.columns.zone import Encoded
from engine.errors import StoreUnwritable
from engine.store.catalog import Field
from engine.store.checksum import crc32c
from engine.store.manifest import entries_of
from engine.store.reading import State, block_count_of, name_of_entry
from engine.store.records import PayloadKind, RecordName, RecordType, key_of, pack_header
from engine.store.staging import StagedField

if TYPE_CHECKING:
    from engine.store.store import Store
    from engine.store.writer import Writer

__all__ = ["Drafts", "is_draft", "left_behind"]


@dataclass(frozen=True, slots=True)
class _Draft:
    entries: NDArray[np.void]
    keys: tuple[bytes, ...]


class Drafts:
    """The drafts of one write to come. Not for use by two threads at once.

    `require` raises where the state that the write began from no longer stands.
    """

    def __init__(self, store: Store, require: Callable[[], None]) -> None:
        self._store = store
        self._require = require
        self._made: dict[tuple[int, int], _Draft] = {}
        # Of all that were written, taken back ones too.
        self._keys: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._made)

    def __contains__(self, place: tuple[int, int]) -> bool:
        """Whether there is a draft for (number of a field, block)."""
        return place in self._made

    def put(self, fields: Mapping[tuple[Field, int], Encoded]) -> None:
        """Writes fields of blocks, in one transaction. Raises what `require` does, and
        StoreUnwritable; nothing is written then."""
        store = self._store
        store.acquire_writer()
        try:
            self._require()
            root = store.newest().version.state.root
            first = block_count_of(root.row_count)
            puts: dict[bytes, tuple[bytes, bytes]] = {}
            made: dict[tuple[int, int], _Draft] = {}
            for (field, block), encoded in fields.items():
                assert block >= first, "a block that is stored has no drafts"
                kind = PayloadKind.FIELD_DATA + field.kind
                records = [(len(part), crc32c(part), root.commit + 1) for part in encoded.parts]
                entries = entries_of(field.id, kind, records, encoded.zone)
                keys = []
                for part, entry in zip(encoded.parts, entries, strict=True):
                    name, kind, parts, expected = name_of_entry(block, entry)
                    keys.append(key_of(name))
                    puts[keys[-1]] = (pack_header(name, kind, parts, expected), part)
                made[field.id, block] = _Draft(entries, tuple(keys))
            self._keys.update(puts)
            store.apply_ahead(puts, set())
            self._made.update(made)
        finally:
            store.release_writer()

    def read(self, field_id: int, block: int) -> Sequence[memoryview]:
        """The parts of a draft, in place."""
        view = self._store.view_of_now()
        return [view.read_entry(block, entry) for entry in self._made[field_id, block].entries]

    def take_back(self, field_id: int, block: int) -> None:
        """The field of the block will be another; harmless where there is no draft of it."""
        self._made.pop((field_id, block), None)

    def hand_over(self, writer: Writer) -> None:
        """Makes them part of a write."""
        for (field_id, block), draft in self._made.items():
            staged = StagedField((None,) * len(draft.entries), draft.entries)
            writer.adopt_field(field_id, block, staged, draft.keys)

    def drop(self) -> None:
        """Removes what no commit has listed. Where the disk takes nothing they stay until the
        store is opened again."""
        keys, self._keys = self._keys, set()
        self._made.clear()
        if not keys:
            return
        with contextlib.suppress(StoreUnwritable):
            self._store.acquire_writer()
            try:
                # A write may have listed them, or others of the same name.
                state = self._store.newest().version.state
                unlisted = {key for key in keys if is_draft(key, state)}
                if unlisted:
                    self._store.apply_ahead({}, unlisted)
            finally:
                self._store.release_writer()


def is_draft(key: bytes, state: State) -> bool:
    """Whether a key that is stored names a draft: beyond the blocks of the state."""
    return key >= _first_key(state) and key[:1] == bytes([RecordType.DATA])


def left_behind(state: State, key_from: Callable[[bytes], bytes | None]) -> list[bytes]:
    """The keys of all drafts that are stored, by a function that gives the first key that is not
    before another."""
    found: list[bytes] = []
    key = key_from(_first_key(state))
    while key is not None and is_draft(key, state):
        found.append(key)
        key = key_from(key + b"\0")
    return found


def _first_key(state: State) -> bytes:
    return key_of(RecordName(RecordType.DATA, block=block_count_of(state.root.row_count)))
