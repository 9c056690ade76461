"""Events into chunks: sorted, cut, and each column in its narrowest form.

1. Events are put in the order of (time, row), so that a window is a stretch of a chunk.
2. They are cut into chunks of equal numbers of events, at most CHUNK_EVENTS each, and a chunk
   that would be longer than a part is cut in halves until it is not.
3. Each column gets the frame of its chunk: base, step, width. One without any value is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.directory import PART_BYTES
from engine.columns.alignment import aligned
from engine.events import head
from engine.events.events import Codes, Events, Floats, Ints, Property, Texts
from engine.events.frame import frame_of, width_of
from engine.events.head import CHUNK_COLUMNS, CHUNK_EVENTS, COLUMN_BYTES, HEAD_BYTES, Column

__all__ = ["encode_events", "sorted_places"]

_UNSIGNED: dict[int, str] = {1: "<u1", 2: "<u2", 4: "<u4", 8: "<u8"}


class _Built(NamedTuple):
    """A column whose offsets are still 0, and its bytes: values, presence, bytes of texts."""

    column: Column
    values: bytes = b""
    presence: bytes = b""
    texts: bytes = b""


def sorted_places(rows: NDArray[np.uint16], times: NDArray[np.int64]) -> NDArray[np.intp]:
    """Places of events in the order of (time, row); equal ones as they came."""
    if len(times) == 0:
        return np.zeros(0, np.intp)
    first, last = int(times.min()), int(times.max())
    if last - first >= 1 << 47:
        return np.lexsort((rows, times))
    keys = (times - first) << 16 | rows
    places = np.argsort(keys)
    # The quick sort is not stable, so it may stand only where no two keys are equal.
    ordered = keys[places]
    if np.any(ordered[1:] == ordered[:-1]):
        return np.argsort(keys, kind="stable")
    return places


def encode_events(events: Events, *, is_tail: bool = False) -> tuple[bytes, ...]:
    """The chunks of events that are in any order, at least one event a chunk; () of no events.

    is_tail: marks them as the open end. Programmer errors: more than CHUNK_COLUMNS columns in
    use, or one event that is longer than a part by itself.
    """
    if len(events) == 0:
        return ()
    ordered = events.take(sorted_places(events.rows, events.times))
    flags = head.SORTED | (head.TAIL if is_tail else 0)
    return tuple(_cut(ordered, flags))


def _cut(events: Events, flags: int) -> Iterator[bytes]:
    count = len(events)
    chunk_count = -(-count // CHUNK_EVENTS)
    # Whole words of a mask, so that only the last chunk is padded.
    size = min(aligned(-(-count // chunk_count), 64), CHUNK_EVENTS)
    for start in range(0, count, size):
        yield from _encode_or_halve(events.take(slice(start, start + size)), flags)


def _encode_or_halve(events: Events, flags: int) -> Iterator[bytes]:
    chunk = _encode_chunk(events, flags)
    if chunk is not None:
        yield chunk
        return
    count = len(events)
    assert count > 1, "an event that is longer than a part"
    half = aligned(count // 2, 64) if count > 128 else count // 2
    yield from _encode_or_halve(events.take(slice(0, half)), flags)
    yield from _encode_or_halve(events.take(slice(half, count)), flags)


def _encode_chunk(events: Events, flags: int) -> bytes | None:
    """None where it would be longer than a part."""
    count, capacity = len(events), aligned(len(events), 64)
    built = list(_build_columns(events, capacity))
    assert len(built) <= CHUNK_COLUMNS, "more properties than a chunk has columns"
    at = HEAD_BYTES + COLUMN_BYTES * len(built)
    places: list[tuple[int, bytes]] = []
    columns: list[Column] = []
    for column, *pieces in built:
        offsets = []
        for piece in pieces:
            at = aligned(at, 64) if piece else at
            offsets.append(at if piece else 0)
            places.append((at, piece))
            at += len(piece)
        values_at, presence_at, texts_at = offsets
        columns.append(
            column._replace(
                values_offset=values_at, presence_offset=presence_at, bytes_offset=texts_at
            )
        )
    size = aligned(at, 64)
    if size > PART_BYTES:
        return None
    out = bytearray(size)
    heads = head.Head(head.VERSION, flags, len(columns), count, capacity, size)
    packed = head.pack_heads(heads, columns)
    out[: len(packed)] = packed
    for offset, piece in places:
        out[offset : offset + len(piece)] = piece
    return bytes(out)


def _build_columns(events: Events, capacity: int) -> Iterator[_Built]:
    rows = events.rows
    place = Column(head.ROW, head.INTS, 2, present_count=len(rows))
    place = place._replace(low=int(rows.min()), high=int(rows.max()))
    yield _Built(place, _padded(rows.astype("<u2"), capacity))
    known = np.ones(len(rows), np.bool_)
    yield from _build_ints(Column(head.TIME, head.INTS, 0), events.times, known, capacity)
    if events.ids is not None and events.ids.any():
        held = int(np.count_nonzero(events.ids))
        column = Column(head.ID, head.DIGESTS, 8, present_count=held)
        yield _Built(column, _padded(events.ids.astype("<u8"), capacity))
    if events.origins is not None:
        yield from _build_codes(Column(head.ORIGIN, head.CODES, 0), events.origins, capacity)
    for number, values in sorted(events.properties.items()):
        yield from _build_property(number, values, capacity)


def _build_property(number: int, values: Property, capacity: int) -> Iterator[_Built]:
    column = Column(head.PROPERTY, 0, 0, property=number)
    if isinstance(values, Ints):
        column = column._replace(kind=head.INTS)
        yield from _build_ints(column, values.values, values.present, capacity)
    elif isinstance(values, Floats):
        column = column._replace(kind=head.FLOATS, width=8)
        yield from _build_floats(column, values, capacity)
    elif isinstance(values, Codes):
        yield from _build_codes(column._replace(kind=head.CODES), values.codes, capacity)
    else:
        column = column._replace(kind=head.TEXTS, width=4)
        yield from _build_texts(column, values, capacity)


def _build_ints(
    column: Column, values: NDArray[np.int64], present: NDArray[np.bool_], capacity: int
) -> Iterator[_Built]:
    is_full = bool(present.all())
    known = values if is_full else values[present]
    if len(known) == 0:
        return
    frame, stored = frame_of(known)
    if not is_full:
        spread = np.zeros(len(values), np.uint64)
        spread[present] = stored
        stored = spread
    column = column._replace(
        width=frame.width,
        present_count=len(known),
        base=frame.base,
        step=frame.step,
        low=frame.base,
        high=frame.high,
    )
    yield _Built(
        column,
        _narrowed(stored, frame.width, capacity),
        b"" if is_full else _bits(present, capacity),
    )


def _build_floats(column: Column, values: Floats, capacity: int) -> Iterator[_Built]:
    present = values.present
    known = values.values[present] + 0.0  # which turns -0.0 into 0.0 and changes nothing else
    if len(known) == 0:
        return
    assert bool(np.isfinite(known).all()), "NaN and infinity are refused at the door"
    stored = np.zeros(len(present), np.float64)
    stored[present] = known
    limits = np.array([known.min(), known.max()]).view(np.int64)
    column = column._replace(present_count=len(known), low=int(limits[0]), high=int(limits[1]))
    bits = b"" if len(known) == len(present) else _bits(present, capacity)
    yield _Built(column, _padded(stored.astype("<f8"), capacity), bits)


def _build_codes(column: Column, codes: NDArray[np.uint32], capacity: int) -> Iterator[_Built]:
    present = codes != 0
    held = int(np.count_nonzero(present))
    if held == 0:
        return
    low, high = int((codes - np.uint32(1)).min()) + 1, int(codes.max())
    if held < len(codes):
        low = int(codes[present].min())
    column = column._replace(present_count=held, low=low, high=high)
    if low == high and held == len(codes):
        yield _Built(column._replace(width=0, base=low))
        return
    width = width_of(high)
    yield _Built(column._replace(width=width), _narrowed(codes, width, capacity))


def _build_texts(column: Column, values: Texts, capacity: int) -> Iterator[_Built]:
    present = values.present
    held = int(np.count_nonzero(present))
    if held == 0:
        return
    packed = values.strings.compact()
    ends = (packed.offsets[1:] - packed.offsets[0]).astype("<u4")
    data = packed.data[int(packed.offsets[0]) : int(packed.offsets[-1])].tobytes()
    column = column._replace(present_count=held, byte_count=len(data))
    bits = b"" if held == len(present) else _bits(present, capacity)
    yield _Built(column, _padded(ends, capacity), bits, data)


def _narrowed(stored: NDArray[Any], width: int, capacity: int) -> bytes:
    if width == 0:
        return b""
    if width == 6:
        low = _padded((stored & np.uint64(0xFFFFFFFF)).astype("<u4"), capacity)
        return low + _padded((stored >> np.uint64(32)).astype("<u2"), capacity)
    return _padded(stored.astype(_UNSIGNED[width]), capacity)


def _padded(values: NDArray[Any], capacity: int) -> bytes:
    return values.tobytes() + bytes((capacity - len(values)) * values.dtype.itemsize)


def _bits(present: NDArray[np.bool_], capacity: int) -> bytes:
    bits = np.packbits(present, bitorder="little").tobytes()
    return bits + bytes(capacity // 8 - len(bits))
