"""Reading one's own writes: a read that names an offset waits until the data contain it.

A read that waits sleeps on a thread of its own, before it asks for a place among the evaluations:
slow writes must not take those from reads that wait for nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.core.control import Control
from engine.errors import DeadlineExceeded
from server.call import Call
from server.lanes import Lane

if TYPE_CHECKING:
    from engine.database import Database

__all__ = ["Visibility"]


class Visibility:
    """Waits for offsets. `wait_s` bounds each wait, also where the caller sets no deadline."""

    def __init__(self, database: Database, waits: Lane, wait_s: float) -> None:
        self._database = database
        self._waits = waits
        self._wait_s = wait_s

    async def wait(self, min_offset: int, call: Call) -> None:
        """Returns once reads see the offset; 0 is always seen.

        DeadlineExceeded where it takes too long, Overloaded where too many reads wait.
        """
        if not min_offset:
            return
        # The caller's own deadline ends the call, and with it this wait, if it is earlier.
        control = Control(time.monotonic_ns() + int(self._wait_s * 1e9))
        call.field = "min_offset"

        def work() -> None:
            self._database.wait_visible(min_offset, control)

        try:
            await self._waits.run(work, control)
        except DeadlineExceeded:
            call.control.check()
            raise DeadlineExceeded(
                f"The data do not contain offset {min_offset} yet, after {self._wait_s:g} s of"
                " waiting. Ask again, or check that the offset is one of an acknowledgement of"
                " this store."
            ) from None
        call.field = ""
