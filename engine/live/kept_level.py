"""Definitions that are judged together: what an update and what time do to their members.

Those that do not move with the clock are judged for the rows that a record of the log wrote, all in
one pass, by one plan that is made once and moved from state to state (engine.live.segment_plan);
the others by `engine.live.moving_segments`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.core import row_tests
from engine.core.row_memberships import RowMemberships
from engine.limits import ROW_MEMBERSHIPS_BYTES
from engine.live.change import NO_MOVES, Moves, Touched
from engine.live.event_chains import EventChains
from engine.live.flip_outcome import Passed
from engine.live.moving_segments import MovingSegments
from engine.live.row_choice import rows_to_judge
from engine.live.segment_plan import SegmentPlan
from engine.live.step_events import BroughtEvents
from engine.live.time_span import Span
from engine.model.definitions import Model
from engine.rules import bound
from engine.rules.time_dependence import moves_anywhere
from engine.store.snapshot import Snapshot

__all__ = ["KeptLevel", "LevelChange", "joined_moves"]

# Name -> who enters and who leaves, sorted uint32 rows; at least one of them somebody.
Moved = Mapping[str, tuple[NDArray[np.uint32], NDArray[np.uint32]]]


@dataclass(frozen=True, slots=True)
class LevelChange:
    """What one record of the log does to the definitions of a level: the rows that change, and
    the same by name."""

    moves: Moves
    moved: Moved
    rows_evaluated: int = 0


_NOTHING = LevelChange(NO_MOVES, {})


class KeptLevel:
    """The definitions of one level; for one thread at a time.

    `bodies` and `fields`, the numbers of their membership fields, have the same names; `chains` are
    those of all levels.
    """

    def __init__(
        self,
        model: Model,
        bodies: Mapping[str, bound.BoundExpr],
        fields: Mapping[str, int],
        chains: EventChains,
    ) -> None:
        self._model = model
        self._bodies = dict(bodies)
        self._fields = dict(fields)
        moving = {name: body for name, body in bodies.items() if moves_anywhere(body)}
        self._still = {name: n for name, n in fields.items() if name not in moving}
        self.moving = tuple(moving)
        self._moving = MovingSegments(model, moving, self._fields, chains) if moving else None
        self._side_by_side = RowMemberships(len(self._still))
        self._plan: SegmentPlan | None = None

    @property
    def events_wanted(self) -> frozenset[str]:
        """The types of event of which `update` must be told what came."""
        return frozenset() if self._moving is None else self._moving.events_wanted

    def update(
        self,
        candidate: Snapshot,
        touched: Touched,
        now_us: int,
        brought: Sequence[BroughtEvents] = (),
    ) -> LevelChange:
        """What the changes of one record do, judged at the clock. `candidate` has the changes, and
        the memberships as they were; `brought` are the new events of the types wanted."""
        change = self._update_still(candidate, touched)
        if self._moving is None:
            return change
        judged = self._moving.update(candidate, touched, now_us, brought)
        return LevelChange(
            joined_moves(change.moves, self._moves(judged.entered, judged.left)),
            {**change.moved, **self._moved(judged.entered, judged.left)},
            change.rows_evaluated + judged.rows_evaluated,
        )

    def expect(self, candidate: Snapshot, touched: Touched, after_us: int) -> None:
        """Rows were written to; what time does to them after an instant may come earlier."""
        if self._moving is not None:
            self._moving.expect(candidate, touched, after_us)

    def advance(self, snapshot: Snapshot, span: Span) -> Passed | None:
        """What happens as time passes, whose definitions are places in `moving`; None where nothing
        moves with the clock."""
        return None if self._moving is None else self._moving.advance(snapshot, span)

    def moves_of(self, passed: Passed) -> Moves:
        """What is different in the end."""
        return self._moves(passed.entered, passed.left)

    def earliest(self) -> Mapping[str, int]:
        """Name of each moving definition -> an instant before which time alone changes nothing of
        it; long ago where that is not known yet."""
        return {} if self._moving is None else self._moving.earliest()

    def block_looks(self, through_us: int) -> int:
        """See StoredSegments.block_looks."""
        return 0 if self._moving is None else self._moving.block_looks(through_us)

    def forget_lists(self) -> None:
        """Forget what uploaded lists said; the next plan reads them anew."""
        self._plan = None
        if self._moving is not None:
            self._moving.forget_lists()

    def forget_members(self) -> None:
        """Memberships were written by somebody else."""
        self._side_by_side.clear()

    # ---------------------------------------------------------------------------- inside

    def _update_still(self, candidate: Snapshot, touched: Touched) -> LevelChange:
        """The same for the definitions that do not move with the clock."""
        if not self._still:
            return _NOTHING
        plan = self._plan_for(candidate, touched)
        rows, kinds, wanted = rows_to_judge(plan.reads, touched)
        if not len(rows):
            plan.program.unbind()
            return _NOTHING
        fields = list(self._still.values())
        plan.move(candidate, rows)
        size = RowMemberships.size_of(len(fields), candidate.block_count)
        by_row = self._side_by_side if size <= ROW_MEMBERSHIPS_BYTES else None
        try:
            changed = row_tests.changed_rows(
                plan.program, plan.roots, fields, rows, kinds, wanted, side_by_side=by_row
            )
        finally:
            plan.program.unbind()  # pins no pages until the next record
        evaluated_of = [int(np.count_nonzero(of_kind)) for of_kind in wanted]
        return self._change(changed, sum(evaluated_of[kind] for kind in kinds))

    def _plan_for(self, snapshot: Snapshot, touched: Touched) -> SegmentPlan:
        lists = None
        if self._plan is not None:
            self._plan.follow(snapshot, touched)
            if self._plan.fits(snapshot, touched):
                return self._plan
            lists = self._plan.lists
        bodies = {name: self._bodies[name] for name in self._still}
        memberships = list(self._still.values())
        self._plan = SegmentPlan(
            snapshot, self._model, bodies, memberships=memberships, lists=lists
        )
        return self._plan

    def _change(self, changed: row_tests.RowChanges, rows_evaluated: int) -> LevelChange:
        """The change of rows entering and leaving, in the order of the definitions."""
        starts, entered_starts = changed.starts, changed.entered_starts
        moved = {}
        for i, name in enumerate(self._still):
            first, last = starts[i], starts[i + 1]
            if first < last:
                came, stop = entered_starts[i], entered_starts[i + 1]
                entered = changed.entered_rows[came:stop]
                left = changed.left_rows[first - came : last - stop]
                moved[name] = entered, left
        moves = Moves(list(self._still.values()), starts, changed.rows, changed.entered)
        return LevelChange(moves, moved, rows_evaluated)

    def _moved(
        self, entered: Sequence[NDArray[np.uint32]], left: Sequence[NDArray[np.uint32]]
    ) -> Moved:
        return {
            name: (came, went)
            for name, came, went in zip(self.moving, entered, left, strict=True)
            if len(came) or len(went)
        }

    def _moves(
        self, entered: Sequence[NDArray[np.uint32]], left: Sequence[NDArray[np.uint32]]
    ) -> Moves:
        """What changes the memberships of the moving definitions."""
        starts, pieces, sides = [0], [np.zeros(0, np.uint32)], [np.zeros(0, np.bool_)]
        for came, went in zip(entered, left, strict=True):
            starts.append(starts[-1] + len(came) + len(went))
            if starts[-1] == starts[-2]:
                continue
            if not len(came) or not len(went):
                # As when a calendar turns: whoever counted something then leaves.
                pieces.append(came if len(came) else went)
                sides.append(np.full(len(pieces[-1]), len(came) > 0))
                continue
            rows = np.concatenate([came, went])
            order = np.argsort(rows, kind="stable")  # merges the two
            pieces.append(rows[order])
            sides.append(order < len(came))
        fields = [self._fields[name] for name in self.moving]
        return Moves(fields, starts, np.concatenate(pieces), np.concatenate(sides))


def joined_moves(one: Moves, other: Moves) -> Moves:
    """Moves of different fields, one behind the other."""
    behind = one.starts[-1]
    return Moves(
        [*one.fields, *other.fields],
        [*one.starts, *(behind + start for start in other.starts[1:])],
        np.concatenate([one.rows, other.rows]),
        np.concatenate([one.entered, other.entered]),
    )
