"""The events of a source for few rows of many blocks, by chains.

Where chains have all events of the rows (engine.live.event_chains), what windows take in of them is
folded, or they are laid out as timelines are, without a chunk being looked through: each event is
asked by itself whether it passes, and what it has of the property (engine.core.row_lines). This
holds for conditions that do not read `now`, for events that no age drops, and for values that are
whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.leaf_plan import Lookup
from engine.core.row_lines import RowLines
from engine.core.where_nodes import WhereNodes
from engine.core.where_plan import plan_where
from engine.live.held_events import HeldEvents
from engine.model.definitions import Attribute, Model
from engine.model.hidden_events import event_type
from engine.rules import bound
from engine.rules.window_bounds import EARLIEST_US
from engine.store.catalog import Catalog, event_field, property_field
from engine.store.snapshot import Snapshot

__all__ = ["ChainedLines", "property_number"]

# Values of these are whole numbers that are in the order of the values.
_WHOLE = {"int", "decimal", "date", "time", "bool"}

# New values of a category do not make a plan wrong at once.
_SPARE_CODES = 4096


class ChainedLines:
    """See above. `types`, `read` and the condition `still` are those of the source."""

    def __init__(
        self,
        model: Model,
        types: Sequence[str],
        read: Attribute | None,
        still: bound.BoundExpr | None,
    ) -> None:
        self._model = model
        self._types = tuple(types)
        self._read = read
        self._still = still
        self._serves = (read is None or read.type in _WHOLE) and not any(
            _ages(model, name) for name in self._types
        )
        # What the conditions were planned for.
        self._fields: Catalog | None = None
        self._lookups: dict[int, Lookup] = {}
        self._wheres: dict[str, WhereNodes | None] = {}

    def of(self, held: HeldEvents) -> RowLines | None:
        """The events of the rows that are looked at; None where they have to be looked for in
        another way."""
        if not self._serves:
            return None
        snapshot = held.snapshot
        self._plan(snapshot)
        sources = []
        for name, where in self._wheres.items():
            field = snapshot.fields.get(event_field(name))
            number, factor = 0, 1
            if self._read is not None:
                number = property_number(snapshot, self._model, name, self._read)
                factor = 10 ** self._finer(name, self._read) if number else 1
            if field is None or (self._read is not None and not number):
                continue
            found = held.gathered(field.id)
            if found is None:
                return None
            sources.append((found, where, number, factor))
        return RowLines(sources, len(held.rows))

    def _finer(self, name: str, read: Attribute) -> int:
        return read.scale - event_type(self._model, name).properties[read.name].scale

    def _plan(self, snapshot: Snapshot) -> None:
        """Lays the conditions out, of the types that have events which may pass."""
        if self._fields is snapshot.fields and all(
            lookup.still_right(snapshot.dictionary(number))
            for number, lookup in self._lookups.items()
        ):
            return
        self._lookups = {}
        planned = plan_where(
            snapshot,
            self._types,
            self._still,
            0,
            self._model.time_zone,
            model=self._model,
            lookups=self._lookups,
            spare_codes=_SPARE_CODES,
        )
        self._wheres = {
            name: WhereNodes(nodes) if nodes else None
            for name, nodes in planned.items()
            if nodes is not None
        }
        self._fields = snapshot.fields


def property_number(snapshot: Snapshot, model: Model, event: str, read: Attribute) -> int:
    """The number of a property as a type declares it; 0 where it does not, or no event ever had
    it."""
    declared = event_type(model, event).properties.get(read.name)
    if declared is None or declared.type != read.type:
        return 0
    name = property_field(declared.name, declared.type, declared.scale)
    field = snapshot.fields.get(name)
    return 0 if field is None else field.id


def _ages(model: Model, name: str) -> bool:
    """Whether events of a type are dropped by age, or were."""
    declared = event_type(model, name)
    return declared.retention_us is not None or declared.dropped_us != EARLIEST_US
