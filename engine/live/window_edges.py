"""When events enter a window and leave it, and what it takes in at many instants.

A window at an instant t is a span `[from, to)` (`engine.rules.window_bounds`) that goes no further
than t. Each of its edges is one of three:

1. fixed, an instant;
2. t and a constant. An event at e is behind the edge `t + c` from `e - c + 1` on: with the first
   instant of `in last D`, which is t - D + 1, it leaves at e + D;
3. the beginning of a calendar unit so many before the current one: an event passes it when a later
   unit begins, which is the same instant for all events of its own unit.

So every event has a few instants at which it passes an edge, and its own time, from which on it
counts; nothing else ever changes what a window takes in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.core.day_turns import days_by_start, days_within, local_days, turns
from engine.live.flips import NEVER
from engine.rules import tree
from engine.rules.calendar import DAY_US, first_instant_us, local_day, unit_start_days
from engine.rules.units import duration_us, time_us
from engine.rules.window_bounds import EARLIEST_US
from engine.rules.windows import CLOCK_CHANGE_US, UNIT_DAYS

__all__ = [
    "Edge",
    "FixedEdge",
    "MovingEdge",
    "TypeEdge",
    "UnitEdge",
    "WindowEdges",
    "edge_at",
    "unit_flips",
    "unit_turns",
]

_LATEST_US = NEVER

# Instants at which a calendar turns that are told one by one.
_MOST_TURNS = 4

# Instants of which each is looked up by itself, which costs less than tables for many.
_FEW = 2


@dataclass(frozen=True, slots=True)
class FixedEdge:
    """An instant."""

    at_us: int


@dataclass(frozen=True, slots=True)
class MovingEdge:
    """The instant asked for and `shift_us`."""

    shift_us: int


@dataclass(frozen=True, slots=True)
class UnitEdge:
    """The first instant of the unit `back` units before the current one."""

    unit: tree.CalendarUnit
    back: int


Edge = FixedEdge | MovingEdge | UnitEdge
# A type of event by name, and an edge that its events pass.
TypeEdge = tuple[str, MovingEdge | UnitEdge]
_OPEN = FixedEdge(EARLIEST_US), FixedEdge(_LATEST_US)


class WindowEdges:
    """The edges of one window; None takes in everything up to the instant asked. Two that are equal
    take in the same."""

    def __init__(self, window: tree.Window | None, zone: ZoneInfo) -> None:
        self._zone = zone
        self._from, self._to = _OPEN if window is None else _edges(window, zone)
        self._key = self._from, self._to, zone
        self._hash = hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WindowEdges) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def bounds(self, instants: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The span [from, to) at each instant."""
        starts = edge_at(self._from, instants, self._zone)
        return starts, np.minimum(edge_at(self._to, instants, self._zone), instants + 1)

    @property
    def opens_at_once(self) -> bool:
        """Whether events come to count at their own times alone, and never later."""
        is_ahead = isinstance(self._to, UnitEdge) and self._to.back < 0
        return is_ahead or isinstance(self._to, FixedEdge)

    @property
    def longest_us(self) -> int | None:
        """An upper bound of how long before an instant an event of the window can lie; None where
        there is none."""
        match self._from:
            case MovingEdge(shift_us):
                return -shift_us
            case UnitEdge(unit, back):
                return (back + 1) * UNIT_DAYS[unit] * DAY_US + CLOCK_CHANGE_US
            case FixedEdge():
                return None

    def flips(self, times: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """When events come to count and pass an edge: arrays with one element for each event,
        NEVER where there is none."""
        found = []
        for edge in self.passed:
            match edge:
                case MovingEdge(shift_us):
                    found.append(times - shift_us + 1)
                case UnitEdge():
                    found += unit_flips(edge, times, self._zone)
        return found

    @property
    def passed(self) -> list[MovingEdge | UnitEdge]:
        """The edges that events pass as time goes on; the first is the instant asked for, from
        which on one that is dated ahead counts."""
        edges = dict.fromkeys((MovingEdge(1), self._from, self._to))
        return [edge for edge in edges if not isinstance(edge, FixedEdge)]


def edge_at(edge: Edge, instants: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Where an edge is at each instant."""
    match edge:
        case FixedEdge(at_us):
            return np.full(len(instants), at_us, np.int64)
        case MovingEdge(shift_us):
            return instants + shift_us
        case UnitEdge(unit, back):
            if len(instants) <= _FEW:
                shown = (local_day(at, zone) for at in instants.tolist())
                starts = [_unit_start_us(day, unit, back, zone) for day in shown]
                return np.array(starts, np.int64)
            if len(instants) > 1 and (instants == instants[0]).all():
                return np.full(len(instants), edge_at(edge, instants[:1], zone)[0])
            days, of_day = np.unique(local_days(instants, zone), return_inverse=True)
            firsts = (unit_start_days(day, unit, back) for day in days.tolist())
            starts = [first_instant_us(first, zone) for first in firsts]
            return np.array(starts, np.int64)[of_day]


@lru_cache(maxsize=1 << 12)
def _unit_start_us(day: int, unit: tree.CalendarUnit, back: int, zone: ZoneInfo) -> int:
    """The first instant of the unit so many before that of a day."""
    return first_instant_us(unit_start_days(day, unit, back), zone)


def unit_flips(edge: UnitEdge, times: NDArray[np.int64], zone: ZoneInfo) -> list[NDArray[np.int64]]:
    """When events pass the beginning of a unit, as `WindowEdges.flips` has it."""
    of_times = days_by_start(times, zone)
    days = days_within(of_times)
    of_day = np.searchsorted(days, of_times) if len(days) > 1 else np.zeros(len(times), np.intp)
    starts = (unit_start_days(day, edge.unit, -edge.back - 1) for day in days.tolist())
    passed = [turns(start, zone) for start in starts]
    found = []
    for place in range(max(map(len, passed), default=0)):
        at = [instants[place] if place < len(instants) else NEVER for instants in passed]
        found.append(np.array(at, np.int64)[of_day])
    return found


@lru_cache(maxsize=64)
def unit_turns(
    edge: UnitEdge, after_us: int, through_us: int, zone: ZoneInfo
) -> tuple[int, ...] | None:
    """The instants after one and up to another at which events can pass the beginning of a unit,
    ascending; None where they are many."""
    # A day that clocks are set back to begins once more after the next one has begun.
    first, last = local_day(after_us, zone) - 2, local_day(through_us, zone) + 2
    if last - first > _MOST_TURNS + 4:
        return None
    begun = (day for day in range(first, last + 1) if unit_start_days(day, edge.unit) == day)
    found = {at for day in begun for at in turns(day, zone) if after_us < at <= through_us}
    return tuple(sorted(found)) if len(found) <= _MOST_TURNS else None


def _edges(window: tree.Window, zone: ZoneInfo) -> tuple[Edge, Edge]:
    match window:
        case tree.Window(kind="in_last", length=tree.Duration() as length):
            return MovingEdge(1 - duration_us(length)), _OPEN[1]
        case tree.Window(
            kind="between_ago", start=tree.Duration() as start, end=tree.Duration() as end
        ):
            return MovingEdge(1 - duration_us(start)), MovingEdge(1 - duration_us(end))
        case tree.Window(kind="since", from_=tree.Instant() as from_):
            return _instant(from_, zone), _OPEN[1]
        case tree.Window(kind="before", to=tree.Instant() as to):
            return _OPEN[0], _instant(to, zone)
        case tree.Window(kind="from_to", from_=tree.Instant() as from_, to=tree.Instant() as to):
            return _instant(from_, zone), _instant(to, zone)
        case tree.Window(kind="in_last_calendar", count=int(count), unit=str(unit)):
            return UnitEdge(unit, count - 1), _OPEN[1]
        case tree.Window(kind="calendar_ago", count=int(count), unit=str(unit)):
            return UnitEdge(unit, count), UnitEdge(unit, count - 1)
        case tree.Window(kind="this", unit=str(unit)):
            return UnitEdge(unit, 0), UnitEdge(unit, -1)
        case tree.Window(kind="today"):
            return UnitEdge("day", 0), UnitEdge("day", -1)
        case tree.Window(kind="yesterday"):
            return UnitEdge("day", 1), UnitEdge("day", 0)
        case _:
            raise AssertionError(f"a window without what its kind needs: {window}")


def _instant(instant: tree.Instant, zone: ZoneInfo) -> Edge:
    match instant.at:
        case tree.Date(days):
            return FixedEdge(first_instant_us(days, zone))
        case tree.Time():
            return FixedEdge(time_us(instant.at, zone))
        case tree.Now():
            shift_us = 0 if instant.shift is None else duration_us(instant.shift)
            return MovingEdge(instant.sign * shift_us)
