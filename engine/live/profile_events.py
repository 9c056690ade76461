"""What one profile did: some of its events, the latest first.

1. The row's events are picked out of the chunks of each type asked for, and out of its open tail,
   by their rows and times; the rest is read of those chunks alone that the page has events of.
2. They are put in order: by time, the latest first, then by type, then by what they say.
3. Of those behind the place where the page before ended, the first ones are the page.

The order depends on nothing but the events, so a place in it (`EventPlace`) means the same after
chunks were sealed, saved, merged or read from the log again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.errors import InputInvalid, Issue
from engine.events import head
from engine.events.decode import decode_columns
from engine.events.events import Codes, Events, Floats, Property, Texts
from engine.limits import TIME_US
from engine.live.log_clock import clock_of
from engine.live.stored_values import AttributeValue, of_int
from engine.model.definitions import EventType, Model
from engine.nearest import nearest
from engine.rules.retention import kept_from_us
from engine.store.catalog import Field, event_field, property_field
from engine.store.event_chunks import event_chunks
from engine.store.snapshot import Snapshot

__all__ = [
    "EventPage",
    "EventPlace",
    "EventsAsked",
    "ProfileEvent",
    "events_of_row",
    "read_events",
]

_PLACE = struct.Struct("<BqI16s")
_PLACE_VERSION = 1


@dataclass(frozen=True, slots=True)
class ProfileEvent:
    """One event: `time_us` microseconds from 1970; `properties` maps names, in model order, to
    values, missing ones absent."""

    type: str
    time_us: int
    properties: Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class EventPlace:
    """The place of an event in the order of its profile's events.

    `said` is a digest of what it says, 16 bytes, and `count` how many events that say so at that
    time come before it.
    """

    time_us: int
    type: str
    said: bytes
    count: int

    @property
    def key(self) -> tuple[int, str, bytes, int]:
        """What is compared."""
        return -self.time_us, self.type, self.said, self.count

    def text(self) -> str:
        """It as text."""
        packed = _PLACE.pack(_PLACE_VERSION, self.time_us, self.count, self.said)
        return base64.urlsafe_b64encode(packed + self.type.encode()).decode()

    @classmethod
    def of_text(cls, text: str, field: str) -> EventPlace:
        """The place that `text` made; InputInvalid, naming `field`, for other text."""
        try:
            packed = base64.b64decode(text, altchars=b"-_", validate=True)
            version, time_us, count, said = _PLACE.unpack_from(packed)
            type_ = packed[_PLACE.size :].decode()
        except (binascii.Error, struct.error, ValueError):
            version = 0
        if version != _PLACE_VERSION:
            hint = "give the next_page_token of the page before, or none"
            issue = Issue("is no token of this call", where=field, hint=hint)
            raise InputInvalid(str(issue), issues=(issue,))
        return cls(time_us, type_, said, count)


@dataclass(frozen=True, slots=True)
class EventsAsked:
    """Which events: of these types (none: of all), from `since_us` on, before `until_us`, and not
    after `as_of_us` (None: now); at most `limit`, behind `after`. What is dropped at `now_us` is
    left out, also where an earlier instant is asked about. Times are microseconds from 1970."""

    limit: int
    as_of_us: int | None = None
    types: Sequence[str] = ()
    since_us: int | None = None
    until_us: int | None = None
    after: EventPlace | None = None
    now_us: int | None = None

    def by(self, now_us: int) -> EventsAsked:
        """The same where that is now."""
        as_of_us = now_us if self.as_of_us is None else self.as_of_us
        return replace(self, as_of_us=as_of_us, now_us=now_us)


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in order; `next` is the place of the last of them where more follow."""

    events: list[ProfileEvent]
    as_of_us: int
    data_version: int
    next: EventPlace | None = None


def read_events(snapshot: Snapshot, model: Model, row: int, asked: EventsAsked) -> EventPage:
    """A page of the events of a row, asked about an instant. InputInvalid for a type that the
    model does not have."""
    as_of_us = asked.as_of_us
    assert as_of_us is not None
    types = _types(model, asked.types)
    low, high = _bounds(asked, as_of_us)
    latest_us = max(as_of_us, asked.now_us or as_of_us, clock_of(snapshot))
    found: list[_Piece] = []
    for declared in types:
        kept_us = kept_from_us(declared, latest_us, model.time_zone)
        found += _pieces(snapshot, declared, row, max(low, kept_us), high)
    page: list[ProfileEvent] = []
    last: EventPlace | None = None
    for place, event in _in_order(snapshot, found, asked.after):
        if len(page) == asked.limit:
            return EventPage(page, as_of_us, snapshot.data_version, last)
        page.append(event)
        last = place
    return EventPage(page, as_of_us, snapshot.data_version)


def events_of_row(snapshot: Snapshot, declared: EventType, row: int) -> Iterator[ProfileEvent]:
    """All events of a type that a row has, those dated ahead among them, in no order."""
    for piece in _pieces(snapshot, declared, row, *TIME_US):
        cells = _cells_of(snapshot, declared, piece.events)
        for i, time_us in enumerate(piece.times.tolist()):
            properties = {name: read(i) for name, present, read in cells if present[i]}
            yield ProfileEvent(declared.name, time_us, properties)


def _types(model: Model, names: Sequence[str]) -> list[EventType]:
    for name in names:
        if name not in model.events:
            close = nearest(name, model.events)
            known = ", ".join(model.events)
            hint = f"Did you mean {close}?" if close else f"There are {known}." if known else ""
            raise InputInvalid(f"the model has no event {name}. {hint}".strip())
    return [model.events[name] for name in dict.fromkeys(names or model.events)]


def _bounds(asked: EventsAsked, as_of_us: int) -> tuple[int, int]:
    """The first and the last microsecond that count."""
    low = TIME_US[0] if asked.since_us is None else asked.since_us
    high = as_of_us if asked.until_us is None else min(as_of_us, asked.until_us - 1)
    return low, high if asked.after is None else min(high, asked.after.time_us)


# ------------------------------------------------------------------------------- picking out


class _Piece:
    """The events of a row in one chunk, or in a tail: their times, and all of them once they are
    asked for, since a page needs few of the chunks."""

    def __init__(
        self, declared: EventType, times: NDArray[np.int64], read: Callable[[], Events]
    ) -> None:
        self.declared = declared
        self.times = times
        self._read = read

    @cached_property
    def events(self) -> Events:
        """They, in the order of `times`."""
        return self._read()


def _pieces(
    snapshot: Snapshot, declared: EventType, row: int, low: int, high: int
) -> Iterator[_Piece]:
    """The events of a type that a row has, of times in [low, high], chunk by chunk."""
    block, in_block = divmod(row, BLOCK_ROWS)
    name = event_field(declared.name)
    if name not in snapshot.fields:
        return
    chunks, tail = event_chunks(snapshot, snapshot.fields[name].id, block)
    for chunk in chunks:
        piece = _of_chunk(declared, chunk, in_block, low, high)
        if piece is not None:
            yield piece
    if tail is not None:
        events = tail.events()
        chosen = events.rows == in_block
        chosen &= (events.times >= low) & (events.times <= high)
        if chosen.any():
            yield _Piece(declared, events.times[chosen], partial(events.take, chosen))


def _of_chunk(
    declared: EventType, chunk: Buffer, in_block: int, low: int, high: int
) -> _Piece | None:
    found = head.read_head(chunk)
    columns = head.read_columns(chunk, found)
    of_rows, of_times = columns[:2]
    if of_times.low > high or of_times.high < low:
        return None
    rows = head.read_stored(chunk, of_rows, found.event_count, found.capacity)
    places = np.flatnonzero(rows == in_block)
    if not len(places):
        return None
    times = decode_columns(chunk, found, columns[:2]).times[places]
    chosen = (times >= low) & (times <= high)
    places = places[chosen]

    def read() -> Events:
        return decode_columns(chunk, found, columns).take(places)

    return _Piece(declared, times[chosen], read) if len(places) else None


# ------------------------------------------------------------------------------- in order

# The name of a property, which events have one, and what reads it.
Cells = list[tuple[str, NDArray[np.bool_], Callable[[int], AttributeValue]]]


def _in_order(
    snapshot: Snapshot, found: Sequence[_Piece], after: EventPlace | None
) -> Iterator[tuple[EventPlace, ProfileEvent]]:
    """The events behind a place, in order, each with its own."""
    where = sorted(
        (
            (-time_us, piece.declared.name, number, i)
            for number, piece in enumerate(found)
            for i, time_us in enumerate(piece.times.tolist())
        ),
    )
    cells: dict[int, Cells] = {}
    for (minus_us, name), alike in groupby(where, lambda one: one[:2]):
        said = []
        for *_, number, i in alike:
            events = found[number].events
            if number not in cells:
                cells[number] = _cells_of(snapshot, found[number].declared, events)
            properties = {what: read(i) for what, present, read in cells[number] if present[i]}
            id_ = 0 if events.ids is None else int(events.ids[i])
            said.append((_digest(id_, properties), properties))
        said.sort(key=lambda one: one[0])
        for digest, same in groupby(said, lambda one: one[0]):
            for count, (_, properties) in enumerate(same):
                place = EventPlace(-minus_us, name, digest, count)
                if after is None or place.key > after.key:
                    yield place, ProfileEvent(name, -minus_us, properties)


def _digest(id_: int, properties: Mapping[str, AttributeValue]) -> bytes:
    """Of what an event says besides its time and type."""
    told = repr((id_, sorted(properties.items(), key=lambda pair: pair[0])))
    return hashlib.blake2b(told.encode(), digest_size=16).digest()


def _cells_of(snapshot: Snapshot, declared: EventType, events: Events) -> Cells:
    """Of the properties that the model declares and some event has: the name, which events have
    one, and what reads it."""
    cells: Cells = []
    for name, one in declared.properties.items():
        field = snapshot.fields.get(property_field(name, one.type, one.scale))
        values = None if field is None else events.properties.get(field.id)
        if field is not None and values is not None:
            cells.append((name, values.present, _reader(snapshot, field, values)))
    return cells


def _reader(snapshot: Snapshot, field: Field, values: Property) -> Callable[[int], AttributeValue]:
    if isinstance(values, Texts):
        strings = values.strings
        return lambda i: strings[i] or ""
    if isinstance(values, Floats):
        floats = values.values
        return lambda i: float(floats[i])
    if not isinstance(values, Codes):
        numbers = values.values
        return lambda i: of_int(field, int(numbers[i]))
    codes = values.codes
    if field.type != "category":
        return lambda i: bool(codes[i] == 2)
    dictionary = snapshot.dictionary(snapshot.fields.dictionary_of(field))
    return lambda i: dictionary.value(int(codes[i]))
