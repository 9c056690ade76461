"""What a terminal shows while a command takes long: nothing at first, then a spinner."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

__all__ = ["PATIENCE_S", "waiting"]

# Shorter waits need no explanation, and a spinner that flashes up is a nuisance.
PATIENCE_S = 2.0


@contextlib.contextmanager
def waiting(doing: str) -> Iterator[None]:
    """Shows `doing` with a spinner on stderr, from two seconds on, on a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    # Only here: scripts and pipes, which no terminal watches, wait for nothing of it.
    from rich.console import Console

    status = Console(stderr=True).status(f"{doing} ...")
    timer = threading.Timer(PATIENCE_S, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()
