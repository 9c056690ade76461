"""Lanes: bounded room for engine work off the event loop.

1. Work beyond the lane's width waits in a queue; beyond the queue's limit it is refused at
   once, with an estimate of when to try again.
2. A caller that goes away cancels the work's Control. Its place stays taken until the
   engine has noticed, so the width is a true bound on work under way.
3. A server whose time to drain is over ends its lanes: what waits is refused, what reads is
   cancelled, and both are told why. What writes goes on: it may be durable already.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from engine.core.control import Control
from engine.errors import Cancelled, EngineError, Overloaded

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
        self._is_over = False
        self._line: set[asyncio.Future[Any]] = set()
        self._under_way: dict[asyncio.Future[Any], Control | None] = {}
        self._threads = ThreadPoolExecutor(width, thread_name_prefix=name)

    async def run(self, work: Callable[[], T], control: Control | None = None) -> T:
        """The result of `work`, run on a thread of the lane; Overloaded where there is no room,
        ShuttingDown where the lane was ended first."""
        if self._is_over:
            raise _stopping()
        if self._places.locked() and self._waiting >= self._queue_limit:
            raise Overloaded(
                "The server has as much work as it takes; try again a little later.",
                retry_after_ms=self._retry_after_ms(),
            )
        self._waiting += 1
        try:
            if self._places.locked():
                await self._place_in_line()
            else:
                await self._places.acquire()
        finally:
            self._waiting -= 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._timed, work)
        self._under_way[future] = control
        future.add_done_callback(self._leave)
        try:
            return await asyncio.shield(future)
        except Cancelled:
            if self._is_over:
                raise _stopping() from None
            raise
        except asyncio.CancelledError:
            if control is not None:
                control.cancel()
            raise

    async def _place_in_line(self) -> None:
        """Waits for a place; ShuttingDown where the lane is ended before there is one."""
        place = asyncio.ensure_future(self._places.acquire())
        self._line.add(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():
                # It was given to a caller that goes away.
                self._places.release()
            elif self._is_over:
                raise _stopping() from None
            raise
        finally:
            self._line.discard(place)

    def end(self, *, cancel: bool) -> None:
        """From now on, and for good, nothing is begun: what waits is refused, and with `cancel`
        what is under way is, too, as soon as the engine has noticed."""
        self._is_over = True
        for place in self._line:
            place.cancel()
        for control in self._under_way.values():
            if cancel and control is not None:
                control.cancel()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

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
        del self._under_way[future]
        if not future.cancelled():
            # Read, so that the failure of work whose caller has left is not reported as lost.
            future.exception()

    def _retry_after_ms(self) -> int:
        ahead = (self._waiting + self._width) / self._width
        return round(min(max(1000 * self._mean_s * ahead, RETRY_LEAST_MS), RETRY_MOST_MS))


def _stopping() -> EngineError:
    # Only where a server stops: its table of codes brings gRPC along, which commands do without.
    from server.failures import stopping

    return stopping()
