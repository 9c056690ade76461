"""Where aggregates and sequences find their events: some types, a condition, one property or none.

Events of few rows are laid out by chains where these serve (`engine.live.chained_lines`). Else all
chunks of a block are looked through once, for the rows asked for. What of the
condition does not read `now` picks events as the evaluator picks them; what does is read along with
each event and judged when an instant is known (`engine.live.moving_where`). Types may declare the
property with different numbers of decimals: values come in the unit of the most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.core.day_turns import days_by_start, starts_of
from engine.core.row_lines import RowLines
from engine.core.where_nodes import WhereNodes
from engine.core.where_plan import WhereNode, plan_where
from engine.events.chunks import Chunks
from engine.events.events import Codes, Floats, Ints, Property, Texts
from engine.live.chained_lines import ChainedLines, property_number
from engine.live.event_timelines import Timelines
from engine.live.held_events import Held, HeldEvents
from engine.live.linear_forms import SAFE
from engine.live.moving_where import MovingForm, MovingWhere, PassingTimes, split_where
from engine.model.definitions import Attribute, EventType, Model
from engine.model.hidden_events import event_type
from engine.rules import bound
from engine.rules.bound_events import BoundEvents
from engine.rules.retention import leaves_us
from engine.rules.window_bounds import EARLIEST_US
from engine.store.catalog import FieldKind, event_field
from engine.store.dictionary import Dictionary
from engine.store.snapshot import Snapshot

__all__ = ["EventSource", "SourcePiece"]

_EVER = -(1 << 63), (1 << 63) - 1


class EventSource:
    """Events of some types under a condition, with a property (those without it are left out) or
    as such."""

    def __init__(self, model: Model, events: BoundEvents, read: Attribute | None) -> None:
        self._model = model
        self._types = events.types
        self._read = read
        self._still, moving = split_where(events.where)
        self._moving = None if moving is None else MovingWhere(moving)
        self._chained = None
        if moving is None:
            self._chained = ChainedLines(model, self.types, read, self._still)

    @property
    def moves(self) -> bool:
        """Whether the condition reads `now`."""
        return self._moving is not None

    @property
    def types(self) -> tuple[str, ...]:
        """The types of event."""
        return tuple(self._types)

    @property
    def is_still(self) -> bool:
        """Whether an event passes or does not as long as nobody writes, and is dropped by no age:
        what the model keeps for itself (engine.model.hidden_events) is not asked for here."""
        events = self._model.events
        return self._moving is None and all(
            name in events and events[name].retention_us is None for name in self._types
        )

    @property
    def takes_all(self) -> bool:
        """Whether all events of the types are in it."""
        return self._moving is None and self._still is None and self._read is None

    def fields(self, snapshot: Snapshot) -> frozenset[int]:
        """The fields that have the events."""
        found = (snapshot.fields.get(event_field(name)) for name in self._types)
        return frozenset(
            field.id for field in found if field is not None and field.kind == FieldKind.EVENTS
        )

    def chained(self, held: HeldEvents) -> RowLines | None:
        """The events of the rows that are looked at, where chains have them and they can be folded
        as they lie."""
        return None if self._chained is None else self._chained.of(held)

    def timelines(self, held: HeldEvents) -> Timelines:
        """The events of the rows that are looked at."""
        chained = self.chained(held)
        laid = None if chained is None else chained.lay()
        if laid is not None:
            places, times, values, starts = laid
            zone = self._model.time_zone
            return Timelines(len(held.rows), places, times, values, zone, starts=starts)
        pieces = [piece for _, _, piece in self.pieces(held, self._types)]
        return _gathered(len(held.rows), pieces, self._model.time_zone, self._moving)

    def pieces(
        self, held: HeldEvents, types: Sequence[str]
    ) -> Iterator[tuple[str, Held, SourcePiece]]:
        """The events of the rows that are looked at, of some of its types, chunk by chunk."""
        reading = _Reading(held.snapshot, self._model, self._types, self._read, self._moving)
        wheres = reading.planned(self._still)
        for name in types:
            field, where = held.snapshot.fields.get(event_field(name)), wheres[name]
            if field is not None and where is not None:
                declared = event_type(self._model, name)
                for one, piece in reading.pieces(name, held.of(field.id), where):
                    yield name, one, _aged(piece, declared, self._model.time_zone)


@dataclass(frozen=True, slots=True, eq=False)
class SourcePiece:
    """Some events: which of those held, places of their rows among those asked for, times, and
    values or None; masks of the parts of a condition that reads `now`, and the sums of its forms
    with where they are there; when they are dropped by age, None: never."""

    at: NDArray[np.intp]
    places: NDArray[np.intp]
    times: NDArray[np.int64]
    values: NDArray[Any] | None
    masks: Sequence[NDArray[np.bool_]]
    totals: Sequence[NDArray[Any]]
    present: Sequence[NDArray[np.bool_]]
    where: MovingWhere | None
    leaving: NDArray[np.int64] | None = None

    @property
    def condition(self) -> PassingTimes | None:
        """Which pass at which instant, where that depends on it."""
        if self.where is None:
            return None
        return PassingTimes(self.where, self.masks, self.totals, self.present)


def _aged(piece: SourcePiece, declared: EventType, zone: ZoneInfo) -> SourcePiece:
    """A piece without what an earlier model has dropped, which knows when the rest is."""
    if declared.retention_us is None and declared.dropped_us == EARLIEST_US:
        return piece
    kept = piece.times >= declared.dropped_us
    times, leaving = piece.times[kept], None
    if declared.retention_us is not None:
        days, of_day = np.unique(days_by_start(times, zone), return_inverse=True)
        at = [leaves_us(day, declared.retention_us, zone) for day in days.tolist()]
        leaving = np.array(at, np.int64)[of_day]
    return SourcePiece(
        piece.at[kept],
        piece.places[kept],
        times,
        None if piece.values is None else piece.values[kept],
        [mask[kept] for mask in piece.masks],
        [total[kept] for total in piece.totals],
        [there[kept] for there in piece.present],
        piece.where,
        leaving,
    )


def _leaving(piece: SourcePiece) -> NDArray[np.int64]:
    if piece.leaving is not None:
        return piece.leaving
    return np.full(len(piece.times), _EVER[1], np.int64)


def _gathered(
    row_count: int, pieces: Sequence[SourcePiece], zone: ZoneInfo, moving: MovingWhere | None
) -> Timelines:
    """The events of all pieces, by row, time and value."""
    places = np.concatenate([np.zeros(0, np.intp), *(piece.places for piece in pieces)])
    times = np.concatenate([np.zeros(0, np.int64), *(piece.times for piece in pieces)])
    listed = [piece.values for piece in pieces if piece.values is not None]
    values: NDArray[Any] = np.concatenate(listed) if listed else np.zeros(len(times), np.int64)
    ranks = values
    if values.dtype == object:
        ranks = np.unique(values, return_inverse=True)[1]
    order = _order(places, times, ranks)
    condition = None
    if moving is not None:
        condition = PassingTimes(
            moving,
            _columns([piece.masks for piece in pieces], len(moving.parts), np.bool_, order),
            _columns([piece.totals for piece in pieces], len(moving.forms), np.int64, order),
            _columns([piece.present for piece in pieces], len(moving.forms), np.bool_, order),
        )
    leaving = None
    if any(piece.leaving is not None for piece in pieces):
        leaving = np.concatenate([_leaving(piece) for piece in pieces])[order]
    return Timelines(
        row_count, places[order], times[order], values[order], zone, condition, leaving
    )


def _order(
    places: NDArray[np.intp], times: NDArray[np.int64], ranks: NDArray[Any]
) -> NDArray[np.intp] | slice:
    """By place, time and rank; events that were gathered row by row mostly are."""
    same = places[1:] == places[:-1]
    if ((places[1:] > places[:-1]) | (same & (times[1:] > times[:-1]))).all():
        return slice(None)
    return np.lexsort((ranks, times, places))


def _columns(
    pieces: Sequence[Sequence[NDArray[Any]]],
    count: int,
    dtype: type[np.generic],
    order: NDArray[np.intp] | slice,
) -> list[NDArray[Any]]:
    empty = np.zeros(0, dtype)
    return [np.concatenate([empty, *(piece[i] for piece in pieces)])[order] for i in range(count)]


class _Reading:
    """Reads the events of one source from one snapshot."""

    def __init__(
        self,
        snapshot: Snapshot,
        model: Model,
        types: Sequence[str],
        read: Attribute | None,
        moving: MovingWhere | None,
    ) -> None:
        self._snapshot = snapshot
        self._model = model
        self._types = types
        self._read = read
        self._forms = [] if moving is None else moving.forms
        self._properties = [] if moving is None else moving.properties
        self._moving = moving
        self._parts = [] if moving is None else [self.planned(part) for part in moving.parts]

    def planned(self, where: bound.BoundExpr | None) -> dict[str, tuple[WhereNode, ...] | None]:
        """See `plan_where`; the condition does not read `now`."""
        return plan_where(
            self._snapshot, self._types, where, 0, self._model.time_zone, model=self._model
        )

    def pieces(
        self, event: str, held: Sequence[Held], where: Sequence[WhereNode]
    ) -> Iterator[tuple[Held, SourcePiece]]:
        """The events of one type that pass and have the property, chunk by chunk."""
        read, number = self._read, 0
        if read is not None:
            number = property_number(self._snapshot, self._model, event, read)
            if not number:
                return
        masks = [self._mask(planned[event], held) for planned in self._parts]
        passing = _picked(held, where) if where else [None] * len(held)
        for place, (one, chosen) in enumerate(zip(held, passing, strict=True)):
            piece = self._piece(event, one, number, chosen, [mask[place] for mask in masks])
            if piece is not None:
                yield one, piece

    def _mask(
        self, nodes: tuple[WhereNode, ...] | None, held: Sequence[Held]
    ) -> Sequence[NDArray[np.bool_]]:
        """Chunk by chunk which of the events a part of the condition holds for."""
        if nodes:
            return _picked(held, nodes)
        return [np.full(len(one.at), nodes is not None) for one in held]

    def _piece(
        self,
        event: str,
        held: Held,
        number: int,
        passing: NDArray[np.bool_] | None,
        masks: Sequence[NDArray[np.bool_]],
    ) -> SourcePiece | None:
        """The events of a chunk that pass and have the property, if any."""
        numbers = {
            read: property_number(self._snapshot, self._model, event, read)
            for read in self._properties
        }
        events = held.read({number, *numbers.values()} - {0})
        if number:
            valued = events.properties.get(number)
            if valued is None:
                return None
            passing = valued.present if passing is None else passing & valued.present
        if passing is not None and not passing.any():
            return None
        at = np.arange(len(events))
        places, times, properties = held.places, events.times, events.properties
        if passing is not None:
            at, places, times = at[passing], places[passing], times[passing]
            masks = [mask[passing] for mask in masks]
            properties = {known: column.take(passing) for known, column in properties.items()}
        values = self._values(event, properties[number], number) if number else None
        read = {one: properties[at] for one, at in numbers.items() if at in properties}
        sums = [self._sum(form, read, len(times)) for form in self._forms]
        totals, present = [total for total, _ in sums], [there for _, there in sums]
        return SourcePiece(at, places, times, values, masks, totals, present, self._moving)

    def _values(self, event: str, held: Property, number: int) -> NDArray[Any]:
        """Values in the unit of the source."""
        assert self._read is not None
        codes = self._read.type == "category"
        found = _values(held, self._snapshot.dictionary(number) if codes else None)
        finer = self._read.scale - event_type(self._model, event).properties[self._read.name].scale
        if not finer:
            return found
        largest = max(-int(found.min(initial=0)), int(found.max(initial=0)))
        if largest * 10**finer >= SAFE:
            found = found.astype(object)
        scaled: NDArray[Any] = found * 10**finer
        return scaled

    def _sum(
        self, form: MovingForm, read: Mapping[Attribute, Property], count: int
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The sum of a form for each event, and which events have it."""
        present = np.ones(count, np.bool_)
        total: NDArray[Any] = np.zeros(count, np.int64)
        reach = 0
        for source, factor in zip(form.sources, form.test.factors, strict=True):
            held = read.get(source.attribute)
            if held is None:
                return np.zeros(count, np.int64), np.zeros(count, np.bool_)
            assert isinstance(held, Ints), "only times and dates stand beside now"
            values: NDArray[Any] = np.where(held.present, held.values, 0)
            if isinstance(source, bound.DateStartSource):
                there = held.present
                values[there] = starts_of(values[there], self._model.time_zone)
            reach += abs(factor) * max(-int(values.min(initial=0)), int(values.max(initial=0)))
            if reach >= SAFE:
                total, values = total.astype(object), values.astype(object)
            total = total + factor * values
            present = present & held.present
        return form.test.totals(total, reach), present


def _picked(held: Sequence[Held], where: Sequence[WhereNode]) -> Sequence[NDArray[np.bool_]]:
    """Which of the events pass, chunk by chunk."""
    picked = WhereNodes(where).pick(Chunks([one.chunk for one in held]), *_EVER)
    return [some[one.at] for one, some in zip(held, picked, strict=True)]


def _values(held: Property, dictionary: Dictionary | None) -> NDArray[Any]:
    match held:
        case Ints(values=values) | Floats(values=values):
            return values
        case Codes(codes=codes):
            if dictionary is None:
                return codes.astype(np.int64)
            known, of_code = np.unique(codes, return_inverse=True)
            return _strings([dictionary.value(code) for code in known.tolist()])[of_code]
        case Texts(strings=strings):
            return _strings(strings.to_list())


def _strings(values: Sequence[str | None]) -> NDArray[Any]:
    found = np.empty(len(values), object)
    found[:] = values
    return found
