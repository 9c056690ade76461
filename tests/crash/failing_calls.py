"""Lets single system calls of a writer fail, one after the other, and looks at what is left.

    LD_PRELOAD=... python -m tests.crash.failing_calls WRITER FOLDER SEED COUNT

A child is forked for each of COUNT pairs of a call (write, sync, change of length, rename)
and a way to fail: EIO, ENOSPC, EINTR, or half of the work done. It may be refused what it
asked for, and nothing else; then the folder is judged as after a power cut. A line is printed
for every fault, and one with the counts at the end. Runs below the tracer of tracing.py, with
STRATA_TRACE_FOLDER being FOLDER.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import shutil
import signal
import sys
import threading
import traceback
from collections import Counter
from pathlib import Path

from engine.errors import EngineError, StoreUnwritable
from tests.crash.damaged_store import in_child
from tests.crash.power_cut import ACKNOWLEDGED
from tests.crash.traced_writers import CHECKS, WRITERS

__all__ = ["main"]

WAYS = (errno.EIO, errno.ENOSPC, errno.EINTR, 0)
DONE, REFUSED, FAULT = 0, 10, 11


def write(writer: str, folder: Path, seed: int) -> int:
    """Exit status of a writer one of whose calls may fail."""
    logging.disable()
    threading.excepthook = _heed
    try:
        WRITERS[writer](folder, seed)
    except StoreUnwritable as error:
        assert error.message.endswith("."), error.message
        return REFUSED
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        return FAULT
    return DONE


def _heed(ended: threading.ExceptHookArgs) -> None:
    """A thread may end with what callers are refused with, and with nothing else."""
    if not isinstance(ended.exc_value, EngineError):
        traceback.print_exception(ended.exc_value, file=sys.stdout)
        sys.stdout.flush()
        os._exit(FAULT)


def judge(writer: str, folder: Path, seed: int) -> int:
    """Exit status: whether what is left is one of the states that may be."""
    told = folder / ACKNOWLEDGED
    lines = told.read_text().splitlines() if told.exists() else []
    told.unlink(missing_ok=True)
    try:
        CHECKS[writer](folder, lines, seed)
    except (AssertionError, EngineError):
        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        return FAULT
    return DONE


def main(writer: str, folder: Path, seed: int, count: int) -> None:
    """All calls in all ways where `count` allows it, else pairs spread evenly."""
    tracer = ctypes.CDLL(None)
    outcomes: Counter[str] = Counter()

    def run(first: int, way: int) -> tuple[int, int]:
        """Status of the writer, and of what is left; the child's last count of calls."""
        shutil.rmtree(folder / "at", ignore_errors=True)
        (folder / "at").mkdir(parents=True)

        def traced() -> int:
            tracer.strata_trace_fail(ctypes.c_long(first), ctypes.c_long(first), way)
            status = write(writer, folder / "at", seed)
            counted = tracer.strata_trace_counted()
            # Calls differ in number from run to run: the one meant may not have come yet.
            tracer.strata_trace_fail(ctypes.c_long(-1), ctypes.c_long(-1), 0)
            (folder / "count").write_text(str(counted))
            return status

        tracer.strata_trace_fail(ctypes.c_long(-1), ctypes.c_long(-1), 0)
        written = in_child(traced)
        return written, in_child(lambda: judge(writer, folder / "at", seed))

    assert run(-1, 0) == (DONE, DONE), "the writer fails by itself"
    calls = int((folder / "count").read_text())
    pairs = [(call, way) for call in range(1, calls + 1) for way in WAYS]
    step = max(len(pairs) // count, 1)
    for call, way in pairs[seed % step :: step | 1]:
        written, left = run(call, way)
        name = errno.errorcode.get(way, "half")
        if written not in (DONE, REFUSED) or left != DONE:
            print(f"FAILED call {call} of {calls} with {name} (seed {seed}): {written}, {left}")
            outcomes["failed"] += 1
        else:
            outcomes["done" if written == DONE else "refused"] += 1
    print(dict(outcomes))


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.environ["STRATA_MAP_SIZE"] = str(1 << 28)
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
