"""Lanes: bounded room for engine work off the event loop.

1. Work beyond the lane's width waits in a queue; beyond the queue's limit it is refused at
   once, with an estimate of when to try again.
2. A caller that goes away cancels the work's Control. Its place stays taken until the
   engine has noticed, so the width is a true bound on work under way.
3. A server whose time to drain is over ends its lanes: what waits is refused, what reads is
   cancelled, and both are told why. What writes goes on: it may be durable already.

The smallest calls take less time than an executor's two futures and its call back to the loop for
each of them. So threads take work from the line themselves, and what several have finished is told
to the loop at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from engine.core.control import Control
from engine.errors import Cancelled, EngineError, Overloaded

__all__ = ["Lane"]

T = TypeVar("T")

# Bounds of the delay told to a refused caller: below, it would come back to the same queue;
# above, it would wait for work that has long been done.
RETRY_LEAST_MS = 50
RETRY_MOST_MS = 5000


class _Job:
    """One piece of work from its place in line to its answer."""

    __slots__ = ("answer", "bell", "control", "error", "future", "work")

    def __init__(
        self,
        work: Callable[[], Any],
        control: Control | None,
        future: asyncio.Future[Any],
        bell: _Bell,
    ) -> None:
        self.work = work
        self.control = control
        self.future = future
        self.bell = bell
        self.answer: Any = None
        self.error: BaseException | None = None


class Lane:
    """`width` threads with a queue of at most `queue_limit` before them.

    All but the threads' own work is done on the event loop that runs; a lane may be used by one
    loop after another.
    """

    def __init__(self, name: str, width: int, queue_limit: int) -> None:
        self._name = name
        self._width = width
        self._queue_limit = queue_limit
        self._mean_s = 0.05
        self._is_over = False
        # Everything that was taken and is not answered: in line, or with a thread.
        self._open: set[_Job] = set()
        self._line: deque[_Job] = deque()
        # True for each job that was put in line, whether it still stands there or not; False ends
        # a thread.
        self._calls: SimpleQueue[bool] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._bell: _Bell | None = None

    async def run(self, work: Callable[[], T], control: Control | None = None) -> T:
        """The result of `work`, run on a thread of the lane; Overloaded where there is no room,
        ShuttingDown where the lane was ended first."""
        if self._is_over:
            raise _stopping()
        if len(self._open) >= self._width + self._queue_limit:
            raise Overloaded(
                "The server has as much work as it takes; try again a little later.",
                retry_after_ms=self._retry_after_ms(),
            )
        loop = asyncio.get_running_loop()
        bell = self._bell
        if bell is None or bell.loop is not loop:
            bell = self._bell = _Bell(loop, self._open)
        job = _Job(work, control, loop.create_future(), bell)
        self._open.add(job)
        self._line.append(job)
        self._calls.put(True)
        if len(self._threads) < min(self._width, len(self._open)):
            self._start_thread()
        try:
            answer: T = await job.future
        except Cancelled:
            if self._is_over:
                raise _stopping() from None
            raise
        except asyncio.CancelledError:
            if self._left_the_line(job):
                self._open.discard(job)
            elif control is not None:
                control.cancel()
            raise
        return answer

    def end(self, *, cancel: bool) -> None:
        """From now on, and for good, nothing is begun: what waits is refused, and with `cancel`
        what is under way is, too, as soon as the engine has noticed."""
        self._is_over = True
        for job in tuple(self._open):
            if self._left_the_line(job):
                self._open.discard(job)
                if not job.future.done():
                    job.future.set_exception(_stopping())
            elif cancel and job.control is not None:
                job.control.cancel()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way and nothing waits."""
        return not self._open

    def close(self) -> None:
        """Waits for work under way; nothing may be run afterwards."""
        self._is_over = True
        self._line.clear()
        for _ in self._threads:
            self._calls.put(False)
        for thread in self._threads:
            thread.join()

    def _left_the_line(self, job: _Job) -> bool:
        """Takes a job out of the line; False where a thread has taken it first."""
        try:
            self._line.remove(job)
        except ValueError:
            return False
        return True

    def _start_thread(self) -> None:
        # A process that ends without closing the lane does not wait for what it reads.
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        """What each thread does: the next job in line, until the lane is closed."""
        while self._calls.get():
            try:
                job = self._line.popleft()
            except IndexError:
                # Its caller went away, or the lane was ended.
                continue
            began = time.perf_counter()
            try:
                job.answer = job.work()
            except BaseException as error:
                job.error = error
            self._mean_s += 0.1 * (time.perf_counter() - began - self._mean_s)
            job.bell.ring(job)
            # Else the thread would hold what it did last, and the data version that it read.
            del job

    def _retry_after_ms(self) -> int:
        ahead = (len(self._line) + self._width) / self._width
        return round(min(max(1000 * self._mean_s * ahead, RETRY_LEAST_MS), RETRY_MOST_MS))


class _Bell:
    """Tells an event loop what threads have finished, once for all that comes before it looks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, open_jobs: set[_Job]) -> None:
        self.loop = loop
        self._open = open_jobs
        self._done: deque[_Job] = deque()
        self._has_rung = False

    def ring(self, job: _Job) -> None:
        """Has the loop answer the job's caller. On the job's thread."""
        self._done.append(job)
        if not self._has_rung:
            self._has_rung = True
            try:
                self.loop.call_soon_threadsafe(self._answer)
            except RuntimeError:
                # The loop was closed, and its callers with it.
                self._open.discard(job)

    def _answer(self) -> None:
        # Before looking: what is finished from here on rings again.
        self._has_rung = False
        while self._done:
            job = self._done.popleft()
            self._open.discard(job)
            if job.future.done():
                continue
            if job.error is None:
                job.future.set_result(job.answer)
            else:
                job.future.set_exception(job.error)


def _stopping() -> EngineError:
    # Only where a server stops: its table of codes brings gRPC along, which commands do without.
    from server.failures import stopping

    return stopping()
