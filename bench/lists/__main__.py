"""Lists of half of everybody, chosen at random, in process and through gRPC.

    python -m bench.lists [--size 1m] [--repetitions 9] [--data DIR] [--out DIR]

Measured, on the people of the other benchmarks, who have the first tag with a chance of one half
each, so that no block is full or empty:
1. in process, once the members are found: one roaring bitmap, and all uids;
2. in process: a thousand of them at random by a salt that is new each time, and the thousand of
   the greatest revenue;
3. through gRPC, with the server as a process of its own on loopback, from the call to the last
   byte, finding the members included: uids, the bitmap, and the uids of the same members frozen.

Times are medians; of rates the least is given, too. What arrives is compared with what is found in
process. Not shown: several lists at a time, a network, identifiers and attributes beside them, a
cold page cache.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bench.data.data_set import data_folder, people, read_size
from bench.data.stores import stored
from bench.lists.measure import in_process, through_grpc
from bench.machine import commit, machine
from bench.report.results import results_folder
from bench.served import served

__all__: list[str] = []


def main() -> int:
    """Finds or makes the store, measures, prints the figures and writes them down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=read_size, default=1_000_000)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--data", type=Path, help="where data and stores are kept")
    parser.add_argument("--out", type=Path, help="where the figures go")
    asked = parser.parse_args()
    folder = data_folder(asked.data)
    folder.mkdir(parents=True, exist_ok=True)
    data = people(folder, asked.size, tell=_tell)
    store = stored(data, tell=_tell).path
    found, expected = in_process(store, asked.repetitions)
    with served(store, 1) as server:
        arrived = through_grpc(server.address, asked.repetitions, expected)
    figures: dict[str, Any] = {
        "profiles": data.count,
        "listed": expected.count,
        "answers": f"{expected.roaring:08x}",
        "repetitions": asked.repetitions,
        "machine": machine(),
        "commit": commit(),
        "in_process": found,
        "through_grpc": arrived,
    }
    text = json.dumps(figures, indent=2, ensure_ascii=False)
    print(text)
    out = results_folder(asked.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"lists-{data.count}-{figures['commit']}.json").write_text(text + "\n")
    return 0


def _tell(doing: str, share: float) -> None:
    """Says once what takes long."""
    if not share:
        print(doing, file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
