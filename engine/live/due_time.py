"""What the time that has passed asks of a store: whether somebody is due, and how far it is behind.

The clock of the state is that of its last tick. Up to the first instant at which somebody may enter
or leave anything, time costs nothing; what goes beyond that is passed in slices
(`engine.live.time_slices`).
"""

from __future__ import annotations

from engine.limits import LAG_MOST_US, SLICED_BLOCK_LOOKS, TIME_US
from engine.live.applier import Applier
from engine.live.log_clock import LogClock
from engine.live.model_in_force import ModelInForce
from engine.live.time_slices import TimeSlices
from engine.model.definitions import Model
from engine.rules.retention import has_retention, next_border_us

__all__ = ["DueTime", "moves_with_time"]


def moves_with_time(in_force: ModelInForce | None) -> bool:
    """Whether time alone changes anything that is stored."""
    return in_force is not None and (bool(in_force.segments.moving) or _ages(in_force))


def _ages(in_force: ModelInForce) -> bool:
    """Whether events are dropped as time passes."""
    return has_retention(in_force.model)


class DueTime:
    """Compares the clock with what is known of those who are due; `slices` says how far a tick
    goes at most."""

    def __init__(self, clock: LogClock, applier: Applier) -> None:
        self._clock = clock
        self._applier = applier
        self.slices = TimeSlices()

    def is_due(self, in_force: ModelInForce | None) -> bool:
        """Whether somebody may have entered or left a segment since the clock moved last."""
        if in_force is None:
            return False
        now_us = self._clock.now()
        if _ages(in_force) and self._is_border_due(in_force.model, now_us):
            return True
        if not in_force.segments.moving:
            return False
        standing = self._applier.standing
        # Of a state that nothing is known of, the first tick finds it out.
        return standing is None or min(standing.due_us.values()) <= now_us

    def behind_us(self, in_force: ModelInForce | None) -> int:
        """How much time the clock of the state has to make up for, where that is more than for one
        tick; 0 where it is not, or nothing moves with it."""
        if not moves_with_time(in_force):
            return 0
        now_us, lag = min(self._clock.now(), TIME_US[1]), self._clock.lag
        if lag is not None:
            missing_us = now_us - lag.since_us
            return missing_us if missing_us > LAG_MOST_US else 0
        missing_us = now_us - self.still_until_us(self._clock.logged_us)
        return missing_us if missing_us > self.slices.length_us else 0

    def is_much(self, in_force: ModelInForce | None) -> bool:
        """Whether so much turns at once that the next tick is cut into slices."""
        lags = self._clock.lag is not None or self._applier.lagging.lag is not None
        if in_force is None or lags:
            return False
        return in_force.segments.block_looks(self._clock.now()) > SLICED_BLOCK_LOOKS

    @property
    def slice_end_us(self) -> int:
        """Up to when the next tick goes at most."""
        if self._clock.lag is not None:
            return self._clock.logged_us
        return self.still_until_us(self._clock.logged_us) + self.slices.length_us

    def still_until_us(self, instant_us: int) -> int:
        """Up to when nobody enters or leaves anything after an instant, as far as is known."""
        standing = self._applier.standing
        if standing is not None and standing.due_us:
            return max(instant_us, min(min(standing.due_us.values()), TIME_US[1]) - 1)
        return instant_us

    def _is_border_due(self, model: Model, now_us: int) -> bool:
        """Whether events are dropped at the next tick, or their bytes are still to be let go of."""
        logged_us = self._clock.logged_us
        border_due_us = next_border_us(model, logged_us)
        return self._applier.aging.is_due or (
            now_us > logged_us and (border_due_us is None or border_due_us <= now_us)
        )
