"""Drafts: fields of blocks, and named records, brought to the disk ahead of their commit.

A load of 100 million profiles makes ten gigabytes of blocks and four of identifiers, which belong
into one commit and not into memory. So what is finished is written before it, in transactions of
their own:
1. Fields of blocks beyond those that the root counts, and named records under numbers that the
   root has not given out, also where the name has a record that stands until then. No listing
   names such a record, so nobody reads it, and a store with drafts is the store without them.
2. The commit that makes the blocks lists their drafts as it lists any record, and names those of
   named records. Until then nothing of them counts: all or nothing is decided by the root, as ever.
3. Whoever gives up removes them. After a crash, opening does: they are told by their keys alone.
   A commit that makes blocks or gives out numbers removes what drafts it does not list there.

Whoever makes drafts says before each transaction that the state they are made for still stands,
because another writer may take the same blocks meanwhile. Numbers are taken some way beyond those
that are given out, so that records named meanwhile leave them alone. One write at a time has
drafts: two would have the same keys.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.columns.zone import Encoded
from engine.errors import InputInvalid, StoreUnwritable
from engine.store.catalog import Field
from engine.store.checksum import crc32c
from engine.store.directory import MetaListing
from engine.store.manifest import entries_of
from engine.store.reading import State, block_count_of, name_of_entry
from engine.store.records import (
    PART_BYTES,
    Expected,
    PayloadKind,
    RecordName,
    RecordType,
    key_of,
    pack_header,
)
from engine.store.staging import StagedField

if TYPE_CHECKING:
    from engine.store.store import Store
    from engine.store.writer import Writer

__all__ = ["Drafts", "is_draft", "left_behind"]

# Numbers of named records left free below those of drafts: more than anybody names while they are
# written. Those are never used, 65,536 times at most.
NUMBERS_LEFT_FREE = 1 << 16

_Puts = dict[bytes, tuple[bytes, bytes]]


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
        self._named: dict[str, MetaListing] = {}
        self._first_number = self._next_number = 0
        # Of all that were written, taken back ones too.
        self._keys: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._made)

    def __contains__(self, place: tuple[int, int]) -> bool:
        """Whether there is a draft for (number of a field, block)."""
        return place in self._made

    @property
    def folder(self) -> Path:
        """The folder of the store that they are in."""
        return self._store.path

    def put(self, fields: Mapping[tuple[Field, int], Encoded]) -> None:
        """Writes fields of blocks, in one transaction. Raises what `require` does,
        InputInvalid where another write has drafts, and StoreUnwritable; nothing is written
        then."""
        with self._turn() as state:
            first = block_count_of(state.root.row_count)
            puts: _Puts = {}
            made: dict[tuple[int, int], _Draft] = {}
            for (field, block), encoded in fields.items():
                assert block >= first, "a block that is stored has no drafts"
                kind = PayloadKind.FIELD_DATA + field.kind
                records = [
                    (len(part), crc32c(part), state.root.commit + 1) for part in encoded.parts
                ]
                entries = entries_of(field.id, kind, records, encoded.zone)
                keys = []
                for part, entry in zip(encoded.parts, entries, strict=True):
                    name, kind, parts, expected = name_of_entry(block, entry)
                    keys.append(key_of(name))
                    puts[keys[-1]] = (pack_header(name, kind, parts, expected), part)
                made[field.id, block] = _Draft(entries, tuple(keys))
            self._write(puts)
            self._made.update(made)

    def put_named(self, records: dict[str, bytes]) -> None:
        """Writes named records, in one transaction, and empties `records` as it goes; each name
        comes once. Raises as `put` does."""
        with self._turn() as state:
            given_out = state.root.next_meta
            number = self._next_number or given_out + NUMBERS_LEFT_FREE
            if given_out > (self._first_number or number):
                raise InputInvalid(
                    "very many lists or audiences were named while the load was running; nothing "
                    "of the load was kept. Load again."
                )
            self._first_number = self._first_number or number
            puts: _Puts = {}
            named: dict[str, MetaListing] = {}
            for text in list(records):
                value = records.pop(text)
                parts = [value[i : i + PART_BYTES] for i in range(0, len(value), PART_BYTES)]
                listed = []
                for place, part in enumerate(parts or [b""]):
                    name = RecordName(RecordType.META, number, 0, place)
                    expected = Expected(len(part), crc32c(part), state.root.commit + 1)
                    header = pack_header(name, PayloadKind.META, max(len(parts), 1), expected)
                    puts[key_of(name)] = (header, part)
                    listed.append(expected)
                named[text] = MetaListing(number, tuple(listed))
                number += 1
            self._write(puts)
            self._next_number = number
            self._named.update(named)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[State]:
        """The turn to write, with the state to write for."""
        self._store.acquire_writer()
        try:
            self._require()
            other = self._store.drafting()
            if other is not None and other is not self:
                raise InputInvalid(
                    "another large load is under way in this store, and one at a time can bring "
                    "data to the disk; nothing of this one was kept. Load again once that is done."
                )
            self._store.drafting = weakref.ref(self)
            yield self._store.newest().version.state
        finally:
            self._store.release_writer()

    def _write(self, puts: _Puts) -> None:
        self._keys.update(puts)
        self._store.apply_ahead(puts, set())

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
        for name, listing in self._named.items():
            writer.adopt_meta(name, listing)

    def drop(self) -> None:
        """Removes what no commit has listed. Where the disk takes nothing they stay until the
        store is opened again."""
        keys, self._keys = self._keys, set()
        self._made.clear()
        self._named.clear()
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
                if self._store.drafting() is self:
                    self._store.drafting = lambda: None
                self._store.release_writer()


def is_draft(key: bytes, state: State) -> bool:
    """Whether a key that is stored names a draft: beyond the blocks and numbers of the state."""
    return any(first <= key < end for first, end in _stretches(state))


def left_behind(
    state: State, key_from: Callable[[bytes], bytes | None], after: State | None = None
) -> list[bytes]:
    """The keys of all drafts that are stored, by a function that gives the first key that is not
    before another; with `after`, those that are none to that later state."""
    found: list[bytes] = []
    ends = [end for _, end in _stretches(state)]
    if after is not None:
        ends = [first for first, _ in _stretches(after)]
    for (first, _), end in zip(_stretches(state), ends, strict=True):
        key = key_from(first) if first < end else None
        while key is not None and key < end:
            found.append(key)
            key = key_from(key + b"\0")
    return found


def _stretches(state: State) -> tuple[tuple[bytes, bytes], ...]:
    """The keys that drafts may have: from the first of each pair up to but not the second."""
    block = RecordName(RecordType.DATA, block=block_count_of(state.root.row_count))
    named = RecordName(RecordType.META, state.root.next_meta)
    return tuple((key_of(name), bytes([name.type + 1])) for name in (block, named))
