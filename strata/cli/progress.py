"""A progress bar on stderr: on a terminal only, and only once a command takes long."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from strata.cli.waiting import PATIENCE_S

__all__ = ["Tell", "progress"]

# Told how many records have been read, and which share of the input that is (0 to 1; None
# where it cannot be known).
Tell = Callable[[int, float | None], None]


@contextlib.contextmanager
def progress(doing: str) -> Iterator[Tell]:
    """A callback that draws the bar; nothing is left of it at the end."""
    if not sys.stderr.isatty():
        yield lambda records, share: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[records]:,} records, {task.fields[rate]:,} a second"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(doing, total=None, records=0, rate=0)
    began_s = time.monotonic()

    def tell(records: int, share: float | None) -> None:
        taken_s = time.monotonic() - began_s
        if taken_s < PATIENCE_S:
            return
        bar.start()
        bar.update(
            task,
            total=None if share is None else 1.0,
            completed=share or 0.0,
            records=records,
            rate=round(records / taken_s),
        )

    try:
        yield tell
    finally:
        bar.stop()
