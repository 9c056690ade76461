"""Stored segments: who is in them, kept with the data.

A segment is kept when nothing in its definition moves with the clock, or when the instants are
known at which it does (`engine.rules.time_dependence`); its members stand in a field of the store.
Those that move are judged apart (`engine.live.moving_segments`), at the state's clock; of the
others, after a record of the log
1. the rows are found that it wrote in a field that some segment reads, and those it created;
2. each is judged by the segments that read what was written there, all in one pass, by one plan
   that is made once and moved from state to state (`engine.live.segment_plan`);
3. what differs from the stored membership is a transition, and changes the blocks it lies in.

After an edit of the model, a load or an upload the segments concerned are evaluated over
everything instead, by blocks and in several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from engine.columns.zone import Encoded
from engine.core import evaluate, row_tests
from engine.core.control import Control
from engine.core.row_memberships import RowMemberships
from engine.limits import ROW_MEMBERSHIPS_BYTES
from engine.live.change import NO_MOVES, FieldBlocks, Flips, Moves, Touched, Transition
from engine.live.log_clock import system_clock
from engine.live.memberships import changed_memberships, stored_masks
from engine.live.moving_segments import MovingSegments
from engine.live.row_choice import rows_to_judge
from engine.live.segment_plan import SegmentPlan
from engine.model.definitions import Model
from engine.model.positions import key_text
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.meaning import meaning_of
from engine.rules.time_dependence import moves_anywhere, why_unkept
from engine.store.catalog import Catalog, segment_field
from engine.store.snapshot import Snapshot

__all__ = ["SegmentChange", "StoredSegments", "TimeChange", "in_turns", "segment_key"]

# Masks of many segments over all blocks take 8 KiB each; more than this is done in turns.
MASK_BYTES_AT_A_TIME = 64 << 20
_MASK_BYTES = 8192
_UNSTORED = "its members are stored once the store has been opened for writing"


def segment_key(name: str) -> str:
    """The key path of a segment, as transitions name it."""
    return key_text(("segments", name))


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """What one record of the log, or one evaluation of everything, does to stored segments.

    `moves` are the rows that change after a record, and `memberships` the blocks after an
    evaluation of everything, by membership field. `transitions` are in model order, and none is
    empty; `count_deltas` says by how much each segment grew that changed its size;
    `rows_evaluated` sums over the segments the rows that each was evaluated for.
    """

    moves: Moves = NO_MOVES
    memberships: FieldBlocks = field(default_factory=dict)
    transitions: tuple[Transition, ...] = ()
    count_deltas: Mapping[str, int] = field(default_factory=dict)
    rows_evaluated: int = 0


@dataclass(frozen=True, slots=True)
class TimeChange:
    """What the passing of time does to stored segments.

    `definitions` are the (key path, version) that `flips` number; `moves` are the rows that are
    somewhere else in the end. `rows_evaluated` counts a row once for each segment and instant that
    it was judged at, `blocks_read` the blocks looked through for a leaf.
    """

    definitions: Sequence[tuple[str, int]]
    flips: Flips
    moves: Moves
    rows_evaluated: int
    blocks_read: int


class StoredSegments:
    """The segments of one model version; for one thread at a time.

    `catalog` has the fields of the store under this model, `versions` the number of each
    definition (1 where it has none). Raises ExpressionInvalid for definitions that do not bind.
    """

    def __init__(
        self,
        model: Model,
        binder: Binder,
        catalog: Catalog,
        versions: Mapping[str, int] | None = None,
    ) -> None:
        self.model = model
        self._versions = dict(versions or {})
        self._bodies: dict[str, bound.BoundExpr] = {
            name: binder.bind(tree.Segment(name)) for name in model.segments
        }
        reasons = {name: why_unkept(body) for name, body in self._bodies.items()}
        self.not_kept: Mapping[str, str] = MappingProxyType(
            {name: reason for name, reason in reasons.items() if reason}
        )
        self.kept = tuple(name for name, reason in reasons.items() if not reason)
        self._fields = {
            name: catalog[segment_field(name)].id
            for name in self.kept
            if segment_field(name) in catalog
        }
        self._keys = {name: segment_key(name) for name in self._fields}
        self._order = {name: place for place, name in enumerate(self._fields)}
        moving = {
            name: self._bodies[name] for name in self._fields if moves_anywhere(self._bodies[name])
        }
        self._still = {name: n for name, n in self._fields.items() if name not in moving}
        self.moving = tuple(moving)
        self._moving = MovingSegments(model, moving, self._fields) if moving else None
        self._side_by_side = RowMemberships(len(self._still))
        self._plan: SegmentPlan | None = None

    # ------------------------------------------------------------------------ definitions

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the kept segments that have a membership field, in model order; `moving` has
        those among them that change by time alone."""
        return tuple(self._fields)

    @property
    def unstored(self) -> tuple[str, ...]:
        """Names of the segments that can be kept, and have no field so far: an earlier version of
        this program, which wrote the store, could not keep them."""
        return tuple(name for name in self.kept if name not in self._fields)

    @property
    def unkept(self) -> Mapping[str, str]:
        """Name of each segment without stored members -> why, as the end of a sentence."""
        return {**self.not_kept, **dict.fromkeys(self.unstored, _UNSTORED)}

    def membership_field(self, name: str) -> int | None:
        """Number of the field with the members of a segment; None where none are stored."""
        return self._fields.get(name)

    def definition_version(self, name: str) -> int:
        """Number of a segment's definition."""
        return self._versions.get(name, 1)

    def meaning(self, name: str) -> bytes:
        """What a definition says, through the segments it mentions: equal for equal meanings."""
        return meaning_of(self._bodies[name], self.model.time_zone.key)

    def reading_list(self, list_name: str) -> tuple[str, ...]:
        """The stored segments that read an uploaded list, through others too."""
        return tuple(
            name
            for name in self._fields
            if any(
                isinstance(predicate, bound.BoundList) and predicate.name == list_name
                for predicate in bound.predicates_of(self._bodies[name])
            )
        )

    # ------------------------------------------------------------------ after a log record

    def update(self, candidate: Snapshot, touched: Touched, now_us: int = 0) -> SegmentChange:
        """What the changes of one record do to the stored segments.

        `candidate` has the changes, and the memberships as they were; `now_us` is the clock, at
        which these are exact. Lists are taken as they were when last evaluated over everything,
        with the identifiers linked since: an upload must be followed by `forget_lists` and
        `refresh`. A row that dies, or comes back, must be in `touched.created` or among the rows
        written in the field of live rows.

        What is returned must be carried out before the next call; memberships change in no other
        way, but by `advance` and `refresh`.
        """
        change = self._update_still(candidate, touched)
        if self._moving is None:
            return change
        judged = self._moving.update(candidate, touched, now_us)
        deltas = {
            name: len(entered) - len(left)
            for name, entered, left in zip(self.moving, judged.entered, judged.left, strict=True)
        }
        return SegmentChange(
            moves=_joined(change.moves, self._moves(judged.entered, judged.left)),
            transitions=self._in_order(
                change.transitions, self._transitions(judged.entered, judged.left)
            ),
            count_deltas={**change.count_deltas, **_without_zeros(deltas)},
            rows_evaluated=change.rows_evaluated + judged.rows_evaluated,
        )

    def advance(
        self,
        snapshot: Snapshot,
        after_us: int,
        through_us: int,
        absorbs: Callable[[int], bool] | None = None,
    ) -> TimeChange | None:
        """What happens as the clock goes from one instant, at which the stored memberships are
        exact, to another; None where nothing moves with it.

        `absorbs` says of a block whether it takes part. What is returned must be carried out before
        the next call, as with `update`.
        """
        if self._moving is None:
            return None
        passed = self._moving.advance(snapshot, after_us, through_us, absorbs)
        return TimeChange(
            [(self._keys[name], self.definition_version(name)) for name in self.moving],
            passed.flips,
            self._moves(passed.entered, passed.left),
            passed.rows_evaluated,
            passed.blocks_read,
        )

    def earliest(self) -> Mapping[str, int]:
        """Name of each moving segment -> an instant before which time alone changes nothing of it;
        long ago where that is not known yet."""
        return {} if self._moving is None else self._moving.earliest()

    def _update_still(self, candidate: Snapshot, touched: Touched) -> SegmentChange:
        """The same for the segments that do not move with the clock."""
        if not self._still:
            return SegmentChange()
        plan = self._plan_for(candidate, touched)
        rows, kinds, wanted = rows_to_judge(plan.reads, touched)
        if not len(rows):
            plan.program.unbind()
            return SegmentChange()
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

    def forget_lists(self) -> None:
        """Forget what uploaded lists said; the next plan reads them anew."""
        self._plan = None
        if self._moving is not None:
            self._moving.forget_lists()

    def _plan_for(self, snapshot: Snapshot, touched: Touched) -> SegmentPlan:
        lists = None
        if self._plan is not None:
            self._plan.follow(snapshot, touched)
            if self._plan.fits(snapshot, touched):
                return self._plan
            lists = self._plan.lists
        bodies = {name: self._bodies[name] for name in self._still}
        memberships = list(self._still.values())
        self._plan = SegmentPlan(snapshot, self.model, bodies, memberships=memberships, lists=lists)
        return self._plan

    def _change(self, changed: row_tests.RowChanges, rows_evaluated: int) -> SegmentChange:
        """The change of rows entering and leaving the stored segments, in their order."""
        starts, entered_starts = changed.starts, changed.entered_starts
        transitions = []
        deltas = {}
        for i, name in enumerate(self._still):
            first, last = starts[i], starts[i + 1]
            if first < last:
                came, stop = entered_starts[i], entered_starts[i + 1]
                entered = changed.entered_rows[came:stop]
                left = changed.left_rows[first - came : last - stop]
                transitions.append(self._transition(name, entered, left))
                deltas[name] = len(entered) - len(left)
        return SegmentChange(
            moves=Moves(list(self._still.values()), starts, changed.rows, changed.entered),
            transitions=tuple(transitions),
            count_deltas=_without_zeros(deltas),
            rows_evaluated=rows_evaluated,
        )

    def _transition(
        self, name: str, entered: NDArray[np.uint32], left: NDArray[np.uint32]
    ) -> Transition:
        return Transition(self._keys[name], self.definition_version(name), entered, left)

    def _transitions(
        self, entered: Sequence[NDArray[np.uint32]], left: Sequence[NDArray[np.uint32]]
    ) -> list[Transition]:
        """Transitions of the moving segments, in their order."""
        return [
            self._transition(name, came, went)
            for name, came, went in zip(self.moving, entered, left, strict=True)
            if len(came) or len(went)
        ]

    def _moves(
        self, entered: Sequence[NDArray[np.uint32]], left: Sequence[NDArray[np.uint32]]
    ) -> Moves:
        """What changes the memberships of the moving segments."""
        starts, pieces, sides = [0], [np.zeros(0, np.uint32)], [np.zeros(0, np.bool_)]
        for came, went in zip(entered, left, strict=True):
            rows = np.concatenate([came, went])
            order = np.argsort(rows)
            pieces.append(rows[order])
            sides.append(order < len(came))
            starts.append(starts[-1] + len(rows))
        fields = [self._fields[name] for name in self.moving]
        return Moves(fields, starts, np.concatenate(pieces), np.concatenate(sides))

    def _in_order(self, *pieces: Iterable[Transition]) -> tuple[Transition, ...]:
        """Transitions in model order."""
        places = {self._keys[name]: place for name, place in self._order.items()}
        found = [transition for piece in pieces for transition in piece]
        return tuple(sorted(found, key=lambda transition: places[transition.definition]))

    # -------------------------------------------------------------------- over everything

    def evaluate(
        self,
        snapshot: Snapshot,
        names: Sequence[str],
        *,
        now_us: int | None = None,
        pool: Executor | None = None,
        threads: int = 1,
        control: Control | None = None,
    ) -> dict[str, NDArray[np.uint64]]:
        """The members of any segments, kept or not, at an instant (None: now), by their
        definitions alone: masks uint64 (blocks, 1024).

        Raises NotYet for a segment without an evaluator, NotFound for one whose list is not
        there, Cancelled and DeadlineExceeded.
        """
        if not names:
            return {}
        bodies = {name: self._bodies[name] for name in names}
        instant = system_clock() if now_us is None else now_us
        plan = SegmentPlan(snapshot, self.model, bodies, now_us=instant, kept=False)
        masks, _ = evaluate.many_masks(
            plan.program, plan.roots, control=control, pool=pool, threads=threads
        )
        return dict(zip(names, masks, strict=True))

    def refresh(
        self,
        snapshot: Snapshot,
        names: Iterable[str] | None = None,
        *,
        now_us: int = 0,
        pool: Executor | None = None,
        threads: int = 1,
        control: Control | None = None,
    ) -> SegmentChange:
        """What brings stored segments (None: all) from what is stored to what they say of the
        snapshot at the clock, `now_us`, evaluated over everything: after a load, an upload or an
        edit."""
        self._side_by_side.clear()
        chosen = [name for name in self._fields if names is None or name in set(names)]
        memberships: dict[int, Mapping[int, Encoded]] = {}
        transitions = []
        deltas = {}
        for some in in_turns(chosen, snapshot.block_count):
            found = self.evaluate(
                snapshot, some, now_us=now_us, pool=pool, threads=threads, control=control
            )
            for name, masks in found.items():
                field_id = self._fields[name]
                stored = stored_masks(snapshot, field_id)
                blocks, entered, left = changed_memberships(masks, stored)
                if blocks:
                    memberships[field_id] = blocks
                    transitions.append(self._transition(name, entered, left))
                    deltas[name] = len(entered) - len(left)
        evaluated = len(chosen) * snapshot.live_count
        return SegmentChange(
            memberships=memberships,
            transitions=tuple(transitions),
            count_deltas=_without_zeros(deltas),
            rows_evaluated=evaluated,
        )


def _without_zeros(deltas: Mapping[str, int]) -> dict[str, int]:
    return {name: delta for name, delta in deltas.items() if delta}


def in_turns(names: Sequence[str], block_count: int) -> Iterator[Sequence[str]]:
    """Stretches of names whose masks fit in memory together; at least one at a time."""
    most = max(1, MASK_BYTES_AT_A_TIME // (_MASK_BYTES * max(1, block_count)))
    for start in range(0, len(names), most):
        yield names[start : start + most]


def _joined(one: Moves, other: Moves) -> Moves:
    """Moves of different fields, one behind the other."""
    behind = one.starts[-1]
    return Moves(
        [*one.fields, *other.fields],
        [*one.starts, *(behind + start for start in other.starts[1:])],
        np.concatenate([one.rows, other.rows]),
        np.concatenate([one.entered, other.entered]),
    )
