"""Sticky tags that properties name: one fact for each value, set by events as they come to count.

An event that a rule takes sets the tag that it names when it arrives, or, where it is dated ahead,
at its own time; whoever has that tag already is left alone. Over everything, after a load or an
edit, such an event sets its tag where the fact has neither begun nor ended before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.core.where_nodes import WhereNodes
from engine.core.where_plan import plan_where
from engine.events.chunks import Chunks
from engine.events.decode import decode_chunk
from engine.events.encode import encode_events
from engine.events.events import Codes, Events
from engine.events.tail import TailVersion
from engine.live.fact_changes import FactEvents
from engine.live.flips import NEVER, UNKNOWN
from engine.live.held_events import HeldEvents
from engine.live.kept_facts import RemovedTags
from engine.model.definitions import EventType, Model
from engine.model.hidden_events import ON, fact_events, tag_fact, tag_places, tag_values
from engine.rules.aggregates import bind_step
from engine.rules.bind import Binder
from engine.rules.bound_events import BoundEvents
from engine.rules.parse import parse_step
from engine.rules.time_dependence import moves_anywhere
from engine.store.catalog import Catalog, event_field, property_field
from engine.store.event_chunks import event_chunks
from engine.store.snapshot import Snapshot

__all__ = ["BroughtEvents", "NamedFacts"]

_EVER_US = -(1 << 63)
_BLOCK_BITS = 16
_TRUE = 2


@dataclass(frozen=True, slots=True, eq=False)
class BroughtEvents:
    """Events that a record added to one type in one block."""

    field_id: int
    block: int
    events: Events


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    field_id: int
    block: int
    chunks: Sequence[Buffer | TailVersion]


@dataclass(frozen=True, slots=True)
class _Rule:
    tag: str
    fact: EventType
    events: BoundEvents
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Named:
    """Events by the tags that they name: rows uint32, times int64, codes uint32 (n, places)."""

    rows: NDArray[np.uint32]
    times: NDArray[np.int64]
    codes: NDArray[np.uint32]


class NamedFacts:
    """The rules of one model version whose sticky tags properties name; for one thread at a time.

    `reasons` says of rules by their tags why they cannot be kept.
    """

    def __init__(self, model: Model, binder: Binder) -> None:
        self._model = model
        self._rules: list[_Rule] = []
        self.reasons: dict[str, str] = {}
        # No event comes to count before this by time alone, as far as is known.
        self.next_us = UNKNOWN
        facts = fact_events(model)
        for rule in model.tag_rules:
            if rule["keep"] == "live" or "each" not in rule:
                continue
            text, fact = rule["each"], facts[tag_fact(rule["tag"])]
            step, window = parse_step(text)
            events = bind_step(step, binder.scope(text))
            places = tag_places(rule["tag"])
            self._rules.append(_Rule(rule["tag"], fact, events, places))
            if window is not None:
                self.reasons[rule["tag"]] = "its step has a window"
            elif events.where is not None and moves_anywhere(events.where):
                self.reasons[rule["tag"]] = "its where reads `now`"

    def __bool__(self) -> bool:
        return bool(self._rules)

    def fields(self, catalog: Catalog) -> frozenset[int]:
        """The fields with the events that the rules take, as far as the store has them."""
        names = {event_field(name) for rule in self._rules for name in rule.events.types}
        return frozenset(catalog[name].id for name in names if name in catalog)

    def events_of(self, tags: Collection[str]) -> dict[str, BoundEvents]:
        """Of the rules for some tags: type of the fact -> the events that set it."""
        return {rule.fact.name: rule.events for rule in self._rules if rule.tag in tags}

    # -------------------------------------------------------------------------- changes

    def of_update(
        self,
        snapshot: Snapshot,
        brought: Sequence[BroughtEvents],
        removed: RemovedTags,
        now_us: int,
    ) -> list[FactEvents]:
        """The facts that begin by events that a record brought, and that end where it takes tags
        away; what begins counts where both do."""
        for one in brought:
            ahead = one.events.times[one.events.times > now_us]
            self.next_us = min(self.next_us, int(ahead.min(initial=NEVER)))
        made = []
        for rule in self._rules:
            begin = self._of_chunks(
                snapshot,
                rule,
                [_Block(one.field_id, one.block, encode_events(one.events)) for one in brought],
                _EVER_US,
                now_us + 1,
            )
            begin = _Named(begin.rows, np.full(len(begin.rows), now_us), begin.codes)
            end = self._removed(snapshot, rule, removed, now_us)
            if len(begin.rows) or len(end.rows):
                made.append(self._changed(snapshot, rule, begin, end))
        return [facts for facts in made if len(facts)]

    def by_time(
        self,
        snapshot: Snapshot,
        after_us: int,
        through_us: int,
        absorbs: Callable[[int], bool] | None = None,
    ) -> list[FactEvents]:
        """The facts that begin as events that were dated ahead come to count."""
        self.next_us = NEVER
        made = []
        for rule in self._rules:
            ahead = list(self._blocks(snapshot, rule, after_us))
            for one in ahead:
                later = _times(one)
                later = later[later > through_us]
                self.next_us = min(self.next_us, int(later.min(initial=NEVER)))
            chosen = [one for one in ahead if absorbs is None or absorbs(one.block)]
            begin = self._of_chunks(snapshot, rule, chosen, after_us + 1, through_us + 1)
            if len(begin.rows):
                made.append(self._changed(snapshot, rule, begin, _nothing(rule)))
        return [facts for facts in made if len(facts)]

    def of_everything(self, snapshot: Snapshot, now_us: int) -> list[FactEvents]:
        """The facts that no event of theirs is there for so far, and that some event sets."""
        self.next_us = UNKNOWN
        made = []
        for rule in self._rules:
            blocks = self._blocks(snapshot, rule)
            named = self._of_chunks(snapshot, rule, blocks, _EVER_US, now_us + 1)
            named = _Named(named.rows, np.full(len(named.rows), now_us), named.codes)
            known, _ = self._stored(snapshot, rule, np.unique(named.rows))
            fresh = _distinct(named, without=known)
            on = np.ones(len(fresh.rows), np.bool_)
            made.append(_facts(rule, fresh, on))
        return [facts for facts in made if len(facts)]

    # --------------------------------------------------------------------------- events

    def _blocks(
        self, snapshot: Snapshot, rule: _Rule, after_us: int | None = None
    ) -> Iterator[_Block]:
        """The blocks with events, or with some after an instant, as the bounds of zones tell."""
        for name in rule.events.types:
            field_id = snapshot.fields[event_field(name)].id
            for block in range(snapshot.block_count):
                zone = snapshot.zone(field_id, block)
                if zone is None or not zone.present_count:
                    continue
                assert zone.maximum is not None
                if after_us is None or zone.maximum > after_us:
                    chunks, tail = event_chunks(snapshot, field_id, block)
                    yield _Block(field_id, block, [*chunks, *([] if tail is None else [tail])])

    def _of_chunks(
        self,
        snapshot: Snapshot,
        rule: _Rule,
        blocks: Iterable[_Block],
        from_us: int,
        to_us: int,
    ) -> _Named:
        """The events in [from, to) that a rule takes, by what they name, and that have all of
        it."""
        wheres = plan_where(
            snapshot, rule.events.types, rule.events.where, 0, self._model.time_zone,
            model=self._model,
        )  # fmt: skip
        types = {snapshot.fields[event_field(name)].id: name for name in rule.events.types}
        numbers = self._numbers(snapshot, rule)
        found = [_nothing(rule)]
        for one in blocks:
            name = types.get(one.field_id)
            where = None if name is None else wheres[name]
            if where is None:
                continue
            picked = WhereNodes(where).pick(Chunks(one.chunks), from_us, to_us)
            for chunk, chosen in zip(one.chunks, picked, strict=True):
                chosen = np.asarray(chosen, np.bool_)
                if chosen.any():
                    named = _named(_decoded(chunk), numbers)
                    chosen &= (named.codes != 0).all(axis=1)
                    rows = named.rows[chosen] + np.uint32(one.block << _BLOCK_BITS)
                    found.append(_Named(rows, named.times[chosen], named.codes[chosen]))
        return _joined(found)

    def _numbers(self, snapshot: Snapshot, rule: _Rule) -> list[int]:
        declared = [rule.fact.properties[place] for place in rule.places]
        return [
            snapshot.fields[property_field(found.name, found.type, found.scale)].id
            for found in declared
        ]

    def _removed(
        self, snapshot: Snapshot, rule: _Rule, removed: RemovedTags, now_us: int
    ) -> _Named:
        """What the tags that are taken away name."""
        numbers = self._numbers(snapshot, rule)
        found = [_nothing(rule)]
        for tag, rows in removed.items():
            for values in tag_values(rule.tag, tag):
                codes = np.array(
                    [
                        snapshot.dictionary(number).code(value)
                        for number, value in zip(numbers, values, strict=True)
                    ],
                    np.uint32,
                )
                if codes.all():
                    instants = np.full(len(rows), now_us)
                    found.append(_Named(rows, instants, np.tile(codes, (len(rows), 1))))
        return _joined(found)

    # ---------------------------------------------------------------------------- facts

    def _changed(self, snapshot: Snapshot, rule: _Rule, begin: _Named, end: _Named) -> FactEvents:
        """Where facts differ from before, as they begin and end at instants of their own."""
        both = _joined([end, begin])
        on = np.arange(len(both.rows)) >= len(end.rows)
        stored, held = self._stored(snapshot, rule, np.unique(both.rows))
        # What is stored comes before everything else of its row and name.
        first = _Named(stored.rows, np.full(len(stored.rows), _EVER_US), stored.codes)
        everything = _joined([first, both])
        on = np.concatenate([held, on])
        order = np.lexsort((on, everything.times, *everything.codes.T, everything.rows))
        rows, codes = everything.rows[order], everything.codes[order]
        times, on = everything.times[order], on[order]
        same = np.zeros(len(rows), np.bool_)
        same[1:] = (rows[1:] == rows[:-1]) & (codes[1:] == codes[:-1]).all(axis=1)
        # Of an end and a beginning at one instant the beginning, which stands behind, counts.
        overruled = np.zeros(len(rows), np.bool_)
        overruled[:-1] = same[1:] & (times[1:] == times[:-1])
        kept = np.flatnonzero(~overruled)
        rows, codes, times, on = rows[kept], codes[kept], times[kept], on[kept]
        same = np.zeros(len(rows), np.bool_)
        same[1:] = (rows[1:] == rows[:-1]) & (codes[1:] == codes[:-1]).all(axis=1)
        before = np.zeros(len(rows), np.bool_)
        before[1:] = same[1:] & on[:-1]
        changed = (times != _EVER_US) & (on != before)
        return _facts(rule, _Named(rows[changed], times[changed], codes[changed]), on[changed])

    def _stored(
        self, snapshot: Snapshot, rule: _Rule, rows: NDArray[np.uint32]
    ) -> tuple[_Named, NDArray[np.bool_]]:
        """The facts of some rows that have ever begun, each once, and whether they hold by the last
        of their events."""
        field_id = snapshot.fields[event_field(rule.fact.name)].id
        on_number = snapshot.fields[property_field(ON.name, ON.type, ON.scale)].id
        numbers = self._numbers(snapshot, rule)
        inside = rows[rows < snapshot.block_count << _BLOCK_BITS]
        found, sides = [_nothing(rule)], [np.zeros(0, np.uint32)]
        for held in HeldEvents(snapshot, inside).of(field_id):
            events = held.read([*numbers, on_number])
            named = _named(events, numbers)
            found.append(_Named(inside[held.places], named.times, named.codes))
            on = events.properties[on_number]
            assert isinstance(on, Codes)
            sides.append(on.codes)
        every, on_codes = _joined(found), np.concatenate(sides)
        order = np.lexsort((every.times, *every.codes.T, every.rows))
        rows_, codes = every.rows[order], every.codes[order]
        last = np.ones(len(order), np.bool_)
        last[:-1] = (rows_[1:] != rows_[:-1]) | (codes[1:] != codes[:-1]).any(axis=1)
        chosen = order[last]
        held_ = on_codes[chosen] == _TRUE
        return _Named(every.rows[chosen], every.times[chosen], every.codes[chosen]), held_


def _nothing(rule: _Rule) -> _Named:
    codes = np.zeros((0, len(rule.places)), np.uint32)
    return _Named(np.zeros(0, np.uint32), np.zeros(0, np.int64), codes)


def _joined(pieces: Sequence[_Named]) -> _Named:
    return _Named(
        np.concatenate([piece.rows for piece in pieces]),
        np.concatenate([piece.times for piece in pieces]),
        np.concatenate([piece.codes for piece in pieces]),
    )


def _distinct(named: _Named, without: _Named) -> _Named:
    """Each row and name once, those of others left out."""
    both = _joined([without, named])
    order = np.lexsort((np.arange(len(both.rows)), *both.codes.T, both.rows))
    rows, codes = both.rows[order], both.codes[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (rows[1:] != rows[:-1]) | (codes[1:] != codes[:-1]).any(axis=1)
    chosen = order[first]
    chosen = np.sort(chosen[chosen >= len(without.rows)])
    found = _Named(both.rows[chosen], both.times[chosen], both.codes[chosen])
    by_row = np.argsort(found.rows, kind="stable")
    return _Named(found.rows[by_row], found.times[by_row], found.codes[by_row])


def _facts(rule: _Rule, named: _Named, on: NDArray[np.bool_]) -> FactEvents:
    places: Mapping[str, NDArray[np.uint32]] = {
        place: np.ascontiguousarray(named.codes[:, at]) for at, place in enumerate(rule.places)
    }
    return FactEvents(rule.fact, named.rows, named.times, on, places)


def _named(events: Events, numbers: Sequence[int]) -> _Named:
    codes = np.zeros((len(events), len(numbers)), np.uint32)
    for at, number in enumerate(numbers):
        found = events.properties.get(number)
        if found is not None:
            assert isinstance(found, Codes)
            codes[:, at] = found.codes
    return _Named(events.rows.astype(np.uint32), events.times, codes)


def _decoded(chunk: Buffer | TailVersion) -> Events:
    return chunk.events() if isinstance(chunk, TailVersion) else decode_chunk(chunk)


def _times(block: _Block) -> NDArray[np.int64]:
    times = [_decoded(chunk).times for chunk in block.chunks]
    return np.concatenate([np.zeros(0, np.int64), *times])
