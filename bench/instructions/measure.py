"""Counts what the evaluator executes for each question, by callgrind.

Measured: the instructions of one thread's share of an evaluation (`_Job.work` of evaluate.pyx),
with the AVX2 kernels: valgrind does not know AVX-512. The same program on the same data executes
the same instructions wherever it runs, so a loss of 3% is seen where a clock sees 20%.
Data: tests/worlds.py, 140,000 profiles: two full blocks and a part.
Not shown: time. Instructions that wait for memory, and those that AVX-512 does without, cost the
same here. Nothing of parsing, planning and layout is counted.

1. A store is filled, and the questions are planned and counted, in this process.
2. The questions are asked under valgrind, which counts inside of `work` alone and writes a file
   each time that it is left.
3. The counts must be those of step 1.
"""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

from bench.instructions.asked import Prepared
from engine.audience import Audience, Threads
from engine.core import evaluate
from tests.worlds import NOW_US, World

__all__ = ["QUESTIONS", "measure"]

WORLD = World(seed=9, rows=140_000)
MAP_BYTES = 1 << 28  # valgrind has no room for the map of a large store

TAGS = "tag = 'dense' and tag = 'half' and not tag = 'run'"
COLUMNS = (
    "city in ('c1', 'c2', 'c4') and town in ('c3', 'c7') and price >= 20 and not interests = 'half'"
)
RARE = "tag = 'rare' and city in ('c1', 'c2') and points > 0 and price < 100"
# Name, expressions asked at once, attribute that the count is grouped by.
QUESTIONS: dict[str, tuple[list[str], str | None]] = {
    "three tags": ([TAGS], None),
    "columns and a tag": ([COLUMNS], None),
    "a rare tag and columns": ([RARE], None),
    "columns by a category": ([COLUMNS], "city"),
    "a tag by a category": (["tag = 'dense'"], "city"),
    "twenty at once": (
        [f"{text} and points > {n}" for n in range(7) for text in (TAGS, COLUMNS, RARE)],
        None,
    ),
}
WORK = re.compile(rb"\x00(__pyx_pw_\w+_Job_\d+work)\x00")
TOTALS = re.compile(r"^totals: (\d+)", re.M)


def work_symbol() -> str:
    """The C name of the method that evaluates one thread's share."""
    assert evaluate.__file__ is not None
    found = WORK.search(Path(evaluate.__file__).read_bytes())
    assert found, "evaluate.pyx has no _Job.work, or the module was stripped of its symbols"
    return found[1].decode()


def prepare(path: Path) -> tuple[list[Prepared], list[int]]:
    """The questions planned over a new store at `path`, and the count of each."""
    prepared, counts = [], []
    with WORLD.fill(path) as database, database._store.snapshot() as snapshot:
        binder = database._binder_of(snapshot)
        assert binder is not None
        for texts, group_by in QUESTIONS.values():
            audience = Audience(snapshot, binder, as_of_us=NOW_US, threads=Threads())
            for text in texts:
                audience.add(text)
            field = snapshot.fields[group_by].id if group_by else None
            codes = len(snapshot.dictionary(field)) if field is not None else 0
            roots = [question.root for question in audience._questions]
            prepared.append(Prepared(audience._planner.plan, roots, field, codes))
            counts.append(sum(result.count for result in audience.counts()))
    return prepared, counts


def measure(folder: Path) -> dict[str, int]:
    """Instructions by question; `folder` is empty and gets a store and valgrind's files."""
    prepared, counts = prepare(folder / "store")
    plans = folder / "plans"
    plans.write_bytes(pickle.dumps(prepared))
    symbol = work_symbol()
    command = [
        "valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'counted'}",
        "--collect-atstart=no", f"--toggle-collect={symbol}", f"--dump-after={symbol}",
        sys.executable, "-m", "bench.instructions.asked", str(folder / "store"), str(plans),
    ]  # fmt: skip
    environment = os.environ | {
        "STRATA_SIMD": "avx2",
        "STRATA_MAP_SIZE": str(MAP_BYTES),
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
    }
    asked = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert asked.returncode == 0, asked.stderr[-2000:]
    assert asked.stdout.split() == [str(count) for count in counts], "valgrind counted otherwise"
    assert all(counts), "a question that nobody matches measures nothing"
    files = [folder / f"counted.{number}" for number in range(1, len(QUESTIONS) + 1)]
    found = [TOTALS.search(file.read_text()) for file in files]
    return {
        name: int(totals[1])
        for name, totals in zip(QUESTIONS, found, strict=True)
        if totals is not None
    }
