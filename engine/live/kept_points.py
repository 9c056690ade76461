"""Scores of which the feed tells each change, and what they come to now.

The thousandths of each profile stand in a field of the store, as members of segments do. After a
record of the log the rows are judged that it wrote in a field the score reads; as time passes those
at whose flips a rule turns, an event comes or goes, or points have halved by another hour. What
differs from what stands there is a change, told from one number to the other, and is written. All
facts are there by then, so there are no levels here.

A profile that is new has had no points before, and one that is no more has none afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.hot_cells import read_rows
from engine.columns.ints import encode_ints
from engine.columns.zone import Encoded
from engine.live.block_writer import BlockWriter
from engine.live.change import Touched
from engine.live.definitions import Definition, key_of
from engine.live.event_chains import EventChains
from engine.live.flips import soonest
from engine.live.moved_key import points_key
from engine.live.moving_plan import FADING_ROWS, LeafFlips, MovingPlan
from engine.live.moving_segments import MovingSegments
from engine.live.row_choice import rows_to_judge
from engine.live.rows_read import BlockRead, RowsRead, live_rows
from engine.live.time_span import Span
from engine.live.told_entries import ToldEntries
from engine.model.definitions import Model
from engine.store.catalog import Catalog, Field, points_field
from engine.store.mutation import Mutation
from engine.store.snapshot import Snapshot

__all__ = ["KeptPoints", "PointsChange", "write_points"]

# No score comes to this: they stay below 2^62.
_NONE = -(1 << 63)


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """What stands in a field for rows (uint32, ascending, each once) from now on: thousandths, or
    _NONE."""

    field: Field
    rows: NDArray[np.uint32]
    values: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PointsChange:
    """What happens to scores: the entries of the feed, and what is to be written."""

    entries: Sequence[ToldEntries] = ()
    cells: Sequence[_Cells] = ()
    rows_evaluated: int = 0


def write_points(mutation: Mutation, change: PointsChange) -> None:
    """Writes what scores have become."""
    for cells in change.cells:
        present = cells.values != _NONE
        BlockWriter(mutation).write_cells(
            cells.field, cells.rows, np.where(present, cells.values, 0), present
        )


@dataclass(frozen=True, slots=True)
class _Told:
    """One score: its definition's name, the key path and version that the feed tells."""

    name: str
    key: str
    version: int
    field: Field


class KeptPoints(MovingSegments):
    """The scores among some definitions whose changes the feed tells; for one thread at a time."""

    def __init__(
        self,
        model: Model,
        definitions: Iterable[Definition],
        catalog: Catalog,
        version_of: Callable[[str], int],
    ) -> None:
        self._told: list[_Told] = []
        scores = []
        for one in definitions:
            if one.points is not None and points_field(one.points.name) in catalog:
                field = catalog[points_field(one.points.name)]
                self._told.append(_Told(one.name, key_of(one.name), version_of(one.name), field))
                scores.append(one.points)
        super().__init__(model, {}, {}, EventChains(), scores, by_cursor=False)

    def __bool__(self) -> bool:
        return bool(self._told)

    @property
    def moving(self) -> tuple[str, ...]:
        """Names of the definitions that change by time alone."""
        parts = self._parts
        return tuple(
            one.name for one, leaves in zip(self._told, parts.leaves_of, strict=True) if leaves
        )

    def earliest(self) -> Mapping[str, int]:
        """Name of each of `moving` -> an instant before which it changes for nobody by time."""
        due = [times.earliest for times in self._due.values()]
        return {
            one.name: soonest(due[number] for number in leaves)
            for one, leaves in zip(self._told, self._parts.leaves_of, strict=True)
            if leaves
        }

    # ------------------------------------------------------------------- after an update

    def changes(self, candidate: Snapshot, touched: Touched, now_us: int) -> PointsChange:
        """What the changes of one record do, at the clock. `candidate` has them, and the points as
        they were."""
        if not self._told:
            return PointsChange()
        plan = self._plan_for(candidate, touched)
        rows, kinds, wanted = rows_to_judge(plan.reads, touched)
        read = RowsRead(candidate, rows, self._parts.zone)
        self._bring_forward(read, plan, touched, now_us)
        if not len(rows):
            return PointsChange()
        judged = plan.rows(candidate, rows, range(len(self._told)), read)
        entries, cells, evaluated = [], [], 0
        for i, (told, kind) in enumerate(zip(self._told, kinds, strict=True)):
            places = np.flatnonzero(wanted[kind])
            evaluated += len(places)
            new = judged.points(i, places, np.full(len(places), now_us))
            new = np.where(judged.parts[0][places], new, _NONE)
            old = _stored(candidate, told.field, rows[places])
            differ = np.flatnonzero(old != new)
            chosen = rows[places[differ]]
            instants = np.full(len(differ), now_us)
            entries.append(_entries(told, chosen, instants, old[differ], new[differ]))
            cells.append(_Cells(told.field, chosen, new[differ]))
        return PointsChange(entries, [one for one in cells if len(one.rows)], evaluated)

    # --------------------------------------------------------------------- as time passes

    def passing(self, snapshot: Snapshot, spans: Sequence[Span]) -> PointsChange:
        """What happens as time passes; no row is in two of the spans."""
        if not self._told:
            return PointsChange()
        plan = self._plan_for(snapshot, Touched(np.zeros(0, np.uint32), {}))
        for due in self._due.values():
            due.grow(snapshot.block_count)
        collected = [_Collected(told) for told in self._told]
        for span in spans:
            for flips in self._passing(snapshot, span):
                self._judge(plan, snapshot, span.ahead(flips), collected)
        return PointsChange(
            [one.entries() for one in collected],
            [cells for one in collected for cells in one.cells],
            sum(one.rows_evaluated for one in collected),
        )

    def _passing(self, snapshot: Snapshot, span: Span) -> Iterator[Sequence[LeafFlips]]:
        """The flips of some rows after the others, all of a row together."""
        after_us, through_us = span.after_us, span.through_us
        if span.rows is not None:
            read = RowsRead(snapshot, span.rows, self._parts.zone)
            yield self._parts.flips(read, range(len(self._parts.leaves)), after_us, through_us)
            return
        for block in sorted({block for due in self._due.values() for block in due.due(through_us)}):
            if not span.takes(block):
                continue
            whole = BlockRead(snapshot, block, self._parts.zone)
            numbers = [n for n, due in self._due.items() if due.is_due(block, through_us)]
            if self._parts.fading(numbers, after_us, through_us):
                for some in whole.portions(FADING_ROWS):
                    yield self._parts.flips(some, numbers, after_us, through_us)
                for number in numbers:
                    self._due[number].take(whole, through_us, through_us)
                continue
            taken = ((n, self._due[n].take(whole, after_us, through_us)) for n in numbers)
            yield [(n, found.rows, found.instants) for n, found in taken if len(found.rows)]

    def _judge(
        self,
        plan: MovingPlan,
        snapshot: Snapshot,
        found: Sequence[LeafFlips],
        collected: Sequence[_Collected],
    ) -> None:
        """Rows at their flips, in the order of time; all flips of a row come in one call."""
        if not found:
            return
        rows = np.unique(np.concatenate([of_leaf for _, of_leaf, _ in found]))
        judged = plan.rows(snapshot, rows, range(len(self._told)))
        for i, one in enumerate(collected):
            chosen = [flips[1:] for flips in found if flips[0] in self._parts.leaves_of[i]]
            if not chosen:
                continue
            of_rows, instants = (np.concatenate(side) for side in zip(*chosen, strict=True))
            order = np.lexsort((instants, of_rows))
            of_rows, instants = of_rows[order], instants[order]
            places = np.searchsorted(rows, of_rows)
            new = judged.points(i, places, instants)
            one.take(snapshot, of_rows, instants, np.where(judged.parts[0][places], new, _NONE))

    # -------------------------------------------------------------------- over everything

    def everything(
        self, snapshot: Snapshot, names: Iterable[str], now_us: int, fresh: Iterable[str] = ()
    ) -> tuple[PointsChange, dict[int, Mapping[int, Encoded]]]:
        """What brings the points of some definitions from what is stored to what they come to at
        an instant, and the blocks of their fields that differ. Of those that are `fresh`, told from
        now on, nothing is told."""
        chosen = {one.name for one in self._told}.intersection(names)
        if not chosen:
            return PointsChange(), {}
        plan = self._plan_for(snapshot, Touched(np.zeros(0, np.uint32), {}))
        collected = [_Collected(told) for told in self._told]
        blocks: dict[int, dict[int, Encoded]] = {}
        for block in range(snapshot.block_count):
            rows = live_rows(snapshot, block)
            judged = plan.rows(snapshot, rows, range(len(self._told)))
            places = np.arange(len(rows))
            first = block * BLOCK_ROWS
            everybody = np.arange(
                first, min(first + BLOCK_ROWS, snapshot.row_count), dtype=np.uint32
            )
            for i, one in enumerate(collected):
                if one.told.name not in chosen:
                    continue
                values = np.full(len(everybody), _NONE)
                values[rows - np.uint32(first)] = judged.points(
                    i, places, np.full(len(rows), now_us)
                )
                if one.take(snapshot, everybody, np.full(len(everybody), now_us), values):
                    present = values != _NONE
                    encoded = encode_ints(np.where(present, values, 0), present)
                    blocks.setdefault(one.told.field.id, {})[block] = encoded
        entries = [one.entries() for one in collected if one.told.name not in set(fresh)]
        return PointsChange(entries), dict(blocks)


class _Collected:
    """What happens to one score on the way."""

    def __init__(self, told: _Told) -> None:
        self.told = told
        self.cells: list[_Cells] = []
        self.rows_evaluated = 0
        self._pieces: list[ToldEntries] = []
        self._rows: list[NDArray[np.uint32]] = []
        self._columns: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []

    def take(
        self,
        snapshot: Snapshot,
        rows: NDArray[np.uint32],
        instants: NDArray[np.int64],
        values: NDArray[np.int64],
    ) -> bool:
        """What rows come to at instants, by row, then instant; whether that changes anything."""
        self.rows_evaluated += len(rows)
        first = np.ones(len(rows), np.bool_)
        first[1:] = rows[1:] != rows[:-1]
        before = np.roll(values, 1)
        before[first] = _stored(snapshot, self.told.field, rows[first])
        moved = before != values
        if not moved.any():
            return False
        self._rows.append(rows[moved])
        self._columns.append((instants[moved], before[moved], values[moved]))
        last = np.roll(first, -1)
        changed = np.unique(rows[moved])
        ends = rows[last]
        at = np.searchsorted(ends, changed)
        self.cells.append(_Cells(self.told.field, changed, values[last][at]))
        return True

    def entries(self) -> ToldEntries:
        """Everything that the feed tells."""
        nothing = np.zeros(0, np.int64)
        rows = np.concatenate([np.zeros(0, np.uint32), *self._rows])
        columns = zip((nothing, nothing, nothing), *self._columns, strict=True)
        return _entries(self.told, rows, *(np.concatenate(column) for column in columns))


def _stored(snapshot: Snapshot, field: Field, rows: NDArray[np.uint32]) -> NDArray[np.int64]:
    values, present = read_rows(snapshot.addresses(field.id), rows)
    return np.where(present, values, _NONE)


def _entries(
    told: _Told,
    rows: NDArray[np.uint32],
    instants: NDArray[np.int64],
    old: NDArray[np.int64],
    new: NDArray[np.int64],
) -> ToldEntries:
    """Changes, named by both numbers."""
    pairs, numbers = np.unique(np.column_stack((old, new)), axis=0, return_inverse=True)
    names = [
        points_key(told.key, *(None if side == _NONE else side for side in pair))
        for pair in pairs.tolist()
    ]
    return ToldEntries(names, told.version, numbers.reshape(-1).astype(np.int64), rows, instants)
