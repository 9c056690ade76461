"""What durations and wall clocks of the tree mean in microseconds."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from engine.rules import tree
from engine.rules.calendar import SECOND_US, UNIT_US, local_to_instant_us

__all__ = ["duration_us", "time_us"]


def duration_us(duration: tree.Duration) -> int:
    """Microseconds of a duration."""
    return duration.amount * UNIT_US[duration.unit]


def time_us(time: tree.Time, zone: ZoneInfo) -> int:
    """The instant of a time literal; without an offset it is read in `zone`."""
    if time.offset_s is None:
        return local_to_instant_us(time.local_us, zone)
    return time.local_us - time.offset_s * SECOND_US
