"""Lanes: bounded room for engine work off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest

from engine.core.control import Control
from engine.errors import Cancelled, Overloaded
from server.failures import ShuttingDown
from server.lanes import Lane

WAIT_S = 10.0


class Gate:
    """Work that says when it has begun and waits until it is let go, or its Control ended."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.under_way = 0
        self.most = 0
        self._guard = threading.Lock()

    def work(self, control: Control | None = None) -> str:
        with self._guard:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        self.begun.release()
        try:
            while not self.go.wait(0.001):
                if control is not None:
                    control.check()
            return "done"
        finally:
            with self._guard:
                self.under_way -= 1

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=WAIT_S)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.go.set()


@pytest.fixture
def lane(gate: Gate) -> Iterator[Lane]:
    lane = Lane("test", 2, 3)
    yield lane
    gate.go.set()
    lane.close()


def begun(lane: Lane, work: Callable[[], str], control: Control | None = None) -> asyncio.Task[str]:
    return asyncio.create_task(lane.run(work, control))


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_answers_and_failures_come_back(lane: Lane) -> None:
    def fails() -> str:
        raise ValueError("seven")

    assert await asyncio.gather(*(lane.run(lambda n=n: n * n) for n in range(5))) == [
        0,
        1,
        4,
        9,
        16,
    ]
    with pytest.raises(ValueError, match="seven"):
        await lane.run(fails)
    assert lane.is_idle


async def test_no_more_than_its_width_is_under_way_and_all_of_it_is_done(
    lane: Lane, gate: Gate
) -> None:
    tasks = [begun(lane, gate.work) for _ in range(5)]
    await gate.has_begun()
    await gate.has_begun()
    assert not lane.is_idle
    gate.go.set()
    assert await asyncio.gather(*tasks) == ["done"] * 5
    assert gate.most == 2
    assert lane.is_idle


async def test_beyond_the_queue_is_refused_with_a_time_to_come_back(lane: Lane, gate: Gate) -> None:
    tasks = [begun(lane, gate.work) for _ in range(5)]
    await turns()
    with pytest.raises(Overloaded) as refused:
        await lane.run(gate.work)
    assert refused.value.retry_after_ms >= 50
    gate.go.set()
    await asyncio.gather(*tasks)
    assert await lane.run(gate.work) == "done"


async def test_who_leaves_the_line_gives_up_the_place_and_is_never_begun(
    lane: Lane, gate: Gate
) -> None:
    held = [begun(lane, gate.work) for _ in range(2)]
    await gate.has_begun()
    await gate.has_begun()
    ran: list[int] = []
    line = [begun(lane, lambda n=n: ran.append(n) or str(n)) for n in range(3)]
    await turns()
    line[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await line[1]
    # Its place in the queue is free at once.
    another = begun(lane, lambda: "another")
    await turns()
    gate.go.set()
    assert await asyncio.gather(*held, line[0], line[2], another) == [
        "done",
        "done",
        "0",
        "2",
        "another",
    ]
    assert ran == [0, 2]


async def test_who_leaves_work_under_way_cancels_it_and_its_place_stays_taken(
    lane: Lane, gate: Gate
) -> None:
    controls = [Control(), Control()]
    tasks = [begun(lane, lambda c=c: gate.work(c), c) for c in controls]
    await gate.has_begun()
    await gate.has_begun()
    stubborn = begun(lane, gate.work)
    await turns()
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    # The engine notices, and only then the next one begins.
    await gate.has_begun()
    assert gate.most == 2
    gate.go.set()
    assert await asyncio.gather(tasks[1], stubborn) == ["done", "done"]
    assert lane.is_idle


@pytest.mark.parametrize("cancel", [True, False])
async def test_an_ended_lane_refuses_what_waits(lane: Lane, gate: Gate, cancel: bool) -> None:
    controls = [Control(), Control()]
    tasks = [begun(lane, lambda c=c: gate.work(c), c) for c in controls]
    await gate.has_begun()
    await gate.has_begun()
    waiting = begun(lane, gate.work)
    await turns()
    lane.end(cancel=cancel)
    with pytest.raises(ShuttingDown):
        await waiting
    with pytest.raises(ShuttingDown):
        await lane.run(gate.work)
    if cancel:
        for task in tasks:
            with pytest.raises(ShuttingDown):
                await task
    else:
        assert not lane.is_idle
        gate.go.set()
        assert await asyncio.gather(*tasks) == ["done", "done"]
    assert lane.is_idle


async def test_a_cancel_of_the_work_itself_is_told_as_it_is(lane: Lane) -> None:
    def cancelled() -> str:
        raise Cancelled("by somebody else")

    with pytest.raises(Cancelled, match="somebody else"):
        await lane.run(cancelled)


def test_one_loop_after_another(gate: Gate) -> None:
    with contextlib.closing(Lane("test", 1, 0)) as lane:
        assert asyncio.run(lane.run(lambda: "first")) == "first"

        async def left_behind() -> None:
            task = begun(lane, gate.work)
            await gate.has_begun()
            task.cancel()

        asyncio.run(left_behind())
        assert not lane.is_idle
        gate.go.set()

        async def again() -> str:
            # What was left behind tells a loop that is gone; its place is free all the same.
            while not lane.is_idle:
                await asyncio.sleep(0.001)
            return await lane.run(lambda: "second")

        assert asyncio.run(again()) == "second"


def test_threads_end_with_the_lane() -> None:
    before = threading.active_count()
    lane = Lane("test", 3, 0)

    async def use() -> None:
        await asyncio.gather(*(lane.run(lambda: None) for _ in range(3)))

    asyncio.run(use())
    assert threading.active_count() > before
    lane.close()
    assert threading.active_count() == before
