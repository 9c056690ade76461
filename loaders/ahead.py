"""Reading ahead: what comes next is made on another thread while what came is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["read_ahead"]

_T = TypeVar("_T")

# Items that are made before they are asked for: one is worked on, and one is ready.
_AHEAD = 2


def read_ahead(items: Iterator[_T]) -> Generator[_T, None, None]:
    """The same items, none of them None, in the same order; what the iterator raises comes where
    its item would. The thread has ended when this has, also where it is closed early."""
    thread = ThreadPoolExecutor(1, "read")
    try:
        waiting = deque(thread.submit(next, items, None) for _ in range(_AHEAD))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, items, None))
            yield item
    finally:
        thread.shutdown(cancel_futures=True)
