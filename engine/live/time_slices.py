"""How far a tick goes at a time, where the clock of a store is far behind.

A store that nobody has opened for years has much to catch up with. The record of the log that says
so is carried out again after a kill, and nothing may be written behind it before it is; so the
clock goes in slices of time, each a tick of its own, and the next is begun when the one before is
visible. In between a server can be closed: what is left is done when the store is opened again.
One step or a thousand come to the same.

How much happens in an hour differs from store to store by orders of magnitude, and from year to
year of one. So slices begin short, and grow as long as they take little time. Part of what one
takes does not depend on its length, though: at most twice that is always granted, since shorter
slices would only be more.
"""

from __future__ import annotations

from engine.limits import TIME_SLICE_FIRST_US, TIME_SLICE_LEAST_US, TIME_SLICE_S

__all__ = ["TimeSlices"]


class TimeSlices:
    """`length_us` is how far the next tick goes at most."""

    def __init__(self) -> None:
        self.length_us = TIME_SLICE_FIRST_US
        self._least_s = float("inf")

    def took(self, span_us: int, seconds: float) -> None:
        """A tick over so much time of the store has taken so long."""
        if span_us < self.length_us:
            return
        self._least_s = min(self._least_s, seconds)
        granted_s = max(TIME_SLICE_S, 2 * self._least_s)
        if seconds < 0.75 * granted_s:
            self.length_us *= 4 if seconds < 0.5 * granted_s else 2
        elif seconds > 1.5 * granted_s:
            self.length_us = max(self.length_us // 2, TIME_SLICE_LEAST_US)
