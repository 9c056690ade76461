"""One profile with all that a model says of it, and the smallest calls.

    python -m bench.card [--people 3000] [--seconds 1.0] [--rounds 7] [--folder DIR] [--no-results]

Measured, over the made-up year of examples/b2b_wechat with all its segments, scores, tiers and tags
by rule:
1. in process, processor time of the calling thread, the median and the 90th percentile over 200
   profiles drawn at random, each the least of five: a profile read, with all that the rules say, to
   the bytes of the message; why a condition holds or not, a score, and a tier, without what would
   help; the count of a stored segment;
2. through gRPC, calls a second of one client with 16 calls under way, by turns in each round:
   GetProfile, Count of a stored segment, an empty handler behind everything that those go through,
   and a bare one. What is given is the median of the ratios of a round.

Not shown: cold pages, other clients and writers beside, stores of millions, whose blocks have more
events to look through for one row.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

from bench.card.in_process import drawn_uids, in_process
from bench.card.through_grpc import through_grpc
from bench.card.year import year_store
from bench.machine import commit

__all__: list[str] = []

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Makes a store, measures, prints the figures and writes them down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=3_000)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each side in each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="keeps the store for the next run")
    parser.add_argument("--no-results", action="store_true", help="writes no file of figures")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strata-card-") as scratch:
        store = year_store(asked.folder or Path(scratch), asked.people)
        uids = drawn_uids(store)
        figures: dict[str, Any] = {
            "people": asked.people,
            "machine": f"{os.cpu_count()} x {platform.machine()}",
            "python": platform.python_version(),
            "commit": commit(),
            "in_process_us": in_process(store, uids),
            "through_grpc": through_grpc(store, Path(scratch), uids, asked.seconds, asked.rounds),
        }
    print(json.dumps(figures, indent=2, ensure_ascii=False))
    if not asked.no_results:
        path = ROOT / "bench" / "results" / f"card-{asked.people}-{figures['commit']}.json"
        path.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
