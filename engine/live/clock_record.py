"""The bytes of a feed record of a tick: who entered and left what as time passed.

What an update does, it does at once, and its record groups the rows by definition
(`engine.live.feed_record`). What time does, it does one after the other: each entry has an instant
of its own, and entries are in the order of these. All integers are little-endian. **Version 2**,
or **3** where there are more than 65,536 definitions: with each event that asks for something, and
each two numbers of points, being one of its own. Where many flip at once, as at a local midnight,
it is **version 4** (`engine.live.clock_runs`), whose head and definitions are the same.

| at | field |
| --- | --- |
| 0 | version u16 |
| 2 | cause u8: 2 clock |
| 3 | reserved u8, 0 |
| 4 | definition count u32, at least 1 |
| 8 | sequence u64: the record of the log that caused it, at least 1 |
| 16 | previous u64: sequence of the feed record before it, 0 for the first ever |
| 24 | instant i64, microseconds from 1970 in UTC: that of the tick |
| 32 | entry count u32, at least 1; u32: 0, in version 4 how many runs there are |
| 40 | definitions, 8 bytes each: version u32, size of the name u16, reserved u16 (0) |
| | their names one after the other, UTF-8, all different, then zeros up to a multiple of 8 |
| | instants of the entries, i64 each, ascending, none after that of the tick |
| | rows of the entries, u32 each |
| | their definitions by number, u16 each; in version 3 u32 each, before the rows |
| | whether they entered (1) or left (0), u8 each |

**Entries** are numbered from 0 by their place. At one instant they are ordered by definition, then
those who entered before those who left, then rows.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.limits import TIME_US
from engine.live.change import Cause, Flips, Numbered
from engine.live.clock_runs import pack_runs, read_runs
from engine.live.feed_record import EntryRun

__all__ = ["ClockEntries", "ClockRecord", "ClockRun", "pack_clock_record"]

# With few definitions, with many, and in runs.
VERSIONS: Final = 2, 3, 4
_CLOCK = 2
_HEAD = struct.Struct("<HBBIQQqII")
_DEFINITION = np.dtype([("version", "<u4"), ("name", "<u2"), ("reserved", "<u2")])
_DEFINITIONS = 1 << 16
# So many entries for each run, and runs are shorter.
_RUN_ENTRIES = 16
_ENTRY_BYTES = 8 + 4 + 1  # beside the number of the definition


@dataclass(frozen=True, slots=True)
class ClockRecord:
    """What one tick changed. `previous` is the feed record before it, 0 for none; `flips` number
    the `definitions` (key path, version), of which those that nothing happens to are left out."""

    sequence: int
    previous: int
    instant_us: int
    definitions: Numbered
    flips: Flips


def pack_clock_record(record: ClockRecord) -> bytes:
    """The bytes of a record, which must have an entry."""
    flips = record.flips
    assert len(flips) and 0 <= record.previous < record.sequence
    starts = _run_starts(flips.instants, flips.definitions, flips.entered)
    in_runs = len(starts) * _RUN_ENTRIES <= len(flips)
    numbered = flips.definitions[starts] if in_runs else flips.definitions
    used, numbers = np.unique(numbered, return_inverse=True)
    chosen = [record.definitions[number] for number in used.tolist()]
    assert len({key for key, _ in chosen}) == len(chosen)
    is_wide = len(chosen) > _DEFINITIONS
    names = [key.encode() for key, _ in chosen]
    heads = np.zeros(len(chosen), _DEFINITION)
    heads["version"] = [version for _, version in chosen]
    heads["name"] = [len(name) for name in names]
    head = _HEAD.pack(
        VERSIONS[2] if in_runs else VERSIONS[is_wide],
        _CLOCK,
        0,
        len(chosen),
        record.sequence,
        record.previous,
        record.instant_us,
        len(flips),
        len(starts) if in_runs else 0,
    )
    named = b"".join((head, heads.tobytes(), *names))
    padding = bytes(-len(named) % 8)
    if in_runs:
        return b"".join((named, padding, *pack_runs(flips, starts, numbers)))
    rows = flips.rows.astype("<u4").tobytes()
    wide_or_not = numbers.astype("<u4" if is_wide else "<u2").tobytes()
    return b"".join(
        (
            named,
            padding,
            flips.instants.astype("<i8").tobytes(),
            *((wide_or_not, rows) if is_wide else (rows, wide_or_not)),
            flips.entered.astype(np.uint8).tobytes(),
        )
    )


class ClockEntries:
    """A record to read from, in the form of `engine.live.feed_record.FeedEntries`: its runs are
    entries that differ in their row alone. ValueError where the bytes are no record."""

    cause = Cause.CLOCK

    def __init__(self, buffer: bytes | memoryview) -> None:
        view = memoryview(buffer)
        if len(view) < _HEAD.size:
            raise ValueError("a feed record is shorter than its head")
        version, cause, reserved, names, sequence, previous, instant_us, count, more = (
            _HEAD.unpack_from(view)
        )
        assert version in VERSIONS
        in_runs = version == VERSIONS[2]
        if cause != _CLOCK or reserved or not names or not count or previous >= sequence:
            raise ValueError("the head of a feed record makes no sense")
        if bool(more) != in_runs:
            raise ValueError("the head of a feed record makes no sense")
        if not TIME_US[0] <= instant_us <= TIME_US[1]:
            raise ValueError(f"a feed record is of the instant {instant_us}")
        self.sequence: int = sequence
        self.previous: int = previous
        self.instant_us: int = instant_us
        self.count: int = count
        self.size = len(view)
        self._definitions, at = _definitions(view, names)
        self._runs: list[EntryRun] = []
        if in_runs:
            self._runs = read_runs(view, at, more, self._definitions, instant_us)
            self._starts = [run.first_ordinal for run in self._runs]
            if self._starts[-1] + self._runs[-1].count != count:
                raise ValueError("a feed record has more or fewer entries than its head says")
            return
        self._read_entries(view, at, version)

    def _read_entries(self, view: memoryview, at: int, version: int) -> None:
        """Entries that stand one by one."""
        count = self.count
        number_type = np.dtype("<u4" if version == VERSIONS[1] else "<u2")
        if len(view) != at + count * (_ENTRY_BYTES + number_type.itemsize):
            raise ValueError("a feed record is longer or shorter than its entries")
        self._instants = np.frombuffer(view, "<i8", count, at).astype(np.int64)
        # Behind the instants come first the wider of the two.
        behind = at + 8 * count
        rows_at, numbers_at = behind, behind + 4 * count
        if version == VERSIONS[1]:
            rows_at, numbers_at = numbers_at, rows_at
        self._rows = np.frombuffer(view, "<u4", count, rows_at).astype(np.uint32)
        self._numbers = np.frombuffer(view, number_type, count, numbers_at)
        self._entered = np.frombuffer(
            view, np.uint8, count, behind + (4 + number_type.itemsize) * count
        )
        self._check()
        self._starts = _run_starts(self._instants, self._numbers, self._entered).tolist()

    def _check(self) -> None:
        instants = self._instants
        if (instants[1:] < instants[:-1]).any() or instants[-1] > self.instant_us:
            raise ValueError("the instants of a feed record do not ascend to that of its tick")
        if instants[0] < TIME_US[0]:
            raise ValueError(f"a feed record has an entry of the instant {instants[0]}")
        if (self._numbers >= len(self._definitions)).any() or (self._entered > 1).any():
            raise ValueError("an entry of a feed record is of no definition, or neither in nor out")
        order = np.lexsort((self._rows, 1 - self._entered, self._numbers, instants))
        if (order[1:] < order[:-1]).any():
            raise ValueError("the entries of a feed record are not in order")

    def runs_from(self, ordinal: int) -> Iterator[ClockRun | EntryRun]:
        """The runs from the one that has an entry."""
        if self._runs:
            yield from self._runs[max(bisect_right(self._starts, ordinal) - 1, 0) :]
            return
        for place in range(max(bisect_right(self._starts, ordinal) - 1, 0), len(self._starts)):
            first = self._starts[place]
            stop = self._starts[place + 1] if place + 1 < len(self._starts) else self.count
            name, version = self._definitions[int(self._numbers[first])]
            yield ClockRun(
                definition=name,
                version=version,
                entered=bool(self._entered[first]),
                instant_us=int(self._instants[first]),
                first_ordinal=first,
                all_rows=self._rows[first:stop],
            )


def _run_starts(
    instants: NDArray[np.int64], numbers: NDArray[Any], entered: NDArray[Any]
) -> NDArray[np.intp]:
    """The entries that begin a run."""
    begins = np.ones(len(instants), np.bool_)
    begins[1:] = instants[1:] != instants[:-1]
    begins[1:] |= numbers[1:] != numbers[:-1]
    begins[1:] |= entered[1:] != entered[:-1]
    return np.flatnonzero(begins)


@dataclass(frozen=True, slots=True)
class ClockRun:
    """Entries of one definition at one instant that entered, or that left; see EntryRun."""

    definition: str
    version: int
    entered: bool
    instant_us: int
    first_ordinal: int
    all_rows: NDArray[np.uint32]

    @property
    def count(self) -> int:
        """How many entries there are."""
        return len(self.all_rows)

    def rows(self, start: int, stop: int) -> NDArray[np.uint32]:
        """The rows of entries `start` to `stop` of this run, ascending."""
        return self.all_rows[start:stop]


def _definitions(view: memoryview, count: int) -> tuple[list[tuple[str, int]], int]:
    """Names and versions, and where the entries begin."""
    names_at = _HEAD.size + count * _DEFINITION.itemsize
    if names_at > len(view):
        raise ValueError("a feed record ends within its definitions")
    heads = np.frombuffer(view, _DEFINITION, count, _HEAD.size)
    end = names_at + int(heads["name"].sum(dtype=np.int64))
    entries_at = end + -end % 8
    if entries_at > len(view) or heads["reserved"].any() or any(view[end:entries_at]):
        raise ValueError("a feed record ends within its names, or has bytes between them")
    found: list[tuple[str, int]] = []
    seen: set[str] = set()
    at = names_at
    for head in heads:
        size = int(head["name"])
        try:
            name = str(view[at : at + size], "utf-8")
        except UnicodeDecodeError:
            raise ValueError("the name of a definition in a feed record is not UTF-8") from None
        if not name or name in seen:
            raise ValueError("a definition in a feed record has no name, or comes twice")
        seen.add(name)
        found.append((name, int(head["version"])))
        at += size
    return found, entries_at
