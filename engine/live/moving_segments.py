"""Stored segments that move with the clock: what an update and what time does to them.

The state has a clock, the instant of the last record of the log; memberships are exact at it.

- After an update the rows that were written to are judged at the clock, and the next flip of each
  leaf that reads what was written may come earlier.
- When the clock moves on, the finders say who flips on the way (`engine.live.flips`), from the
  blocks that have somebody due, or the events that pass an edge of a window do
  (`engine.live.event_cursors`). Each of these rows is judged at each of its flips, in order, so
  that whoever enters and leaves again between two ticks does both; what is told is the same
  however many steps the clock takes.

A tick reads the state and changes nothing in it; what it found is written by whoever asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.live.change import Touched
from engine.live.event_chains import EventChains
from engine.live.finder_cursors import FinderCursors, among
from engine.live.flip_outcome import Fading, FlipOutcome, Passed, judge_flips
from engine.live.flips import DueTimes, soonest
from engine.live.moving_plan import FADING_ROWS, LeafFlips, MovingParts, MovingPlan
from engine.live.row_choice import rows_to_judge
from engine.live.row_places import each_row_once
from engine.live.rows_read import BlockRead, RowsRead
from engine.live.step_events import BroughtEvents
from engine.live.time_span import Span
from engine.live.turned_blocks import judge_turned
from engine.live.whole_blocks import WholeBlocks
from engine.model.definitions import Model
from engine.rules import bound
from engine.rules.bound_scores import BoundScore
from engine.store.snapshot import Snapshot

__all__ = ["Judged", "MovingSegments"]

# Flips that are judged together; each takes some tens of bytes for each segment.
FLIPS_AT_A_TIME = 1 << 18

_NO_ROWS = np.zeros(0, np.uint32)


@dataclass(frozen=True, slots=True)
class Judged:
    """What an update does: of each segment the rows that enter and that leave, sorted uint32."""

    entered: Sequence[NDArray[np.uint32]]
    left: Sequence[NDArray[np.uint32]]
    rows_evaluated: int


class MovingSegments:
    """The moving segments of one model version; for one thread at a time.

    `bodies` and `fields`, the numbers of their membership fields, have the same names. `scores` are
    for who judges these (engine.live.kept_points), block by block and not `by_cursor`.
    """

    def __init__(
        self,
        model: Model,
        bodies: Mapping[str, bound.BoundExpr],
        fields: Mapping[str, int],
        chains: EventChains,
        scores: Sequence[BoundScore] = (),
        *,
        by_cursor: bool = True,
    ) -> None:
        self.names = tuple(bodies)
        self._model = model
        self._bodies = list(bodies.values())
        self._fields = [fields[name] for name in self.names]
        self._parts = MovingParts(model, bodies, scores)
        self._plan: MovingPlan | None = None
        self._whole = WholeBlocks(model, self._bodies, self._fields)
        self._chains = chains
        self._cursors = FinderCursors(self._parts, model.time_zone, chains, serves=by_cursor)
        self._due = {
            number: DueTimes(leaf)
            for number, leaf in enumerate(self._parts.leaves)
            if number not in self._cursors
        }

    def forget_lists(self) -> None:
        """Forget what uploaded lists said; the next plan reads them anew."""
        self._plan = None
        self._whole.forget()

    def earliest(self) -> Mapping[str, int]:
        """Name of each segment -> an instant before which nobody enters or leaves it by time."""
        due = {number: times.earliest for number, times in self._due.items()}
        due |= self._cursors.earliest()
        return {
            name: soonest(due[number] for number in self._parts.leaves_of[i])
            for i, name in enumerate(self.names)
        }

    def block_looks(self, through_us: int) -> int:
        """See StoredSegments.block_looks."""
        found = sum(due.block_looks(through_us) for due in self._due.values())
        return found + self._cursors.block_looks(through_us)

    # ------------------------------------------------------------------- after an update

    @property
    def events_wanted(self) -> frozenset[str]:
        """The types of event of which `update` must be told what came."""
        return self._cursors.types

    def update(
        self,
        candidate: Snapshot,
        touched: Touched,
        now_us: int,
        brought: Sequence[BroughtEvents] = (),
    ) -> Judged:
        """What the changes of one record do, judged at the clock. `candidate` has the changes, and
        the memberships as they were; `brought` are the new events of the types wanted."""
        plan = self._plan_for(candidate, touched)
        rows, kinds, wanted = rows_to_judge(plan.reads, touched)
        read = RowsRead(candidate, rows, self._parts.zone, self._chains)
        self._bring_forward(read, plan, touched, now_us)
        self._cursors.bring_forward(candidate, brought, now_us)
        nobody: list[NDArray[np.uint32]] = [_NO_ROWS] * len(self.names)
        if not len(rows):
            return Judged(nobody, nobody, 0)
        judged = plan.rows(candidate, rows, range(len(self.names)), read)
        entered, left, evaluated = [], [], 0
        places_of = [np.flatnonzero(of_kind) for of_kind in wanted]
        known: list[dict[int, NDArray[Any]]] = [{} for _ in places_of]
        for i, kind in enumerate(kinds):
            places = places_of[kind]
            evaluated += len(places)
            if not len(places):
                entered.append(_NO_ROWS)
                left.append(_NO_ROWS)
                continue
            truth = judged.truth(i, places, np.full(len(places), now_us), known[kind])
            stored = judged.stored[i][places]
            entered.append(rows[places[truth & ~stored]])
            left.append(rows[places[stored & ~truth]])
        return Judged(entered, left, evaluated)

    def expect(self, candidate: Snapshot, touched: Touched, after_us: int) -> None:
        """Rows were written to, and nobody is judged for it; flips after an instant may come
        earlier."""
        plan = self._plan_for(candidate, touched)
        rows, _, _ = rows_to_judge(plan.reads, touched)
        self._bring_forward(
            RowsRead(candidate, rows, self._parts.zone, self._chains), plan, touched, after_us
        )

    def _bring_forward(
        self, judged: RowsRead, plan: MovingPlan, touched: Touched, now_us: int
    ) -> None:
        readers: dict[bytes, RowsRead] = {judged.rows.tobytes(): judged}
        for number, due in self._due.items():
            leaf, fields = self._parts.leaves[number], plan.leaf_fields[number]
            due.grow(judged.snapshot.block_count)
            written = [touched.fields[field] for field in fields if field in touched.fields]
            # A leaf without a field flips for everybody, new profiles too.
            rows = (
                each_row_once(np.concatenate(written or [_NO_ROWS])) if fields else touched.created
            )
            if len(rows):
                read = readers.setdefault(
                    rows.tobytes(), RowsRead(judged.snapshot, rows, self._parts.zone, self._chains)
                )
                due.bring_forward(rows, leaf.next_of(read, now_us))

    def _plan_for(self, snapshot: Snapshot, touched: Touched) -> MovingPlan:
        lists = None
        self._whole.follow(snapshot, touched)
        if self._plan is not None:
            self._plan.still.follow(snapshot, touched)
            if self._plan.fits(snapshot, touched):
                return self._plan
            lists = self._plan.still.lists
        self._plan = MovingPlan(
            snapshot,
            self._model,
            self._parts,
            stored=self._fields,
            lists=lists,
            chains=self._chains,
        )
        return self._plan

    # --------------------------------------------------------------------- as time passes

    def advance(self, snapshot: Snapshot, span: Span) -> Passed:
        """What happens as time passes. What it returns must be carried out before the next call."""
        plan = self._plan_for(snapshot, Touched(_NO_ROWS, {}))
        if span.rows is not None:
            return self._advance_rows(plan, snapshot, span.rows, span)
        lists = plan.still.lists
        with self._whole.reading(snapshot, lists, is_slice=span.is_slice) as whole:
            return self._advance_blocks(plan, snapshot, span, whole)

    def _advance_blocks(
        self, plan: MovingPlan, snapshot: Snapshot, span: Span, whole: WholeBlocks
    ) -> Passed:
        """The same for all blocks that it passes for."""
        after_us, through_us = span.after_us, span.through_us
        for due in self._due.values():
            due.grow(snapshot.block_count)
        outcome = FlipOutcome(len(self.names))
        passing = self._cursors.take(
            snapshot, after_us, through_us, span.absorbs, by_turns=span.is_slice
        )
        outcome.blocks_read += passing.blocks_read
        waiting = {block for due in self._due.values() for block in due.due(through_us)}
        pending: list[LeafFlips] = []
        stops = waiting.union(passing.stops(FLIPS_AT_A_TIME), passing.turning)
        for block in sorted(stops):
            if not span.takes(block):
                continue
            read = BlockRead(snapshot, block, self._parts.zone, self._chains)
            numbers = [n for n, due in self._due.items() if due.is_due(block, through_us)]
            outcome.blocks_read += len(numbers)
            scores = self._parts.fading(numbers, after_us, through_us)
            if scores:
                assert span.clocks is None, "over so long a time nobody lags"
                pending += passing.before(block)
                if pending:
                    judge_flips(plan, snapshot, pending, outcome, whole=whole)
                    pending = []
                came = passing.before(block + 1)
                for some in read.portions(FADING_ROWS):
                    flips = self._parts.flips(some, numbers, after_us, through_us, scores)
                    flips += among(some.rows, came)
                    fading = Fading(scores, some, after_us, through_us)
                    judge_flips(plan, snapshot, flips, outcome, fading=fading)
                after_us_of_block = through_us
            else:
                after_us_of_block = after_us
            of_block: list[LeafFlips] = []
            # What several leaves read of those who are due is read once.
            due_rows = [self._due[number].expected(block, through_us) for number in numbers]
            rows = [of_leaf for of_leaf in due_rows if of_leaf is not None]
            some_read = read.some(each_row_once(np.concatenate(rows))) if rows else None
            for number in numbers:
                found = self._due[number].take(read, after_us_of_block, through_us, some_read)
                if len(found.rows):
                    of_block += span.ahead([(number, found.rows, found.instants)])
            if block in passing.turning:
                pending += span.ahead(passing.before(block))
                of_block += span.ahead(passing.before(block + 1))
                turning = passing.turning[block]
                judge_turned(plan, snapshot, read, turning, of_block, outcome, whole, span)
                continue
            pending += of_block
            pending += span.ahead(passing.before(block + 1))
            # Of whole blocks, so that each row is judged at all its flips in one go.
            if sum(len(rows) for _, rows, _ in pending) >= FLIPS_AT_A_TIME:
                judge_flips(plan, snapshot, pending, outcome, whole=whole, apart=span.clocks)
                pending = []
        pending += span.ahead(passing.before(snapshot.block_count))
        if pending:
            judge_flips(plan, snapshot, pending, outcome, whole=whole, apart=span.clocks)
        return outcome.passed()

    def _advance_rows(
        self, plan: MovingPlan, snapshot: Snapshot, rows: NDArray[np.uint32], span: Span
    ) -> Passed:
        """The same for some rows, whose blocks stay where they are."""
        outcome = FlipOutcome(len(self.names))
        read = RowsRead(snapshot, rows, self._parts.zone, self._chains)
        finders = range(len(self._parts.leaves))
        found = span.ahead(self._parts.flips(read, finders, span.after_us, span.through_us))
        if found:
            judge_flips(plan, snapshot, found, outcome)
        return outcome.passed()
