"""Commits: from what was staged to one LMDB transaction and the next state.

1. Settle what changes: fields block by block, named records, dictionary pages.
2. Make the listings above it: manifests, the sections of the directory, the root.
3. Write all of it in one transaction, sorted by key, and let LMDB sync it.
4. Only then let dictionaries grow and the new state be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.store.catalog import LIVE
from engine.store.checksum import crc32c
from engine.store.dictionary import DictionaryGrowth
from engine.store.directory import (
    MANIFESTS_PER_SECTION,
    DictionaryListing,
    MetaListing,
    Section,
    pack_dictionaries,
    pack_expected,
    pack_metas,
    pack_model,
)
from engine.store.manifest import ENTRY, Manifest
from engine.store.opening import block_count_of
from engine.store.reading import State, name_of_entry
from engine.store.records import (
    PART_BYTES,
    Expected,
    PayloadKind,
    RecordName,
    RecordType,
    key_of,
    pack_header,
)
from engine.store.snapshot import Snapshot

if TYPE_CHECKING:
    from engine.store.store import Store

__all__ = ["StagedField", "Staging", "commit"]


@dataclass(frozen=True, slots=True)
class StagedField:
    """A field of a block to be: its parts (None where stored already) and manifest entries."""

    parts: tuple[bytes | None, ...]
    entries: NDArray[np.void]


@dataclass
class Staging:
    """Everything a writer has been told, on top of the state that it began from.

    `blocks` maps block -> field -> what it becomes, None for removed.
    """

    snapshot: Snapshot
    blocks: dict[int, dict[int, StagedField | None]] = field(default_factory=dict)
    metas: dict[str, bytes | None] = field(default_factory=dict)
    growths: dict[int, DictionaryGrowth] = field(default_factory=dict)
    dropped_dictionaries: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.state: State = self.snapshot.version.state
        self.catalog = self.state.catalog
        self.model: Mapping[str, str] = self.state.model
        self.row_count = self.state.root.row_count
        # What the records of this write carry. Once there is a log, its sequence.
        self.sequence = self.state.root.data_version + 1

    @property
    def model_version(self) -> int:
        """The version that the model will have."""
        same = list(self.model.items()) == list(self.state.model.items())
        return self.state.root.model_version + (not same)

    def stored_entries(self, field_id: int, block: int) -> NDArray[np.void]:
        """Manifest entries of a field in the state that the write began from."""
        if block >= len(self.state.manifests):
            return np.zeros(0, ENTRY)
        return self.state.manifests[block].field(field_id)

    def forget(self, field_id: int, block: int) -> None:
        """Leave a field of a block as it is stored."""
        staged = self.blocks.get(block)
        if staged is not None:
            staged.pop(field_id, None)
            if not staged:
                del self.blocks[block]


class _Changes:
    """The records to write and to delete, and the listings that change with them."""

    def __init__(self, staging: Staging) -> None:
        self.staging = staging
        self.puts: dict[bytes, tuple[bytes, bytes]] = {}
        self.deletes: set[bytes] = set()

    def put(self, name: RecordName, kind: int, parts: int, payload: bytes) -> Expected:
        """Write a record under the sequence of this commit."""
        expected = Expected(len(payload), crc32c(payload), self.staging.sequence)
        self.put_known(name, kind, parts, payload, expected)
        return expected

    def put_known(
        self, name: RecordName, kind: int, parts: int, payload: bytes, expected: Expected
    ) -> None:
        """Write a record whose checksum is known already."""
        self.puts[key_of(name)] = (pack_header(name, kind, parts, expected), payload)

    def delete(self, name: RecordName) -> None:
        """Delete a record that is stored."""
        self.deletes.add(key_of(name))


def commit(store: Store, staging: Staging) -> int:
    """Write what was staged; returns the data version, the old one where nothing changed.

    Raises StoreUnwritable, and then nothing has changed.
    """
    changes = _Changes(staging)
    state = _next_state(changes)
    if state is None:
        return staging.state.root.data_version
    staging.blocks.clear()
    staging.metas.clear()
    store.apply(changes.puts, changes.deletes)
    for growth in staging.growths.values():
        if growth.added_count:
            growth.settle()
    store.show(state)
    return state.root.data_version


def _next_state(changes: _Changes) -> State | None:
    """The state after the commit, its records put into `changes`; None where nothing changes."""
    staging, old = changes.staging, changes.staging.state
    metas, next_meta = _settle_metas(changes)
    dictionaries = _settle_dictionaries(changes)
    sections: dict[int, bytes] = {}
    if staging.catalog is not old.catalog:
        sections[Section.CATALOG] = staging.catalog.pack()
    if staging.model_version != old.root.model_version:
        sections[Section.MODEL] = pack_model(staging.model)
    if metas is not None:
        sections[Section.METAS] = pack_metas(metas)
    if dictionaries is not None:
        sections[Section.DICTIONARIES] = pack_dictionaries(dictionaries)
    manifests, live_count = _settle_blocks(changes)
    sections.update(_list_manifests(old, manifests))
    if not sections and staging.row_count == old.root.row_count:
        return None
    expected = dict(old.root.sections)
    for number, payload in sections.items():
        name = RecordName(RecordType.SECTION, number)
        expected[number] = changes.put(name, PayloadKind.SECTION, 1, payload)
    root = replace(
        old.root,
        data_version=staging.sequence,
        row_count=staging.row_count,
        live_count=live_count,
        model_version=staging.model_version,
        next_meta=next_meta,
        sections=tuple(sorted(expected.items())),
    )
    changes.put(RecordName(RecordType.ROOT), PayloadKind.ROOT, 1, root.pack())
    return State(
        root=root,
        catalog=staging.catalog,
        model=staging.model,
        metas=old.metas if metas is None else metas,
        dictionaries=old.dictionaries if dictionaries is None else dictionaries,
        manifests=manifests,
    )


def _settle_blocks(changes: _Changes) -> tuple[tuple[Manifest, ...], int]:
    """Manifests of all blocks after the commit, and the number of live rows."""
    staging, old = changes.staging, changes.staging.state
    live_count = old.root.live_count
    manifests = list(old.manifests)
    block_count = block_count_of(staging.row_count)
    assert max(staging.blocks, default=-1) < block_count, "a block beyond the row count"
    manifests.extend(Manifest(block) for block in range(len(manifests), block_count))
    for block in sorted({*staging.blocks, *range(len(old.manifests), block_count)}):
        fields = staging.blocks.get(block, {})
        before = manifests[block]
        after = before.replace({n: staged and staged.entries for n, staged in fields.items()})
        for field_id, staged in fields.items():
            _settle_field(changes, block, field_id, staged, len(before.field(field_id)))
        live_count += _live_in(after) - _live_in(before)
        name = RecordName(RecordType.MANIFEST, block=block)
        after.expected = changes.put(name, PayloadKind.MANIFEST, 1, after.pack())
        manifests[block] = after
    return tuple(manifests), live_count


def _settle_field(
    changes: _Changes, block: int, field_id: int, staged: StagedField | None, stored_parts: int
) -> None:
    """Put the parts of one field that are new, delete those that are no more."""
    part_count = 0
    if staged is not None:
        part_count = len(staged.parts)
        for payload, entry in zip(staged.parts, staged.entries, strict=True):
            if payload is not None:
                name, kind, parts, expected = name_of_entry(block, entry)
                changes.put_known(name, kind, parts, payload, expected)
    for part in range(part_count, stored_parts):
        changes.delete(RecordName(RecordType.DATA, field_id, block, part))


def _live_in(manifest: Manifest) -> int:
    entries = manifest.field(LIVE.id)
    return int(entries["present_count"][0]) if len(entries) else 0


def _list_manifests(old: State, manifests: tuple[Manifest, ...]) -> dict[int, bytes]:
    """The manifest sections that change."""
    sections: dict[int, bytes] = {}
    for first in range(0, len(manifests), MANIFESTS_PER_SECTION):
        chosen = manifests[first : first + MANIFESTS_PER_SECTION]
        if chosen != old.manifests[first : first + MANIFESTS_PER_SECTION]:
            number = Section.MANIFESTS + first // MANIFESTS_PER_SECTION
            sections[number] = pack_expected([manifest.expected for manifest in chosen])
    return sections


def _settle_metas(changes: _Changes) -> tuple[dict[str, MetaListing] | None, int]:
    """Named records after the commit, None where they stay, and the next number of one."""
    staging, old = changes.staging, changes.staging.state
    next_meta = old.root.next_meta
    metas = dict(old.metas)
    for name, value in sorted(staging.metas.items()):
        stored = metas.pop(name, None)
        if value is not None:
            number = next_meta if stored is None else stored.id
            next_meta += stored is None
            metas[name] = _settle_meta(changes, number, value, stored)
        kept = 0 if value is None else len(metas[name].parts)
        if stored is not None:
            for part in range(kept, len(stored.parts)):
                changes.delete(RecordName(RecordType.META, stored.id, 0, part))
    return (None if metas == old.metas else metas), next_meta


def _settle_meta(
    changes: _Changes, number: int, value: bytes, stored: MetaListing | None
) -> MetaListing:
    """Put the parts of a named record that differ from what is stored."""
    parts = [value[i : i + PART_BYTES] for i in range(0, len(value), PART_BYTES)] or [b""]
    view = changes.staging.snapshot.version.view
    comparable = stored is not None and len(stored.parts) == len(parts)
    listed: list[Expected] = []
    for part, payload in enumerate(parts):
        name = RecordName(RecordType.META, number, 0, part)
        was = stored.parts[part] if stored is not None and comparable else None
        if (
            was is not None
            and (was.length, was.crc) == (len(payload), crc32c(payload))
            and view.read(name, PayloadKind.META, len(parts), was) == payload
        ):
            listed.append(was)
        else:
            listed.append(changes.put(name, PayloadKind.META, len(parts), payload))
    return MetaListing(number, tuple(listed))


def _settle_dictionaries(changes: _Changes) -> dict[int, DictionaryListing] | None:
    """Dictionary listings after the commit; None where they stay."""
    staging, old = changes.staging, changes.staging.state
    dictionaries = dict(old.dictionaries)
    for number in staging.dropped_dictionaries:
        for page in range(len(dictionaries.pop(number).pages)):
            changes.delete(RecordName(RecordType.DICTIONARY, number, page))
    for number, growth in staging.growths.items():
        if growth.added_count:
            listing = dictionaries.get(number, DictionaryListing(0, ()))
            first_page, pages = growth.pages()
            listed = [
                changes.put(
                    RecordName(RecordType.DICTIONARY, number, first_page + i),
                    PayloadKind.DICTIONARY,
                    1,
                    payload,
                )
                for i, payload in enumerate(pages)
            ]
            dictionaries[number] = DictionaryListing(
                listing.value_count + growth.added_count, (*listing.pages[:first_page], *listed)
            )
    return None if dictionaries == old.dictionaries else dictionaries
