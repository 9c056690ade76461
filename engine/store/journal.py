"""Journals: records that are numbered by sequence, the log and the feed.

No listing has their checksums; the header of each record has its own, and each begins with the
sequence of the one before it (uint64, 0 for none). The root says which are the first and the
last, so that one that is missing is noticed. A long record is cut into parts, because LMDB
looks for pages in a row for each value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from engine.store.checksum import crc32c
from engine.store.environment import damaged
from engine.store.reading import View
from engine.store.records import (
    HEADER_BYTES,
    PART_BYTES,
    Expected,
    PayloadKind,
    RecordName,
    RecordType,
    fault_in_header,
    key_of,
    name_of_key,
    pack_header,
    payload_fault,
)

__all__ = ["Journal", "JournalRecord", "keys_before", "records_of"]

_PREVIOUS = struct.Struct("<Q")
_KINDS = {RecordType.LOG: PayloadKind.LOG, RecordType.FEED: PayloadKind.FEED}
_NOUNS = {RecordType.LOG: "log", RecordType.FEED: "feed"}
# Where the header of a record has the number of its parts (uint16) and its checksum (uint32).
_PARTS_AT, _CRC_AT = 18, 36


class JournalRecord(NamedTuple):
    """One record: its sequence and its bytes."""

    sequence: int
    payload: bytes


def records_of(
    kind: RecordType, sequence: int, payload: bytes, previous: int
) -> list[tuple[bytes, bytes, bytes]]:
    """(key, header, payload) of the parts in which a new record is stored."""
    whole = _PREVIOUS.pack(previous) + payload
    pieces = [whole[i : i + PART_BYTES] for i in range(0, len(whole), PART_BYTES)]
    out = []
    for part, piece in enumerate(pieces):
        name = RecordName.of_sequence(kind, sequence, part)
        expected = Expected(len(piece), crc32c(piece), sequence)
        out.append((key_of(name), pack_header(name, _KINDS[kind], len(pieces), expected), piece))
    return out


def keys_before(kind: RecordType, view: View, sequence: int) -> list[bytes]:
    """Keys of all stored parts of the records before one."""
    end = key_of(RecordName.of_sequence(kind, sequence))
    keys = []
    key = view.transaction.key_from(bytes([kind]))
    while key is not None and key < end:
        keys.append(key)
        key = view.transaction.key_from(key + b"\0")
    return keys


@dataclass(frozen=True, slots=True)
class Journal:
    """The records `first` to `last` (both 0: none) of one kind, as one transaction sees them."""

    kind: RecordType
    view: View
    first: int
    last: int

    def read(self, after: int = 0) -> Iterator[JournalRecord]:
        """The records after a sequence, ascending, each checked when it is reached.

        Raises StoreCorrupt for one that is damaged or missing.
        """
        at = max(after + 1, self.first)
        previous = None
        while self.last and at <= self.last:
            name = self._name_from(at)
            if name is None or (previous is None and after < self.first != name.sequence):
                raise damaged(self.view.path, f"the {_NOUNS[self.kind]} lacks record {at:,}")
            whole = self._whole(name.sequence)
            (before,) = _PREVIOUS.unpack_from(whole)
            if before != previous if previous is not None else before > max(after, self.first):
                raise damaged(
                    self.view.path,
                    f"the {_NOUNS[self.kind]} lacks a record before {name.sequence:,}",
                )
            yield JournalRecord(name.sequence, whole[_PREVIOUS.size :])
            previous = name.sequence
            at = previous + 1

    def parts(self) -> Iterator[tuple[RecordName, str]]:
        """Every stored part, and what is wrong with it ('' where nothing is)."""
        key = self.view.transaction.key_from(bytes([self.kind]))
        while key is not None and (name := name_of_key(key)) is not None and name.type == self.kind:
            value = self.view.transaction.get(key)
            yield name, "is missing" if value is None else self._fault(value, name)
            key = self.view.transaction.key_from(key + b"\0")

    def _name_from(self, sequence: int) -> RecordName | None:
        """The first part of the first record from a sequence on."""
        start = key_of(RecordName.of_sequence(self.kind, sequence))
        key = self.view.transaction.key_from(start)
        name = None if key is None else name_of_key(key)
        return name if name is not None and name.type == self.kind else None

    def _whole(self, sequence: int) -> bytes:
        pieces: list[bytes] = []
        parts = 1
        while len(pieces) < parts:
            name = RecordName.of_sequence(self.kind, sequence, len(pieces))
            value = self.view.transaction.get(key_of(name))
            fault = "is missing" if value is None else self._fault(value, name)
            if value is None or fault:
                raise damaged(self.view.path, f"{name} {fault}")
            parts = int.from_bytes(value[_PARTS_AT : _PARTS_AT + 2], "little")
            pieces.append(bytes(value[HEADER_BYTES:]))
        return b"".join(pieces)

    def _fault(self, value: memoryview, name: RecordName) -> str:
        parts = int.from_bytes(value[_PARTS_AT : _PARTS_AT + 2], "little")
        if fault := fault_in_header(value, name, _KINDS[self.kind], parts, None):
            return fault
        payload = value[HEADER_BYTES:]
        if name.part == 0 and len(payload) < _PREVIOUS.size:
            return "is too short"
        crc = int.from_bytes(value[_CRC_AT : _CRC_AT + 4], "little")
        return payload_fault(payload, Expected(len(payload), crc, name.sequence))
