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
    known = _Known(events)
    for part in parts:
        places, at = known.meetings(part)
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


class _Known:
    """Events by their ids, to be found by those of stored ones."""

    def __init__(self, events: Events) -> None:
        self._order = np.zeros(0, np.intp)
        self._ids = np.zeros(0, np.uint64)
        self._rows = np.zeros(0, np.uint16)
        if events.ids is not None:
            named = np.flatnonzero(events.ids)
            self._order = named[np.argsort(events.ids[named], kind="stable")]
            self._ids, self._rows = events.ids[self._order], events.rows[self._order]

    def meetings(self, part: Buffer) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where in a chunk the events stand that have the row and the id of one of these, and of
        which each."""
        nothing = np.zeros(0, np.intp)
        stored = read_ids(part) if len(self._ids) else None
        if stored is None:
            return nothing, nothing
        at = np.searchsorted(self._ids, stored)
        places = np.flatnonzero(self._is_at(at, stored))
        rows = read_rows(part)
        found = np.full(len(stored), -1, np.intp)
        # Events of several rows may have one id; nearly always the first is the one.
        while len(places):
            hit = self._rows[at[places]] == rows[places]
            found[places[hit]] = self._order[at[places[hit]]]
            places = places[~hit]
            at[places] += 1
            places = places[self._is_at(at[places], stored[places])]
        met = np.flatnonzero(found >= 0)
        return met, found[met]

    def _is_at(self, at: NDArray[np.intp], ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether the ids stand at these places."""
        there = np.minimum(at, len(self._ids) - 1)
        same: NDArray[np.bool_] = (at < len(self._ids)) & (self._ids[there] == ids)
        return same
