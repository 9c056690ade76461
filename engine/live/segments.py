"""Stored segments: who is in them, kept with the data.

A segment is kept when nothing in its definition moves with the clock
(`engine.rules.time_dependence`); its members stand in a field of the store. After a record of the
log
1. the rows are found that it wrote in a field that some segment reads, and those it created;
2. each is judged by the segments that read what was written there, all in one pass, by one plan
   that is made once and moved from state to state (`engine.live.segment_plan`);
3. what differs from the stored membership is a transition, and changes the blocks it lies in.

After an edit of the model, a load or an upload the segments concerned are evaluated over
everything instead, by blocks and in several threads.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from engine.columns.zone import Encoded
from engine.core import evaluate, row_tests
from engine.core.control import Control
from engine.core.row_memberships import RowMemberships
from engine.core.row_unions import unite
from engine.limits import ROW_MEMBERSHIPS_BYTES
from engine.live.change import NO_MOVES, FieldBlocks, Moves, Touched, Transition
from engine.live.memberships import changed_memberships, stored_masks
from engine.live.segment_plan import SegmentPlan
from engine.model.definitions import Model
from engine.model.positions import key_text
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.meaning import meaning_of
from engine.rules.time_dependence import why_it_moves
from engine.store.catalog import Catalog, segment_field
from engine.store.snapshot import Snapshot

__all__ = ["SegmentChange", "StoredSegments", "in_turns", "segment_key"]

# Masks of many segments over all blocks take 8 KiB each; more than this is done in turns.
MASK_BYTES_AT_A_TIME = 64 << 20
_MASK_BYTES = 8192


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
        reasons = {name: why_it_moves(body) for name, body in self._bodies.items()}
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
        self._side_by_side = RowMemberships(len(self._fields))
        self._plan: SegmentPlan | None = None

    # ------------------------------------------------------------------------ definitions

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the kept segments that have a membership field, in model order."""
        return tuple(self._fields)

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

    def update(self, candidate: Snapshot, touched: Touched) -> SegmentChange:
        """What the changes of one record do to the stored segments.

        `candidate` has the changes, and the memberships as they were. Lists are taken as they
        were when last evaluated over everything, with the identifiers linked since: an upload
        must be followed by `forget_lists` and `refresh`. A row that dies, or comes back, must be
        in `touched.created` or among the rows written in the field of live rows.

        What is returned must be carried out before the next call; memberships change in no other
        way, but by `refresh`.
        """
        if not self._fields:
            return SegmentChange()
        plan = self._plan_for(candidate, touched)
        rows, kinds, wanted = _rows_to_judge(plan.reads, touched)
        if not len(rows):
            plan.program.unbind()
            return SegmentChange()
        fields = list(self._fields.values())
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

    def _plan_for(self, snapshot: Snapshot, touched: Touched) -> SegmentPlan:
        lists = None
        if self._plan is not None:
            self._plan.follow(snapshot, touched)
            if self._plan.fits(snapshot, touched):
                return self._plan
            lists = self._plan.lists
        bodies = {name: self._bodies[name] for name in self._fields}
        memberships = list(self._fields.values())
        self._plan = SegmentPlan(snapshot, self.model, bodies, memberships=memberships, lists=lists)
        return self._plan

    def _change(self, changed: row_tests.RowChanges, rows_evaluated: int) -> SegmentChange:
        """The change of rows entering and leaving the stored segments, in their order."""
        starts, entered_starts = changed.starts, changed.entered_starts
        transitions = []
        deltas = {}
        for i, name in enumerate(self._fields):
            first, last = starts[i], starts[i + 1]
            if first < last:
                came, stop = entered_starts[i], entered_starts[i + 1]
                entered = changed.entered_rows[came:stop]
                left = changed.left_rows[first - came : last - stop]
                transitions.append(self._transition(name, entered, left))
                deltas[name] = len(entered) - len(left)
        return SegmentChange(
            moves=Moves(list(self._fields.values()), starts, changed.rows, changed.entered),
            transitions=tuple(transitions),
            count_deltas=_without_zeros(deltas),
            rows_evaluated=rows_evaluated,
        )

    def _transition(
        self, name: str, entered: NDArray[np.uint32], left: NDArray[np.uint32]
    ) -> Transition:
        return Transition(self._keys[name], self.definition_version(name), entered, left)

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
        instant = time.time_ns() // 1000 if now_us is None else now_us
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
        pool: Executor | None = None,
        threads: int = 1,
        control: Control | None = None,
    ) -> SegmentChange:
        """What brings stored segments (None: all) from what is stored to what they say of the
        snapshot, evaluated over everything: after a load, an upload or an edit."""
        self._side_by_side.clear()
        chosen = [name for name in self._fields if names is None or name in set(names)]
        memberships: dict[int, Mapping[int, Encoded]] = {}
        transitions = []
        deltas = {}
        for some in in_turns(chosen, snapshot.block_count):
            found = self.evaluate(
                snapshot, some, now_us=0, pool=pool, threads=threads, control=control
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


def _rows_to_judge(
    reads: Sequence[frozenset[int]], touched: Touched
) -> tuple[NDArray[np.uint32], list[int], NDArray[np.bool_]]:
    """The rows that some segment must look at, sorted; the kind of each segment; and which rows
    the segments of each kind must look at, bool (kinds, rows).

    Segments that read the same of what was written are of one kind.
    """
    written = {field_id for field_id, rows in touched.fields.items() if len(rows)}
    number_of: dict[frozenset[int], int] = {}
    kinds = [number_of.setdefault(read & written, len(number_of)) for read in reads]
    read_anywhere = list(frozenset[int]().union(*number_of))
    rows, marks = unite([touched.created, *(touched.fields[f] for f in read_anywhere)])
    marks_of = dict(zip(read_anywhere, marks[1:], strict=True))
    wanted = np.tile(marks[0], (len(number_of), 1))
    for read, number in number_of.items():
        for field_id in read:
            wanted[number] |= marks_of[field_id]
    return rows, kinds, wanted
