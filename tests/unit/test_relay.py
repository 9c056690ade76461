"""Lists on their way to readers of any speed: in order, whole, and let go of in time."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from engine.core.control import Control
from engine.errors import Cancelled, Overloaded, StoreCorrupt
from server import relay
from server.lanes import Lane
from server.relay import AHEAD, Patience, relayed

MESSAGES = [
    bytes([number % 256]) * (number * 37 % 4000 if number % 7 else 0) for number in range(300)
]


class Source:
    """Gives messages, and notes when it has been closed."""

    def __init__(self, *, failing_at: int = -1) -> None:
        self.made = 0
        self.is_closed = threading.Event()
        self._failing_at = failing_at

    def run(self) -> Generator[bytes, None, None]:
        try:
            for number, message in enumerate(MESSAGES):
                if number == self._failing_at:
                    raise StoreCorrupt("damaged")
                self.made += 1
                yield message
        finally:
            self.is_closed.set()


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    lane = Lane("test", 2, 4)
    yield lane
    await asyncio.to_thread(lane.close)


async def test_a_fast_reader_gets_everything(lane: Lane, tmp_path: Path) -> None:
    source = Source()
    patience = Patience(100.0, tmp_path / "nowhere")
    found = [one async for one in relayed(lane, source.run(), Control(), patience)]
    assert found == MESSAGES and source.is_closed.is_set()


async def test_a_slow_reader_lets_go_of_the_list(
    lane: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its patience the list is made to its end, and read from a file without a name."""
    monkeypatch.setattr(relay, "TURN_S", 0.0)
    source = Source()
    messages = relayed(lane, source.run(), Control(), Patience(0.01, tmp_path))
    found = [await anext(messages)]
    assert await asyncio.to_thread(source.is_closed.wait, 30), "the list waits for its reader"
    assert source.made == len(MESSAGES)
    assert list(tmp_path.iterdir()) == []
    found += [one async for one in messages]
    assert found == MESSAGES


async def test_a_patient_list_waits(lane: Lane, tmp_path: Path) -> None:
    source = Source()
    messages = relayed(lane, source.run(), Control(), Patience(100.0, tmp_path))
    found = [await anext(messages)]
    await asyncio.sleep(0.1)
    assert source.made <= AHEAD + 2 and not source.is_closed.is_set()
    found += [one async for one in messages]
    assert found == MESSAGES


@pytest.mark.parametrize("patience_s", [0.0, 100.0])
@pytest.mark.parametrize("failing_at", [0, 3, 200])
async def test_a_failure_comes_after_what_was_made(
    lane: Lane, tmp_path: Path, failing_at: int, patience_s: float
) -> None:
    found = []
    messages = relayed(
        lane, Source(failing_at=failing_at).run(), Control(), Patience(patience_s, tmp_path)
    )
    with pytest.raises(StoreCorrupt):
        async for one in messages:
            found.append(one)
            await asyncio.sleep(0)
    assert found == MESSAGES[:failing_at]


@pytest.mark.parametrize("patience_s", [0.0, 100.0])
async def test_a_reader_that_leaves_ends_the_list(
    lane: Lane, tmp_path: Path, patience_s: float
) -> None:
    source, control = Source(), Control()
    files = len(os.listdir("/proc/self/fd"))
    messages = relayed(lane, source.run(), control, Patience(patience_s, tmp_path))
    for _ in range(3):
        await anext(messages)
        await asyncio.sleep(0.01)
    await messages.aclose()
    assert await asyncio.to_thread(source.is_closed.wait, 30)
    with pytest.raises(Cancelled):
        control.check()
    del messages
    gc.collect()
    for _ in range(1000):
        if len(os.listdir("/proc/self/fd")) <= files:
            break
        await asyncio.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) <= files


async def test_no_room_for_the_file(lane: Lane, tmp_path: Path) -> None:
    messages = relayed(lane, Source().run(), Control(), Patience(0.0, tmp_path / "nowhere"))
    with pytest.raises(Overloaded) as caught:
        async for _ in messages:
            await asyncio.sleep(0.01)
    assert caught.value.retry_after_ms > 0 and "file" in caught.value.message


def test_where_the_file_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = relay._Relay.__new__(relay._Relay)
    made._folder = None
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert made._place() == str(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    monkeypatch.setattr(relay, "PLACES", (str(tmp_path / "neither"), "/tmp"))
    assert made._place() == "/tmp"
