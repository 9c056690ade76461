"""The events of some rows in the order of time, for whoever asks at many instants.

What aggregates read is events of some types that pass a condition, with one property or none.
Of such a source all chunks of a block are looked through once, and the events of the rows asked
for lie side by side: by row, then time, then value. What any window takes in of a row is then a
stretch, found by bisection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.core.where_nodes import WhereNodes
from engine.core.where_plan import WhereNode, plan_where
from engine.events import head
from engine.events.chunks import Chunks
from engine.events.decode import decode_columns
from engine.events.edit import read_rows
from engine.events.events import Codes, Events, Floats, Ints, Property, Texts
from engine.events.tail import TailVersion
from engine.live.day_turns import days_by_start
from engine.model.definitions import Attribute, Model
from engine.rules.bound_events import BoundEvents
from engine.store.catalog import FieldKind, event_field, property_field
from engine.store.dictionary import Dictionary
from engine.store.event_chunks import event_chunks
from engine.store.snapshot import Snapshot

__all__ = ["EventSource", "HeldEvents", "Timelines"]

_BLOCK_BITS = 16
_BLOCK_ROWS = 1 << _BLOCK_BITS
# Rows whose places are searched for; of more there is a table.
_FEW_ROWS = 1024
_EVER = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Some events: places of their rows among those asked for, times, and values or None."""

    places: NDArray[np.intp]
    times: NDArray[np.int64]
    values: NDArray[Any] | None


class Timelines:
    """Events of rows: those of place i are starts[i]:starts[i + 1] of `times` and `values`.

    Values are int64 (unscaled decimals, days, microseconds; bools 1 and 2; 0 where no property is
    read), float64, or strings as objects. Events of one row at one time are in the order of their
    values.
    """

    def __init__(self, row_count: int, pieces: Sequence[_Piece], zone: ZoneInfo) -> None:
        self._zone = zone
        places = np.concatenate([np.zeros(0, np.intp), *(piece.places for piece in pieces)])
        times = np.concatenate([np.zeros(0, np.int64), *(piece.times for piece in pieces)])
        listed = [piece.values for piece in pieces if piece.values is not None]
        values: NDArray[Any] = np.concatenate(listed) if listed else np.zeros(len(times), np.int64)
        ranks = values
        if values.dtype == object:
            ranks = np.unique(values, return_inverse=True)[1]
        order = np.lexsort((ranks, times, places))
        self.places = places[order]
        self.times = times[order]
        self.values = values[order]
        self.starts = np.searchsorted(self.places, np.arange(row_count + 1))

    def first_from(self, places: NDArray[np.intp], instants: NDArray[np.int64]) -> NDArray[np.intp]:
        """Of the events of the row at each place, where the first is that is not before the instant
        beside it; the end of the row's events where there is none."""
        low, high = self.starts[places], self.starts[places + 1]
        longest = int((high - low).max(initial=0))
        for _ in range(longest.bit_length()):
            middle = (low + high) // 2
            open_ = low < high
            # Where the search is over nothing is read that counts.
            before = open_ & (self.times[np.where(open_, middle, 0)] < instants)
            low = np.where(before, middle + 1, low)
            high = np.where(open_ & ~before, middle, high)
        return low

    @cached_property
    def sums(self) -> NDArray[Any]:
        """The sum of the values before each event, and of all: int64, objects where 64 bits may not
        do."""
        values = self.values
        largest = max(abs(int(values.min())), abs(int(values.max()))) if len(values) else 0
        if largest * len(values) >= 1 << 62:
            values = values.astype(object)
        return np.concatenate([np.zeros(1, values.dtype), np.cumsum(values)])

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """A number for each value, equal for equal values only."""
        return np.unique(self.values, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def days(self) -> NDArray[np.int64]:
        """The calendar day of each event."""
        return days_by_start(self.times, self._zone)


class EventSource:
    """Events of some types under a condition, with a property (those without it are left out) or
    as such. The condition must not read `now`."""

    def __init__(self, model: Model, events: BoundEvents, read: Attribute | None) -> None:
        self._model = model
        self._events = events
        self._read = read

    def fields(self, snapshot: Snapshot) -> frozenset[int]:
        """The fields that have the events."""
        found = (snapshot.fields.get(event_field(name)) for name in self._events.types)
        return frozenset(
            field.id for field in found if field is not None and field.kind == FieldKind.EVENTS
        )

    def timelines(self, held: HeldEvents) -> Timelines:
        """The events of the rows that are looked at."""
        snapshot = held.snapshot
        wheres = plan_where(
            snapshot, self._events.types, self._events.where, 0, self._model.time_zone,
            model=self._model,
        )  # fmt: skip
        number, dictionary = 0, None
        if self._read is not None:
            name = property_field(self._read.name, self._read.type, self._read.scale)
            field = snapshot.fields.get(name)
            number = 0 if field is None else field.id
            if number and self._read.type == "category":
                dictionary = snapshot.dictionary(number)
        pieces = []
        for name in self._events.types:
            field, where = snapshot.fields.get(event_field(name)), wheres[name]
            if field is not None and where is not None and (number or self._read is None):
                found = held.of(field.id)
                passing = _passing(found, where)
                pieces += [
                    _piece(one, some, number, dictionary)
                    for one, some in zip(found, passing, strict=True)
                ]
        there = [piece for piece in pieces if piece is not None]
        return Timelines(len(held.rows), there, self._model.time_zone)


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """What a chunk holds of some rows: which of its events, and the places of their rows."""

    chunk: Buffer | TailVersion
    at: NDArray[np.intp]
    places: NDArray[np.intp]
    of_tail: Events | None = None

    def read(self, number: int) -> Events:
        """Rows and times of these events, and one property (0: none)."""
        if isinstance(self.chunk, TailVersion):
            assert self.of_tail is not None
            return self.of_tail
        found = head.read_head(self.chunk)
        columns = [
            column
            for column in head.read_columns(self.chunk, found)
            if column.role in (head.ROW, head.TIME)
            or (column.role == head.PROPERTY and number and column.property == number)
        ]
        return decode_columns(self.chunk, found, columns).take(self.at)


class HeldEvents:
    """Where the events of some rows are, which ascend; found once for each type of event."""

    def __init__(self, snapshot: Snapshot, rows: NDArray[np.uint32]) -> None:
        self.snapshot = snapshot
        self.rows = rows
        self._known: dict[int, list[_Held]] = {}

    def of(self, field_id: int) -> list[_Held]:
        """The chunks of a type that have any of them."""
        if field_id not in self._known:
            self._known[field_id] = list(self._find(field_id))
        return self._known[field_id]

    def _find(self, field_id: int) -> Iterator[_Held]:
        for block in np.unique(self.rows >> np.uint32(_BLOCK_BITS)).tolist():
            borders = [block << _BLOCK_BITS, (block + 1) << _BLOCK_BITS]
            first, end = np.searchsorted(self.rows, borders).tolist()
            wanted = _Wanted(self.rows[first:end].astype(np.uint16), first)
            chunks, tail = event_chunks(self.snapshot, field_id, block)
            for chunk in chunks:
                at, places = wanted.among(read_rows(chunk))
                if len(at):
                    yield _Held(chunk, at, places)
            if tail is not None:
                events = tail.events()
                at, places = wanted.among(events.rows)
                if len(at):
                    yield _Held(tail, at, places, events.take(at))


class _Wanted:
    """Rows of one block, which ascend, and the place of the first among all."""

    def __init__(self, rows: NDArray[np.uint16], first: int) -> None:
        self._rows = rows
        self._first = first
        self._is_wanted = np.zeros(_BLOCK_ROWS, np.bool_)
        self._is_wanted[rows] = True
        self._place_of: NDArray[np.intp] | None = None
        if len(rows) > _FEW_ROWS:
            self._place_of = np.zeros(_BLOCK_ROWS, np.intp)
            self._place_of[rows] = np.arange(first, first + len(rows))

    def among(self, rows: NDArray[np.uint16]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which events have one of these rows, and the places of the rows."""
        is_one = len(self._rows) == 1
        at = np.flatnonzero(rows == self._rows[0] if is_one else self._is_wanted[rows])
        if self._place_of is not None:
            return at, self._place_of[rows[at]]
        return at, np.searchsorted(self._rows, rows[at]) + self._first


def _passing(
    held: Sequence[_Held], where: Sequence[WhereNode]
) -> Sequence[NDArray[np.bool_] | None]:
    """Which of the events pass, chunk by chunk; None: all."""
    if not where:
        return [None] * len(held)
    picked = WhereNodes(where).pick(Chunks([one.chunk for one in held]), *_EVER)
    return [some[one.at] for one, some in zip(held, picked, strict=True)]


def _piece(
    held: _Held, passing: NDArray[np.bool_] | None, number: int, dictionary: Dictionary | None
) -> _Piece | None:
    """The events that pass and have the property."""
    events, places, values = held.read(number), held.places, None
    if number:
        found = events.properties.get(number)
        if found is None:
            return None
        passing = found.present if passing is None else passing & found.present
        if not passing.any():
            return None
        values = _values(found.take(passing), dictionary)
    if passing is None:
        return _Piece(places, events.times, None)
    return _Piece(places[passing], events.times[passing], values)


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
