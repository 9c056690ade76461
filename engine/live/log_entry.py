"""The bytes of a record of the log that brought updates of profiles.

Little-endian. `U`, version u8 (1), size of the source's name u16, size of the partition's name
u16, whether it has a position u16, instant i64 (microseconds from 1970, when it was written),
owner epoch u64, offset u64; then both names, UTF-8, zeros up to a multiple of 8, and the update
(engine.live.log_record), empty where every record of the batch was refused.

A record of the log that does not begin with `U` is a barrier: everything that it did was
written in one commit with it, and replaying passes it over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from engine.live.positions import StoredPosition

__all__ = ["LogEntry", "Mark", "pack_entry", "unpack_entry"]

_VERSION = 1
_HEAD = struct.Struct("<cBHHHqQQ")
_ALIGNMENT = 8


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a partition of a source is durable with this record."""

    source: str
    partition: str
    position: StoredPosition


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One batch as it was logged. `update` are the bytes of its ProfileUpdate, or empty."""

    instant_us: int
    mark: Mark | None
    update: bytes | memoryview


def pack_entry(entry: LogEntry) -> bytes:
    """The bytes of a record."""
    mark = entry.mark
    source = b"" if mark is None else mark.source.encode()
    partition = b"" if mark is None else mark.partition.encode()
    head = _HEAD.pack(
        b"U",
        _VERSION,
        len(source),
        len(partition),
        mark is not None,
        entry.instant_us,
        0 if mark is None else mark.position.owner_epoch,
        0 if mark is None else mark.position.offset,
    )
    named = head + source + partition
    return b"".join((named, bytes(-len(named) % _ALIGNMENT), entry.update))


def unpack_entry(record: bytes) -> LogEntry | None:
    """Read a record; None for a barrier. ValueError for anything that is neither."""
    if record[:1] == b"B":
        return None
    try:
        kind, version, source_size, partition_size, marked, instant_us, epoch, offset = (
            _HEAD.unpack_from(record)
        )
    except struct.error as error:
        raise ValueError("a record of the log that is too short") from error
    if kind != b"U" or version != _VERSION:
        raise ValueError(f"a record of the log of kind {kind!r}, version {version}")
    names_end = _HEAD.size + source_size + partition_size
    start = names_end + -names_end % _ALIGNMENT
    if start > len(record):
        raise ValueError("a record of the log that is cut short")
    mark = None
    if marked:
        source = record[_HEAD.size : _HEAD.size + source_size].decode()
        partition = record[_HEAD.size + source_size : names_end].decode()
        mark = Mark(source, partition, StoredPosition(epoch, offset))
    return LogEntry(instant_us, mark, memoryview(record)[start:])
