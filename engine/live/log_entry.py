"""The bytes of a record of the log: updates of profiles, or a tick of the clock.

Little-endian. **Updates**: `U`, version u8 (1), size of the source's name u16, size of the
partition's name u16, whether it has a position u16, instant i64 (microseconds from 1970, when it
was written), owner epoch u64, offset u64; then both names, UTF-8, zeros up to a multiple of 8,
and the update (engine.live.log_record), empty where every record of the batch was refused.

**A tick**: `T`, version u8 (1), six bytes 0, and two instants i64, microseconds from 1970: that of
the clock before it and, later, after it. The memberships of segments that move with time are exact
at the first before the record, and at the second after it. The instant of updates is that of the
clock, wherever such segments are stored.

**A tick in slices** (engine.live.lagging) has version 2 and goes on with an instant i64 at which
some blocks lagged before it, and three numbers u32: the first that lagged, the first that still
does, and the one behind the last; and a u32 0. Its two instants may be equal.

A record of the log that begins with `B` is a barrier: everything that it did was
written in one commit with it, and replaying passes it over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from engine.limits import TIME_US
from engine.live.lagging import LagStep
from engine.live.positions import StoredPosition

__all__ = ["LogEntry", "Mark", "Tick", "pack_entry", "pack_tick", "unpack_entry"]

_VERSION = 1
_SLICED = 2
_HEAD = struct.Struct("<cBHHHqQQ")
_TICK = struct.Struct("<cB6xqq")
_STEP = struct.Struct("<qIIII")
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


@dataclass(frozen=True, slots=True)
class Tick:
    """The clock went from one instant to a later one."""

    before_us: int
    instant_us: int
    step: LagStep | None = None


def pack_tick(tick: Tick) -> bytes:
    """The bytes of a tick; the rows of a step are those of the batches behind it."""
    step = tick.step
    if step is None:
        assert tick.before_us < tick.instant_us, "the time of the log never goes back"
        return _TICK.pack(b"T", _VERSION, tick.before_us, tick.instant_us)
    assert step.first <= step.next <= step.end and step.since_us <= tick.before_us
    head = _TICK.pack(b"T", _SLICED, tick.before_us, tick.instant_us)
    return head + _STEP.pack(step.since_us, step.first, step.next, step.end, 0)


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


def unpack_entry(record: bytes) -> LogEntry | Tick | None:
    """Read a record; None for a barrier. ValueError for anything else."""
    if record[:1] == b"B":
        return None
    if record[:1] == b"T":
        return _unpack_tick(record)
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


def _unpack_tick(record: bytes) -> Tick:
    is_sliced = record[1:2] == bytes([_SLICED])
    size = _TICK.size + is_sliced * _STEP.size
    if len(record) != size or record[2:8] != bytes(6):
        raise ValueError("a tick in the log that is no tick")
    _, version, before_us, instant_us = _TICK.unpack_from(record)
    if not TIME_US[0] <= before_us <= instant_us <= TIME_US[1]:
        raise ValueError(f"a tick in the log to {instant_us}")
    if is_sliced:
        since_us, first, next_, end, reserved = _STEP.unpack_from(record, _TICK.size)
        if reserved or not (TIME_US[0] <= since_us <= before_us and first <= next_ <= end):
            raise ValueError("a tick in the log whose slice makes no sense")
        return Tick(before_us, instant_us, LagStep(since_us, first, next_, end))
    if version != _VERSION or before_us == instant_us:
        raise ValueError(f"a tick in the log, version {version}, to {instant_us}")
    return Tick(before_us, instant_us)
