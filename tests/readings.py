"""Random programs on random worlds, read in every way: block = row = reference.

20,000 programs in two halves, each in a test file of its own so that two workers share them;
each half must fill the coverage ledger by itself. STRATA_PROGRAMS changes the number for each
half; with fewer than ENOUGH the ledger is not asked for.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.audience import Audience, Threads
from engine.columns.uids import decode_uids
from engine.core.program import Program
from engine.database import Database
from engine.rules.parse import parse
from engine.rules.reference import ReferenceContext, evaluate
from engine.store.catalog import UIDS
from tests.ledger import Ledger
from tests.programs import Programs
from tests.skips import soaking
from tests.worlds import NOW_US, TYPES, ZONE, World

__all__ = ["Readings", "judge_half"]

PROGRAMS = int(os.environ.get("STRATA_PROGRAMS", "50000" if soaking() else "10000"))
ENOUGH = 5_000
# Borders of the word, of the array container and of the block, and three blocks.
SIZES = (1, 65, 4_097, 65_535, 65_536, 65_537, 66_000, 70_001, 131_073, 64)
ROWS_PROBED = 300
# The reference takes most of the time, so it judges few rows; they come from a pool for each
# world, whose profiles are made once.
ROWS_REFERENCED = 24
REFERENCE_POOL = 96


def judge_half(half: int, seed: int, folder: Path) -> None:
    """Block = row = reference, counts = members = nodes = groups; and every cell is met."""
    ledger = Ledger()
    for number, size in enumerate(SIZES):
        world = World(seed=(seed + 1000 * half + number) % 2**32, rows=size)
        readings = Readings(world, folder / f"world{number}")
        programs = Programs(world, half)
        picks = random.Random(world.seed)
        pool = [0, size - 1, *(picks.randrange(size) for _ in range(REFERENCE_POOL))]
        for _ in range(PROGRAMS // len(SIZES)):
            few = picks.sample(pool, ROWS_REFERENCED)
            many = [picks.randrange(size) for _ in range(ROWS_PROBED)]
            readings.judge(programs.expression(), few, many, ledger)
        readings.database.close()
    if PROGRAMS >= ENOUGH:
        assert not ledger.empty(), f"no program met: {', '.join(ledger.empty())}"


class Readings:
    """One world in a store, read in every way."""

    def __init__(self, world: World, path: Path) -> None:
        self.world = world
        self._profiles: dict[int, dict[str, Any]] = {}
        stored = os.environ.get("STRATA_WORLDS")
        if stored:  # mutation tests read the same worlds again and again
            path = Path(stored) / f"{world.seed}-{world.rows}"
        self.database = Database.open(path) if path.exists() else world.fill(path)
        self.snapshot = self.database._store.snapshot()
        binder = self.database._binder_of(self.snapshot)
        assert binder is not None
        self.binder = binder
        uid_field = self.snapshot.fields[UIDS.name].id
        blocks = [
            decode_uids(self.snapshot.payloads(uid_field, block))
            for block in range(self.snapshot.block_count)
        ]
        self.uids = np.concatenate(blocks)
        self.context = ReferenceContext(
            TYPES,
            ZONE,
            NOW_US,
            {"some": {self.uids[row].tobytes() for row in range(0, world.rows, 7)}},
            {name: parse(one.rule) for name, one in binder.model.segments.items()},
        )

    def judge(self, text: str, few: list[int], many: list[int], ledger: Ledger) -> None:
        """Asserts that all readings of one expression agree, with the reference on few rows
        and between block and row on many more, and that the counts do."""
        rows = few + many
        audience = Audience(self.snapshot, self.binder, as_of_us=NOW_US, threads=Threads())
        audience.add(text)
        members = audience.members()
        counted, by_nodes = audience.counts()[0], audience.counts(nodes=True)[0]
        assert by_nodes.nodes is not None
        assert (
            len(members.rows)
            == members.matched
            == counted.count
            == by_nodes.count
            == by_nodes.nodes[0].count
        ), text
        self._judge_groups(text, audience, members.rows)
        mask = np.zeros(self.snapshot.block_count << 16, bool)
        mask[members.rows] = True
        by_block = mask[rows].tolist()
        by_row = audience.test_rows(rows)[0]
        assert by_block == by_row, self._difference(text, rows, by_block, by_row)
        expression = parse(text)
        reference = [
            evaluate(expression, self._profile(row), self.context, uid=self.uids[row].tobytes())
            for row in few
        ]
        expected = by_block[: len(few)]
        assert expected == reference, self._difference(text, few, expected, reference)
        planner = audience._planner
        program = Program(planner.plan, self.snapshot, [audience._questions[0].root])
        ledger.add(expression, program, planner.plan.nodes)

    def _profile(self, row: int) -> dict[str, Any]:
        if row not in self._profiles:
            self._profiles[row] = self.world.profile(row)
        return self._profiles[row]

    def _judge_groups(self, text: str, audience: Audience, rows: NDArray[np.uint32]) -> None:
        """Asserts that the members fall into the groups of a category and of a bool."""
        attribute = "city" if len(text) % 2 else "active"
        values, present = self.world.columns[attribute]
        named = values[rows[present[rows]]]
        found, counts = np.unique(named.astype(str), return_counts=True)
        expected: dict[str | None, int] = {
            name if attribute == "city" else name.lower(): count
            for name, count in zip(found.tolist(), counts.tolist(), strict=True)
        }
        if len(named) < len(rows):
            expected[None] = len(rows) - len(named)
        assert audience.count_by(attribute).groups == expected, (attribute, text)

    def _difference(self, text: str, rows: list[int], one: list[bool], other: list[bool]) -> str:
        at = next(i for i in range(len(rows)) if one[i] != other[i])
        return (
            f"{text}\nrow {rows[at]} of World(seed={self.world.seed}, rows={self.world.rows}): "
            f"{one[at]} and {other[at]}\n{self.world.profile(rows[at])}"
        )
