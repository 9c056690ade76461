"""A state of the store, and the verified reading of its records.

Every payload is checked against its checksum at first touch, once: `Verified` remembers
which version of which record was found sound, also for later states that still have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.store.catalog import Catalog
from engine.store.directory import DictionaryListing, Root
from engine.store.environment import (
    PAGE_HEADER_BYTES,
    Environment,
    ReadTransaction,
    address_of,
    damaged,
)
from engine.store.manifest import ENTRY, Manifest
from engine.store.named import NamedRecords
from engine.store.records import (
    HEADER_BYTES,
    Expected,
    RecordName,
    RecordType,
    fault_in_header,
    key_of,
    payload_fault,
)

__all__ = ["MappedBytes", "State", "Verified", "View", "block_count_of"]

BLOCK_ROWS = 65_536


def block_count_of(row_count: int) -> int:
    """How many blocks hold that many rows."""
    return -(-row_count // BLOCK_ROWS)


@dataclass(frozen=True)
class State:
    """All that is known of one data version without reading a field."""

    root: Root
    catalog: Catalog
    model: Mapping[str, str]
    metas: NamedRecords
    dictionaries: Mapping[int, DictionaryListing]
    manifests: tuple[Manifest, ...]

    @cached_property
    def entries(self) -> NDArray[np.void]:
        """Entries (dtype ENTRY) of all manifests, in the order of blocks."""
        # Joined as bytes: numpy would copy field by field.
        return np.frombuffer(b"".join(m.entries.tobytes() for m in self.manifests), ENTRY)

    @cached_property
    def entry_blocks(self) -> NDArray[np.uint32]:
        """The block of each of `entries`."""
        counts = [len(manifest.entries) for manifest in self.manifests]
        return np.repeat(np.arange(len(counts), dtype=np.uint32), counts)


class Verified:
    """Which version of each record has been read and found sound, by this process."""

    __slots__ = ("_sequences",)

    def __init__(self) -> None:
        self._sequences: dict[RecordName, int] = {}

    def knows(self, name: RecordName, expected: Expected) -> bool:
        """Whether this version of the record was found sound before."""
        return self._sequences.get(name) == expected.sequence

    def add(self, name: RecordName, expected: Expected) -> None:
        """Remember it."""
        self._sequences[name] = expected.sequence


class MappedBytes:
    """Bytes of the map, kept readable: what is made from it keeps the transaction alive."""

    __slots__ = ("__array_interface__", "_transaction")

    def __init__(self, transaction: ReadTransaction, address: int, length: int) -> None:
        self._transaction = transaction
        self.__array_interface__ = {
            "shape": (length,),
            "typestr": "|u1",
            "data": (address, True),
            "version": 3,
        }


class View:
    """One state and the read transaction that its records are read in; shared and immutable."""

    def __init__(
        self, environment: Environment, transaction: ReadTransaction, verified: Verified
    ) -> None:
        self.environment = environment
        self.transaction = transaction
        self.verified = verified
        self.path = environment.path
        # For messages alone; empty until the directory has been read.
        self.catalog = Catalog((), 0)

    def describe(self, name: RecordName) -> str:
        """A record in words, with the name of its field."""
        field = self.catalog.by_id(name.number) if name.type == RecordType.DATA else None
        if field is None:
            return str(name)
        return f"part {name.part} of {field.name!r} in block {name.block}"

    def locate(
        self, name: RecordName, kind: int, parts: int, expected: Expected | None
    ) -> memoryview:
        """A record's value, header checked and payload not; into the map, without a keeper."""
        value = self.transaction.get(key_of(name))
        if value is None:
            raise damaged(self.path, f"{self.describe(name)} is missing")
        if fault := fault_in_header(value, name, kind, parts, expected):
            raise damaged(self.path, f"{self.describe(name)} {fault}")
        return value

    def check(self, name: RecordName, value: memoryview, expected: Expected) -> memoryview:
        """The payload of a located value, checked at first touch."""
        payload = value[HEADER_BYTES:]
        if not self.verified.knows(name, expected):
            if fault := payload_fault(payload, expected):
                raise damaged(self.path, f"{self.describe(name)} {fault}")
            self.verified.add(name, expected)
        return payload

    def is_apart(self, value: memoryview) -> bool:
        """Whether a value has pages of its own, and so stays where it is while it exists."""
        return address_of(value) % self.environment.page_size == PAGE_HEADER_BYTES

    def read(self, name: RecordName, kind: int, parts: int, expected: Expected) -> memoryview:
        """A verified payload that keeps what it needs alive.

        A value within LMDB's tree moves when its neighbours change, so it is copied.
        """
        value = self.locate(name, kind, parts, expected)
        if self.is_apart(value):
            payload = self.check(name, value, expected)
            mapped = MappedBytes(self.transaction, address_of(payload), len(payload))
            return np.asarray(mapped).data
        copied = value.tobytes()
        if fault := payload_fault(memoryview(copied)[HEADER_BYTES:], expected):
            raise damaged(self.path, f"{self.describe(name)} {fault}")
        return memoryview(copied)[HEADER_BYTES:]

    def read_entry(self, block: int, entry: Any) -> memoryview:
        """The verified payload of one manifest entry."""
        return self.read(*name_of_entry(block, entry))


def name_of_entry(block: int, entry: Any) -> tuple[RecordName, int, int, Expected]:
    """Name, payload kind, number of parts and expected bytes of a manifest entry."""
    field, part, parts, length, crc, sequence, _, _, kind, *_ = entry.item()
    return (
        RecordName(RecordType.DATA, field, block, part),
        kind,
        parts,
        Expected(length, crc, sequence),
    )
