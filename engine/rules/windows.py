"""Windows checked: the longer border first, no window that can hold no event.

A window is checked, not computed: its borders move with the instant asked, and what is
refused here holds at every instant.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.rules import tree
from engine.rules.calendar import DAY_US, first_instant_us
from engine.rules.literals import write_duration
from engine.rules.names import Scope
from engine.rules.units import duration_us, time_us

__all__ = ["CLOCK_CHANGE_US", "UNIT_DAYS", "check_window", "longest_age_us"]

# The most days that one unit can have, and what a change of clocks may add.
UNIT_DAYS = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
CLOCK_CHANGE_US = 2 * DAY_US


@dataclass(frozen=True, slots=True)
class _Border:
    """An instant: `at_us` from the epoch, or from now where `relative`."""

    relative: bool
    at_us: int


def check_window(window: tree.Window | None, scope: Scope) -> None:
    """Raises ExpressionInvalid for a window that is written the wrong way round or is empty."""
    if window is None:
        return
    if window.start is not None and window.end is not None:
        _check_between(window, window.start, window.end, scope)
    if window.from_ is None:
        return
    start = _border(window.from_, scope)
    if start.relative and start.at_us > 0:
        message = "this window begins after now, and no event is later than now"
        raise scope.faults.at(window.from_, message, "write now - a duration")
    if window.to is None:
        return
    end = _border(window.to, scope)
    if start.relative == end.relative and start.at_us >= end.at_us:
        message = "this window is empty: it ends where it begins or before"
        raise scope.faults.at(window, message, "from the earlier to the later; the end is left out")


def longest_age_us(window: tree.Window | None, scope: Scope) -> int | None:
    """An upper bound of how long before now an event of the window can lie; None for none."""
    if window is None:
        return None
    match window.kind:
        case "in_last":
            assert window.length is not None, "in last has a length"
            return duration_us(window.length) - 1
        case "between_ago":
            assert window.start is not None, "between ago has a start"
            return duration_us(window.start) - 1
        case "since" | "from_to":
            assert window.from_ is not None, "since and from have a start"
            start = _border(window.from_, scope)
            return -start.at_us if start.relative else None
        case "before":
            return None
        case kind:
            units = {"in_last_calendar": 0, "this": 1, "today": 1, "yesterday": 2}.get(kind, 1)
            days = UNIT_DAYS[window.unit or "day"]
            return (units + (window.count or 0)) * days * DAY_US + CLOCK_CHANGE_US


def _check_between(
    window: tree.Window, start: tree.Duration, end: tree.Duration, scope: Scope
) -> None:
    if duration_us(start) <= duration_us(end):
        message = "this window is empty: the longer duration comes first"
        hint = (
            f"between {write_duration(end.amount, end.unit)}"
            f" and {write_duration(start.amount, start.unit)} ago"
            if duration_us(start) < duration_us(end)
            else "the two durations must differ"
        )
        raise scope.faults.at(window, message, hint)


def _border(instant: tree.Instant, scope: Scope) -> _Border:
    match instant.at:
        case tree.Date(days):
            return _Border(False, first_instant_us(days, scope.zone))
        case tree.Time():
            return _Border(False, time_us(instant.at, scope.zone))
        case tree.Now():
            shift_us = 0 if instant.shift is None else duration_us(instant.shift)
            return _Border(True, instant.sign * shift_us)
