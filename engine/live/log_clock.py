"""The clock of a store: what time it is outside, and what time it is in the log.

The time of the log is that of its last tick. Ticks only go forward: where the clock outside is
set back, the log stands still until it is passed again, and updates are judged at the log's time
meanwhile. So whatever a clock does, no change is lost and none is told twice; a clock that was
ahead has let the future come early, and its entries in the feed carry those instants.

The time of the log is stored with each tick, since the log itself is trimmed.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import StoreCorrupt
from engine.limits import TIME_US
from engine.live.lagging import Lag
from engine.store.attached import Attached
from engine.store.snapshot import Snapshot
from engine.store.writer import Writer

__all__ = ["LogClock", "LogInstant", "clock_of", "system_clock"]

_NAME = "clock"
_INSTANT = struct.Struct("<q")


def system_clock() -> int:
    """Microseconds from 1970 in UTC."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class LogInstant:
    """The clock of the log is `at_us` from its record `sequence` on, and `before_us` before it."""

    sequence: int
    before_us: int
    at_us: int


def clock_of(snapshot: Snapshot) -> int:
    """The clock of the log as of a snapshot; the beginning of time where it has none."""
    attached = snapshot.attached
    if isinstance(attached, Attached) and isinstance(attached.clock, LogInstant):
        found = attached.clock
        return found.at_us if snapshot.data_version >= found.sequence else found.before_us
    return _stored_us(snapshot)


def _stored_us(snapshot: Snapshot) -> int:
    stored = snapshot.meta(_NAME)
    if stored is None:
        return TIME_US[0]
    if len(stored) != _INSTANT.size:
        raise StoreCorrupt("the stored time of the log cannot be read")
    instant_us: int = _INSTANT.unpack(stored)[0]
    return instant_us


class LogClock:
    """Belongs to whoever commits. `now` gives the time outside."""

    def __init__(self, now: Callable[[], int], logged_us: int) -> None:
        self.now = now
        self._logged_us = self._committed_us = logged_us
        # Who lags behind it, with what the commit under way does.
        self.lag: Lag | None = None
        self._committed_lag: Lag | None = None

    @classmethod
    def load(cls, snapshot: Snapshot, now: Callable[[], int]) -> LogClock:
        """The time of a stored log; the beginning of time for one that has none."""
        return cls(now, _stored_us(snapshot))

    @property
    def logged_us(self) -> int:
        """The time of the log, with what the commit under way does."""
        return self._logged_us

    def instant(self, through_us: int | None = None) -> int:
        """What time it is, or `through_us` where that is earlier, for a record of the log: never
        before the one before it."""
        now_us = min(self.now(), TIME_US[1] if through_us is None else through_us, TIME_US[1])
        return max(now_us, self._logged_us)

    def set(self, writer: Writer, instant_us: int, lag: Lag | None = None) -> None:
        """The log is at this instant once the writer's commit is done, and some lag behind it."""
        writer.put_meta(_NAME, _INSTANT.pack(instant_us))
        self._logged_us, self.lag = instant_us, lag

    def resume(self, lag: Lag | None) -> None:
        """Some lag behind, as the log says that was replayed."""
        self.lag = self._committed_lag = lag

    def settle(self) -> None:
        """The commit is done."""
        self._committed_us, self._committed_lag = self._logged_us, self.lag

    def undo(self) -> None:
        """The commit failed."""
        self._logged_us, self.lag = self._committed_us, self._committed_lag
