"""The bytes of a feed record: who entered and left what, by one record of the log.

This is the form for everything but ticks of the clock, whose entries have instants of their own
(`engine.live.clock_record`). All integers are little-endian. **Version 1.**

| at | field |
| --- | --- |
| 0 | version u16 |
| 2 | cause u8: 1 update, 2 clock, 3 edit, 4 merge, 5 erasure, 6 refresh |
| 3 | reserved u8, 0 |
| 4 | transition count u32, at least 1 |
| 8 | sequence u64: the record of the log that caused it, at least 1 |
| 16 | previous u64: sequence of the feed record before it, 0 for the first ever |
| 24 | instant i64, microseconds from 1970 in UTC |
| 32 | transitions, 16 bytes each, as below |
| | their definitions one after the other, UTF-8, all different |
| | container heads, 4 bytes each: block u16, row count - 1 u16 |
| | containers, in the order of their heads |

A transition is definition version u32, size of the definition's name u16, reserved u16 (0),
count of entered containers u32, count of left containers u32.

Rows are cut at multiples of 65,536 as in Roaring bitmaps (Lemire et al., "Roaring bitmaps:
implementation of an optimized software library", 2018), without containers of runs: up to
4,096 rows of a block are their low 16 bits in ascending order (u16), more are 8,192 bytes with
one bit a row. Of each transition come first the containers of the rows that entered, then
those of the rows that left, blocks ascending.

**Entries** of a record are numbered from 0 by their place: transition by transition, entered
rows ascending, then left rows ascending. That number (ordinal) never changes.

`FeedEntries` reads a piece of a record without unpacking the rest of it: a change of the model
may move many millions of profiles in one record.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.limits import TIME_US
from engine.live.change import Cause, Transition

__all__ = [
    "EntryRun",
    "FeedEntries",
    "FeedRecord",
    "instant_of",
    "pack_containers",
    "pack_feed_record",
    "read_containers",
    "unpack_feed_record",
]

VERSION: Final = 1
BLOCK_BITS = 16
ARRAY_ROWS = 4096
BITMAP_BYTES = 8192

_HEAD = struct.Struct("<HBBIQQq")
_TRANSITION = np.dtype(
    [("version", "<u4"), ("name", "<u2"), ("reserved", "<u2"), ("entered", "<u4"), ("left", "<u4")]
)
_CONTAINER = np.dtype([("block", "<u2"), ("last", "<u2")])

_CODES = {
    Cause.UPDATE: 1,
    Cause.CLOCK: 2,
    Cause.EDIT: 3,
    Cause.MERGE: 4,
    Cause.ERASURE: 5,
    Cause.REFRESH: 6,
}
_CAUSES = {code: cause for cause, code in _CODES.items()}


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """What one record of the log changed. `previous` is the feed record before it, 0 for none;
    `instant_us` is when it took effect, in microseconds from 1970."""

    sequence: int
    previous: int
    instant_us: int
    cause: Cause
    transitions: tuple[Transition, ...]


def pack_feed_record(record: FeedRecord) -> bytes:
    """The bytes of a record. It has at least one transition, each of them moves somebody, and
    no definition comes twice: what changes nothing has no record."""
    assert record.transitions and 0 <= record.previous < record.sequence
    assert len({one.definition for one in record.transitions}) == len(record.transitions)
    heads = np.zeros(len(record.transitions), _TRANSITION)
    names = [transition.definition.encode() for transition in record.transitions]
    sides = [side for one in record.transitions for side in (one.entered, one.left)]
    assert all(
        len(entered) or len(left) for entered, left in zip(sides[::2], sides[1::2], strict=True)
    )
    containers, counts, payloads = pack_containers(sides)
    heads["version"] = [transition.version for transition in record.transitions]
    heads["name"] = [len(name) for name in names]
    heads["entered"], heads["left"] = counts[::2], counts[1::2]
    head_bytes = _HEAD.pack(
        VERSION,
        _CODES[record.cause],
        0,
        len(heads),
        record.sequence,
        record.previous,
        record.instant_us,
    )
    return b"".join((head_bytes, heads.tobytes(), *names, containers.tobytes(), *payloads))


def instant_of(buffer: bytes | memoryview) -> int:
    """When a record took effect, in microseconds from 1970, without reading the rest of it.
    ValueError for anything too short to be one."""
    if len(buffer) < _HEAD.size:
        raise ValueError("a feed record that is too short")
    instant_us: int = _HEAD.unpack_from(buffer)[-1]
    return instant_us


def unpack_feed_record(buffer: bytes | memoryview) -> FeedRecord:
    """The record of some bytes, all of it checked. ValueError where they are none."""
    entries = FeedEntries(buffer)
    transitions = []
    for entered, left in zip(entries.runs[::2], entries.runs[1::2], strict=True):
        arrived, gone = entered.rows(0, entered.count), left.rows(0, left.count)
        if len(np.intersect1d(arrived, gone, assume_unique=True)):
            raise ValueError(f"a profile enters and leaves {entered.definition} at once")
        transitions.append(Transition(entered.definition, entered.version, arrived, gone))
    return FeedRecord(
        entries.sequence, entries.previous, entries.instant_us, entries.cause, tuple(transitions)
    )


class FeedEntries:
    """A record whose rows stay packed until they are asked for.

    `runs` alternate: of each transition the entered rows, then the left rows; runs may be
    empty. `count` is the number of entries, `size` the bytes. ValueError where the bytes are no
    record; the rows inside a container are checked when they are read.
    """

    def __init__(self, buffer: bytes | memoryview) -> None:
        view = memoryview(buffer)
        if len(view) < _HEAD.size:
            raise ValueError("a feed record is shorter than its head")
        version, cause, reserved, transition_count, sequence, previous, instant_us = (
            _HEAD.unpack_from(view)
        )
        if version != VERSION:
            raise ValueError(f"a feed record has version {version}, this program reads {VERSION}")
        if cause not in _CAUSES or reserved or not transition_count or previous >= sequence:
            raise ValueError("the head of a feed record makes no sense")
        if not TIME_US[0] <= instant_us <= TIME_US[1]:
            raise ValueError(f"a feed record is of the instant {instant_us}")
        self.sequence: int = sequence
        self.previous: int = previous
        self.instant_us: int = instant_us
        self.cause = _CAUSES[cause]
        self.size = len(view)
        self.runs = tuple(_runs(view, transition_count, instant_us))
        self.count = self.runs[-1].first_ordinal + self.runs[-1].count

    def runs_from(self, ordinal: int) -> Iterator[EntryRun]:
        """The runs from the one that has an entry."""
        return (run for run in self.runs if run.first_ordinal + run.count > ordinal)


class EntryRun:
    """The entries of one transition that entered, or that left.

    `first_ordinal` is the number of the first in its record, `count` how many there are.
    """

    __slots__ = ("_blocks", "_ends", "_places", "_view", "definition", "entered",
                 "first_ordinal", "instant_us", "version")  # fmt: skip

    def __init__(
        self,
        definition: str,
        version: int,
        entered: bool,
        instant_us: int,
        first_ordinal: int,
        blocks: NDArray[np.uint16],
        ends: NDArray[np.int64],
        view: memoryview,
        places: NDArray[np.int64],
    ) -> None:
        self.definition = definition
        self.version = version
        self.entered = entered
        self.instant_us = instant_us
        self.first_ordinal = first_ordinal
        self._blocks = blocks
        self._ends = ends  # entries up to the end of each container
        self._view = view
        self._places = places  # where the bytes of each container begin, and the last one ends

    @property
    def count(self) -> int:
        """How many entries there are."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def rows(self, start: int, stop: int) -> NDArray[np.uint32]:
        """The rows of entries `start` to `stop` of this run, ascending. ValueError where a
        container does not hold the rows that its head promises."""
        stop = min(stop, self.count)
        if start >= stop:
            return np.zeros(0, np.uint32)
        first = int(np.searchsorted(self._ends, start, side="right"))
        last = int(np.searchsorted(self._ends, stop, side="left"))
        base = int(self._ends[first - 1]) if first else 0
        pieces, before = [], base
        for index in range(first, last + 1):
            end = int(self._ends[index])
            payload = self._view[int(self._places[index]) : int(self._places[index + 1])]
            low = _unpacked(payload, end - before)
            pieces.append((np.uint32(self._blocks[index]) << np.uint32(BLOCK_BITS)) | low)
            before = end
        return np.concatenate(pieces)[start - base : stop - base]


def pack_containers(
    sides: Sequence[NDArray[np.uint32]],
) -> tuple[NDArray[np.void], NDArray[np.int64], list[bytes]]:
    """Sorted rows, side by side, as containers: the heads of all, how many each side has, and
    the payloads."""
    rows = np.concatenate(sides)
    assert rows.dtype == np.uint32
    ends = np.cumsum([len(side) for side in sides])
    begins = np.zeros(len(rows) + 1, np.bool_)
    begins[ends] = begins[0] = True  # of a side
    ascend = rows[1:] > rows[:-1]
    assert bool((ascend | begins[1:-1]).all())
    blocks = rows >> BLOCK_BITS
    begins[1:-1] |= blocks[1:] != blocks[:-1]
    starts = np.flatnonzero(begins[:-1])
    sizes = np.diff(starts, append=len(rows))
    heads = np.zeros(len(starts), _CONTAINER)
    heads["block"], heads["last"] = blocks[starts], sizes - 1
    counts = np.diff(np.searchsorted(starts, ends), prepend=0)
    low = rows.astype("<u2")
    payloads, copied = [], 0
    for large in np.flatnonzero(sizes > ARRAY_ROWS).tolist():
        start = int(starts[large])
        stop = start + int(sizes[large])
        bits = np.zeros(1 << BLOCK_BITS, np.uint8)
        bits[low[start:stop]] = 1
        payloads += [low[copied:start].tobytes(), np.packbits(bits, bitorder="little").tobytes()]
        copied = stop
    return heads, counts, [*payloads, low[copied:].tobytes()]


def read_containers(
    view: memoryview, at: int, count: int
) -> tuple[NDArray[np.uint16], NDArray[np.int64], NDArray[np.int64]]:
    """The containers that are the rest of a record, whose heads begin at `at`: the block of each,
    how many rows it has, and where its bytes begin; behind the last one, where they end. ValueError
    where that is not the end of the record."""
    payloads_at = at + count * _CONTAINER.itemsize
    if payloads_at > len(view):
        raise ValueError("a feed record ends within its names or the heads of its containers")
    heads = np.frombuffer(view[at:payloads_at], _CONTAINER)
    rows = heads["last"].astype(np.int64) + 1
    sizes = np.where(rows > ARRAY_ROWS, BITMAP_BYTES, 2 * rows)
    places = payloads_at + np.append(0, np.cumsum(sizes))
    if int(places[-1]) != len(view):
        raise ValueError("a feed record is longer or shorter than its containers say")
    return heads["block"], rows, places


def _unpacked(payload: memoryview, count: int) -> NDArray[np.uint32]:
    """The low 16 bits of a container's rows."""
    if count > ARRAY_ROWS:
        bits = np.unpackbits(np.frombuffer(payload, np.uint8), bitorder="little")
        low = np.flatnonzero(bits).astype(np.uint32)
        if len(low) != count:
            raise ValueError(f"a container of a feed record has {len(low)} rows of {count}")
        return low
    low = np.frombuffer(payload, "<u2").astype(np.uint32)
    if (low[1:] <= low[:-1]).any():
        raise ValueError("the rows of a feed record do not ascend")
    return low


def _runs(view: memoryview, transition_count: int, instant_us: int) -> Iterator[EntryRun]:
    """Both runs of each transition, their places in the bytes checked."""
    names_at = _HEAD.size + transition_count * _TRANSITION.itemsize
    if names_at > len(view):
        raise ValueError("a feed record ends within its transitions")
    heads = np.frombuffer(view, _TRANSITION, transition_count, _HEAD.size)
    if heads["reserved"].any():
        raise ValueError("the reserved bytes of a feed record are not 0")
    names_end = names_at + int(heads["name"].sum(dtype=np.int64))
    counts = np.column_stack((heads["entered"], heads["left"])).astype(np.int64)
    all_blocks, rows, places = read_containers(view, names_end, int(counts.sum()))

    ordinal = first = 0
    seen: set[str] = set()
    at = names_at
    for head, pair in zip(heads, counts.tolist(), strict=True):
        name = _name(view[at : at + int(head["name"])])
        at += int(head["name"])
        if name in seen or not sum(pair):
            raise ValueError(f"{name} comes twice in a feed record, or moves nobody")
        seen.add(name)
        for entered, container_count in zip((True, False), pair, strict=True):
            chosen = slice(first, first + container_count)
            blocks = all_blocks[chosen]
            if (blocks[1:] <= blocks[:-1]).any():
                raise ValueError("the blocks of a feed record do not ascend")
            run = EntryRun(
                name,
                int(head["version"]),
                entered,
                instant_us,
                ordinal,
                blocks,
                np.cumsum(rows[chosen]),
                view,
                places[first : first + container_count + 1],
            )
            yield run
            ordinal += run.count
            first += container_count


def _name(raw: memoryview) -> str:
    if not len(raw):
        raise ValueError("a definition in a feed record has no name")
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError:
        raise ValueError("the name of a definition in a feed record is not UTF-8") from None
