"""Random programs over a stored world, counted in a process of their own.

    python -m tests.counted_programs STORE SEED ROWS

The store is one that `World(SEED, ROWS).fill` left. Printed is one line of JSON: the name of the
kernels that counted, and for each program its count, the counts of its nodes, of its groups, and
a checksum of its members' rows. What is printed must not depend on STRATA_SIMD but for the name.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

from engine.audience import Audience, Threads
from engine.core.program import Program
from engine.database import Database
from tests.programs import Programs
from tests.worlds import NOW_US, World

__all__ = ["counted"]

PROGRAMS = 25


def counted(path: Path, world: World) -> dict[str, object]:
    """The name of the kernels, and what each of the programs came to."""
    programs = Programs(world, 8)
    name, answers = "", []
    with Database.open(path, threads=1) as database:
        snapshot = database._store.snapshot()
        binder = database._binder_of(snapshot)
        assert binder is not None
        for _ in range(PROGRAMS):
            text = programs.expression()
            audience = Audience(snapshot, binder, as_of_us=NOW_US, threads=Threads())
            audience.add(text)
            nodes = audience.counts(nodes=True)[0].nodes
            assert nodes is not None
            rows = audience.members().rows
            answers.append(
                {
                    "text": text,
                    "count": audience.counts()[0].count,
                    "nodes": [node.count for node in nodes],
                    "groups": [
                        sorted(audience.count_by(attribute).groups.items(), key=str)
                        for attribute in ("city", "active")
                    ],
                    "members": zlib.crc32(rows.tobytes()),
                }
            )
            name = Program(audience._planner.plan, snapshot, [0]).kernel_name
        snapshot.close()
    return {"kernels": name, "answers": answers}


if __name__ == "__main__":
    store, seed, rows = sys.argv[1:]
    print(json.dumps(counted(Path(store), World(int(seed), int(rows)))))
