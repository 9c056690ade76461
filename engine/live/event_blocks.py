"""What events do to those of one type in one block: new ones join, and ids meet ids.

Two events of one row with the same id are one: the later one takes the place of the earlier.

1. Of the events brought, the last of each id stays (`last_of_ids`).
2. Chunks that hold one of these ids lose it, unless the event brought says the same; then that
   is dropped instead. So what was brought before changes nothing, and no chunk is touched.
3. What is left joins the sealed chunks (`engine.events.edit.seal`), with the open tail: chunks
   that nothing happened to stay as they are, byte by byte.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.events import head
from engine.events.decode import decode_chunk
from engine.events.edit import read_ids, read_rows, seal, without
from engine.events.events import Events, concat
from engine.live.same_events import same_events

__all__ = ["Brought", "LaidEvents", "lay_events"]


@dataclass(frozen=True, slots=True, eq=False)
class Brought:
    """Events of one type for one block, in the order in which they came.

    Where `gone` (bool (n,), None: nowhere), the event of that row and id is taken away, and
    nothing else of it means anything.
    """

    events: Events
    gone: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.events)


@dataclass(frozen=True, slots=True)
class LaidEvents:
    """The chunks of a block afterwards, and how many events are new, took the place of another,
    were there already, and were taken away. `rows` uint16: those with a change, in any order and
    some of them several times."""

    parts: tuple[Buffer, ...]
    added: int
    replaced: int
    unchanged: int
    removed: int
    rows: NDArray[np.uint16]


def lay_events(parts: Sequence[Buffer], brought: Brought, properties: Container[int]) -> LaidEvents:
    """What a block is after events that `last_of_ids` has been asked of.

    `properties` are the numbers that mean something today: columns of others are left out where a
    chunk is written again.
    """
    events, gone = brought.events, brought.gone
    happening = np.ones(len(events), np.bool_) if gone is None else ~gone
    same_as_stored = np.zeros(len(events), np.bool_)
    instead_of_stored = np.zeros(len(events), np.bool_)
    kept: list[Buffer] = []
    rows: list[NDArray[np.uint16]] = []
    for part in parts:
        places, at = _meetings(part, events)
        if not len(places):
            kept.append(part)
            continue
        stored = decode_chunk(part)
        same = same_events(stored.take(places), events.take(at), properties) & happening[at]
        same_as_stored[at[same]] = True
        instead_of_stored[at[~same]] = True
        dropped = np.zeros(len(stored), np.bool_)
        dropped[places[~same]] = True
        rows.append(stored.rows[dropped])
        kept += without(part, dropped)
    joining = happening & ~same_as_stored
    if joining.any():
        new = events if joining.all() else events.take(joining)
        rows.append(new.rows)
        kept = _joined(kept, new, properties)
    return LaidEvents(
        tuple(kept),
        added=int(np.count_nonzero(joining & ~instead_of_stored)),
        replaced=int(np.count_nonzero(happening & instead_of_stored)),
        unchanged=int(np.count_nonzero(same_as_stored)),
        removed=int(np.count_nonzero(~happening & instead_of_stored)),
        rows=np.concatenate([np.zeros(0, np.uint16), *rows]),
    )


def _joined(parts: Sequence[Buffer], new: Events, properties: Container[int]) -> list[Buffer]:
    """Chunks with more events: the tail is sealed with them, since it stands after all others."""
    sealed = [part for part in parts if not head.read_head(part).flags & head.TAIL]
    tail = [decode_chunk(part) for part in parts if head.read_head(part).flags & head.TAIL]
    return list(seal(sealed, concat([*tail, new]), properties))


def _meetings(part: Buffer, events: Events) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where in a chunk the events stand whose row and id some of the others have, and which."""
    nothing = np.zeros(0, np.intp)
    stored = read_ids(part)
    if events.ids is None or stored is None:
        return nothing, nothing
    order = np.lexsort((events.rows, events.ids))
    order = order[events.ids[order] != 0]
    ids = events.ids[order]
    places = np.flatnonzero(np.isin(stored, ids))
    if not len(places):
        return nothing, nothing
    rows = read_rows(part)[places]
    at = np.searchsorted(ids, stored[places])
    found_at = np.full(len(places), -1, np.intp)
    # Events of several rows may have one id; nearly always it is the first.
    looking = np.arange(len(places))
    while len(looking):
        here = at[looking]
        inside = here < len(order)
        inside[inside] = ids[here[inside]] == stored[places[looking[inside]]]
        looking, here = looking[inside], here[inside]
        hit = events.rows[order[here]] == rows[looking]
        found_at[looking[hit]] = order[here[hit]]
        looking = looking[~hit]
        at[looking] += 1
    met = np.flatnonzero(found_at >= 0)
    return places[met], found_at[met]
