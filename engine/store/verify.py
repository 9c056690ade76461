"""Verification: everything that is stored is read again, and every fault is reported.

1. LMDB's own pages: the meta pages, both trees, the list of free pages.
2. Every record that the directory and the manifests list, with its pages' head.
3. That nothing is stored which no listing has, but for the drafts of a write to come.
4. That payloads mean something: the codecs' own checks, codes within their dictionary.
5. That the counts of the root are those of the manifests.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.columns.check import (
    check_column,
    check_givers,
    check_set,
    check_texts,
    check_values,
)
from engine.errors import EngineError
from engine.events import head
from engine.events.check import check_events
from engine.store.catalog import GIVERS, LIVE, Field, FieldKind
from engine.store.data_file import check_data_file
from engine.store.dictionary import unpack_page
from engine.store.directory import DictionaryListing
from engine.store.drafts import is_draft
from engine.store.journal import Journal
from engine.store.manifest import Manifest, zone_of
from engine.store.opening import ROOT
from engine.store.page_tree import check_page_trees
from engine.store.reading import BLOCK_ROWS, State, View, name_of_entry
from engine.store.records import (
    HEADER_BYTES,
    Expected,
    PayloadKind,
    RecordName,
    RecordType,
    fault_in_header,
    key_of,
    name_of_key,
    payload_fault,
)

__all__ = ["VerifyReport", "verify_pages", "verify_records"]

_CHECKS: dict[FieldKind, Callable[[Sequence[memoryview]], str]] = {
    FieldKind.LIVE: check_set,
    FieldKind.UIDS: check_column,
    FieldKind.CODES: check_column,
    FieldKind.SET: check_set,
    FieldKind.INTS: check_column,
    FieldKind.FLOATS: check_column,
    FieldKind.BOOL: check_set,
    FieldKind.TEXTS: check_texts,
    FieldKind.VALUES: check_values,
    FieldKind.GIVERS: check_givers,
    FieldKind.MEMBERSHIP: check_set,
    FieldKind.EVENTS: check_events,
    FieldKind.PROPERTY: lambda parts: "is of a field that has nothing in blocks",
}

# The kind of column in a chunk of events for each type of property.
_COLUMN_KINDS = {
    "category": head.CODES,
    "bool": head.CODES,
    "int": head.INTS,
    "decimal": head.INTS,
    "date": head.INTS,
    "time": head.INTS,
    "float": head.FLOATS,
    "text": head.TEXTS,
}


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification read, and every fault that it found, each one sentence's worth."""

    data_version: int
    record_count: int
    payload_bytes: int
    faults: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether there was no fault."""
        return not self.faults


def verify_pages(view: View) -> Iterator[str]:
    """Faults of LMDB's own pages; nobody may write meanwhile."""
    try:
        check_page_trees(view.path, check_data_file(view.path))
    except EngineError as error:
        yield error.message


def verify_records(view: View, state: State, *journals: Journal) -> VerifyReport:
    """Read every record of a state again."""
    reading = _Reading(view, state)
    reading.run(journals)
    return VerifyReport(
        state.root.data_version, len(reading.keys), reading.payload_bytes, tuple(reading.faults)
    )


class _Reading:
    """One pass over all records; `keys` are those that are listed."""

    def __init__(self, view: View, state: State) -> None:
        self._view = view
        self._state = state
        self.faults: list[str] = []
        self.keys: set[bytes] = set()
        self.payload_bytes = 0

    def run(self, journals: Iterable[Journal]) -> None:
        """Read and check everything."""
        state = self._state
        self._record(ROOT, PayloadKind.ROOT, 1, None)
        for number, expected in state.root.sections:
            name = RecordName(RecordType.SECTION, number)
            self._record(name, PayloadKind.SECTION, 1, expected)
        for number, listing in state.dictionaries.items():
            self._dictionary(number, listing)
        for meta in state.metas.values():
            for part, expected in enumerate(meta.parts):
                name = RecordName(RecordType.META, meta.id, 0, part)
                self._record(name, PayloadKind.META, len(meta.parts), expected)
        for manifest in state.manifests:
            self._block(manifest)
        for journal in journals:
            self._journal(journal)
        self._counts()
        for key in self._view.transaction.all_keys():
            if key not in self.keys and not is_draft(key, state):
                stray = name_of_key(key)
                what = f"the key {key.hex()}" if stray is None else self._view.describe(stray)
                self.faults.append(f"{what} is stored, and nothing lists it")

    def _record(
        self, name: RecordName, kind: int, parts: int, expected: Expected | None
    ) -> memoryview | None:
        """The payload of a record; None where it is damaged, which is then noted."""
        key = key_of(name)
        self.keys.add(key)
        value = self._view.transaction.get(key)
        if value is None:
            fault = "is missing"
        else:
            fault = fault_in_header(value, name, kind, parts, expected)
            fault = fault or self._view.environment.fault_in_pages(value)
        if value is None or fault:
            self.faults.append(f"{self._view.describe(name)} {fault}")
            return None
        payload = value[HEADER_BYTES:]
        if expected is None:
            expected = Expected(len(payload), int.from_bytes(value[36:40], "little"), 0)
        if fault := payload_fault(payload, expected):
            self.faults.append(f"{self._view.describe(name)} {fault}")
            return None
        self.payload_bytes += len(payload)
        return payload

    def _journal(self, journal: Journal) -> None:
        sound = True
        for name, fault in journal.parts():
            key = key_of(name)
            self.keys.add(key)
            if fault:
                sound = False
                self.faults.append(f"{name} {fault}")
        try:
            for record in journal.read() if sound else ():
                self.payload_bytes += len(record.payload)
        except EngineError as error:
            self.faults.append(error.message)

    def _dictionary(self, number: int, listing: DictionaryListing) -> None:
        count = 0
        for page, expected in enumerate(listing.pages):
            name = RecordName(RecordType.DICTIONARY, number, page)
            payload = self._record(name, PayloadKind.DICTIONARY, 1, expected)
            if payload is None:
                return
            try:
                values = unpack_page(payload, count + 1)
                values.to_list()
            except (ValueError, struct.error) as error:
                self.faults.append(f"{name} cannot be read ({error})")
                return
            count += len(values)
        if count != listing.value_count:
            self.faults.append(f"dictionary {number} has {count} values of {listing.value_count}")

    def _block(self, manifest: Manifest) -> None:
        block = manifest.block
        name = RecordName(RecordType.MANIFEST, block=block)
        self._record(name, PayloadKind.MANIFEST, 1, manifest.expected)
        for number in sorted(set(manifest.entries["field"].tolist())):
            entries = manifest.field(number)
            parts = [self._record(*name_of_entry(block, entry)) for entry in entries]
            field = self._state.catalog.by_id(number)
            if field is None:
                self.faults.append(f"block {block} has a field {number} that does not exist")
                continue
            sound = [part for part in parts if part is not None]
            if len(sound) == len(parts):
                self._payload(field, block, sound, zone_of(entries[0]).maximum)

    def _payload(
        self, field: Field, block: int, parts: list[memoryview], maximum: float | None
    ) -> None:
        place = f"{field.name!r} in block {block}"
        if fault := _CHECKS[field.kind](parts):
            self.faults.append(f"{place} {fault}")
        elif field.kind == FieldKind.EVENTS:
            self.faults += dict.fromkeys(f"{place} {found}" for found in self._properties(parts))
        if field.kind in (FieldKind.CODES, FieldKind.SET) and maximum is not None:
            count = self._dictionary_size(field.id)
            if maximum > count:
                self.faults.append(f"{place} has the code {maximum} of a dictionary of {count}")

    def _dictionary_size(self, number: int) -> int:
        listing = self._state.dictionaries.get(number)
        return 0 if listing is None else listing.value_count

    def _properties(self, parts: list[memoryview]) -> Iterator[str]:
        """Faults of the properties of events, in chunks that are sound by themselves. Columns of
        properties that are gone mean nothing any more."""
        for part in parts:
            for column in head.read_columns(part, head.read_head(part)):
                declared = self._state.catalog.by_id(column.property)
                if column.role != head.PROPERTY or declared is None:
                    continue
                if declared.kind != FieldKind.PROPERTY:
                    yield f"has a property of the number of {declared.name!r}, which is none"
                    continue
                if column.kind != _COLUMN_KINDS[declared.type]:
                    yield f"has values of {declared.name!r} that are not of its type"
                elif column.kind == head.CODES:
                    is_bool = declared.type == "bool"
                    count = (
                        2
                        if is_bool
                        else self._dictionary_size(self._state.catalog.dictionary_of(declared))
                    )
                    if column.high > count:
                        told = f"the code {column.high} of a dictionary of {count}"
                        yield f"has, as {declared.name!r}, {told}"

    def _counts(self) -> None:
        root = self._state.root
        live_count = 0
        for manifest in self._state.manifests:
            live = manifest.field(LIVE.id)
            count = zone_of(live[0]).present_count if len(live) else 0
            live_count += count
            if count > min(BLOCK_ROWS, root.row_count - manifest.block * BLOCK_ROWS):
                self.faults.append(f"block {manifest.block} has more live rows than rows")
        if live_count != root.live_count:
            self.faults.append(f"{live_count} rows are alive, and the root says {root.live_count}")
        for number in self._state.dictionaries:
            if number != GIVERS and self._state.catalog.by_id(number) is None:
                self.faults.append(f"dictionary {number} belongs to no field")
