"""Commits: from what was staged to one LMDB transaction and the next state.

1. Settle what changes: fields block by block, named records, dictionary pages.
2. Make the listings above it: manifests, the sections of the directory, the root.
3. Write all of it in one transaction, sorted by key, and let LMDB sync it.
4. Only then let dictionaries grow and the new state be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.columns.same_bytes import same_bytes
from engine.store.catalog import LIVE
from engine.store.checksum import crc32c
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
from engine.store.drafts import left_behind
from engine.store.journal import keys_before, records_of
from engine.store.manifest import Manifest
from engine.store.named import NamedRecords
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
from engine.store.staging import StagedField, Staging

if TYPE_CHECKING:
    from engine.store.store import Store

__all__ = ["Committed", "commit"]

# The payload of a record of the log for a write that needs no replaying: everything that it
# changed stands in the commit that has the record.
BARRIER = b"B"


class _Changes:
    """The records to write and to delete, and the listings that change with them."""

    def __init__(self, staging: Staging) -> None:
        self.staging = staging
        self.puts: dict[bytes, tuple[bytes, bytes]] = {}
        self.deletes: set[bytes] = set()
        # Keys of the new records of the log -> their sequence.
        self.log_keys: dict[bytes, int] = {}
        # What the listings become; None where they stay.
        self.metas: NamedRecords | None = None
        self.next_meta = 0
        self.dictionaries: dict[int, DictionaryListing] | None = None
        self.manifests: tuple[Manifest, ...] = ()
        self.live_count = 0

    def put(self, name: RecordName, kind: int, parts: int, payload: bytes) -> Expected:
        """Write a record under the number of this commit."""
        expected = Expected(len(payload), crc32c(payload), self.staging.commit)
        self.put_known(name, kind, parts, payload, expected)
        return expected

    def put_known(
        self, name: RecordName, kind: int, parts: int, payload: bytes, expected: Expected
    ) -> None:
        """Write a record whose checksum is known already."""
        self.puts[key_of(name)] = (pack_header(name, kind, parts, expected), payload)

    def put_all(self, records: Iterable[tuple[bytes, bytes, bytes]]) -> None:
        """Write records that come as (key, header, payload)."""
        self.puts.update((key, (header, payload)) for key, header, payload in records)

    def delete(self, name: RecordName) -> None:
        """Delete a record that is stored."""
        self.deletes.add(key_of(name))


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did, for the visible state to follow.

    `replaced` are the (field, block) that were written in another form than they were seen in;
    `whole` maps the blocks that were saved with everything to the record of the log that they
    have absorbed.
    """

    state: State
    data_version: int
    is_group: bool
    replaced: frozenset[tuple[int, int]]
    whole: Mapping[int, int]
    dropped_fields: frozenset[int]


def commit(store: Store, staging: Staging) -> int:
    """Write what was staged; returns the sequence of the last record of the log, the old one
    where nothing changed.

    Raises StoreUnwritable, and then nothing has changed.
    """
    changes = _Changes(staging)
    sections = _changed_sections(changes)
    whole = dict.fromkeys(staging.whole, _absorbed(staging))
    old = staging.state.root
    is_nothing = not sections and _is_nothing(staging)
    if is_nothing and not staging.is_group:
        return old.data_version
    data_version = _settle_log(changes)
    log_first = _log_first(store, staging, whole, data_version)
    if is_nothing and log_first == old.log_first:
        return old.data_version
    state = _next_state(changes, sections, data_version, log_first)
    view = staging.snapshot.version.view
    if old.log_first <= old.data_version and log_first > old.log_first:
        changes.deletes.update(keys_before(RecordType.LOG, view, log_first))
    if old.feed_last and state.root.feed_first > old.feed_first:
        changes.deletes.update(keys_before(RecordType.FEED, view, state.root.feed_first))
    # A record that nothing needs any more is not written at all.
    for key, sequence in changes.log_keys.items():
        if sequence < log_first:
            del changes.puts[key]
    changes.deletes.update(_stale_drafts(store, changes, state))
    committed = Committed(
        state,
        data_version,
        staging.is_group,
        frozenset(staging.replaced),
        whole,
        frozenset(staging.dropped_fields),
    )
    staging.blocks.clear()
    staging.metas.clear()
    store.apply(changes.puts, changes.deletes)
    for growth in staging.growths.values():
        if growth.added_count:
            growth.settle()
    store.show(committed, seen=staging.is_shown)
    return data_version


def _stale_drafts(store: Store, changes: _Changes, after: State) -> set[bytes]:
    """Keys of drafts that somebody made for blocks and numbers which this commit makes without
    them."""
    before = changes.staging.state
    blocks, numbers = len(before.manifests), before.root.next_meta
    if (blocks, numbers) == (len(after.manifests), after.root.next_meta):
        return set()
    drafts = left_behind(before, store.view_of_now().transaction.key_from, after)
    return set(drafts) - changes.staging.adopted - changes.puts.keys()


def _is_nothing(staging: Staging) -> bool:
    """Whether a write has nothing beyond the sections of the directory."""
    root = staging.state.root
    return not (
        staging.log
        or staging.feed
        or (staging.is_group and staging.feed_through > root.feed_through)
        or staging.feed_first > root.feed_first
        or (not staging.is_group and staging.row_count > staging.snapshot.row_count)
    )


def _absorbed(staging: Staging) -> int:
    """The record of the log that the blocks saved whole have absorbed."""
    return staging.snapshot.data_version if staging.is_group else staging.next_sequence


def _settle_log(changes: _Changes) -> int:
    """Puts the new records of the log and the feed; the sequence of the last of the log."""
    staging = changes.staging
    root = staging.state.root
    sequence = root.data_version
    for payload in staging.log if staging.is_group else [BARRIER]:
        records = records_of(RecordType.LOG, sequence + 1, payload, sequence)
        sequence += 1
        changes.put_all(records)
        changes.log_keys.update((key, sequence) for key, _, _ in records)
    previous = root.feed_last
    for number, payload in staging.feed:
        assert previous < number <= sequence, "records of the feed are written in order"
        changes.put_all(records_of(RecordType.FEED, number, payload, previous))
        previous = number
    return sequence


def _log_first(store: Store, staging: Staging, whole: Mapping[int, int], data_version: int) -> int:
    """The oldest record of the log that somebody still needs once this is committed."""
    # Records that are not applied yet are needed, and so is what no block has absorbed.
    needed = [staging.snapshot.data_version + 1 if staging.is_group else data_version + 1]
    needed.extend(staging.snapshot.version.overlay.saved((), whole).dirty.values())
    needed.extend(held for hold in store.log_holds if (held := hold()) is not None)
    return max(min(needed), staging.state.root.log_first)


def _changed_sections(changes: _Changes) -> dict[int, bytes]:
    """The sections that change, less those that list manifests of unchanged blocks."""
    staging, old = changes.staging, changes.staging.state
    sections = _settle_metas(changes)
    changes.dictionaries = _settle_dictionaries(changes)
    if staging.catalog is not old.catalog:
        sections[Section.CATALOG] = staging.catalog.pack()
    if staging.model_version != old.root.model_version:
        sections[Section.MODEL] = pack_model(staging.model)
    if changes.dictionaries is not None:
        sections[Section.DICTIONARIES] = pack_dictionaries(changes.dictionaries)
    changes.manifests, changes.live_count = _settle_blocks(changes)
    sections.update(_list_manifests(old, changes.manifests))
    return sections


def _next_state(
    changes: _Changes, sections: dict[int, bytes], data_version: int, log_first: int
) -> State:
    """The state after the commit, its records put into `changes`."""
    staging, old = changes.staging, changes.staging.state
    expected = dict(old.root.sections)
    for number, payload in sections.items():
        name = RecordName(RecordType.SECTION, number)
        if payload:
            expected[number] = changes.put(name, PayloadKind.SECTION, 1, payload)
        elif expected.pop(number, None) is not None:
            changes.delete(name)
    feed_last = max((sequence for sequence, _ in staging.feed), default=old.root.feed_last)
    feed_first = max(staging.feed_first, old.root.feed_first)
    if not old.root.feed_last and staging.feed:
        feed_first = staging.feed[0][0]
    root = replace(
        old.root,
        commit=staging.commit,
        data_version=data_version,
        row_count=max(staging.row_count, old.root.row_count),
        live_count=changes.live_count,
        model_version=staging.model_version,
        next_meta=changes.next_meta,
        log_first=log_first,
        feed_first=feed_first,
        feed_last=feed_last,
        feed_through=staging.feed_through if staging.is_group else data_version,
        sections=tuple(sorted(expected.items())),
    )
    changes.put(RecordName(RecordType.ROOT), PayloadKind.ROOT, 1, root.pack())
    return State(
        root=root,
        catalog=staging.catalog,
        model=staging.model,
        metas=old.metas if changes.metas is None else changes.metas,
        dictionaries=old.dictionaries if changes.dictionaries is None else changes.dictionaries,
        manifests=changes.manifests,
    )


def _settle_blocks(changes: _Changes) -> tuple[tuple[Manifest, ...], int]:
    """Manifests of all blocks after the commit, and the number of live rows in them."""
    staging, old = changes.staging, changes.staging.state
    live_count = old.root.live_count
    manifests = list(old.manifests)
    block_count = block_count_of(staging.row_count)
    assert max(staging.blocks, default=-1) < block_count, "a block beyond the row count"
    manifests.extend(Manifest(block) for block in range(len(manifests), block_count))
    absorbed = _absorbed(staging)
    changed = {*staging.blocks, *staging.whole, *range(len(old.manifests), block_count)}
    for block in sorted(changed):
        fields = staging.blocks.get(block, {})
        before = manifests[block]
        entries = {n: staged and staged.entries for n, staged in fields.items()}
        after = before.replace(entries, absorbed if block in staging.whole else None)
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


def _settle_metas(changes: _Changes) -> dict[int, bytes]:
    """Puts the named records and notes what lists them; the sections that change, empty where
    they are no more."""
    staging, old = changes.staging, changes.staging.state
    numbers = [listing.id + 1 for listing in staging.adopted_metas.values()]
    changes.next_meta = max([old.root.next_meta, *numbers])
    changed: dict[str, MetaListing | None] = {}
    for name, adopted in staging.adopted_metas.items():
        changed[name] = adopted
        _delete_parts(changes, old.metas.get(name), 0)
    for name, value in sorted(staging.metas.items()):
        stored = old.metas.get(name)
        listing = None
        if value is not None:
            number = changes.next_meta if stored is None else stored.id
            changes.next_meta += stored is None
            listing = _settle_meta(changes, number, value, stored)
        _delete_parts(changes, stored, 0 if listing is None else len(listing.parts))
        if listing != stored:
            changed[name] = listing
    if not changed:
        return {}
    changes.metas, pages = old.metas.changed(changed)
    sections: dict[int, bytes] = {}
    if any(number == Section.METAS for number, _ in old.root.sections):
        # A store of layout 2: from now on in pages.
        sections[Section.METAS] = b""
        pages = set(changes.metas.pages)
    for page in pages:
        listings = changes.metas.pages[page]
        sections[Section.NAMED + page] = pack_metas(listings) if listings else b""
    return sections


def _delete_parts(changes: _Changes, stored: MetaListing | None, first: int) -> None:
    """Deletes the parts of a named record from one on."""
    if stored is not None:
        for part in range(first, len(stored.parts)):
            changes.delete(RecordName(RecordType.META, stored.id, 0, part))


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
            and same_bytes(view.read(name, PayloadKind.META, len(parts), was), payload)
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
