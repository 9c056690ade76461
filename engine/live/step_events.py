"""When events of a step come to count, one by one: what actions and tags with `each` follow from.
Of tags that last as long as their events do, when they cease to count, too.

An event counts at an instant where it has happened, lies in the window of the step and passes its
condition. It comes to count

1. by a record of the log that brings it. A correction that counts where the event counted already
   brings nothing, and neither does one that is stored as it is;
2. by time: at its own instant where it was dated ahead, as the window reaches it, and as its
   condition with `now` comes to hold.

A step that is reached by nothing but events' own times looks at blocks that have some ahead; of the
others the finder of `count(step) >= 1` says in which rows to look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.events.encode import encode_events
from engine.events.events import Codes, Events
from engine.live.event_flips import EventFlips, EventSources
from engine.live.event_source import SourcePiece
from engine.live.flips import NEVER, UNKNOWN, DueTimes
from engine.live.held_events import HeldEvents
from engine.live.rows_read import BlockRead
from engine.live.time_span import Span
from engine.live.window_edges import WindowEdges
from engine.model.definitions import Model
from engine.rules.bound_events import BoundAggregate
from engine.rules.steps import happens_at_all
from engine.store.catalog import Catalog, event_field
from engine.store.snapshot import Snapshot

__all__ = ["BroughtEvents", "CountedEvents", "StepEvents", "Turns"]

_BLOCK_BITS = 16

# Places of events, and instants beside them.
_Comings = tuple[NDArray[np.intp], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class BroughtEvents:
    """Events that a record added to one type, and those whose place they took or that it took
    away; the blocks of both, uint32, ascend."""

    field_id: int
    blocks: NDArray[np.uint32]
    events: Events
    dropped_blocks: NDArray[np.uint32]
    dropped: Events

    def by_block(self) -> Iterator[_BlockEvents]:
        """The same block by block."""
        for block in np.union1d(self.blocks, self.dropped_blocks).tolist():
            some = slice(*np.searchsorted(self.blocks, (block, block + 1)).tolist())
            less = slice(*np.searchsorted(self.dropped_blocks, (block, block + 1)).tolist())
            yield _BlockEvents(
                self.field_id, block, self.events.take(some), self.dropped.take(less)
            )


@dataclass(frozen=True, slots=True, eq=False)
class _BlockEvents:
    """Events that were brought to one block."""

    field_id: int
    block: int
    events: Events
    dropped: Events


@dataclass(frozen=True, slots=True, eq=False)
class CountedEvents:
    """Events that come to count, side by side: rows uint32; `instants` int64 at which they do;
    places of their types among those of the step; their own `times` int64; `ids` uint64, 0 for
    none; `codes` uint32 (n, properties), 0 where missing."""

    rows: NDArray[np.uint32]
    instants: NDArray[np.int64]
    types: NDArray[np.uint16]
    times: NDArray[np.int64]
    ids: NDArray[np.uint64]
    codes: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, at: NDArray[np.bool_] | NDArray[np.intp]) -> CountedEvents:
        """Some of them."""
        return CountedEvents(
            self.rows[at],
            self.instants[at],
            self.types[at],
            self.times[at],
            self.ids[at],
            self.codes[at],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Turns:
    """Events that come to count or cease to, side by side: rows uint32, instants int64, codes
    uint32 (n, properties), and `counts` int64, 1 or -1. What counts at the beginning comes to count
    there."""

    rows: NDArray[np.uint32]
    instants: NDArray[np.int64]
    codes: NDArray[np.uint32]
    counts: NDArray[np.int64]


class StepEvents:
    """The events of one step; for one thread at a time.

    `step` is their count. `numbers` gives, for a catalog, the fields of the properties (categories)
    whose codes are wanted; events without one of them do not count. `with_ends` where it matters
    when they cease to count (`turns`).
    """

    def __init__(
        self,
        model: Model,
        step: BoundAggregate,
        numbers: Callable[[Catalog], Sequence[int]] = lambda _: (),
        *,
        with_ends: bool = False,
    ) -> None:
        self._model = model
        self.types = step.events.types
        self._numbers = numbers
        sources = EventSources(model)
        self._source = sources.of(step.events)
        self._edges = WindowEdges(step.window, model.time_zone)
        # Nothing but the own time of an event makes it count.
        at_once = self._edges.opens_at_once and not self._source.moves
        self._by_own_time = at_once and not with_ends
        self._finder = EventFlips(happens_at_all(step), sources, model)
        self._due = DueTimes(self._finder)
        self._ahead_us = UNKNOWN

    @property
    def next_us(self) -> int:
        """No event comes to count before this by time alone, as far as is known."""
        return self._ahead_us if self._by_own_time else self._due.earliest

    def forget(self) -> None:
        """Events were written by somebody else."""
        self._ahead_us = UNKNOWN
        self._due = DueTimes(self._finder)

    def fields(self, catalog: Catalog) -> frozenset[int]:
        """The fields that have the events, as far as the store has them."""
        names = (event_field(name) for name in self.types)
        return frozenset(catalog[name].id for name in names if name in catalog)

    # ---------------------------------------------------------------------- coming to count

    def of_record(
        self, snapshot: Snapshot, brought: Sequence[BroughtEvents], now_us: int
    ) -> CountedEvents:
        """The events that come to count by a record of the log, at the clock."""
        mine = self.expect(snapshot, brought, now_us)
        came = self._of_brought(snapshot, mine, now_us, lambda one: one.events)
        if not len(came) or not any(len(one.dropped) for one in mine):
            return came
        gone = self._of_brought(snapshot, mine, now_us, lambda one: one.dropped)
        return came.take(~_among(came, gone))

    def by_time(self, snapshot: Snapshot, spans: Sequence[Span]) -> CountedEvents:
        """The events that come to count as time passes; no row is in two of the spans."""
        pieces = [piece for span in spans for piece in self._passing(snapshot, span)]
        return _joined(pieces, len(self._numbers(snapshot.fields)))

    def _passing(self, snapshot: Snapshot, span: Span) -> Iterator[CountedEvents]:
        if span.rows is not None:
            found: Iterable[HeldEvents] = [HeldEvents(snapshot, span.rows)]
        else:
            found = (self._dated_ahead if self._by_own_time else self._reached)(snapshot, span)
        for held in found:
            for piece in self._pieces(held):
                came = self._comings(piece, span.after_us, span.through_us)
                chosen = self._chosen(piece, *came)
                if span.clocks is not None:
                    chosen = chosen.take(~span.clocks.are_behind(chosen.rows, chosen.instants))
                yield chosen

    def of_rows(
        self, snapshot: Snapshot, rows: NDArray[np.uint32], after_us: int, through_us: int
    ) -> CountedEvents:
        """The events of some rows (ascending) that come to count after one instant and up to
        another."""
        pieces = [
            self._chosen(piece, *self._comings(piece, after_us, through_us))
            for piece in self._pieces(HeldEvents(snapshot, rows))
        ]
        return _joined(pieces, len(self._numbers(snapshot.fields)))

    def counting(self, held: HeldEvents, now_us: int) -> CountedEvents:
        """The events of some rows that count at an instant."""
        pieces = [self._counting(piece, now_us) for piece in self._pieces(held)]
        return _joined(pieces, len(self._numbers(held.snapshot.fields)))

    def turns(
        self,
        snapshot: Snapshot,
        after_us: int,
        through_us: int,
        absorbs: Callable[[int], bool] | None = None,
    ) -> Turns:
        """What happens after one instant and up to another to the events of the rows in which
        something happens, and which of them count at the first."""
        width = len(self._numbers(snapshot.fields))
        found = [_turned(_joined([], width), 1)]
        for held in self._reached(snapshot, Span(after_us, through_us, absorbs)):
            for piece in self._pieces(held):
                found.append(_turned(self._counting(piece, after_us), 1))
                comes, goes = self._turning(piece, after_us, through_us)
                found.append(_turned(self._chosen(piece, *comes), 1))
                found.append(_turned(self._chosen(piece, *goes), -1))
        return Turns(
            np.concatenate([one.rows for one in found]),
            np.concatenate([one.instants for one in found]),
            np.concatenate([one.codes for one in found]),
            np.concatenate([one.counts for one in found]),
        )

    def of_everything(self, snapshot: Snapshot, now_us: int) -> CountedEvents:
        """All events that count at an instant."""
        pieces = []
        for block in range(snapshot.block_count):
            if self._latest(snapshot, block) is None:
                continue
            held = _all_of_block(snapshot, block)
            for piece in self._pieces(held):
                pieces.append(self._counting(piece, now_us))
        return _joined(pieces, len(self._numbers(snapshot.fields)))

    # -------------------------------------------------------------------------- finding

    def expect(
        self, snapshot: Snapshot, brought: Sequence[BroughtEvents], now_us: int
    ) -> list[_BlockEvents]:
        """What was brought may come to count earlier than all that is known of; the events of the
        step's own types, block by block."""
        fields = self.fields(snapshot.fields)
        mine = [part for one in brought if one.field_id in fields for part in one.by_block()]
        if self._by_own_time:
            for one in mine:
                ahead = one.events.times[one.events.times > now_us]
                self._ahead_us = min(self._ahead_us, int(ahead.min(initial=NEVER)))
            return mine
        self._due.grow(snapshot.block_count)
        for one in mine:
            for piece in self._pieces(_brought(snapshot, one, one.events), one.field_id):
                for at in self._instants(piece):
                    hit = (at > now_us) & (at < NEVER)
                    self._due.bring_forward(piece.rows[hit], at[hit])
        return mine

    def _dated_ahead(self, snapshot: Snapshot, span: Span) -> Iterator[HeldEvents]:
        """The blocks with events after an instant, as the bounds of zones tell."""
        self._ahead_us = NEVER
        fields = self.fields(snapshot.fields)
        for block in range(snapshot.block_count):
            latest = self._latest(snapshot, block)
            if latest is None or latest <= span.after_us:
                continue
            held = _all_of_block(snapshot, block)
            for field_id in fields:
                for one in held.of(field_id):
                    later = one.read(()).times
                    later = later[later > span.through_us]
                    self._ahead_us = min(self._ahead_us, int(later.min(initial=NEVER)))
            if span.takes(block):
                yield held

    def _reached(self, snapshot: Snapshot, span: Span) -> Iterator[HeldEvents]:
        """The rows in which the finder says that something happens."""
        self._due.grow(snapshot.block_count)
        for block in self._due.due(span.through_us):
            if not span.takes(block):
                continue
            read = BlockRead(snapshot, block, self._model.time_zone)
            found = self._due.take(read, span.after_us, span.through_us)
            if len(found.rows):
                yield HeldEvents(snapshot, np.unique(found.rows))

    def _latest(self, snapshot: Snapshot, block: int) -> int | None:
        zones = (snapshot.zone(field_id, block) for field_id in self.fields(snapshot.fields))
        latest = [zone.maximum for zone in zones if zone is not None and zone.present_count]
        return max((int(at) for at in latest if at is not None), default=None)

    def _of_brought(
        self,
        snapshot: Snapshot,
        brought: Sequence[_BlockEvents],
        now_us: int,
        side: Callable[[_BlockEvents], Events],
    ) -> CountedEvents:
        pieces = [
            self._counting(piece, now_us)
            for one in brought
            if len(side(one))
            for piece in self._pieces(_brought(snapshot, one, side(one)), one.field_id)
        ]
        return _joined(pieces, len(self._numbers(snapshot.fields)))

    # -------------------------------------------------------------------------- judging

    def _pieces(self, held: HeldEvents, field_id: int | None = None) -> Iterator[_Piece]:
        """The events, of all types or of one, that pass what of the condition does not read `now`,
        and have the properties."""
        fields = held.snapshot.fields
        numbers = self._numbers(fields)
        types = self.types
        if field_id is not None:
            types = tuple(name for name in types if fields[event_field(name)].id == field_id)
        for name, one, found in self._source.pieces(held, types):
            events = one.read(numbers, with_ids=True).take(found.at)
            codes = np.zeros((len(events), len(numbers)), np.uint32)
            for column, number in enumerate(numbers):
                values = events.properties.get(number)
                if values is not None:
                    assert isinstance(values, Codes)
                    codes[:, column] = values.codes
            ids = np.zeros(len(events), np.uint64) if events.ids is None else events.ids
            rows = held.rows[found.places]
            yield _Piece(found, rows, self.types.index(name), ids, codes)

    def _counting(self, piece: _Piece, now_us: int) -> CountedEvents:
        """Those that count at an instant."""
        everything = np.arange(len(piece.rows))
        at = np.full(len(everything), now_us, np.int64)
        chosen = np.flatnonzero(self._counts(piece, everything, at))
        return self._chosen(piece, chosen, at[chosen])

    def _comings(self, piece: _Piece, after_us: int, through_us: int) -> _Comings:
        """Which come to count after one instant and up to another, and when."""
        return self._turning(piece, after_us, through_us)[0]

    def _turning(self, piece: _Piece, after_us: int, through_us: int) -> tuple[_Comings, _Comings]:
        """Which come to count after one instant and up to another, and which cease to."""
        found: tuple[list[NDArray[np.int64]], ...] = ([], [])
        for at in self._instants(piece):
            hit = np.flatnonzero((at > after_us) & (at <= through_us))
            counts = self._counts(piece, hit, at[hit])
            differ = counts != self._counts(piece, hit, at[hit] - 1)
            for of_side, turned in zip(found, (differ & counts, differ & ~counts), strict=True):
                of_side.append(np.column_stack((hit[turned], at[hit[turned]])))
        comes, goes = (
            np.unique(np.concatenate([np.zeros((0, 2), np.int64), *of_side]), axis=0)
            for of_side in found
        )
        return (comes[:, 0].astype(np.intp), comes[:, 1]), (goes[:, 0].astype(np.intp), goes[:, 1])

    def _instants(self, piece: _Piece) -> Iterator[NDArray[np.int64]]:
        """When something may change: arrays with one element for each event."""
        yield from self._edges.flips(piece.found.times)
        if piece.found.leaving is not None:
            yield piece.found.leaving
        if piece.found.condition is not None:
            yield from piece.found.condition.flips()

    def _counts(
        self, piece: _Piece, events: NDArray[np.intp], instants: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which of some events count, each at the instant beside it."""
        times = piece.found.times[events]
        start, end = self._edges.bounds(instants)
        named = (piece.codes[events] != 0).all(axis=1)
        counts: NDArray[np.bool_] = (times >= start) & (times < end) & named
        if piece.found.leaving is not None:
            counts &= instants < piece.found.leaving[events]
        if piece.found.condition is not None:
            counts &= piece.found.condition.passing(events, instants)
        return counts

    @staticmethod
    def _chosen(piece: _Piece, at: NDArray[np.intp], instants: NDArray[np.int64]) -> CountedEvents:
        types = np.full(len(at), piece.type, np.uint16)
        times = piece.found.times[at]
        return CountedEvents(piece.rows[at], instants, types, times, piece.ids[at], piece.codes[at])


def _turned(events: CountedEvents, counts: int) -> Turns:
    return Turns(events.rows, events.instants, events.codes, np.full(len(events), counts))


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Events of a chunk, with what is wanted of them; `type` is a place among those of the step."""

    found: SourcePiece
    rows: NDArray[np.uint32]
    type: int
    ids: NDArray[np.uint64]
    codes: NDArray[np.uint32]


def _all_of_block(snapshot: Snapshot, block: int) -> HeldEvents:
    """All events of a block, those of rows that are no more among them."""
    rows = np.arange(1 << _BLOCK_BITS, dtype=np.uint32) + np.uint32(block << _BLOCK_BITS)
    return HeldEvents(snapshot, rows)


def _brought(snapshot: Snapshot, one: _BlockEvents, events: Events) -> HeldEvents:
    return HeldEvents.brought(snapshot, one.field_id, one.block, encode_events(events))


def _joined(pieces: Sequence[CountedEvents], properties: int) -> CountedEvents:
    """All of them, by row, instant, type, time and id."""
    nothing = CountedEvents(
        np.zeros(0, np.uint32),
        np.zeros(0, np.int64),
        np.zeros(0, np.uint16),
        np.zeros(0, np.int64),
        np.zeros(0, np.uint64),
        np.zeros((0, properties), np.uint32),
    )
    columns = (
        np.concatenate([getattr(piece, name) for piece in (nothing, *pieces)])
        for name in ("rows", "instants", "types", "times", "ids", "codes")
    )
    found = CountedEvents(*columns)
    return found.take(np.lexsort((found.ids, found.times, found.types, found.instants, found.rows)))


def _among(events: CountedEvents, others: CountedEvents) -> NDArray[np.bool_]:
    """Which events others have the row, type, id and codes of; an event without an id is none of
    them."""

    def keys(of: CountedEvents) -> list[tuple[int, ...]]:
        columns = (of.rows, of.types, of.ids, *of.codes.T)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    known = set(keys(others.take(others.ids != 0)))
    return np.array([key in known for key in keys(events)], np.bool_)
