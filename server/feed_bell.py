"""Wakes those who wait for news of the feed, all on the event loop.

However many wait, the engine calls one listener, which posts one wake-up to the loop; and that
wakes them only where there is a record to read, not at every commit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from engine.live.feed import FeedSource

__all__ = ["FeedBell"]

AddListener = Callable[[Callable[[], None]], Callable[[], None]]


class FeedBell:
    """Waiting for records of one feed. All methods belong to one event loop.

    `add_listener` takes what to call, on any thread, when the feed has grown, and returns what
    ends that. It is asked for it while somebody waits, and only then.
    """

    def __init__(self, feed: Callable[[], FeedSource], add_listener: AddListener) -> None:
        self._feed = feed
        self._add_listener = add_listener
        self._news = asyncio.Event()
        self._waiting = 0
        self._remove: Callable[[], None] | None = None
        self._posted = False
        self._told = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._waiting

    async def wait(self, sequence: int, timeout_s: float) -> None:
        """Until a record of this sequence or a later one can be read, somebody rings, or the
        time is over."""
        with self._listening():
            news = self._news
            if self._feed().reach >= sequence:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await news.wait()

    def ring(self) -> None:
        """Wakes everybody."""
        self._news.set()
        self._news = asyncio.Event()

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        self._waiting += 1
        if self._remove is None:
            # Nobody waits yet for what is there already.
            self._told = self._feed().reach
            self._remove = self._add_listener(self._grown(asyncio.get_running_loop()))
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._remove()
                self._remove = None

    def _grown(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        def grown() -> None:
            if not self._posted:
                self._posted = True
                # The loop may have been closed: then nobody waits on it any more.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._look)

        return grown

    def _look(self) -> None:
        self._posted = False
        reach = self._feed().reach
        if reach > self._told:
            self._told = reach
            self.ring()
