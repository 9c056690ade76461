"""The slow and obvious evaluator of events: windows, aggregates and sequences.

Part of the reference evaluator, and like it written from the contract alone: every event of
the profile is looked at for every aggregate, windows are worked out from calendar days, and a
sequence is matched by trying everything.

Values of events are those of the reference: str, bool, float, Fraction, date or an instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from engine.rules import tree

__all__ = ["EventTypes", "ReferenceEvent", "chosen_events", "in_window", "matches", "summed_up"]


@dataclass(frozen=True)
class ReferenceEvent:
    """One event of a profile. `properties` maps names to values as profiles have them."""

    type: str
    time_us: int
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EventTypes:
    """The declared events: the types of their properties by name, and the groups."""

    properties: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def named(self, selector: tree.Selector | tree.AnyEvent) -> set[str]:
        """The types of event that a selector takes in."""
        if isinstance(selector, tree.AnyEvent):
            return set(self.properties)
        found: set[str] = set()
        for name in selector.names:
            found |= set(self.groups.get(name, [name]))
        return found

    def types_of(self, names: Iterable[str]) -> dict[str, str]:
        """The types of all properties that these events have between them."""
        found: dict[str, str] = {}
        for name in names:
            found.update(self.properties[name])
        return found


# Whether an event of these types satisfies a `where`.
Where = Callable[[tree.Expr, ReferenceEvent, Mapping[str, str]], bool]
FirstInstant = Callable[[date], int]


def chosen_events(
    selector: tree.Selector | tree.AnyEvent,
    where: tree.Expr | None,
    events: Iterable[ReferenceEvent],
    types: EventTypes,
    holds: Where,
) -> list[ReferenceEvent]:
    """The events of a selector that satisfy the condition."""
    names = types.named(selector)
    properties = types.types_of(names)
    found = [event for event in events if event.type in names]
    return [event for event in found if where is None or holds(where, event, properties)]


# ------------------------------------------------------------------------------ windows


def in_window(
    event_us: int,
    window: tree.Window | None,
    now_us: int,
    zone: ZoneInfo,
    first_instant_us: FirstInstant,
    instant_us: Callable[[tree.Instant], int],
) -> bool:
    """Whether an event at `event_us` is in the window, asked for at `now_us`."""
    if event_us > now_us:
        return False
    if window is None:
        return True
    age_us = now_us - event_us
    match window.kind:
        case "in_last":
            assert window.length is not None
            return age_us < _length_us(window.length)
        case "between_ago":
            assert window.start is not None and window.end is not None
            return _length_us(window.end) <= age_us < _length_us(window.start)
        case "since":
            assert window.from_ is not None
            return event_us >= instant_us(window.from_)
        case "before":
            assert window.to is not None
            return event_us < instant_us(window.to)
        case "from_to":
            assert window.from_ is not None and window.to is not None
            return instant_us(window.from_) <= event_us < instant_us(window.to)
    today = _day_of(now_us, zone)
    unit = window.unit or "day"
    first: date
    after: date | None
    match window.kind:
        case "today" | "this":
            first, after = _first_day(today, unit, 0), None
        case "yesterday":
            first, after = today - timedelta(days=1), today
        case "in_last_calendar":
            assert window.count is not None
            first, after = _first_day(today, unit, window.count - 1), None
        case _:
            assert window.kind == "calendar_ago" and window.count is not None
            first = _first_day(today, unit, window.count)
            after = _first_day(today, unit, window.count - 1)
    ended = after is not None and event_us >= first_instant_us(after)
    return event_us >= first_instant_us(first) and not ended


def _length_us(duration: tree.Duration) -> int:
    seconds = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
    return duration.amount * seconds[duration.unit] * 1_000_000


def _day_of(instant_us: int, zone: ZoneInfo) -> date:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant_us)
    return moment.astimezone(zone).date()


def _first_day(day: date, unit: str, back: int) -> date:
    """The first day of the unit that holds `day`, or of that `back` units before; goes back a
    day at a time."""
    while True:
        while not _begins(day, unit):
            day -= timedelta(days=1)
        if not back:
            return day
        back -= 1
        day -= timedelta(days=1)


def _begins(day: date, unit: str) -> bool:
    match unit:
        case "day":
            return True
        case "week":
            return day.isoweekday() == 1
        case "month":
            return day.day == 1
        case "quarter":
            return day.day == 1 and day.month in (1, 4, 7, 10)
        case _:
            return (day.month, day.day) == (1, 1)


# --------------------------------------------------------------------------- aggregates


def summed_up(function: str, found: list[tuple[int, Any]], zone: ZoneInfo) -> Any:
    """The value of an aggregate over (time, value of the property) of its events, which for
    `count`, `days`, `first` and `last` have None for a value. `first` and `last` give
    microseconds; None is missing."""
    times = [time_us for time_us, _ in found]
    values = [value for _, value in found]
    match function:
        case "count":
            return Fraction(len(found))
        case "days":
            return Fraction(len({_day_of(time_us, zone) for time_us in times}))
        case "distinct":
            return Fraction(len(set(values)))
        case "sum":
            return sum(values, Fraction(0))
    if not found:
        return None
    match function:
        case "first":
            return min(times)
        case "last":
            return max(times)
        case "avg":
            return sum(values, Fraction(0)) / len(values)
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "first_value":
            return min(value for time_us, value in found if time_us == min(times))
        case _:
            assert function == "last_value", function
            return max(value for time_us, value in found if time_us == max(times))


# ---------------------------------------------------------------------------- sequences


def matches(
    first: Iterable[int],  # times of the first step's events that are in the window
    links: Sequence[tuple[Iterable[int], int, bool]],  # times, within, whether none may be
    now_us: int,
) -> bool:
    """Whether some events, one for each step, follow each other as the links say.

    All times are at most `now_us`.
    """
    return any(_follows(time_us, time_us, links, now_us) for time_us in set(first))


def _follows(
    last_us: int,  # the last step that happened
    silent_us: int,  # the next one comes after this
    links: Sequence[tuple[Iterable[int], int, bool]],
    now_us: int,
) -> bool:
    if not links:
        return True
    (times, within_us, absent), *rest = links
    end_us = last_us + within_us
    if absent:
        if end_us > now_us or any(last_us < time_us <= end_us for time_us in times):
            return False
        return _follows(last_us, max(silent_us, end_us), rest, now_us)
    return any(
        _follows(time_us, time_us, rest, now_us)
        for time_us in set(times)
        if silent_us < time_us <= end_us
    )
