"""What one profile did: some of its events, the latest first.

1. The row's events of each type asked for are found (`engine.live.row_events`), and of each the
   latest read that may stand on the page.
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice

from engine.errors import InputInvalid, Issue, about_field
from engine.limits import TIME_US
from engine.live.log_clock import clock_of
from engine.live.profile_event import ProfileEvent, between, newest
from engine.live.row_events import RowEvents
from engine.model.definitions import EventType, Model
from engine.nearest import nearest
from engine.rules.retention import kept_from_us
from engine.store.snapshot import Snapshot

__all__ = [
    "EventPage",
    "EventPlace",
    "EventsAsked",
    "latest_events",
    "read_events",
]

_PLACE = struct.Struct("<BqI16s")
_PLACE_VERSION = 1


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


def read_events(
    snapshot: Snapshot, model: Model, row: int, asked: EventsAsked, known: RowEvents | None = None
) -> EventPage:
    """A page of the events of a row, asked about an instant; `known` has those that were read
    already. InputInvalid for a type that the model does not have."""
    as_of_us = asked.as_of_us
    assert as_of_us is not None
    types = _types(model, asked.types)
    low, high = _bounds(asked, as_of_us)
    latest_us = max(as_of_us, asked.now_us or as_of_us, clock_of(snapshot))
    events = known or RowEvents(snapshot, model, row)
    found: list[tuple[int, ProfileEvent]] = []
    # One more says whether a page follows; those before a place have its time at most.
    most = asked.limit + 1
    if asked.after is not None:
        most += sum(events.count_at(declared.name, asked.after.time_us) for declared in types)
    for declared in types:
        first = max(low, kept_from_us(declared, latest_us, model.time_zone))
        found += events.latest(declared.name, first, high, most)
    page: list[ProfileEvent] = []
    last: Callable[[], EventPlace] | None = None
    for place, event in _in_order(found, asked.after):
        if len(page) == asked.limit:
            behind = None if last is None else last()
            return EventPage(page, as_of_us, snapshot.data_version, behind)
        page.append(event)
        last = place
    return EventPage(page, as_of_us, snapshot.data_version)


def latest_events(
    snapshot: Snapshot, model: Model, events: RowEvents, now_us: int, limit: int
) -> list[ProfileEvent]:
    """The first so many that `read_events` lists now, of all types, of the events of a row."""
    latest_us = max(now_us, clock_of(snapshot))
    found: list[tuple[int, ProfileEvent]] = []
    for name in events.there(model.events):
        first = kept_from_us(model.events[name], latest_us, model.time_zone)
        found += between(events.of(name), first, now_us)
    page = newest(found, limit)
    return [event for _, event in islice(_in_order(found, None), limit)] if page is None else page


def _types(model: Model, names: Sequence[str]) -> list[EventType]:
    for name in names:
        if name not in model.events:
            close = nearest(name, model.events)
            known = ", ".join(model.events)
            hint = f"Did you mean {close}?" if close else f"There are {known}." if known else ""
            message = f"the model has no event {name}. {hint}".strip()
            raise about_field(InputInvalid, "types", message)
    return [model.events[name] for name in dict.fromkeys(names or model.events)]


def _bounds(asked: EventsAsked, as_of_us: int) -> tuple[int, int]:
    """The first and the last microsecond that count."""
    low = TIME_US[0] if asked.since_us is None else asked.since_us
    high = as_of_us if asked.until_us is None else min(as_of_us, asked.until_us - 1)
    return low, high if asked.after is None else min(high, asked.after.time_us)


def _in_order(
    found: Sequence[tuple[int, ProfileEvent]], after: EventPlace | None
) -> Iterator[tuple[Callable[[], EventPlace], ProfileEvent]]:
    """The events behind a place, in order, each with what makes its own."""
    ordered = sorted(found, key=_by_time_and_type)
    for _, alike in groupby(ordered, _by_time_and_type):
        said = [*alike]
        if len(said) == 1 and after is None:
            ((id_, event),) = said
            yield partial(_place, event, id_, 0), event
            continue
        said.sort(key=lambda one: _digest(*one))
        for _, same in groupby(said, lambda one: _digest(*one)):
            for count, (id_, event) in enumerate(same):
                if after is None or _place(event, id_, count).key > after.key:
                    yield partial(_place, event, id_, count), event


def _by_time_and_type(one: tuple[int, ProfileEvent]) -> tuple[int, str]:
    return -one[1].time_us, one[1].type


def _place(event: ProfileEvent, id_: int, count: int) -> EventPlace:
    return EventPlace(event.time_us, event.type, _digest(id_, event), count)


def _digest(id_: int, event: ProfileEvent) -> bytes:
    """Of what an event says besides its time and type."""
    told = repr((id_, sorted(event.properties.items(), key=lambda pair: pair[0])))
    return hashlib.blake2b(told.encode(), digest_size=16).digest()
