"""Chunks back to events: the plain reading that kernels are held against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.strings import Strings
from engine.events import head
from engine.events.events import Codes, Events, Floats, Ints, Property, Texts, concat
from engine.events.head import Column, Head

__all__ = ["decode_chunk", "decode_columns", "decode_events"]


def decode_events(parts: Sequence[Buffer]) -> Events:
    """The events of all chunks, chunk after chunk, in their order there."""
    if not parts:
        return Events(np.zeros(0, np.uint16), np.zeros(0, np.int64))
    return concat([decode_chunk(part) for part in parts])


def decode_chunk(part: Buffer) -> Events:
    """The events of one chunk as stored, which has passed a checksum or a check."""
    found = head.read_head(part)
    return decode_columns(part, found, head.read_columns(part, found))


def decode_columns(part: Buffer, found: Head, columns: Sequence[Column]) -> Events:
    """The same with a head that was read already, over the bytes that its offsets count from."""
    count = found.event_count
    by_role = {column.role: column for column in columns if column.role != head.PROPERTY}
    ids, origins = by_role.get(head.ID), by_role.get(head.ORIGIN)
    capacity = found.capacity
    return Events(
        head.read_stored(part, by_role[head.ROW], count, capacity).astype(np.uint16),
        _read_ints(part, by_role[head.TIME], found).values,
        None if ids is None else head.read_stored(part, ids, count, capacity).astype(np.uint64),
        None if origins is None else _read_codes(part, origins, found).codes,
        {
            column.property: _read_property(part, column, found)
            for column in columns
            if column.role == head.PROPERTY
        },
    )


def _read_property(part: Buffer, column: Column, found: Head) -> Property:
    if column.kind == head.INTS:
        return _read_ints(part, column, found)
    if column.kind == head.CODES:
        return _read_codes(part, column, found)
    present = head.read_presence(part, column, found.event_count)
    if column.kind == head.FLOATS:
        stored = head.read_stored(part, column, found.event_count, found.capacity)
        return Floats(stored.view(np.float64), present)
    return Texts(_read_texts(part, column, found, present))


def _read_ints(part: Buffer, column: Column, found: Head) -> Ints:
    present = head.read_presence(part, column, found.event_count)
    wide = head.read_stored(part, column, found.event_count, found.capacity).astype(np.uint64)
    wide *= np.uint64(column.step)
    wide += np.int64(column.base).view(np.uint64)
    return Ints(wide.view(np.int64) * present, present)


def _read_codes(part: Buffer, column: Column, found: Head) -> Codes:
    stored = head.read_stored(part, column, found.event_count, found.capacity).astype(np.uint32)
    return Codes(stored + np.uint32(column.base))


def _read_texts(part: Buffer, column: Column, found: Head, present: NDArray[np.bool_]) -> Strings:
    """The texts of a column, bytes in place."""
    ends = head.read_stored(part, column, found.event_count, found.capacity).astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), ends])
    data = np.frombuffer(part, np.uint8, column.byte_count, column.bytes_offset)
    return Strings(offsets, data, present)
