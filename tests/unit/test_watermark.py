"""Watermarks: waiting, listening, and letting go."""

from __future__ import annotations

import threading
import time

import pytest

from engine.core.control import Control
from engine.errors import Cancelled, DeadlineExceeded
from engine.live.watermark import Watermark

PATIENCE_S = 30


def test_what_is_there_needs_no_waiting() -> None:
    assert Watermark(5).wait(4, None, PATIENCE_S) == 5
    assert Watermark(5).wait(5, None, 0.0) == 5


def test_a_waiter_is_woken() -> None:
    mark = Watermark(5)
    found: list[int] = []
    waiters = [
        threading.Thread(target=lambda after=after: found.append(mark.wait(after, None, 30)))
        for after in (5, 5, 7)
    ]
    for waiter in waiters:
        waiter.start()
    mark.advance(6)
    for waiter in waiters[:2]:
        waiter.join(PATIENCE_S)
    assert len(found) == 2 and waiters[2].is_alive()
    mark.advance(9)
    waiters[2].join(PATIENCE_S)
    assert found[2] == 9


def test_a_waiter_ends_with_its_caller() -> None:
    with pytest.raises(DeadlineExceeded):
        Watermark(5).wait(5, Control(time.monotonic_ns() + 1_000_000), PATIENCE_S)
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        Watermark(5).wait(5, control, PATIENCE_S)


def test_a_waiter_notices_that_its_caller_goes() -> None:
    control, ended = Control(), threading.Event()

    def wait() -> None:
        with pytest.raises(Cancelled):
            Watermark(5).wait(5, control, 3600.0)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    assert not ended.wait(0.1)
    control.cancel()
    assert ended.wait(PATIENCE_S)


def test_listeners_hear_each_growth_until_they_leave() -> None:
    mark = Watermark(0)
    heard: list[str] = []
    leave = mark.add_listener(lambda: heard.append("a"))
    mark.add_listener(lambda: heard.append("b"))
    mark.advance(1)
    mark.advance(1)
    assert heard == ["a", "b"]
    leave()
    leave()
    mark.advance(2)
    assert (heard, mark.through) == (["a", "b", "b"], 2)
