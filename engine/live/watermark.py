"""How far something follows the log, for those who wait: without a thread or a queue for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from engine.core.control import Control

__all__ = ["Watermark"]

# A Control cannot wake a waiter, so a waiter looks at it: often enough that a caller who gives
# up is let go at once by human measure, seldom enough to cost nothing.
LOOK_S: Final = 0.05


class Watermark:
    """A sequence of the log that only rises, and who wants to know. Thread-safe.

    An open store has two: up to where records are visible, and up to where the feed is complete
    and durable.
    """

    def __init__(self, through: int) -> None:
        self._grown = threading.Condition()
        self._through = through
        self._wakes = 0
        self._listeners: dict[int, Callable[[], None]] = {}
        self._next_key = 0

    @property
    def through(self) -> int:
        """The newest sequence that has been reached."""
        return self._through

    def advance(self, through: int) -> None:
        """From now on `through` is reached; tells everybody. For the thread that got there."""
        with self._grown:
            if through <= self._through:
                return
            self._through = through
            self._grown.notify_all()
            listeners = list(self._listeners.values())
        for listener in listeners:
            listener()

    def wake(self) -> None:
        """Lets those who wait look around: nothing more may come."""
        with self._grown:
            self._wakes += 1
            self._grown.notify_all()

    def wait(self, after_sequence: int, control: Control | None, timeout_s: float) -> int:
        """`through`, once it is greater than `after_sequence`, the time is over, or `wake`.

        Holds the calling thread. Raises what the Control raises.
        """
        until = time.monotonic() + timeout_s
        with self._grown:
            wakes = self._wakes
            while self._through <= after_sequence and self._wakes == wakes:
                if control is not None:
                    control.check()
                left_s = until - time.monotonic()
                if left_s <= 0:
                    break
                self._grown.wait(left_s if control is None else min(left_s, LOOK_S))
            return self._through

    def add_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener` whenever the mark has risen, on the thread that raised it: it must do
        next to nothing, and not raise. Returns what removes it, harmless when called again."""
        with self._grown:
            key = self._next_key
            self._next_key += 1
            self._listeners[key] = listener

        def remove() -> None:
            with self._grown:
                self._listeners.pop(key, None)

        return remove
