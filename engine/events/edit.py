"""Stored chunks changed: events taken out or let go by age, tails sealed, ids found.

A chunk that loses events is encoded again, and what it keeps stays in its order; the others stay
as they are, byte by byte.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.events import head
from engine.events.decode import decode_chunk
from engine.events.encode import encode_events
from engine.events.events import Events, concat
from engine.events.head import CHUNK_EVENTS, Column

__all__ = ["places_of_ids", "read_ids", "read_rows", "seal", "since", "without"]


def without(part: Buffer, dropped: NDArray[np.bool_]) -> tuple[Buffer, ...]:
    """The chunk without the events that bool[n] says; () where none is left."""
    if not dropped.any():
        return (part,)
    is_tail = bool(head.read_head(part).flags & head.TAIL)
    return encode_events(decode_chunk(part).take(~dropped), is_tail=is_tail)


def since(parts: Sequence[Buffer], instant: int) -> tuple[Buffer, ...]:
    """The chunks with the events at `instant` and later, which is in microseconds.

    A chunk that is old as a whole is dropped unread.
    """
    kept: list[Buffer] = []
    for part in parts:
        times = _column(part, head.TIME)
        assert times is not None
        if times.low >= instant:
            kept.append(part)
        elif times.high >= instant:
            kept += without(part, decode_chunk(part).times < instant)
    return tuple(kept)


def seal(
    parts: Sequence[Buffer], added: Events, properties: Container[int] | None = None
) -> tuple[Buffer, ...]:
    """The sealed chunks with more events, which may be of any time.

    `properties` are the numbers of those that mean something today; None: all do. What is written
    again lacks the others.

    A last chunk that is less than half full is taken in with them: so chunks stay few however
    often a small tail is sealed, and an event is encoded again a few times at most.
    """
    kept, pieces = list(parts), [added]
    while kept and head.read_head(kept[-1]).event_count < CHUNK_EVENTS // 2 and len(pieces) < 2:
        pieces.insert(0, decode_chunk(kept.pop()))
    events = concat(pieces)
    if properties is not None:
        wanted = {n: values for n, values in events.properties.items() if n in properties}
        events = replace(events, properties=wanted)
    return (*kept, *encode_events(events))


def read_ids(part: Buffer) -> NDArray[np.uint64] | None:
    """The ids of the events of a chunk, 0 for none; None where none has one."""
    column = _column(part, head.ID)
    if column is None:
        return None
    found = head.read_head(part)
    ids: NDArray[np.uint64] = head.read_stored(part, column, found.event_count, found.capacity)
    return ids


def read_rows(part: Buffer) -> NDArray[np.uint16]:
    """The rows of the events of a chunk."""
    column = _column(part, head.ROW)
    assert column is not None
    found = head.read_head(part)
    rows: NDArray[np.uint16] = head.read_stored(part, column, found.event_count, found.capacity)
    return rows


def places_of_ids(part: Buffer, ids: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Where in the chunk the events of these digests are, intp[n]; -1 for those not there.

    Digests are not 0; where several events have one, it is the place of any of them.
    """
    column = _column(part, head.ID)
    if column is None:
        return np.full(len(ids), -1, np.intp)
    found = head.read_head(part)
    stored = head.read_stored(part, column, found.event_count, found.capacity)
    order = np.argsort(stored)
    at = np.minimum(np.searchsorted(stored, ids, sorter=order), len(stored) - 1)
    places = order[at]
    return np.where(stored[places] == ids, places, -1)


def _column(part: Buffer, role: int) -> Column | None:
    columns = head.read_columns(part, head.read_head(part))
    return next((column for column in columns if column.role == role), None)
