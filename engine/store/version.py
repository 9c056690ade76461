"""Versions: one state of the store as it is seen, and how one follows from another.

A version is a state of the disk, an overlay of what it has beyond that, and the tables of
addresses that were made of both so far. It never changes but for those tables, which are made
when first asked for.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.columns.zone import Zone
from engine.store.addresses import PartTable, Places, build_part_table
from engine.store.catalog import FieldKind
from engine.store.dictionary import DictionaryTable, unpack_page
from engine.store.environment import damaged
from engine.store.manifest import ENTRY, zone_of
from engine.store.overlay import HeapBlocks, HeapPayload, Overlay
from engine.store.reading import State, View, block_count_of
from engine.store.records import PayloadKind, RecordName, RecordType
from engine.store.row_chains import RowChains

__all__ = ["InPlace", "Lineage", "Trail", "Version", "and_changed"]


@dataclass(frozen=True, slots=True)
class Trail:
    """An earlier table of a field, the blocks that have changed since it was made, and those of
    them that the disk was given anew."""

    table: PartTable
    changed: frozenset[int]
    moved: frozenset[int] = frozenset()


def and_changed(
    trails: Mapping[int, Trail], changed: Mapping[int, Iterable[int]], *, moved: bool = False
) -> dict[int, Trail]:
    """The trails after a change of more blocks (field -> blocks); `moved`: which were saved."""
    after = dict(trails)
    for number, blocks in changed.items():
        if number in after:
            before, blocks = after[number], frozenset(blocks)
            after[number] = Trail(
                before.table,
                before.changed | blocks,
                before.moved | blocks if moved else before.moved,
            )
    return after


@dataclass(frozen=True, slots=True)
class InPlace:
    """What a record of the log changed in place: the blocks, and by how many rows the live rows
    and memberships grew (by field)."""

    blocks: Collection[int] = ()
    added: Mapping[int, int] = field(default_factory=dict)


class Lineage:
    """What all states of one open store share: the dictionaries, loaded at first use, and chains of
    events for who reads one profile."""

    def __init__(self) -> None:
        self.row_chains = RowChains()
        self._guard = threading.Lock()
        self._tables: dict[int, DictionaryTable] = {}

    def dictionary(self, view: View, state: State, number: int) -> DictionaryTable:
        """The table of a dictionary; it has at least the values of `state`."""
        table = self._tables.get(number)
        if table is not None:
            return table
        with self._guard:
            table = self._tables.get(number)
            if table is None:
                table = self._tables[number] = _load_dictionary(view, state, number)
            return table


def _load_dictionary(view: View, state: State, number: int) -> DictionaryTable:
    listing = state.dictionaries.get(number)
    table = DictionaryTable()
    if listing is None:
        return table
    for page, expected in enumerate(listing.pages):
        name = RecordName(RecordType.DICTIONARY, number, page)
        payload = view.read(name, PayloadKind.DICTIONARY, 1, expected)
        try:
            values = unpack_page(payload, len(table) + 1)
            table.add(values)
            table.page_counts.append(len(values))
        except (ValueError, struct.error) as error:
            raise damaged(view.path, f"{name} cannot be read ({error})") from error
    if len(table) != listing.value_count:
        raise damaged(
            view.path, f"dictionary {number} has {len(table)} values of {listing.value_count}"
        )
    return table


class Version:
    """One data version in use: its state, its transaction, and what was made of them so far.

    What it has on the heap stays as it is for as long as a snapshot pins it (engine.store.pins);
    after that the next version may take it over, changed.

    `state` is the newest state of the disk when the version was made; `overlay` is what the
    version has beyond it. It goes when the last snapshot, view of bytes and part table of it
    has gone, and its transaction with it.
    """

    def __init__(
        self,
        view: View,
        state: State,
        lineage: Lineage,
        *,
        data_version: int,
        row_count: int,
        member_counts: Mapping[int, int],
        overlay: Overlay,
        trails: Mapping[int, Trail] | None = None,
    ) -> None:
        self.view = view
        self.state = state
        self.lineage = lineage
        self.data_version = data_version
        self.row_count = row_count
        self.member_counts = member_counts
        self.overlay = overlay
        # What a higher room of the engine wants to find again in snapshots of this version.
        self.attached: object = None
        # Where some fields of a block are, by what was asked (engine.store.places).
        self.places: dict[tuple[tuple[int, ...], int], list[tuple[int, ...]]] = {}
        self.event_places: dict[tuple[tuple[int, ...], int], Any] = {}
        self._guard = threading.Lock()
        self._tables: dict[int, PartTable] = {}
        self._trails = dict(trails or {})

    @classmethod
    def opened(cls, view: View, state: State, lineage: Lineage) -> Version:
        """The state of the disk as it is."""
        return cls(
            view,
            state,
            lineage,
            data_version=state.root.log_first - 1,
            row_count=state.root.row_count,
            member_counts=_member_counts(state),
            overlay=Overlay(),
        )

    @property
    def block_count(self) -> int:
        """Blocks of 65,536 rows."""
        return block_count_of(self.row_count)

    def table(self, field_id: int) -> PartTable:
        """The part table of a field, built once."""
        with self._guard:
            found = self._tables.get(field_id)
            if found is None:
                heap = self.overlay.fields.get(field_id, {})
                places = Places(self.view, self.state, field_id, heap, self.block_count)
                trail = self._trails.pop(field_id, None)
                if trail is None:
                    found = build_part_table(places)
                else:
                    changed = sorted(trail.changed)
                    found = build_part_table(places, trail.table, changed, trail.moved)
                self._tables[field_id] = found
            return found

    def unsaved(self, block: int) -> dict[int, HeapPayload]:
        """Field -> what the disk does not have of a block."""
        manifests = self.state.manifests
        absorbed = manifests[block].sequence if block < len(manifests) else 0
        return self.overlay.unsaved(block, absorbed)

    def stored(self, field_id: int, block: int) -> NDArray[np.void]:
        """The manifest's entries of a field of a block, as the disk has it."""
        if block >= len(self.state.manifests):
            return np.zeros(0, ENTRY)
        return self.state.manifests[block].field(field_id)

    def payloads(self, field_id: int, block: int) -> list[memoryview]:
        """See Snapshot."""
        heap = self.overlay.get(field_id, block)
        if heap is not None and not heap.kept:
            return list(heap.parts)
        entries = self.stored(field_id, block)
        if heap is None:
            return [self.view.read_entry(block, entry) for entry in entries]
        kept = [self.view.read_entry(block, entry) for entry in entries[: heap.kept]]
        return [*kept, *heap.parts]

    def zone(self, field_id: int, block: int) -> Zone | None:
        """See Snapshot."""
        heap = self.overlay.get(field_id, block)
        if heap is not None:
            return heap.zone if heap.kept or heap.addresses else None
        if block >= len(self.state.manifests):
            return None
        entries = self.state.manifests[block].field(field_id)
        return zone_of(entries[0]) if len(entries) else None

    def after_record(
        self,
        sequence: int,
        changes: HeapBlocks,
        row_count: int,
        in_place: InPlace,
        tables: Version | Mapping[int, Trail] | None = None,
        *,
        first: int | None = None,
    ) -> Version:
        """The version after a record of the log has changed some fields of some blocks; or several
        records as one, from the `first` of them on.

        `in_place` is what it changed beside `changes`. Its tables are taken over from this
        version, or from another of the same state of the disk; where there is none, they are
        made from trails.
        """
        counts = dict(self.member_counts)
        for number, blocks in changes.items():
            if number in counts:
                for block, heap in blocks.items():
                    before = self.zone(number, block)
                    counts[number] -= 0 if before is None else before.present_count
                    counts[number] += heap.zone.present_count
        for number, added in in_place.added.items():
            counts[number] += added
        after = Version(
            self.view,
            self.state,
            self.lineage,
            data_version=sequence,
            row_count=row_count,
            member_counts=counts,
            overlay=self.overlay.changed(changes, first or sequence, in_place.blocks),
        )
        if tables is None or isinstance(tables, Version):
            after._take_tables(tables or self, changes)
        else:
            after._trails = dict(tables)
        return after

    def _take_tables(self, earlier: Version, changed: Mapping[int, Iterable[int]]) -> None:
        """Takes over the tables of an earlier version of the same state of the disk; those that
        differ in `changed` are made from its when they are asked for."""
        if self.block_count != earlier.block_count:
            self._trails = earlier.trails(changed)
            return
        with earlier._guard:
            same = {n: t for n, t in earlier._tables.items() if n not in changed}
            differing = {n: t for n, t in earlier._tables.items() if n in changed}
            trails = {**earlier._trails}
        trails.update((n, Trail(t.without_view(), frozenset())) for n, t in differing.items())
        self._tables = same
        self._trails = and_changed(trails, changed)

    def after_commit(
        self,
        view: View,
        state: State,
        overlay: Overlay,
        data_version: int,
        written: Mapping[int, Iterable[int]],
    ) -> Version:
        """The version once `written` (field -> blocks) stands in a newer state of the disk."""
        is_logical = data_version != self.data_version
        after = Version(
            view,
            state,
            self.lineage,
            data_version=data_version,
            row_count=max(self.row_count, state.root.row_count),
            member_counts=self.member_counts,
            overlay=overlay,
            trails=self.trails(written, moved=True),
        )
        if is_logical:
            after.member_counts = _member_counts(state, overlay)
        return after

    def trails(
        self, changed: Mapping[int, Iterable[int]], *, moved: bool = False
    ) -> dict[int, Trail]:
        """What the next version's tables are made from, where it differs in `changed`; `moved`:
        which were saved."""
        with self._guard:
            built = {n: Trail(t.without_view(), frozenset()) for n, t in self._tables.items()}
            trails = {**self._trails, **built}
        return and_changed(trails, changed, moved=moved)


def _member_counts(state: State, overlay: Overlay | None = None) -> dict[int, int]:
    """Rows in the live field and in each membership, by field."""
    counts: dict[int, int] = {}
    for listed in state.catalog.values():
        if listed.kind in (FieldKind.LIVE, FieldKind.MEMBERSHIP):
            chosen = state.entries["field"] == listed.id
            heap = {} if overlay is None else overlay.fields.get(listed.id, {})
            if heap:
                chosen &= ~np.isin(state.entry_blocks, list(heap))
            stored = int(state.entries["present_count"][chosen].sum(dtype=np.int64))
            counts[listed.id] = stored + sum(h.zone.present_count for h in heap.values())
    return counts
