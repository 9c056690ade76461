"""Tags that properties name, told: who gets and loses each of them, whoever gave it.

The tags of such a rule are as many as the values of its properties, so none of them is a definition
of its own. What a profile has of them stands in the store as events of a hidden type
(`engine.model.hidden_events.told_event`), as members of segments do: one for each tag, as long as
the profile has it.

1. After a record of the log the rows are looked at that it wrote where the rule reads: its events,
   or the facts that it set, and the set `tag`. What differs from what stands there is told.
2. As time passes, a sticky rule tells the facts that begin. Of a live one the finder says in which
   rows an event comes to count or ceases to; there the events of each tag are counted, in the order
   of time.
3. Over everything, after a load or an edit, block by block.

All facts are there by then, so there are no levels here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.sets import read_row, rows_of_code
from engine.columns.zone import Encoded
from engine.events.events import Codes
from engine.events.field import encoded
from engine.live.change import Touched, Transition
from engine.live.definitions import Definition, NamedTag, key_of
from engine.live.event_blocks import Brought, lay_events
from engine.live.event_chains import EventChains
from engine.live.event_changes import write_events
from engine.live.fact_changes import FactEvents
from engine.live.field_load import each_block
from engine.live.held_events import HeldEvents
from engine.live.held_names import HeldNames, WrittenNames, both_of, each_once, known_as
from engine.live.moved_key import moved_key
from engine.live.named_facts import NamedFacts
from engine.live.rows_read import live_rows
from engine.live.step_events import BroughtEvents, StepEvents
from engine.live.tag_names import NO_TAG, TagNames
from engine.live.told_entries import ToldEntries, transitions_of
from engine.model.definitions import TAG, EventProperty, Model
from engine.model.hidden_events import TOLD_TAG, tag_places
from engine.rules.steps import happens_at_all
from engine.rules.time_dependence import moves_anywhere
from engine.store.catalog import LIVE, Catalog, FieldKind, event_field, property_field
from engine.store.mutation import Mutation
from engine.store.snapshot import Snapshot

__all__ = ["KeptNames", "NamesChange", "write_names"]


@dataclass(frozen=True, slots=True)
class NamesChange:
    """What happens to tags: the entries of the feed, and what is to be written."""

    entries: Sequence[ToldEntries] = ()
    written: Sequence[WrittenNames] = ()
    rows_evaluated: int = 0


def write_names(mutation: Mutation, change: NamesChange) -> None:
    """Writes who has which tag."""
    for one in change.written:
        for block, _, at in each_block(one.held.rows):
            write_events(mutation, one.field, block, *one.events(at))


class _Rule:
    """One rule: its definition's name, and the key path and version that the feed tells."""

    def __init__(
        self, name: str, version: int, tag: NamedTag, model: Model, catalog: Catalog
    ) -> None:
        self.name = name
        self.key = key_of(name)
        self.version = version
        self.tag = tag.tag
        self.fact = tag.fact
        self.moves = tag.fact is None and moves_anywhere(happens_at_all(tag.step))
        places = [tag.told.properties[place] for place in tag_places(tag.tag)]
        self.places = [_number(catalog, place) for place in places]
        self.properties = [*self.places, _number(catalog, TOLD_TAG)]
        self.field = catalog[event_field(tag.told.name)].id
        self.names = TagNames(tag.tag)
        self.events = StepEvents(model, tag.step, lambda _: self.places, with_ends=True)

    def read(self, catalog: Catalog) -> frozenset[int]:
        """The fields that have what gives a tag by this rule."""
        if self.fact is not None:
            return frozenset({catalog[event_field(self.fact.name)].id})
        return self.events.fields(catalog)


def _number(catalog: Catalog, declared: EventProperty) -> int:
    return catalog[property_field(declared.name, declared.type, declared.scale)].id


class KeptNames:
    """The rules among some definitions whose tags properties name; for one thread at a time.
    `facts` says who has those that are sticky; `chains` are those of all levels."""

    def __init__(
        self,
        model: Model,
        definitions: Iterable[Definition],
        catalog: Catalog,
        version_of: Callable[[str], int],
        facts: NamedFacts,
        chains: EventChains,
    ) -> None:
        self._facts = facts
        self._chains = chains
        self._rules = [
            _Rule(one.name, version_of(one.name), one.named, model, catalog)
            for one in definitions
            if one.named is not None and event_field(one.named.told.name) in catalog
        ]

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def moving(self) -> tuple[str, ...]:
        """Names of the definitions that change by time alone; sticky ones do as facts begin."""
        return tuple(rule.name for rule in self._rules if rule.moves)

    def earliest(self) -> Mapping[str, int]:
        """Name of each of `moving` -> an instant before which it changes for nobody by time."""
        return {rule.name: rule.events.next_us for rule in self._rules if rule.moves}

    def fields(self, catalog: Catalog) -> frozenset[int]:
        """The fields with the events that live rules take, as far as the store has them."""
        live = (rule.events.fields(catalog) for rule in self._rules if rule.fact is None)
        return frozenset[int]().union(*live)

    # ------------------------------------------------------------------- after an update

    def changes(
        self,
        candidate: Snapshot,
        touched: Touched,
        brought: Sequence[BroughtEvents],
        now_us: int,
    ) -> NamesChange:
        """What the changes of one record do, at the clock. `candidate` has them, and the tags as
        they were told; `brought` are the new events of `fields`."""
        changed = NamesChange()
        for rule in self._rules:
            if rule.fact is None:
                rule.events.expect(candidate, brought, now_us)
            rows = self._written_to(candidate, rule, touched)
            if not len(rows):
                continue
            alive = _alive(candidate, rows) if LIVE.id in touched.fields else rows
            held = self._held(candidate, rule, alive, now_us, self._chains)
            told = _told(candidate, rule, rows, self._chains)
            changed = _joined(changed, _difference(rule, told, held, now_us, len(rows)))
        return changed

    def _written_to(self, snapshot: Snapshot, rule: _Rule, touched: Touched) -> NDArray[np.uint32]:
        """The rows that were written to where a rule reads."""
        catalog = snapshot.fields
        wanted = {*rule.read(catalog), LIVE.id}
        if rule.names.given(snapshot, catalog[TAG].id):
            wanted.add(catalog[TAG].id)
        pieces = [rows for field, rows in touched.fields.items() if field in wanted]
        return np.unique(np.concatenate([np.zeros(0, np.uint32), *pieces]))

    # --------------------------------------------------------------------- as time passes

    def passing(
        self,
        snapshot: Snapshot,
        after_us: int,
        through_us: int,
        facts: Iterable[FactEvents],
        absorbs: Callable[[int], bool] | None = None,
    ) -> NamesChange:
        """What happens after one instant, at which the tags told are exact, and up to another;
        `facts` are those that begin on the way."""
        changed = NamesChange()
        begun = {one.fact.name: one for one in facts}
        for rule in self._rules:
            if rule.fact is not None:
                if rule.fact.name in begun:
                    of_rule = _of_facts(snapshot, rule, begun[rule.fact.name])
                    changed = _joined(changed, of_rule)
            elif rule.moves:
                of_rule = self._of_turns(snapshot, rule, after_us, through_us, absorbs)
                changed = _joined(changed, of_rule)
        return changed

    def _of_turns(
        self,
        snapshot: Snapshot,
        rule: _Rule,
        after_us: int,
        through_us: int,
        absorbs: Callable[[int], bool] | None,
    ) -> NamesChange:
        """What a live rule tells: of each row and tag the events are counted."""
        turns = rule.events.turns(snapshot, after_us, through_us, absorbs)
        names = rule.names.of_places(snapshot, rule.places, turns.codes)
        rows = np.unique(turns.rows)
        given = self._given(snapshot, rule, rows)
        every = HeldNames(turns.rows, names, _by_places(turns.codes))
        alive = np.isin(turns.rows, _alive(snapshot, rows))
        # What somebody gave stays, whatever the rule says.
        chosen = np.flatnonzero((names != NO_TAG) & alive & ~np.isin(every.keys, given.keys))
        every, instants, counts = every.take(chosen), turns.instants[chosen], turns.counts[chosen]
        keys = every.keys
        order = np.lexsort((instants, keys))
        every, keys = every.take(order), keys[order]
        instants, counts = instants[order], counts[order]
        first = np.ones(len(keys), np.bool_)
        first[1:] = keys[1:] != keys[:-1]
        sums = np.cumsum(counts)
        # Of each row and tag from its own beginning.
        starts = np.flatnonzero(first)
        sums -= np.repeat((sums - counts)[starts], np.diff(np.append(starts, len(keys))))
        last = np.ones(len(keys), np.bool_)
        last[:-1] = first[1:] | (instants[1:] != instants[:-1])
        every, keys, instants = every.take(last), keys[last], instants[last]
        holds = sums[last] > 0
        before = np.zeros(len(keys), np.bool_)
        before[1:] = (keys[1:] == keys[:-1]) & holds[:-1]
        moved = np.flatnonzero((holds != before) & (instants > after_us))
        some, on, at = every.take(moved), holds[moved], instants[moved]
        # What differs in the end; of tags that come, go and come the last coming.
        ends = np.ones(len(moved), np.bool_)
        ends[:-1] = some.keys[1:] != some.keys[:-1]
        told = _told(snapshot, rule, np.unique(some.rows))
        is_told = np.isin(some.keys, told.keys)
        writes = np.flatnonzero(ends & (on != is_told))
        written = _written(rule, known_as(some.take(writes), told), at[writes], ~on[writes])
        return NamesChange([_entries(rule, some, on, at)], written, len(rows))

    # -------------------------------------------------------------------- over everything

    def everything(
        self, snapshot: Snapshot, names: Collection[str], now_us: int
    ) -> tuple[Sequence[ToldEntries], dict[int, Mapping[int, Encoded]]]:
        """What brings the tags told of some definitions to what they are at an instant: the entries
        of the feed, and the blocks of their fields that differ."""
        known = {each.id for each in snapshot.fields.values() if each.kind == FieldKind.PROPERTY}
        blocks: dict[int, dict[int, Encoded]] = {}
        changed = NamesChange()
        for rule in self._rules:
            if rule.name not in names:
                continue
            rule.events.forget()
            for block in range(snapshot.block_count):
                first = block * BLOCK_ROWS
                rows = np.arange(first, first + BLOCK_ROWS, dtype=np.uint32)
                held = self._held(snapshot, rule, live_rows(snapshot, block), now_us)
                told = _told(snapshot, rule, rows)
                of_block = _difference(rule, told, held, now_us, len(rows))
                changed = _joined(changed, of_block)
                for one in of_block.written:
                    stored = snapshot.payloads(one.field, block)
                    laid = lay_events(stored, Brought(*one.events(slice(None))), known)
                    made = encoded([bytes(part) for part in laid.parts])
                    blocks.setdefault(one.field, {})[block] = made
        return _of_rules(changed.entries), dict(blocks)

    def everybody_leaves(
        self, snapshot: Snapshot, names: Collection[str]
    ) -> tuple[Transition, ...]:
        """What the feed tells where some definitions are no more."""
        entries = []
        for rule in self._rules:
            for block in range(snapshot.block_count if rule.name in names else 0):
                first = block * BLOCK_ROWS
                rows = np.arange(first, first + BLOCK_ROWS, dtype=np.uint32)
                told = _told(snapshot, rule, rows)
                on = np.zeros(len(told.rows), np.bool_)
                entries.append(_entries(rule, told, on, np.zeros(len(on), np.int64)))
        return transitions_of(_of_rules(entries))

    # ---------------------------------------------------------------------------- inside

    def _held(
        self,
        snapshot: Snapshot,
        rule: _Rule,
        rows: NDArray[np.uint32],
        now_us: int,
        chains: EventChains | None = None,
    ) -> HeldNames:
        """The tags that some rows (ascending) have at an instant, each once."""
        if rule.fact is not None:
            of_rule, codes = self._facts.holding(snapshot, rule.tag, rows)
        else:
            read = HeldEvents(snapshot, rows, chains if len(rows) else None)
            counted = rule.events.counting(read, now_us)
            of_rule, codes = counted.rows, counted.codes
        names = rule.names.of_places(snapshot, rule.places, codes)
        by_rule = HeldNames(of_rule, names, _by_places(codes))
        return each_once(by_rule, self._given(snapshot, rule, rows))

    def _given(self, snapshot: Snapshot, rule: _Rule, rows: NDArray[np.uint32]) -> HeldNames:
        """The tags that somebody gave to some rows, of those that the rule may give."""
        field = snapshot.fields[TAG].id
        known = rule.names.given(snapshot, field)
        found_rows, found_codes = [np.zeros(0, np.uint32)], [np.zeros(0, np.uint32)]
        for block, inside, at in each_block(rows if known else rows[:0]):
            parts = snapshot.payloads(field, block) if block < snapshot.block_count else ()
            if not parts:
                continue
            if len(inside) > len(known):
                for code in known:
                    some = rows_of_code(parts, code).astype(np.uint32)
                    some = np.intersect1d(some + np.uint32(block * BLOCK_ROWS), rows[at])
                    found_rows.append(some)
                    found_codes.append(np.full(len(some), code, np.uint32))
                continue
            for row in rows[at].tolist():
                of_row = [one for one in read_row(parts, row % BLOCK_ROWS).tolist() if one in known]
                found_rows.append(np.full(len(of_row), row, np.uint32))
                found_codes.append(np.array(of_row, np.uint32))
        of_rows, codes = np.concatenate(found_rows), np.concatenate(found_codes)
        places = np.zeros((len(codes), len(rule.places)), np.uint32)
        names = rule.names.of_codes(snapshot, field, codes)
        return HeldNames(of_rows, names, np.column_stack((places, codes)))


def _told(
    snapshot: Snapshot, rule: _Rule, rows: NDArray[np.uint32], chains: EventChains | None = None
) -> HeldNames:
    """The tags that some rows (ascending) have by what was told."""
    inside = rows[rows < snapshot.block_count * BLOCK_ROWS]
    pieces = []
    for held in HeldEvents(snapshot, inside, chains if len(inside) else None).of(rule.field):
        events = held.read(rule.properties)
        codes = np.zeros((len(events), len(rule.properties)), np.uint32)
        for column, number in enumerate(rule.properties):
            values = events.properties.get(number)
            if values is not None:
                assert isinstance(values, Codes)
                codes[:, column] = values.codes
        pieces.append((inside[held.places], codes))
    of_rows = np.concatenate([np.zeros(0, np.uint32), *(piece[0] for piece in pieces)])
    nothing = np.zeros((0, len(rule.properties)), np.uint32)
    codes = np.concatenate([nothing, *(piece[1] for piece in pieces)])
    names = np.zeros(len(codes), np.int64)
    given = codes[:, -1] != 0
    names[~given] = rule.names.of_places(snapshot, rule.places, codes[~given, :-1])
    names[given] = rule.names.of_codes(snapshot, snapshot.fields[TAG].id, codes[given, -1])
    return HeldNames(of_rows, names, codes)


def _by_places(codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Codes of the properties, beside which nobody gave the tag."""
    return np.column_stack((codes, np.zeros(len(codes), np.uint32)))


def _difference(
    rule: _Rule, told: HeldNames, held: HeldNames, now_us: int, rows_evaluated: int
) -> NamesChange:
    """What turns the tags that were told into those that rows have."""
    came = held.take(~np.isin(held.keys, told.keys))
    went = told.take(~np.isin(told.keys, held.keys))
    both = both_of(came, went)
    on = np.arange(len(both.rows)) < len(came.rows)
    instants = np.full(len(on), now_us, np.int64)
    entries = [_entries(rule, both, on, instants)] if len(on) else []
    return NamesChange(entries, _written(rule, both, instants, ~on), rows_evaluated)


def _of_facts(snapshot: Snapshot, rule: _Rule, facts: FactEvents) -> NamesChange:
    """What facts that begin tell, where nobody has the tag yet."""
    codes = np.column_stack([facts.places[place] for place in tag_places(rule.tag)])
    names = rule.names.of_places(snapshot, rule.places, codes)
    every = HeldNames(facts.rows, names, _by_places(codes))
    rows = np.unique(facts.rows)
    told = _told(snapshot, rule, rows)
    alive = np.isin(facts.rows, _alive(snapshot, rows))
    fresh = facts.on & (names != NO_TAG) & alive & ~np.isin(every.keys, told.keys)
    chosen = np.flatnonzero(fresh)
    chosen = chosen[np.argsort(facts.instants[chosen], kind="stable")]
    some = every.take(chosen)
    chosen = chosen[np.unique(some.keys, return_index=True)[1]]
    some, instants = every.take(chosen), facts.instants[chosen]
    on = np.ones(len(chosen), np.bool_)
    return NamesChange(
        [_entries(rule, some, on, instants)], _written(rule, some, instants, ~on), len(rows)
    )


def _written(
    rule: _Rule, held: HeldNames, instants: NDArray[np.int64], gone: NDArray[np.bool_]
) -> list[WrittenNames]:
    if not len(held.rows):
        return []
    order = np.argsort(held.rows, kind="stable")
    return [
        WrittenNames(rule.field, rule.properties, held.take(order), instants[order], gone[order])
    ]


def _joined(one: NamesChange, other: NamesChange) -> NamesChange:
    return NamesChange(
        [*one.entries, *other.entries],
        [*one.written, *other.written],
        one.rows_evaluated + other.rows_evaluated,
    )


def _entries(
    rule: _Rule, held: HeldNames, on: NDArray[np.bool_], instants: NDArray[np.int64]
) -> ToldEntries:
    """Who gets (`on`) and who loses a tag, by the names of the feed."""
    sides, of_each = np.unique(held.names * 2 + on, return_inverse=True)
    keys = []
    for side in sides.tolist():
        name = rule.names.names[side // 2]
        keys.append(moved_key(rule.key, *(("", name) if side % 2 else (name, ""))))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    place_of = np.zeros(len(order), np.int64)
    place_of[order] = np.arange(len(order))
    names = [keys[at] for at in order]
    return ToldEntries(names, rule.version, place_of[of_each.reshape(-1)], held.rows, instants)


def _of_rules(entries: Iterable[ToldEntries]) -> list[ToldEntries]:
    """Entries of several blocks, as those of one record: each name once."""
    merged: dict[str, list[tuple[int, ToldEntries]]] = {}
    for one in entries:
        for place, name in enumerate(one.names):
            merged.setdefault(name, []).append((place, one))
    found = []
    for name, pieces in merged.items():
        chosen = [(one, one.numbers == place) for place, one in pieces]
        rows = np.concatenate([one.rows[at] for one, at in chosen])
        instants = np.concatenate([one.instants[at] for one, at in chosen])
        numbers = np.zeros(len(rows), np.int64)
        found.append(ToldEntries([name], pieces[0][1].version, numbers, rows, instants))
    return found


def _alive(snapshot: Snapshot, rows: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Those of some rows (ascending) that are alive."""
    pieces = [np.zeros(0, np.uint32)]
    for block, _, at in each_block(rows):
        if block < snapshot.block_count:
            pieces.append(np.intersect1d(rows[at], live_rows(snapshot, block)))
    return np.concatenate(pieces)
