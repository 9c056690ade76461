"""Lanes: bounded room for engine work off the event loop.

1. Work beyond the lane's width waits in a queue; beyond the queue's limit it is refused at
   once, with an estimate of when to try again.
2. A caller that goes away cancels the work's Control. Its place stays taken until the
   engine has noticed, so the width is a true bound on work under way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from engine.core.control import Control
from engine.errors import Overloaded

__all__ = ["Lane"]

T = TypeVar("T")

# Bounds of the delay told to a refused caller: below, it would come back to the same queue;
# above, it would wait for work that has long been done.
RETRY_LEAST_MS = 50
RETRY_MOST_MS = 5000


class Lane:
    """`width` threads with a queue of at most `queue_limit` before them."""

    def __init__(self, name: str, width: int, queue_limit: int) -> None:
        self._width = width
        self._queue_limit = queue_limit
        self._places = asyncio.Semaphore(width)
        self._waiting = 0
        self._mean_s = 0.05
        self._threads = ThreadPoolExecutor(width, thread_name_prefix=name)

    async def run(self, work: Callable[[], T], control: Control | None = None) -> T:
        """The result of `work`, run on a thread of the lane; Overloaded where there is no room."""
        if self._places.locked() and self._waiting >= self._queue_limit:
            raise Overloaded(
                "The server has as much work as it takes; try again a little later.",
                retry_after_ms=self._retry_after_ms(),
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._timed, work)
        future.add_done_callback(self._leave)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if control is not None:
                control.cancel()
            raise

    def close(self) -> None:
        """Waits for work under way; nothing may be run afterwards."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _timed(self, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        try:
            return work()
        finally:
            self._mean_s += 0.1 * (time.perf_counter() - began - self._mean_s)

    def _leave(self, future: asyncio.Future[T]) -> None:
        self._places.release()
        if not future.cancelled():
            # Read, so that the failure of work whose caller has left is not reported as lost.
            future.exception()

    def _retry_after_ms(self) -> int:
        ahead = (self._waiting + self._width) / self._width
        return round(min(max(1000 * self._mean_s * ahead, RETRY_LEAST_MS), RETRY_MOST_MS))
