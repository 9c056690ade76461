"""Records: how every stored value is named, headed and checked.

A record is a 48-byte header and a payload. The header repeats the name that the key gives,
so that bytes found under a wrong key are noticed, and carries the checksum of the payload
and its own. README.md in this folder has the layout field by field.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from engine.store.checksum import crc32c

__all__ = [
    "HEADER_BYTES",
    "LAYOUT_VERSION",
    "PART_BYTES",
    "READABLE_VERSIONS",
    "Expected",
    "PayloadKind",
    "RecordName",
    "RecordType",
    "fault_in_header",
    "key_of",
    "layout_version_of",
    "name_of_key",
    "pack_header",
]

# Raised whenever stored bytes change their meaning; another number is refused at opening. Records
# of layout 2 are those of layout 3 but for the listing of named records, which is read as well.
LAYOUT_VERSION = 3
READABLE_VERSIONS = (2, LAYOUT_VERSION)

# A large value begins 16 bytes past a page boundary in the map; 48 more make a multiple of 64.
HEADER_BYTES = 48

# Parts of a field and of a named record are at most this long (STRATA_PART_BYTES in layout.h).
PART_BYTES = 256 << 10

MAGIC = b"STRB"
_FIELDS = struct.Struct("<4sHBBIIHHIQIII")
_CHECK = struct.Struct("<I")


class RecordType(IntEnum):
    """First byte of a key. 9 and up are free."""

    ROOT = 1
    SECTION = 2
    MANIFEST = 3
    DATA = 4
    META = 5
    DICTIONARY = 6
    LOG = 7
    FEED = 8


class PayloadKind(IntEnum):
    """What the payload of a record holds; field data is 16 + its FieldKind."""

    ROOT = 1
    SECTION = 2
    MANIFEST = 3
    META = 4
    DICTIONARY = 5
    LOG = 6
    FEED = 7
    FIELD_DATA = 16


class RecordName(NamedTuple):
    """Which record: `number` is a field, section, named record or dictionary.

    `block` is a block, or the page of a dictionary; unused numbers are 0. A record of the log
    or the feed has the lower half of its sequence in `number` and the upper in `block`.
    """

    type: RecordType
    number: int = 0
    block: int = 0
    part: int = 0

    def __str__(self) -> str:
        match self.type:
            case RecordType.ROOT:
                return "the root record"
            case RecordType.SECTION:
                return f"section {self.number} of the directory"
            case RecordType.MANIFEST:
                return f"the manifest of block {self.block}"
            case RecordType.DATA:
                return f"part {self.part} of field {self.number} in block {self.block}"
            case RecordType.META:
                return f"part {self.part} of named record {self.number}"
            case RecordType.DICTIONARY:
                return f"page {self.block} of dictionary {self.number}"
            case RecordType.LOG:
                return f"part {self.part} of record {self.sequence:,} of the log"
            case RecordType.FEED:
                return f"part {self.part} of record {self.sequence:,} of the feed"

    @classmethod
    def of_sequence(cls, kind: RecordType, sequence: int, part: int = 0) -> RecordName:
        """A record of the log or the feed."""
        return cls(kind, sequence & 0xFFFFFFFF, sequence >> 32, part)

    @property
    def sequence(self) -> int:
        """The sequence of a record of the log or the feed."""
        return self.block << 32 | self.number


class Expected(NamedTuple):
    """What the listing above a record says of it. `length` counts payload bytes."""

    length: int
    crc: int
    sequence: int


_KEYS = {
    RecordType.ROOT: struct.Struct(">B"),
    RecordType.SECTION: struct.Struct(">BI"),
    RecordType.MANIFEST: struct.Struct(">BI"),
    RecordType.DATA: struct.Struct(">BIIH"),
    RecordType.META: struct.Struct(">BIH"),
    RecordType.DICTIONARY: struct.Struct(">BII"),
    RecordType.LOG: struct.Struct(">BIIH"),
    RecordType.FEED: struct.Struct(">BIIH"),
}


def key_of(name: RecordName) -> bytes:
    """The key of a record: its type, then big-endian numbers, a block's records neighbours."""
    kind, number, block, part = name
    match kind:
        case RecordType.DATA | RecordType.LOG | RecordType.FEED:
            return _KEYS[kind].pack(kind, block, number, part)
        case RecordType.META:
            return _KEYS[kind].pack(kind, number, part)
        case RecordType.DICTIONARY:
            return _KEYS[kind].pack(kind, number, block)
        case RecordType.MANIFEST:
            return _KEYS[kind].pack(kind, block)
        case RecordType.SECTION:
            return _KEYS[kind].pack(kind, number)
        case RecordType.ROOT:
            return _KEYS[kind].pack(kind)


def name_of_key(key: bytes) -> RecordName | None:
    """The record that a key names; None for a key that this layout does not write."""
    try:
        kind = RecordType(key[0]) if key else None
        if kind is None or len(key) != _KEYS[kind].size:
            return None
    except ValueError:
        return None
    numbers = _KEYS[kind].unpack(key)[1:]
    match kind:
        case RecordType.DATA | RecordType.LOG | RecordType.FEED:
            return RecordName(kind, numbers[1], numbers[0], numbers[2])
        case RecordType.META:
            return RecordName(kind, numbers[0], 0, numbers[1])
        case RecordType.DICTIONARY:
            return RecordName(kind, numbers[0], numbers[1])
        case RecordType.MANIFEST:
            return RecordName(kind, 0, numbers[0])
        case RecordType.SECTION:
            return RecordName(kind, numbers[0])
        case RecordType.ROOT:
            return RecordName(kind)


def pack_header(
    name: RecordName, kind: int, parts: int, expected: Expected, version: int = LAYOUT_VERSION
) -> bytes:
    """The 48 bytes before a payload. `parts` counts the parts that this record is one of."""
    head = _FIELDS.pack(
        MAGIC,
        version,
        kind,
        0,
        name.number,
        name.block,
        name.part,
        parts,
        0,
        expected.sequence,
        expected.length,
        expected.crc,
        0,
    )
    return head + _CHECK.pack(crc32c(head))


def layout_version_of(value: memoryview) -> int | None:
    """The layout version that a record's header claims; None where there is no header."""
    if len(value) < HEADER_BYTES or value[:4] != MAGIC:
        return None
    return int.from_bytes(value[4:6], "little")


def fault_in_header(
    value: memoryview, name: RecordName, kind: int, parts: int, expected: Expected | None
) -> str:
    """What is wrong with the header of a stored value, or '' where it is sound.

    `expected` is None for the root and for records of the log and the feed, of which no
    listing has length and checksum: they are then the header's own.
    """
    if len(value) < HEADER_BYTES:
        return "is too short for its header"
    head = value[:HEADER_BYTES]
    if _CHECK.unpack_from(head, 44)[0] != crc32c(head[:44]):
        return "has a damaged header"
    if expected is None:
        _, _, _, _, _, _, _, _, _, sequence, length, crc, _ = _FIELDS.unpack_from(head)
        expected = Expected(length, crc, sequence)
    version = layout_version_of(head)
    if version not in READABLE_VERSIONS or head != pack_header(
        name, kind, parts, expected, version
    ):
        return "is not the record that was written there"
    if len(value) != HEADER_BYTES + expected.length:
        return "has another length than was written"
    return ""


def payload_fault(payload: memoryview, expected: Expected) -> str:
    """What is wrong with the bytes of a payload, or '' where the checksum agrees."""
    return "" if crc32c(payload) == expected.crc else "does not match its checksum"
