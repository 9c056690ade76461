"""Whether stored chunks mean something: the checked reading behind `verify`.

A checksum proves that bytes are what was written; this proves that what was written are events.
It reads any bytes and no others, and answers with the end of a sentence about the part that is
wrong, or '' where all parts are sound. What passes can be read in place without further looks.

There is one way to lay out a chunk: columns in order, each with values, presence and texts one
after the other at the next multiple of 64. So offsets are not trusted but worked out and compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.directory import PART_BYTES
from engine.columns.alignment import aligned
from engine.columns.strings import Strings
from engine.events import head
from engine.events.decode import decode_chunk
from engine.events.head import CHUNK_COLUMNS, CHUNK_EVENTS, COLUMN_BYTES, HEAD_BYTES, Column, Head

__all__ = ["check_chunk", "check_events"]

_KINDS = {
    head.ROW: (head.INTS,),
    head.TIME: (head.INTS,),
    head.ID: (head.DIGESTS,),
    head.ORIGIN: (head.CODES,),
    head.PROPERTY: (head.INTS, head.FLOATS, head.CODES, head.TEXTS),
}
_WIDTHS = {
    head.INTS: (0, 1, 2, 4, 6, 8),
    head.FLOATS: (8,),
    head.CODES: (0, 1, 2, 4),
    head.TEXTS: (4,),
    head.DIGESTS: (8,),
}
_MOST = (1 << 63) - 1


def check_events(parts: Sequence[Buffer]) -> str:
    """All chunks of one type of one block: each by itself, and what they say together."""
    return next(_faults_of_parts(parts), "")


def check_chunk(part: Buffer) -> str:
    """One chunk by itself."""
    return next(_faults_of_chunk(part), "")


# Each generator yields a fault and is not asked again: what follows a yield may rely on the
# fault not being there.


def _faults_of_parts(parts: Sequence[Buffer]) -> Iterator[str]:
    if not parts:
        yield "has no part"
    kinds: dict[int, int] = {}
    tail_seen = False
    for part in parts:
        yield from _faults_of_chunk(part)
        found = head.read_head(part)
        if tail_seen and not found.flags & head.TAIL:
            yield "has a sealed chunk after its tail"
        tail_seen = bool(found.flags & head.TAIL)
        for column in head.read_columns(part, found):
            number = column.property
            if (
                column.role == head.PROPERTY
                and kinds.setdefault(number, column.kind) != column.kind
            ):
                yield "has a property of two kinds"


def _faults_of_chunk(part: Buffer) -> Iterator[str]:
    if not HEAD_BYTES <= len(part) <= PART_BYTES:
        yield "has a part that is too short or too long"
    found = head.read_head(part)
    if found.version != head.VERSION or found.flags & ~(head.SORTED | head.TAIL):
        yield "has a version or a flag that does not exist"
    if not 1 <= found.event_count <= CHUNK_EVENTS:
        yield "has no events, or too many"
    if found.capacity != aligned(found.event_count, 64) or found.size != len(part):
        yield "states another size than it has"
    if found.reserved or found.data_offset:
        yield "has a reserved field that is not 0"
    if not 2 <= found.column_count <= CHUNK_COLUMNS:
        yield "has too few or too many columns"
    if HEAD_BYTES + COLUMN_BYTES * found.column_count > len(part):
        yield "has columns past its end"
    columns = head.read_columns(part, found)
    keys = [(column.role, column.property) for column in columns]
    if keys[:2] != [(head.ROW, 0), (head.TIME, 0)] or any(a >= b for a, b in pairwise(keys)):
        yield "has columns out of order, or one twice"
    for column in columns:
        yield from _faults_of_description(column, found)
    yield from _faults_of_places(part, found, columns)
    for column in columns:
        yield from _faults_of_column(part, found, column)
    if found.flags & head.SORTED:
        yield from _faults_of_order(part)


def _faults_of_description(column: Column, found: Head) -> Iterator[str]:
    if column.kind not in _KINDS.get(column.role, ()) or column.width not in _WIDTHS[column.kind]:
        yield "has a column of a role, kind or width that does not exist"
    if column.role == head.ROW and (column.width != 2 or column.base or column.step != 1):
        yield "has rows in a form that they do not have"
    if column.role != head.PROPERTY and column.property:
        yield "has a column out of order, or one twice"
    if column.reserved or column.reserved2:
        yield "has a reserved field that is not 0"
    if not 1 <= column.present_count <= found.event_count:
        yield "has a column with no values, or too many"
    if column.role in (head.ROW, head.TIME) and column.present_count != found.event_count:
        yield "has events without a row or a time"
    if column.kind != head.TEXTS and (column.byte_count or column.bytes_offset):
        yield "has bytes of texts in a column without texts"


def _faults_of_places(part: Buffer, found: Head, columns: Sequence[Column]) -> Iterator[str]:
    data = np.frombuffer(part, np.uint8)
    at = HEAD_BYTES + COLUMN_BYTES * len(columns)
    for column in columns:
        for offset, size in _places(column, found):
            start = aligned(at, 64) if size else at
            if offset != (start if size else 0) or start + size > len(part):
                yield "has a column at another place than its own, or past its end"
            if np.any(data[at:start]):
                yield "has a gap that is not 0"
            at = start + size
    if aligned(at, 64) != len(part) or np.any(data[at:]):
        yield "has bytes after its last column"


def _places(column: Column, found: Head) -> Iterator[tuple[int, int]]:
    """(offset stated, bytes needed) of values, presence and texts."""
    yield column.values_offset, column.width * found.capacity
    by_bits = column.kind in (head.INTS, head.FLOATS, head.TEXTS)
    is_full = column.present_count == found.event_count
    yield column.presence_offset, found.capacity // 8 if by_bits and not is_full else 0
    yield column.bytes_offset, column.byte_count


def _faults_of_column(part: Buffer, found: Head, column: Column) -> Iterator[str]:
    stored = head.read_stored(part, column, found.capacity, found.capacity)
    count = found.event_count
    if np.any(stored[count:]):
        yield "has a value after its last event"
    stored = stored[:count]
    if column.kind in (head.CODES, head.DIGESTS):
        held = stored != 0 if column.width else np.ones(count, np.bool_)
    else:
        bits = head.read_presence(part, column, found.capacity)
        held = bits[:count]
        if column.presence_offset and np.any(bits[count:]):
            yield "has a presence after its last event"
    if np.count_nonzero(held) != column.present_count:
        yield "states another number of values than it has"
    if column.kind == head.TEXTS:
        yield from _faults_of_texts(part, column, stored, held)
    elif np.any(stored[~held]):
        yield "has a value where one is missing"
    yield from _faults_of_bounds(column, stored, held)


def _faults_of_bounds(
    column: Column, stored: NDArray[Any], held: NDArray[np.bool_]
) -> Iterator[str]:
    known = stored[held]
    if column.kind == head.INTS:
        least, greatest = int(known.min()), int(known.max())
        stated = (column.base, column.base + column.step * greatest)
        if column.role == head.ROW:
            stated = (least, greatest)
        elif least != 0 or column.step < 1:
            yield "has a base that is not its least value"
        if (column.low, column.high) != stated or stated[1] > _MOST:
            yield "states other bounds than it has"
        return
    if column.step != 1 or (column.base and column.width):
        yield "has a frame that its kind does not have"
    if column.kind == head.CODES:
        stated = (int(known.min()) + column.base, int(known.max()) + column.base)
        if not 1 <= stated[0] <= stated[1] < 1 << 32:
            yield "has a code that does not exist"
    elif column.kind == head.FLOATS:
        values = known.view(np.float64)
        if not np.isfinite(values).all() or np.any(known == np.uint64(1 << 63)):
            yield "has a value that is not a number, or a zero with a sign"
        limits = np.array([values.min(), values.max()]).view(np.int64)
        stated = (int(limits[0]), int(limits[1]))
    else:
        stated = (0, 0)
    if (column.low, column.high) != stated:
        yield "states other bounds than it has"


def _faults_of_texts(
    part: Buffer, column: Column, ends: NDArray[Any], held: NDArray[np.bool_]
) -> Iterator[str]:
    lengths = np.diff(ends.astype(np.int64), prepend=0)
    if np.any(lengths < 0) or int(ends[-1]) != column.byte_count:
        yield "has texts past its end or out of order"
    if np.any(lengths[~held]):
        yield "has a value where one is missing"
    offsets = np.append(0, ends.astype(np.int64))
    data = np.frombuffer(part, np.uint8, column.byte_count, column.bytes_offset)
    try:
        Strings.from_buffers(offsets, data, None).to_list()
    except UnicodeDecodeError:
        yield "has a text that is not UTF-8"


def _faults_of_order(part: Buffer) -> Iterator[str]:
    events = decode_chunk(part)
    times, rows = events.times, events.rows
    ascends = (times[1:] > times[:-1]) | ((times[1:] == times[:-1]) & (rows[1:] >= rows[:-1]))
    if not ascends.all():
        yield "has events out of order"
