"""What the disk alone takes for a sync: beside it stand the acknowledgements of durable writes."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

__all__ = ["syncs_ms"]

# About what a batch takes in the log.
SYNCED_BYTES = 256 * 1024
# The file is written over from here on, so that it stays small.
FILE_BYTES = 64 * 1024 * 1024


def syncs_ms(folder: Path, seconds: float, a_second: float) -> list[float]:
    """How long each sync of a plain file took, in ms; nobody else is to write meanwhile.

    `a_second` says how often SYNCED_BYTES are written and synced at most.
    """
    taken: list[float] = []
    data = os.urandom(SYNCED_BYTES)
    with tempfile.TemporaryFile(dir=folder) as file:
        began = time.perf_counter()
        while (now := time.perf_counter()) < began + seconds:
            due = began + len(taken) / a_second
            if now < due:
                time.sleep(due - now)
            asked = time.perf_counter()
            os.pwrite(file.fileno(), data, len(taken) * SYNCED_BYTES % FILE_BYTES)
            os.fdatasync(file.fileno())
            taken.append(1000 * (time.perf_counter() - asked))
    return taken
