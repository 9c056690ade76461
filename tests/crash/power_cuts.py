"""Lets a program write, cuts the power at many instants, and looks at what the disk has.

    python -m tests.crash.power_cuts WRITER FOLDER SEED COUNT [--lying]

The writers and what must be found are in traced_writers.py, the disk in power_cut.py. A line
is printed for each image in which something is wrong, and at the end one with the counts;
`--lying` is a disk that does not carry out syncs, on which something must be lost. Images
with a fault stay in FOLDER.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import traceback
from collections import Counter
from pathlib import Path

from tests.crash.power_cut import Fate, images
from tests.crash.traced_writers import CHECKS
from tests.crash.tracing import build_tracer, run_traced

__all__ = ["main"]


def main(writer: str, folder: Path, seed: int, count: int, *, lying: bool) -> None:
    """Run the writer once, then judge the images."""
    traced = folder / "traced"
    traced.mkdir(parents=True)
    # Where files live in memory a sync costs nothing, and its place in the order is the same.
    os.environ["STRATA_MAP_SIZE"] = str(1 << 28)
    command = [sys.executable, "-m", "tests.crash.traced_writers", writer, str(traced), str(seed)]
    calls = run_traced(command, traced, folder / "calls", build_tracer(folder))
    outcomes: Counter[str] = Counter()
    chance = random.Random(seed)
    for number, image in enumerate(images(calls, chance, count, syncs=not lying)):
        place = folder / f"image {number}"
        image.write(place)
        fate = next(fate.value for fate in Fate if image.place.endswith(fate.value))
        try:
            CHECKS[writer](place, image.acknowledged, seed)
        except Exception as error:
            what = traceback.format_exc().splitlines()[-1] if lying else traceback.format_exc()
            print(f"FAILED {image.place}, in {place}: {type(error).__name__}: {what}", flush=True)
            outcomes["failed"] += 1
            continue
        outcomes[fate] += 1
        shutil.rmtree(place)
    print(dict(outcomes))


if __name__ == "__main__":
    _, _writer, _folder, _seed, _count, *_rest = sys.argv
    main(_writer, Path(_folder), int(_seed), int(_count), lying=_rest == ["--lying"])
