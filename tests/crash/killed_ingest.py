"""Kills a writing process again and again, and holds what is left against a World.

    python -m tests.crash.killed_ingest FOLDER SEED ROUNDS [FAILPOINT=kill:N ...]

Each round starts a writer (live_writer.py) on the same store and ends it with SIGKILL: at a
random instant, or at the failpoints by turns. Then the store is opened and judged. A line is
printed for each round; an AssertionError ends the program, and leaves the store and the lines
of the round (FOLDER/lines) as they were. Where `trim.before_write` is among the failpoints,
the writers of that round and of later ones keep no old records of the feed.
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
from engine.limits import FEED_KEPT_US
from engine.model.definitions import Source
from engine.store import open_events
from tests.crash.live_batches import SEALED_EVENTS, live_batch
from tests.crash.live_check import BLOCK_ROWS
from tests.crash.live_judge import Judge
from tests.crash.live_world import MODEL_FILES
from tests.crash.tracing import ROOT

__all__ = ["run_writer"]

PEOPLE = 150
# Strangers who come first, so that the people lie on both sides of the end of a block, of which one
# is saved and the other not: a replay may not tell events, sets or segments twice to either.
STRANGERS = BLOCK_ROWS - PEOPLE // 3
# Writers that nothing else ends live up to so long from their first line on.
LIFE_S = 1.0
# A failpoint that is not reached by then is not on the way of these writers.
PATIENCE_S = 60.0


def run_writer(
    store: Path, seed: int, round_number: int, seconds: float, *, failpoint: str, kept_us: int
) -> list[str]:
    """The lines of a writer that was killed by a failpoint, or after some time without one."""
    reader, writer = os.pipe()
    arguments = map(str, (store, seed, PEOPLE, writer, round_number, kept_us))
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
    is_reached = child.poll() is not None
    child.kill()
    status = child.wait()
    os.set_blocking(reader, True)
    while more := os.read(reader, 1 << 16):
        told += more
    os.close(reader)
    assert is_reached or not failpoint, f"{failpoint} was not reached"
    assert status == -signal.SIGKILL, f"the writer ended with {status}"
    whole, _, _ = told.decode().rpartition("\n")
    return whole.splitlines()


def main(folder: Path, seed: int, rounds: int, failpoints: list[str]) -> None:
    """Run the rounds."""
    chance = random.Random(seed)
    open_events.SEALED_EVENTS = SEALED_EVENTS
    store = folder / "store"
    folder.mkdir(parents=True, exist_ok=True)
    with Database.create(store, threads=1) as database:
        database.apply_model(MODEL_FILES)
        with database.bulk_load(Source("strangers", {"member": "member"})) as load:
            # With a city they are in no segment, and no rule is true for them.
            load.add(live_batch([{"member": f"s{n}", "city": "沪"} for n in range(STRANGERS)]))
            load.finish()
    judge = Judge(seed, PEOPLE, strangers=STRANGERS)
    for number in range(rounds):
        failpoint = failpoints[number % len(failpoints)] if failpoints else ""
        judge.trims = judge.trims or failpoint.startswith("trim.")
        lines = run_writer(
            store,
            seed,
            number,
            chance.random() * LIFE_S,
            failpoint=failpoint,
            kept_us=0 if judge.trims else FEED_KEPT_US,
        )
        (folder / "lines").write_text("\n".join(lines))
        with Database.open(store, threads=1) as database:
            judge.judge(database, lines)
        print(f"survived {failpoint or 'at random'}: {judge.acknowledged:,} updates", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
