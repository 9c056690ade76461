"""One rival in a process of its own: `python -m bench.sides.rival_side NAME LAYOUT THREADS FD`."""

from __future__ import annotations

import gc
import os
import sys
import time
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.questions import Answer, Draw
from bench.rivals import RIVALS
from bench.rivals.rival import EventRival, Rival

__all__ = ["RivalSide"]


class RivalSide:
    """The requests, by name."""

    def __init__(self, rival: Rival) -> None:
        self._rival = rival

    def load(self, files: list[str]) -> float:
        """Takes the people; seconds."""
        started = time.perf_counter()
        self._rival.load([Path(file) for file in files])
        gc.collect()
        gc.freeze()
        return time.perf_counter() - started

    def load_events(self, files: dict[str, list[str]]) -> float:
        """Takes what the people did, by type; seconds."""
        assert isinstance(self._rival, EventRival), "a layout with events"
        started = time.perf_counter()
        self._rival.load_events({kind: [*map(Path, paths)] for kind, paths in files.items()})
        gc.collect()
        gc.freeze()
        return time.perf_counter() - started

    def ask(self, draw: Draw) -> tuple[Answer, int]:
        """The answer, and the nanoseconds that it took."""
        started = time.perf_counter_ns()
        answer = self._rival.ask(draw)
        return answer, time.perf_counter_ns() - started


def _main() -> None:
    name, layout, threads, descriptor = sys.argv[1:]
    kind = RIVALS[name]
    pipe: Connection[Any, Any] = Connection(int(descriptor))
    side: RivalSide | None = None
    while True:
        try:
            request, arguments = pipe.recv()
        except EOFError:
            # At once: libraries that say goodbye on stderr would spoil the table.
            os._exit(0)
        try:
            if side is None:
                given = kind.layouts[layout]
                rival = getattr(import_module(given.module), given.class_name)
                side = RivalSide(rival(layout, int(threads)))
            pipe.send((getattr(side, request)(*arguments), None))
        except Exception as error:
            pipe.send((None, f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    _main()
