"""The thread that moves the clock of a store on, once a second.

It asks for a tick only where somebody is due (see Pipeline.tick), so an idle store neither grows
its log nor wakes its disk. A store that is opened for one command has no such thread: what it
writes ticks first, and what it reads is evaluated at the moment of asking.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from engine.limits import TICK_S

__all__ = ["Ticker"]


class Ticker:
    """Calls `tick` every second from now on, on a thread of its own, until it is stopped."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(TICK_S):
            self._tick()
