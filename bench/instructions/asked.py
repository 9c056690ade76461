"""The questions, asked in a process of their own: what runs under valgrind.

    python -m bench.instructions.asked STORE PLANS

PLANS is a pickled list of `Prepared`, planned before over the same STORE. Only what evaluates is
imported: under valgrind every import counts. Each question is one evaluation, in order; the counts
are printed one a line.
"""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from pathlib import Path

from engine.core import evaluate
from engine.core.operations import Plan
from engine.core.program import Program
from engine.store.store import Store

__all__ = ["Prepared", "ask"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Expressions planned together; `group_field` None counts, else with that many codes."""

    plan: Plan
    roots: list[int]
    group_field: int | None
    code_count: int


def ask(store: Path, plans: Path) -> list[int]:
    """The count of each question, all of its expressions taken together."""
    counts = []
    with Store.open(store, read_only=True) as opened, opened.snapshot() as snapshot:
        for one in pickle.loads(plans.read_bytes()):
            program = Program(one.plan, snapshot, one.roots, one.group_field)
            if one.group_field is None:
                counts.append(int(evaluate.count_roots(program, one.roots).sum()))
            else:
                groups = evaluate.count_groups(program, one.roots[0], one.code_count)
                counts.append(int(groups.sum()))
            del program
    return counts


if __name__ == "__main__":
    print(*ask(Path(sys.argv[1]), Path(sys.argv[2])), sep="\n")
