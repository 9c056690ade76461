"""The instants that a window takes in, for the instant asked.

A window is a half-open span of whole microseconds. An event later than the instant asked never
counts, so no span goes beyond it: `(t - D, t]` is `[t - D + 1, t + 1)`. Spans stay within signed
64 bits, which is where the times of events are.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from engine.rules import tree
from engine.rules.calendar import first_instant_us, local_day, unit_start_days
from engine.rules.units import duration_us, time_us

__all__ = ["EARLIEST_US", "LATEST_US", "window_bounds", "window_span"]

EARLIEST_US = -(2**63)
LATEST_US = 2**63 - 1


def window_bounds(window: tree.Window | None, now_us: int, zone: ZoneInfo) -> tuple[int, int]:
    """The span [from, to) of a window, microseconds from the epoch; empty where from >= to.

    None, no window, takes in everything up to `now_us`.
    """
    start_us, end_us = (
        (EARLIEST_US, LATEST_US) if window is None else window_span(window, now_us, zone)
    )
    return max(start_us, EARLIEST_US), min(end_us, now_us + 1, LATEST_US)


def window_span(window: tree.Window, now_us: int, zone: ZoneInfo) -> tuple[int, int]:
    """What a window says [from, to), which may go beyond now and beyond 64 bits. But for durations
    and for `now` it is the same all through a local day."""
    match window:
        case tree.Window(kind="in_last", length=tree.Duration() as length):
            return now_us - duration_us(length) + 1, LATEST_US
        case tree.Window(
            kind="between_ago", start=tree.Duration() as start, end=tree.Duration() as end
        ):
            return now_us - duration_us(start) + 1, now_us - duration_us(end) + 1
        case tree.Window(kind="since", from_=tree.Instant() as from_):
            return _instant_us(from_, now_us, zone), LATEST_US
        case tree.Window(kind="before", to=tree.Instant() as to):
            return EARLIEST_US, _instant_us(to, now_us, zone)
        case tree.Window(kind="from_to", from_=tree.Instant() as from_, to=tree.Instant() as to):
            return _instant_us(from_, now_us, zone), _instant_us(to, now_us, zone)
        case tree.Window(kind="in_last_calendar", count=int(count), unit=str(unit)):
            return _units(unit, count - 1, now_us, zone)[0], LATEST_US
        case tree.Window(kind="calendar_ago", count=int(count), unit=str(unit)):
            return _units(unit, count, now_us, zone)
        case tree.Window(kind="this", unit=str(unit)):
            return _units(unit, 0, now_us, zone)
        case tree.Window(kind="today"):
            return _units("day", 0, now_us, zone)
        case tree.Window(kind="yesterday"):
            return _units("day", 1, now_us, zone)
        case _:
            raise AssertionError(f"a window without what its kind needs: {window}")


def _units(unit: tree.CalendarUnit, back: int, now_us: int, zone: ZoneInfo) -> tuple[int, int]:
    """First instants of the unit `back` units before the current one, and of the unit after it."""
    today = local_day(now_us, zone)
    start, end = (unit_start_days(today, unit, at) for at in (back, back - 1))
    return first_instant_us(start, zone), first_instant_us(end, zone)


def _instant_us(instant: tree.Instant, now_us: int, zone: ZoneInfo) -> int:
    match instant.at:
        case tree.Date(days):
            return first_instant_us(days, zone)
        case tree.Time():
            return time_us(instant.at, zone)
        case tree.Now():
            shift_us = 0 if instant.shift is None else duration_us(instant.shift)
            return now_us + instant.sign * shift_us
