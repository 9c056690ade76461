"""Updates as the log carries them, laid over a state that is all in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns import check
from engine.columns.hashing import siphash128_many
from engine.columns.hot_block import HotField
from engine.columns.sets import decode_rows
from engine.columns.strings import Strings
from engine.columns.zone import Encoded, Zone
from engine.events.field import zone_of_heads
from engine.identity.digests import UNKNOWN
from engine.live.applying import Applied, apply_update
from engine.live.batch import ProfileBatch, SetColumn
from engine.live.log_record import pack_update, unpack_update
from engine.live.profiles import ProfileRecord, read_profiles
from engine.live.resolving import Resolved, Resolver
from engine.live.update import NO_TIME, ProfileUpdate
from engine.model.definitions import Model
from engine.store.addresses import PartTable
from engine.store.catalog import (
    LIVE,
    Catalog,
    Field,
    FieldKind,
    event_field,
    giver_field,
    identifier_field,
    property_field,
    time_field,
)
from engine.store.hot import HotFields
from engine.store.open_events import OpenEvents
from engine.store.overlay import HeapPayload
from tests.block_contents import decoded
from tests.loads import MODEL, batch_of

__all__ = ["HeapMutation", "HeapState", "Log", "catalog_of", "checked", "update_batch"]

_KINDS = {
    "category": FieldKind.CODES,
    "set": FieldKind.SET,
    "float": FieldKind.FLOATS,
    "bool": FieldKind.BOOL,
    "text": FieldKind.TEXTS,
}
_CHECKS = {
    FieldKind.LIVE: check.check_set,
    FieldKind.SET: check.check_set,
    FieldKind.BOOL: check.check_set,
    FieldKind.UIDS: check.check_column,
    FieldKind.CODES: check.check_column,
    FieldKind.INTS: check.check_column,
    FieldKind.FLOATS: check.check_column,
    FieldKind.TEXTS: check.check_texts,
    FieldKind.VALUES: check.check_values,
    FieldKind.GIVERS: check.check_givers,
}


def catalog_of(model: Model, *, times: bool = True) -> Catalog:
    """The fields of a model, with those of event times where asked."""
    catalog = Catalog.new()
    for kind in model.identifiers:
        catalog = catalog.with_field(identifier_field(kind), FieldKind.VALUES, "", 0)
    for attribute in model.attributes.values():
        kind = _KINDS.get(attribute.type, FieldKind.INTS)
        catalog = catalog.with_field(attribute.name, kind, attribute.type, attribute.scale)
        if attribute.type == "set":
            catalog = catalog.with_field(giver_field(attribute.name), FieldKind.GIVERS, "", 0)
        elif times:
            catalog = catalog.with_field(time_field(attribute.name), FieldKind.INTS, "", 0)
    for event in model.events.values():
        catalog = catalog.with_field(event_field(event.name), FieldKind.EVENTS, "", 0)
        for found in event.properties.values():
            name = property_field(found.name, found.type, found.scale)
            if name not in catalog:
                catalog = catalog.with_field(name, FieldKind.PROPERTY, found.type, found.scale)
    return catalog


def update_batch(updates: Sequence[Mapping[str, Any]], model: Model = MODEL) -> ProfileBatch:
    """`batch_of`, where `+likes` and `-likes` add and remove and `time` is the event time."""
    batch = batch_of(updates, model)
    added, removed = (_set_columns(updates, model, sign) for sign in "+-")
    times = None
    if any("time" in update for update in updates):
        brought = [update.get("time") for update in updates]
        times = np.array([NO_TIME if time is None else time for time in brought], np.int64)
    return replace(batch, added=added, removed=removed, times=times)


def _set_columns(
    updates: Sequence[Mapping[str, Any]], model: Model, sign: str
) -> dict[str, SetColumn]:
    columns = {}
    for name, attribute in model.attributes.items():
        cells = [update.get(sign + name) or [] for update in updates]
        if attribute.type == "set" and any(sign + name in update for update in updates):
            offsets = np.append(np.int64(0), np.cumsum([len(cell) for cell in cells]))
            values = Strings.from_list([value for cell in cells for value in cell])
            columns[name] = SetColumn(offsets.astype(np.int64), values)
    return columns


class _Dictionary:
    def __init__(self, values: Sequence[str]) -> None:
        self._values = values

    def value(self, code: int) -> str:
        """See Dictionary."""
        return self._values[code - 1]


class _Table:
    """The values of a dictionary, with those that come later."""

    def __init__(self, dictionaries: Mapping[int, Sequence[str]], field_id: int) -> None:
        self._dictionaries = dictionaries
        self._field_id = field_id

    def value(self, code: int) -> str:
        """See DictionaryTable."""
        return self._dictionaries[self._field_id][code - 1]


class HeapMutation:
    """What `apply_update` asks of a mutation of such a state.

    With `pinned`, everything that a record changes is copied first.
    """

    def __init__(self, state: HeapState, sequence: int, *, pinned: bool = False) -> None:
        self.snapshot = state
        self.sequence = sequence
        self.newest_open = sequence if pinned else 0
        self.changes: dict[int, dict[int, HeapPayload]] = {}
        self.blocks: set[int] = set()
        self.live_added = 0

    def _listed(self, field_id: int) -> Field:
        listed = self.snapshot.fields.by_id(field_id)
        assert listed is not None
        return listed

    def field(self, field_id: int) -> HotField | None:
        """See Mutation."""
        return self.snapshot.hot.of(self._listed(field_id))

    def changed(self, blocks: Iterable[int]) -> None:
        """See Mutation."""
        self.blocks.update(blocks)

    def grown(self, field_id: int, added: int) -> None:
        """See Mutation."""

    def events(self, field_id: int, block: int) -> OpenEvents:
        """See Mutation."""
        return self.snapshot.hot.events(self.snapshot, field_id, block)  # type: ignore[arg-type]

    def find_events(self, events: OpenEvents, rows: Any, ids: Any) -> NDArray[np.uint32]:
        """See Mutation."""
        found = events.find(self.snapshot, rows, ids)  # type: ignore[arg-type]
        self.snapshot.hot.asked(events)
        return found

    def leave_events(self, field_id: int, block: int) -> None:
        """See Mutation."""
        self.snapshot.hot.leave(field_id, block)

    def put_events(self, field_id: int, block: int, events: OpenEvents) -> None:
        """See Mutation."""
        self.changes.setdefault(field_id, {})[block] = events.close(self.sequence)
        self.blocks.add(block)

    def put(self, field_id: int, block: int, encoded: Encoded) -> None:
        """See Mutation."""
        listed = self._listed(field_id)
        made = self.snapshot.hot.place(listed, block, checked(listed.kind, encoded), self.sequence)
        self.changes.setdefault(field_id, {})[block] = made
        self.blocks.add(block)

    def renew(self, field_id: int, blocks: Iterable[int]) -> list[int]:
        """See Mutation."""
        hot = self.field(field_id)
        assert hot is not None
        renewed = []
        for block in blocks:
            seen = hot.get(block)
            if seen is not None and seen.born <= self.newest_open:
                made = hot.renew(block, self.sequence)
                self.changes.setdefault(field_id, {})[block] = made
                renewed.append(block)
        return renewed

    def apply(
        self, update: ProfileUpdate, absorbs: Callable[[int], bool] | None = None
    ) -> tuple[Applied, HeapState]:
        """Lays a record over the state; what it did, and the state after it."""
        before = self.snapshot.live_count()
        applied = apply_update(self, update, absorbs)  # type: ignore[arg-type]
        after = self.snapshot.after(self, applied.row_count)
        self.live_added = after.live_count() - before
        return applied, after


class HeapState:
    """What `apply_update` and `read_profiles` ask of a snapshot, over parts in memory."""

    def __init__(
        self,
        fields: Catalog,
        row_count: int = 0,
        parts: Mapping[tuple[int, int], Sequence[Buffer]] | None = None,
        dictionaries: Mapping[int, Sequence[str]] | None = None,
    ) -> None:
        self.fields = fields
        self.row_count = row_count
        self.parts = dict(parts or {})
        self.dictionaries = {} if dictionaries is None else dictionaries
        self.hot = HotFields()
        # Events that are open; `parts` has all of them, as they are stored.
        self.heap: dict[tuple[int, int], HeapPayload] = {}

    @property
    def block_count(self) -> int:
        """Blocks with a row."""
        return -(-self.row_count // 65_536)

    def payloads(self, field_id: int, block: int) -> Sequence[Buffer]:
        """See Snapshot."""
        assert 0 <= block < self.block_count
        return self.parts.get((field_id, block), ())

    def on_heap(self, field_id: int, block: int) -> HeapPayload | None:
        """See Snapshot."""
        return self.heap.get((field_id, block))

    def zone(self, field_id: int, block: int) -> Zone | None:
        """See Snapshot; of events alone."""
        heap = self.heap.get((field_id, block))
        return zone_of_heads(self.payloads(field_id, block)) if heap is None else heap.zone

    def addresses(self, field_id: int) -> PartTable:
        """See Snapshot."""
        parts = [self.parts.get((field_id, block), ()) for block in range(self.block_count)]
        first = np.cumsum([0, *map(len, parts)]).astype(np.uint32)
        views = [np.frombuffer(part, np.uint8) for of_block in parts for part in of_block]
        address = np.array([view.ctypes.data for view in views], np.uint64)
        length = np.array([len(view) for view in views], np.uint32)
        return PartTable(first, address, length, None, {}, {})

    def places(self, field_ids: tuple[int, ...], block: int) -> list[tuple[int, ...]]:
        """See Snapshot."""
        tables = [self.addresses(field_id) for field_id in field_ids]
        return [
            tuple(table.address[slice(*table.first_part[block : block + 2].tolist())].tolist())
            for table in tables
        ]

    def dictionary(self, field_id: int) -> _Dictionary:
        """See Snapshot."""
        return _Dictionary(self.dictionaries.get(field_id, ()))

    def dictionary_table(self, field_id: int) -> _Table:
        """See Snapshot."""
        return _Table(self.dictionaries, field_id)

    def after(self, mutation: HeapMutation, row_count: int) -> HeapState:
        """The state once a mutation is published."""
        parts = dict(self.parts)
        for field_id, blocks in mutation.changes.items():
            for block, payload in blocks.items():
                kept = parts.get((field_id, block), ())[: payload.kept]
                parts[field_id, block] = (*kept, *payload.parts)
        after = HeapState(self.fields, row_count, parts, self.dictionaries)
        after.heap = dict(self.heap)
        for field_id, blocks in mutation.changes.items():
            field = self.fields.by_id(field_id)
            if field is not None and field.kind == FieldKind.EVENTS:
                after.heap.update({(field_id, b): payload for b, payload in blocks.items()})
        after.hot = self.hot
        return after

    def saved(self) -> HeapState:
        """The same as after opening a store that was saved: no events are open."""
        after = HeapState(self.fields, self.row_count, self.parts, self.dictionaries)
        after.parts = {key: parts for key, parts in self.parts.items() if parts}
        return after

    def live_count(self) -> int:
        """Profiles alive."""
        parts = [self.parts.get((LIVE.id, block), ()) for block in range(self.block_count)]
        return sum(len(decode_rows(of_block)) for of_block in parts if of_block)

    def content(self) -> dict[str, Any]:
        """All that is stored, field by field, whatever its bytes."""
        found: dict[str, Any] = {}
        for (field_id, block), parts in sorted(self.parts.items()):
            field = self.fields.by_id(field_id)
            assert field is not None
            found[f"{field.name}/{block}"] = decoded(field.kind, parts)
        return {name: content for name, content in found.items() if content}

    def records(self, rows: Sequence[int], model: Model = MODEL) -> list[ProfileRecord | None]:
        """The profiles of rows."""
        return read_profiles(self, model, rows)  # type: ignore[arg-type]


def checked(kind: FieldKind, encoded: Encoded) -> Encoded:
    """The same, once every check of stored payloads has passed."""
    assert _CHECKS[kind](encoded.parts) == ""
    return encoded


class Log:
    """Resolves batches and lays their records, through bytes, over a state."""

    def __init__(
        self,
        model: Model = MODEL,
        first_row: int = 0,
        fields: Catalog | None = None,
        *,
        pinned: bool = False,
    ) -> None:
        self.model = model
        self.pinned = pinned
        self.fields = catalog_of(model) if fields is None else fields
        self.strings: dict[int, list[str]] = {}
        self.owners: dict[bytes, int] = {}
        self.state = HeapState(self.fields, first_row, dictionaries=self.strings)
        self.records: list[bytes] = []
        self.applied: list[Applied] = []
        self.mutations: list[HeapMutation] = []
        self.resolver = Resolver(model, self.fields, self, self.intern, self._owned, first_row)

    # What a resolver asks of identities.

    @property
    def key(self) -> bytes:
        """See ResolverIdentities."""
        return bytes(16)

    def digests(self, kind: str, values: Strings) -> NDArray[np.uint64]:
        """See ResolverIdentities."""
        number = self.fields[":uid" if kind == "uid" else identifier_field(kind)].id
        return siphash128_many(values, bytes(16), number)

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """See ResolverIdentities."""
        rows = [self.owners.get(digest.tobytes(), UNKNOWN) for digest in digests]
        return np.array(rows, np.uint32)

    def add(self, digests: NDArray[np.uint64], rows: NDArray[np.uint32], sequence: int) -> None:
        """See ResolverIdentities."""
        for digest, row in zip(digests, rows.tolist(), strict=True):
            assert digest.tobytes() not in self.owners and sequence == len(self.records) + 1
            self.owners[digest.tobytes()] = row

    def intern(self, number: int, values: Strings) -> NDArray[np.uint32]:
        """See Intern."""
        known = self.strings.setdefault(number, [])
        codes = []
        for value in values.to_list():
            if value is not None and value not in known:
                known.append(value)
            codes.append(0 if value is None else known.index(value) + 1)
        return np.array(codes, np.uint32)

    def _owned(self, kind: str, rows: NDArray[np.uint32]) -> tuple[NDArray[np.int64], int]:
        known = [row for row in rows.tolist() if row < self.state.row_count]
        records = dict(zip(known, self.state.records(known, self.model), strict=True))
        counts = [0] * len(rows)
        for at, row in enumerate(rows.tolist()):
            record = records.get(row)
            counts[at] = len(record.identifiers.get(kind, ())) if record else 0
        return np.array(counts, np.int64), len(self.applied)

    def submit(self, updates: Sequence[Mapping[str, Any]], giver: str = "crm") -> Resolved:
        """Resolves a batch and writes its record; nothing is applied."""
        resolved = self.resolver.resolve(
            update_batch(updates, self.model), giver, len(self.records) + 1
        )
        empty = ProfileUpdate(
            self.resolver.next_row, np.zeros((0, 16), np.uint8), np.zeros((0, 2), np.uint64)
        )
        self.records.append(pack_update(resolved.update or empty))
        return resolved

    def apply(self) -> Applied:
        """Applies the next record."""
        record = unpack_update(self.records[len(self.applied)])
        mutation = HeapMutation(self.state, len(self.applied) + 1, pinned=self.pinned)
        applied, self.state = mutation.apply(record)
        self.mutations.append(mutation)
        self.applied.append(applied)
        self.resolver.applied(len(self.applied))
        return applied
