"""The events that one aggregate reads, in the order of time, and what any stretch comes to.

What a window takes in is a stretch of a line, found by bisection. Sums are exact: decimals are
added in a context that refuses to round.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo

from engine.explaining.one_profile import OneEvent, instant_of
from engine.rules.calendar import local_day
from engine.rules.tree import AggregateFunction

__all__ = ["EXACT", "NO_EVENTS", "EventLine"]

# 2^64 values of 18 digits each, before and after the point, have far fewer digits together.
EXACT = Context(prec=100, traps=[Inexact])


class EventLine:
    """Events with the value of one property of each (None: no property is read), in the order of
    time; those of one time in the order of their values."""

    def __init__(self, found: Sequence[tuple[OneEvent, Any]], zone: ZoneInfo) -> None:
        ordered = sorted(found, key=_by_time if _valueless(found) else _by_time_and_value)
        self.events = [event for event, _ in ordered]
        self.values = [value for _, value in ordered]
        self.times = [event.time_us for event in self.events]
        self._zone = zone

    def stretch(self, from_us: int, to_us: int) -> tuple[int, int]:
        """The places [first, end) of the events in [from_us, to_us)."""
        first = bisect_left(self.times, from_us)
        return first, max(first, bisect_left(self.times, to_us, first))

    def value(self, function: AggregateFunction, first: int, end: int) -> Any:
        """What a stretch comes to: a number, a Fraction for an average, a datetime for `first` and
        `last`, else a value as the events have it; None where there is none."""
        match function:
            case "count":
                return end - first
            case "days":
                return len({local_day(at, self._zone) for at in self.times[first:end]})
            case "distinct":
                return len(set(self.values[first:end]))
            case "sum":
                return self._sum(first, end)
        if first == end:
            return None
        match function:
            case "first":
                return instant_of(self.times[first])
            case "last":
                return instant_of(self.times[end - 1])
            case "first_value":
                return self.values[first]
            case "last_value":
                return self.values[end - 1]
            case "min":
                return min(self.values[first:end])
            case "max":
                return max(self.values[first:end])
            case _:
                assert function == "avg", function
                return Fraction(self._sum(first, end)) / (end - first)

    def _sum(self, first: int, end: int) -> Any:
        if first == end:
            return 0
        total = self._totals[end - 1]
        return total if not first else EXACT.subtract(total, self._totals[first - 1])

    @cached_property
    def _totals(self) -> list[Decimal]:
        """The sum of the values up to each event, itself included."""
        return list(accumulate((EXACT.create_decimal(value) for value in self.values), EXACT.add))


def _valueless(found: Sequence[tuple[OneEvent, Any]]) -> bool:
    return not found or found[0][1] is None


def _by_time(one: tuple[OneEvent, Any]) -> int:
    return one[0].time_us


def _by_time_and_value(one: tuple[OneEvent, Any]) -> tuple[int, Any]:
    return one[0].time_us, one[1]


# A line without events, which is the same in all zones.
NO_EVENTS = EventLine((), ZoneInfo("UTC"))
