"""The identity index: how fast it answers and grows, and what it keeps in memory.

    python -m bench.identity [--entries 10000000] [--folder DIR] [--repetitions 9]

Measured, in one process and on one core:
1. one load that brings every entry: finding, adding, saving and the commit, for each entry;
2. opening; random batches of digests, known and unknown ones, through a snapshot and through the
   live identities with a million entries that are not saved;
3. digesting the texts of identifiers, and resolving a batch in which everybody is new;
4. new profiles in records of 5,000, a slice of the index saved with each.

The digests follow from numbers, as uniform as keyed ones. An entry is one identifier; a profile
with one identifier has two, since its uid is the other. Every answer is checked. Times are those of
the processor, so that neighbours on the machine count for little. Not shown: reading files and the
values of identifiers, waiting for the disk, and what a page costs that is not in the page cache.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from bench.identity.measure import measure

SIZES = (5_000, 50_000, 1_000_000)


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="keeps the store for the next run")
    parser.add_argument("--repetitions", type=int, default=9)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strata-identity-") as scratch:
        figures = measure(asked.folder or Path(scratch), asked.entries, SIZES, asked.repetitions)
    print(json.dumps(figures.values, indent=2))
    print(f"answers {figures.answers:016x}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
