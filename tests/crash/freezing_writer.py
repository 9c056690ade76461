"""Freezes audiences for ever, telling of each one that it was promised; run to be killed.

    python -m tests.crash.freezing_writer STORE FIRST

Audience `a<n>` are the members with `size >= n`; every third is dropped again. A line says
`frozen n count` or `dropped n` once the call has returned.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.live_databases import LiveDatabase

PEOPLE = 200


def main(path: Path, first: int) -> None:
    """Writes until it is killed."""
    live = LiveDatabase(path)
    for number in range(first, first + 10_000):
        live.sizes(*((f"m{person}", (person * 7 + number) % PEOPLE) for person in range(PEOPLE)))
        made = live.database.frozen.freeze(f"a{number}", f"size >= {number % PEOPLE}")
        print("frozen", number, made.count, flush=True)
        if number % 3 == 0:
            live.database.frozen.drop(f"a{number}")
            print("dropped", number, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
