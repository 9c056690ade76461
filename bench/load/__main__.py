"""Loads of people from a file: how many rows a second, with how much memory, and opening the store.

    python -m bench.load [--profiles 1000000] [--segments 100] [--form parquet|csv|jsonl]
                         [--folder DIR]

Measured, each in a process of its own:
1. a load into an empty store, and the same again, which changes nothing: rows a second, processor
   time of a row by thread, the most memory that was anonymous, the size of the store's file;
2. opening that store and a first count, without what the interpreter and its imports take, and
   with it, as `strata count` of the command line.

The data are the people of the other benchmarks: nine attributes, a list of tags, one identifier.
The counts at the end follow from the data alone and are printed as one number. Not shown: other
shapes of files, a slower disk, a page cache that is cold. Files of 10 million people take
some minutes to write; those in the folder are used again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.load.measure import FORMS, people_file

MEASUREMENTS = ("load", "again", "open", "command")


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profiles", type=int, default=1_000_000)
    parser.add_argument("--segments", type=int, default=100)
    parser.add_argument("--form", choices=FORMS, default="parquet")
    parser.add_argument("--folder", type=Path, help="keeps files and store")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strata-load-") as scratch:
        folder = asked.folder or Path(scratch)
        file = people_file(folder, asked.profiles, asked.form)
        store = Path(scratch) / "store"
        for name in MEASUREMENTS:
            command = [name, str(file), str(store), str(asked.segments)]
            run = subprocess.run(
                [sys.executable, "-m", "bench.load.measure", *command],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            )
            figures = json.loads(run.stdout)
            print(name, *(f"{key} {value}" for key, value in figures.items()), sep="   ")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
