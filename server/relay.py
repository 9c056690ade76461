"""Long answers on their way to readers of any speed.

Whoever makes a list holds the data version that it is of, and what is held must be copied before
it changes. A reader that takes minutes must therefore not keep the list waiting:

1. Messages are made a few ahead of the reader, on a lane.
2. Once the reader has kept them waiting for longer than is patient, the rest of the list is made
   at full speed into a file without a name. The data version is let go, and the reader is served
   from the file, which vanishes with the call.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from engine.core.control import Control
from engine.errors import Overloaded
from server.lanes import Lane

__all__ = ["Patience", "relayed"]

# Messages made ahead of the reader: enough that neither side waits for the other's pace.
AHEAD = 8
# How long the file is written at a time before others of the lane have their turn.
TURN_S = 0.05
# When to try again where the file has no room: somebody else's may be gone then.
RETRY_MS = 5000

# Where large temporary files belong, after TMPDIR: not /tmp, which is often memory.
PLACES = ("/var/tmp", "/tmp")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a reader may keep a list waiting, in all, and in which folder the rest is put then
    (None: TMPDIR, or else /var/tmp)."""

    seconds: float
    folder: Path | None = None


async def relayed(
    lane: Lane, answers: Generator[bytes, None, None], control: Control, patience: Patience
) -> AsyncGenerator[bytes, None]:
    """The messages of `answers`, whose steps are run on `lane`. Closes it in the end.

    Raises what making them raises, and Overloaded where there is no room to put them.
    """
    relay = _Relay(lane, answers, control, patience)
    making = asyncio.ensure_future(relay.make())
    # Read, so that the failure of a list whose reader has left is not reported as lost.
    making.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        while (message := await relay.next()) is not None:
            yield message
        await making
    except BaseException:
        control.cancel()
        raise
    finally:
        making.cancel()
        # A step may be under way on its thread, and ends within a block's work: nobody waits here.
        asyncio.get_running_loop().run_in_executor(None, relay.clean_up)


class _Relay:
    """What the maker and the reader of one list share, on one event loop; `_step` and `_put_aside`
    run on threads of the lane, one at a time."""

    def __init__(
        self,
        lane: Lane,
        answers: Generator[bytes, None, None],
        control: Control,
        patience: Patience,
    ) -> None:
        self._lane = lane
        self._answers = answers
        self._control = control
        self._left_s = patience.seconds
        self._folder = patience.folder
        self._ready: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._taken = asyncio.Event()
        self._is_made = False
        # Held while the answers or the file are worked on, so that both are closed after that.
        self._guard = threading.Lock()
        self._file: IO[bytes] | None = None
        self._sizes: deque[int] = deque()
        self._written = self._read = 0

    async def make(self) -> None:
        """Makes all messages."""
        try:
            while await self._has_room():
                message = await self._lane.run(self._step, self._control)
                if message is None:
                    return
                self._ready.append(message)
                self._news.set()
            while await self._lane.run(self._put_aside, self._control):
                self._news.set()
        finally:
            self._is_made = True
            self._news.set()

    async def _has_room(self) -> bool:
        """Waits until the reader has taken enough; False once it has taken too long for that."""
        while len(self._ready) >= AHEAD:
            self._taken.clear()
            began = time.monotonic()
            try:
                async with asyncio.timeout(max(self._left_s, 0)):
                    await self._taken.wait()
            except TimeoutError:
                return False
            self._left_s -= time.monotonic() - began
        return True

    async def next(self) -> bytes | None:
        """The next message; None after the last, or where making them has failed."""
        while True:
            if self._ready:
                self._taken.set()
                return self._ready.popleft()
            if self._sizes:
                return await asyncio.to_thread(self._read_aside)
            if self._is_made:
                return None
            self._news.clear()
            await self._news.wait()

    def _step(self) -> bytes | None:
        with self._guard:
            return next(self._answers, None)

    def _put_aside(self) -> bool:
        """Writes messages to the file for one turn; whether there are more."""
        with self._guard:
            try:
                if self._file is None:
                    self._file = tempfile.TemporaryFile(dir=self._place())  # noqa: SIM115
                end = time.monotonic() + TURN_S
                for message in self._answers:
                    self._write(self._file.fileno(), message)
                    if time.monotonic() >= end:
                        return True
            except OSError as error:
                raise Overloaded(
                    "The list is read too slowly to be kept in memory, and cannot be put into a"
                    f" file either ({error.strerror}); read it faster, or try again later.",
                    retry_after_ms=RETRY_MS,
                ) from None
            return False

    def _place(self) -> str:
        if self._folder is not None:
            return str(self._folder)
        places = filter(None, (os.environ.get("TMPDIR"), *PLACES))
        usable = (place for place in places if os.access(place, os.W_OK | os.X_OK))
        return next(usable, None) or tempfile.gettempdir()

    def _write(self, file: int, message: bytes) -> None:
        rest = memoryview(message)
        while rest:
            done = os.pwrite(file, rest, self._written)
            rest = rest[done:]
            self._written += done
        self._sizes.append(len(message))

    def _read_aside(self) -> bytes:
        assert self._file is not None
        size = self._sizes.popleft()
        message = os.pread(self._file.fileno(), size, self._read)
        assert len(message) == size, "the file has what was written"
        self._read += size
        return message

    def clean_up(self) -> None:
        """Closes the answers and the file, once no thread works on them."""
        with self._guard:
            self._answers.close()
            if self._file is not None:
                self._file.close()
