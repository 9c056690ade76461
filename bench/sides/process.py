"""A side of a measurement: a process that answers over a pipe, and what memory it takes.

Sides are processes so that libraries do not get into each other's way, threads and memory can be
told apart, and one that dies is named.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair
from typing import Any, Self

from bench.failure import BenchFailed

__all__ = ["MemoryWatch", "Side"]

ROOT = Path(__file__).resolve().parents[2]
# Often enough to see the peak of a load of seconds; a look costs some 30 us.
LOOK_S = 0.05


class Side:
    """A running process; `call` asks it. Raises BenchFailed with what the process says."""

    def __init__(
        self,
        name: str,
        *program: str,
        environment: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        self.name = name
        ours, theirs = socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, *program, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
            )
        self._pipe: Connection[Any, Any] = Connection(ours.detach())

    def call(self, name: str, *arguments: Any) -> Any:
        """What the request gives."""
        try:
            self._pipe.send((name, arguments))
            answer, failure = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            status = self.process.wait()
            why = (
                "there may be too little memory for this size"
                if status < 0
                else "what it said stands above"
            )
            raise BenchFailed(
                f"{self.name} died while it was asked to {name} (status {status}); {why}."
            ) from None
        if failure is not None:
            raise BenchFailed(f"{self.name} could not {name}: {failure}")
        return answer

    def close(self) -> None:
        """Ends the process; harmless when done before."""
        self._pipe.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MemoryWatch:
    """The peaks of a process's resident memory while the context lasts, in bytes.

    `anonymous` is memory of its own, `mapped` the pages of files that it has mapped, which the
    system may take away at any time.
    """

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory-watch", daemon=True)
        self.anonymous = 0
        self.mapped = 0

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def look_closely(self) -> None:
        """Counts every page now; too slow a way to do it often where much is mapped."""
        found = _sizes(self._folder / "smaps_rollup")
        if "Anonymous" in found:
            self.anonymous = max(self.anonymous, found["Anonymous"])
            self.mapped = max(self.mapped, found["Rss"] - found["Anonymous"])

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        found = _sizes(self._folder / "status")
        if "RssAnon" in found:
            self.anonymous = max(self.anonymous, found["RssAnon"])
            self.mapped = max(self.mapped, found["RssFile"])


def _sizes(file: Path) -> dict[str, int]:
    """The sizes in a file of /proc, in bytes; none where the process is gone."""
    try:
        lines = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return {}
    return {cells[0][:-1]: int(cells[1]) * 1024 for cells in lines if cells[-1] == "kB"}
