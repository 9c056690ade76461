"""Kills an ingesting process again and again, and holds what is left against a World.

    python -m tests.crash.killed_ingest FOLDER SEED ROUNDS [FAILPOINT=kill:N ...]

Each round starts a writer (live_writer.py) on the same store and ends it with SIGKILL: at a
random instant, or at the failpoints by turns. Then the store is opened and judged. A line is
printed for each round; an AssertionError ends the program, and leaves the store and the lines
of the round (FOLDER/lines) as they were.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.database import Database
from engine.failpoints import FAILPOINTS_VARIABLE
from tests.crash.live_judge import Judge
from tests.crash.live_world import MODEL_FILES
from tests.crash.tracing import ROOT

__all__ = ["run_writer"]

PEOPLE = 150
# Enough that no writer comes to its end by itself before it is killed.
BATCHES = 100_000
# A failpoint that is not reached by then is not on the way of these writers.
PATIENCE_S = 60.0


def run_writer(
    store: Path, seed: int, round_number: int, *, failpoint: str = "", seconds: float = 0.0
) -> list[str]:
    """The lines of a writer that was killed after some time, or by a failpoint."""
    reader, writer = os.pipe()
    arguments = [str(store), *map(str, (seed, PEOPLE, writer, round_number, BATCHES))]
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.live_writer", *arguments],
        cwd=ROOT,
        pass_fds=(writer,),
        env={**os.environ, FAILPOINTS_VARIABLE: failpoint},
    )
    os.close(writer)
    told = os.read(reader, 1 << 16)  # it has begun
    ends = time.monotonic() + (PATIENCE_S if failpoint else seconds)
    os.set_blocking(reader, False)
    while child.poll() is None and time.monotonic() < ends:
        try:
            told += os.read(reader, 1 << 16)
        except BlockingIOError:
            time.sleep(0.002)
    assert not failpoint or child.poll() is not None, f"{failpoint} was not reached"
    child.kill()
    status = child.wait()
    os.set_blocking(reader, True)
    while more := os.read(reader, 1 << 16):
        told += more
    os.close(reader)
    assert status == -signal.SIGKILL, f"the writer ended with {status}"
    whole, _, _ = told.decode().rpartition("\n")
    return whole.splitlines()


def main(folder: Path, seed: int, rounds: int, failpoints: list[str]) -> None:
    """Run the rounds."""
    chance = random.Random(seed)
    store = folder / "store"
    folder.mkdir(parents=True, exist_ok=True)
    with Database.create(store, threads=1) as database:
        database.apply_model(MODEL_FILES)
    judge = Judge(seed, PEOPLE)
    for number in range(rounds):
        failpoint = failpoints[number % len(failpoints)] if failpoints else ""
        seconds = chance.random() * 0.4
        lines = run_writer(store, seed, number, failpoint=failpoint, seconds=seconds)
        (folder / "lines").write_text("\n".join(lines))
        with Database.open(store, threads=1) as database:
            judge.judge(database, lines)
        print(
            f"survived {failpoint}: {len(lines)} lines, {judge.acknowledged} accepted", flush=True
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
