"""What time does to some conditions, asked of a state beforehand.

The finders that keep stored segments up to date are asked of a snapshot. Who satisfies what at the
beginning is evaluated at that instant, so nothing depends on when the last tick was, and what is
not stored can be asked about, too.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from engine.core.control import Control
from engine.limits import TIME_US
from engine.live.change import Flips
from engine.live.fading_stretches import fading_instants
from engine.live.flip_outcome import Fading, FlipOutcome, Passed, judge_flips
from engine.live.flips import NEVER
from engine.live.moving_plan import FADING_ROWS, LeafFlips, MovingParts, MovingPlan, RowsJudged
from engine.live.rows_read import BlockRead
from engine.model.definitions import Model
from engine.rules import bound
from engine.rules.time_dependence import moves_anywhere
from engine.store.snapshot import Snapshot

__all__ = ["MovingQuestion"]

# Flips that are judged together.
FLIPS_AT_A_TIME = 1 << 18


class MovingQuestion:
    """Some conditions on one snapshot; for one thread.

    `names` are those of `bodies` that move with time at all: the others nobody enters or leaves by
    it. Raises NotFound for a list that is not there.
    """

    def __init__(
        self, snapshot: Snapshot, model: Model, bodies: Mapping[str, bound.BoundExpr]
    ) -> None:
        moving = {name: body for name, body in bodies.items() if moves_anywhere(body)}
        self.names = tuple(moving)
        self._snapshot = snapshot
        self._parts = MovingParts(model, moving)
        self._plan = MovingPlan(snapshot, model, self._parts, kept=False)

    def between(self, after_us: int, through_us: int, control: Control | None = None) -> Passed:
        """Every entering and leaving after one instant and up to another; definitions are places
        in `names`. Raises what the Control raises."""
        outcome = FlipOutcome(len(self.names))
        pending: list[LeafFlips] = []
        count = 0
        everything = range(len(self._parts.leaves))
        scores = self._parts.fading(everything, after_us, through_us)
        for block in range(self._snapshot.block_count if self.names else 0):
            if control is not None:
                control.check()
            read = BlockRead(self._snapshot, block, self._parts.zone)
            if scores:
                for some in read.portions(FADING_ROWS):
                    flips = self._parts.flips(some, everything, after_us, through_us, scores)
                    fading = Fading(scores, some, after_us, through_us)
                    judge_flips(
                        self._plan, self._snapshot, flips, outcome, after_us=after_us, fading=fading
                    )
            else:
                flips = self._parts.flips(read.whole, everything, after_us, through_us)
                pending += flips
                count += sum(len(rows) for _, rows, _ in flips)
                if count >= FLIPS_AT_A_TIME:
                    judge_flips(self._plan, self._snapshot, pending, outcome, after_us=after_us)
                    pending, count = [], 0
        if pending:
            judge_flips(self._plan, self._snapshot, pending, outcome, after_us=after_us)
        return outcome.passed()

    def of_row(self, row: int, after_us: int) -> Flips:
        """Every entering and leaving of one row after an instant, for as long as time goes on."""
        numbers, found, sides = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)], [_NO_SIDES]
        if self.names:
            rows = np.array([row], np.uint32)
            judged = self._plan.rows(self._snapshot, rows, range(len(self.names)))
            for i in range(len(self.names)):
                instants = self._instants_of(judged, i, after_us)
                truths = judged.truth(i, np.zeros(len(instants), np.intp), instants)
                changed = np.flatnonzero(truths[1:] != truths[:-1]) + 1
                numbers.append(np.full(len(changed), i, np.uint32))
                found.append(instants[changed])
                sides.append(truths[changed])
        definitions, instants = np.concatenate(numbers), np.concatenate(found)
        entered = np.concatenate(sides)
        order = np.lexsort((~entered, definitions, instants))
        every = np.full(len(order), row, np.uint32)
        return Flips(instants[order], definitions[order], every, entered[order])

    def _instants_of(self, judged: RowsJudged, number: int, after_us: int) -> NDArray[np.int64]:
        """An instant, and all after it at which one row may enter or leave, in order."""
        finders = self._parts.leaves_of[number]
        fading = self._parts.fading(finders, after_us, NEVER - 1)
        flips = self._parts.flips(judged.read, finders, after_us, NEVER - 1, fading)
        found = np.unique(
            np.concatenate([np.zeros(0, np.int64), *(instants for _, _, instants in flips)])
        )
        if fading and after_us < TIME_US[1]:
            scores = [self._parts.scores[one] for one in fading]
            inside = found[found <= TIME_US[1]]
            listed = np.zeros(len(inside), np.intp), inside
            more = fading_instants(judged, number, scores, listed, after_us, TIME_US[1])
            found = np.unique(np.concatenate([found, more[1]]))
        return np.concatenate([np.array([after_us], np.int64), found])


_NO_SIDES = np.zeros(0, np.bool_)
