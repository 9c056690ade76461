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
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.core.day_turns import days_by_start, local_days, turns
from engine.live.flips import NEVER
from engine.rules import tree
from engine.rules.calendar import DAY_US, first_instant_us, unit_start_days
from engine.rules.units import duration_us, time_us
from engine.rules.window_bounds import EARLIEST_US
from engine.rules.windows import CLOCK_CHANGE_US, UNIT_DAYS

__all__ = ["WindowEdges"]

_LATEST_US = NEVER


@dataclass(frozen=True, slots=True)
class _Fixed:
    at_us: int


@dataclass(frozen=True, slots=True)
class _Moving:
    shift_us: int


@dataclass(frozen=True, slots=True)
class _Unit:
    """The first instant of the unit `back` units before the current one."""

    unit: tree.CalendarUnit
    back: int


_Edge = _Fixed | _Moving | _Unit
_OPEN = _Fixed(EARLIEST_US), _Fixed(_LATEST_US)


class WindowEdges:
    """The edges of one window; None takes in everything up to the instant asked."""

    def __init__(self, window: tree.Window | None, zone: ZoneInfo) -> None:
        self._zone = zone
        self._from, self._to = _OPEN if window is None else _edges(window, zone)

    def bounds(self, instants: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The span [from, to) at each instant."""
        starts = self._at(self._from, instants)
        return starts, np.minimum(self._at(self._to, instants), instants + 1)

    @property
    def opens_at_once(self) -> bool:
        """Whether events come to count at their own times alone, and never later."""
        is_ahead = isinstance(self._to, _Unit) and self._to.back < 0
        return is_ahead or isinstance(self._to, _Fixed)

    @property
    def longest_us(self) -> int | None:
        """An upper bound of how long before an instant an event of the window can lie; None where
        there is none."""
        match self._from:
            case _Moving(shift_us):
                return -shift_us
            case _Unit(unit, back):
                return (back + 1) * UNIT_DAYS[unit] * DAY_US + CLOCK_CHANGE_US
            case _Fixed():
                return None

    def flips(self, times: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """When events come to count and pass an edge: arrays with one element for each event,
        NEVER where there is none."""
        found = [times]
        for edge in dict.fromkeys((self._from, self._to)):
            match edge:
                case _Moving(shift_us):
                    found.append(times - shift_us + 1)
                case _Unit(unit, back):
                    found += self._unit_flips(unit, back, times)
                case _Fixed():
                    pass
        return found

    def _at(self, edge: _Edge, instants: NDArray[np.int64]) -> NDArray[np.int64]:
        match edge:
            case _Fixed(at_us):
                return np.full(len(instants), at_us, np.int64)
            case _Moving(shift_us):
                return instants + shift_us
            case _Unit(unit, back):
                days, of_day = np.unique(local_days(instants, self._zone), return_inverse=True)
                firsts = (unit_start_days(day, unit, back) for day in days.tolist())
                starts = [first_instant_us(first, self._zone) for first in firsts]
                return np.array(starts, np.int64)[of_day]

    def _unit_flips(
        self, unit: tree.CalendarUnit, back: int, times: NDArray[np.int64]
    ) -> list[NDArray[np.int64]]:
        days, of_day = np.unique(days_by_start(times, self._zone), return_inverse=True)
        passed = [turns(unit_start_days(day, unit, -back - 1), self._zone) for day in days.tolist()]
        found = []
        for place in range(max(map(len, passed), default=0)):
            at = [instants[place] if place < len(instants) else NEVER for instants in passed]
            found.append(np.array(at, np.int64)[of_day])
        return found


def _edges(window: tree.Window, zone: ZoneInfo) -> tuple[_Edge, _Edge]:
    match window:
        case tree.Window(kind="in_last", length=tree.Duration() as length):
            return _Moving(1 - duration_us(length)), _OPEN[1]
        case tree.Window(
            kind="between_ago", start=tree.Duration() as start, end=tree.Duration() as end
        ):
            return _Moving(1 - duration_us(start)), _Moving(1 - duration_us(end))
        case tree.Window(kind="since", from_=tree.Instant() as from_):
            return _instant(from_, zone), _OPEN[1]
        case tree.Window(kind="before", to=tree.Instant() as to):
            return _OPEN[0], _instant(to, zone)
        case tree.Window(kind="from_to", from_=tree.Instant() as from_, to=tree.Instant() as to):
            return _instant(from_, zone), _instant(to, zone)
        case tree.Window(kind="in_last_calendar", count=int(count), unit=str(unit)):
            return _Unit(unit, count - 1), _OPEN[1]
        case tree.Window(kind="calendar_ago", count=int(count), unit=str(unit)):
            return _Unit(unit, count), _Unit(unit, count - 1)
        case tree.Window(kind="this", unit=str(unit)):
            return _Unit(unit, 0), _Unit(unit, -1)
        case tree.Window(kind="today"):
            return _Unit("day", 0), _Unit("day", -1)
        case tree.Window(kind="yesterday"):
            return _Unit("day", 1), _Unit("day", 0)
        case _:
            raise AssertionError(f"a window without what its kind needs: {window}")


def _instant(instant: tree.Instant, zone: ZoneInfo) -> _Edge:
    match instant.at:
        case tree.Date(days):
            return _Fixed(first_instant_us(days, zone))
        case tree.Time():
            return _Fixed(time_us(instant.at, zone))
        case tree.Now():
            shift_us = 0 if instant.shift is None else duration_us(instant.shift)
            return _Moving(instant.sign * shift_us)
