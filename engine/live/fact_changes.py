"""The events by which facts begin and end.

A fact is written where it changes, and only there: whoever has it already gets no event for having
it again. What is written at one instant for one row takes the place of what was written at the same
instant before, since its id follows from the instant: so a record that is carried out again writes
nothing twice, and of a beginning and an end at one instant the later one counts.

An update and an edit make facts at one instant, `changed_facts`; time makes them at the instants
of flips, `flipped_facts`. They get into the state by a mutation (`write_facts`) or as whole blocks
(`fact_blocks`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.columns.zone import Encoded
from engine.core.row_tests import test_many
from engine.events.events import Codes, Events
from engine.events.field import encoded
from engine.live.change import FieldBlocks
from engine.live.event_blocks import Brought, lay_events
from engine.live.event_changes import write_events
from engine.live.event_ids import mixed
from engine.live.field_load import Selection, each_block
from engine.live.segment_plan import SegmentPlan
from engine.model.definitions import EventType, Model
from engine.model.hidden_events import ON, UNDONE
from engine.rules.bound_facts import fact_holds
from engine.store.catalog import FieldKind, event_field, property_field
from engine.store.mutation import Mutation
from engine.store.snapshot import Snapshot

__all__ = [
    "FactEvents",
    "FactWriter",
    "changed_facts",
    "fact_blocks",
    "flipped_facts",
    "held_by",
    "write_facts",
]

# What a fact becomes on the way: rows uint32, and for each whether it holds then.
States = Callable[[EventType, NDArray[np.uint32]], NDArray[np.bool_]]
# Writes facts; what the state is then, and the rows written by the field of their events.
FactWriter = Callable[[Sequence["FactEvents"]], tuple[Snapshot, Mapping[int, NDArray[np.uint32]]]]

# Codes of truth values in chunks: those of attributes.
_FALSE, _TRUE = np.uint32(1), np.uint32(2)


@dataclass(frozen=True, slots=True, eq=False)
class FactEvents:
    """Events of one fact: rows uint32 ascending, instants int64, `on` bool, side by side.

    `places` has the codes (uint32) of the properties that name a tag, and `undone` (None: nowhere)
    says where what was so before the instant is so again.
    """

    fact: EventType
    rows: NDArray[np.uint32]
    instants: NDArray[np.int64]
    on: NDArray[np.bool_]
    places: Mapping[str, NDArray[np.uint32]] = field(default_factory=dict)
    undone: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, at: Selection) -> FactEvents:
        """Some of them."""
        places = {name: codes[at] for name, codes in self.places.items()}
        undone = None if self.undone is None else self.undone[at]
        return FactEvents(self.fact, self.rows[at], self.instants[at], self.on[at], places, undone)


def held_by(
    snapshot: Snapshot, model: Model, fact: EventType, rows: NDArray[np.uint32], at_us: int
) -> NDArray[np.bool_]:
    """Which of some rows (ascending, each once) have a fact at an instant."""
    plan = SegmentPlan(snapshot, model, {"": fact_holds(fact)}, now_us=at_us, kept=False)
    held: NDArray[np.bool_] = test_many(plan.program, plan.roots, rows)[0]
    return held


def changed_facts(
    fact: EventType,
    begin: NDArray[np.uint32],
    end: NDArray[np.uint32],
    at_us: int,
    states: States,
) -> FactEvents:
    """What happens to a fact at one instant: it begins for some rows, and ends for those of the
    others that are in `end`. `states` says who has it so far."""
    rows = np.union1d(begin, end).astype(np.uint32)
    on = np.isin(rows, begin)
    changed = np.flatnonzero(states(fact, rows) != on) if len(rows) else np.zeros(0, np.intp)
    return FactEvents(fact, rows[changed], np.full(len(changed), at_us), on[changed])


def flipped_facts(
    fact: EventType,
    rows: NDArray[np.uint32],
    instants: NDArray[np.int64],
    on: NDArray[np.bool_],
    states: States,
) -> FactEvents:
    """What happens to a fact that begins (`on`) or ends for rows at instants of their own, in any
    order. `states` says who had it before the first."""
    order = np.lexsort((instants, rows))
    rows, instants, on = rows[order], instants[order], on[order]
    each, first, place = np.unique(rows, return_index=True, return_inverse=True)
    before = np.roll(on, 1)
    if len(each):
        before[first] = states(fact, each)[place[first]]
    changed = np.flatnonzero(on != before)
    return FactEvents(fact, rows[changed], instants[changed], on[changed])


def write_facts(mutation: Mutation, facts: Sequence[FactEvents]) -> dict[int, NDArray[np.uint32]]:
    """Adds facts to the state of a mutation; the rows written by the field of their events. Each
    fact at most once a mutation."""
    written = {}
    for events in facts:
        fields = mutation.snapshot.fields
        field_id = fields[event_field(events.fact.name)].id
        for block, _, at in each_block(events.rows):
            write_events(mutation, field_id, block, _events(mutation.snapshot, events, at), None)
        written[field_id] = np.unique(events.rows)
    return written


def fact_blocks(snapshot: Snapshot, facts: Sequence[FactEvents]) -> FieldBlocks:
    """What blocks become by facts, all events of a block laid over it at once."""
    properties = {each.id for each in snapshot.fields.values() if each.kind == FieldKind.PROPERTY}
    blocks: dict[int, dict[int, Encoded]] = {}
    for events in facts:
        field_id = snapshot.fields[event_field(events.fact.name)].id
        of_field = blocks.setdefault(field_id, {})
        for block, _, at in each_block(events.rows):
            stored = snapshot.payloads(field_id, block) if block < snapshot.block_count else ()
            laid = lay_events(stored, Brought(_events(snapshot, events, at)), properties)
            of_field[block] = encoded([bytes(part) for part in laid.parts])
    return blocks


def _events(snapshot: Snapshot, facts: FactEvents, at: Selection) -> Events:
    """Some facts of one block as events."""
    chosen = facts.take(at)
    numbers = {
        name: snapshot.fields[property_field(name, found.type, found.scale)].id
        for name, found in facts.fact.properties.items()
        # A store of an earlier version has no field for it before the next apply.
        if name != UNDONE.name or property_field(name, found.type, found.scale) in snapshot.fields
    }
    properties = {numbers[name]: Codes(codes) for name, codes in chosen.places.items()}
    properties[numbers[ON.name]] = Codes(np.where(chosen.on, _TRUE, _FALSE))
    if chosen.undone is not None and chosen.undone.any() and UNDONE.name in numbers:
        properties[numbers[UNDONE.name]] = Codes(np.where(chosen.undone, _TRUE, np.uint32(0)))
    return Events(chosen.rows.astype(np.uint16), chosen.instants, _ids(chosen), None, properties)


def _ids(facts: FactEvents) -> NDArray[np.uint64]:
    """One for each instant and named tag, never 0."""
    ids = mixed(facts.instants.astype(np.int64).view(np.uint64))
    for codes in facts.places.values():
        ids = mixed(ids ^ codes.astype(np.uint64))
    return np.maximum(ids, np.uint64(1))
