"""One plan of many segments, kept from one state of the store to the next.

A plan speaks of dictionary codes, days and rows, so it is right as long as
1. no dictionary it looked strings up in has gained a value that one of its tests names
   (`engine.core.leaf_plan.Lookup`),
2. no date that is compared with instants stands outside the days it has tables for,
3. the uploaded lists are those it read; who owns their identifiers is followed row by row.
A new model makes a new plan, and so does an upload.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.core.event_plan import EventPlanner
from engine.core.leaf_plan import LeafPlanner, ListMembers
from engine.core.number_plan import NumberPlanner, attribute_field
from engine.core.operations import RowsLeaf
from engine.core.plan import Planner
from engine.core.program import Program
from engine.live.change import Touched
from engine.live.standing_list import StandingList
from engine.model.definitions import Model
from engine.rules import bound
from engine.store.catalog import LIVE
from engine.store.snapshot import Snapshot

__all__ = ["SegmentPlan"]

# Values that a category may gain before its leaves are made anew.
SPARE_CODES = 4096
# Days before the first and after the last date of a table: a year of new dates.
SPARE_DAYS = 366
_BLOCK_BITS = 16


class SegmentPlan:
    """A program over the definitions of segments at one instant.

    `roots` and `reads` follow the order of `bodies`: the node of each, and the numbers of the
    fields that it reads, where rows that are written may enter or leave. `kept`: for the states
    to come too. `memberships` are fields that the program can read beside; segments in `stored`
    (name -> membership field) are read from there.
    Raises NotFound for a list that is not there, NotYet for what has no evaluator.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        model: Model,
        bodies: Mapping[str, bound.BoundExpr],
        *,
        now_us: int = 0,
        memberships: Sequence[int] = (),
        stored: Mapping[str, int] | None = None,
        lists: Mapping[str, StandingList] | None = None,
        kept: bool = True,
    ) -> None:
        spare = (SPARE_CODES, SPARE_DAYS) if kept else (0, 0)
        self.lists: dict[str, StandingList] = {}
        self._known_lists = lists or {}
        self._snapshot_of_plan = snapshot
        self._model = model
        events = EventPlanner(snapshot, now_us, model, spare[0])
        numbers = NumberPlanner(snapshot, now_us, model.time_zone, spare[1], events)
        leaves = LeafPlanner(snapshot, numbers, self._list_members, spare[0])
        planner = Planner(leaves, stored)
        self.roots = [planner.add(body) for body in bodies.values()]
        self.reads = [self._fields_read(snapshot, body) for body in bodies.values()]
        self._lookups = [*leaves.lookups.items(), *events.lookups]
        self._days = numbers.days
        self._row_leaves = leaves.row_leaves
        self.program = Program(planner.plan, snapshot, self.roots, None, memberships)
        del self._snapshot_of_plan

    def _list_members(self, name: str) -> ListMembers:
        known = self._known_lists.get(name)
        if known is None:
            known = StandingList(self._snapshot_of_plan, self._model, name)
        self.lists[name] = known
        return known.members

    def _fields_read(self, snapshot: Snapshot, body: bound.BoundExpr) -> frozenset[int]:
        fields = {LIVE.id}
        for predicate in bound.predicates_of(body):
            if isinstance(predicate, bound.BoundList):
                fields.add(self.lists[predicate.name].field_id or LIVE.id)
            for attribute in bound.attributes_of(predicate):
                fields.add(attribute_field(snapshot, attribute) or LIVE.id)
        return frozenset(fields)

    def follow(self, snapshot: Snapshot, touched: Touched) -> None:
        """Lets the lists take in who was linked to their identifiers."""
        for standing in self.lists.values():
            if standing.field_id is not None and standing.field_id in touched.fields:
                standing.grow(snapshot, touched.fields[standing.field_id])

    def fits(self, snapshot: Snapshot, touched: Touched) -> bool:
        """Whether the plan still says the same of a later state, whose changes are `touched`."""
        for field, lookup in self._lookups:
            if not lookup.still_right(snapshot.dictionary(field)):
                return False
        return all(
            _days_stand_in(snapshot, field, touched.fields[field], days)
            for field, days in self._days.items()
            if field in touched.fields
        )

    def move(self, snapshot: Snapshot, rows: NDArray[np.uint32]) -> None:
        """Binds the program to a later state, to be run over `rows` (sorted) only."""
        chosen: dict[RowsLeaf, NDArray[np.uint32]] = {
            self._row_leaves[name]: rows[standing.among(rows)]
            for name, standing in self.lists.items()
        }
        self.program.rebind(snapshot, chosen)

    def move_everywhere(self, snapshot: Snapshot) -> None:
        """Binds the program to a state, to be run over all rows."""
        chosen = {self._row_leaves[name]: one.rows for name, one in self.lists.items()}
        self.program.rebind(snapshot, chosen)


def _days_stand_in(
    snapshot: Snapshot, field: int, rows: NDArray[np.uint32], days: range | None
) -> bool:
    """Whether all dates of the blocks that rows are in have a place in a table of days."""
    for block in np.unique(rows >> _BLOCK_BITS).tolist():
        zone = snapshot.zone(field, block)
        if zone is None or not zone.present_count:
            continue
        if days is None or zone.minimum not in days or zone.maximum not in days:
            return False
    return True
