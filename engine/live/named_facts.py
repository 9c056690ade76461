"""Sticky tags that properties name: one fact for each value, set by events as they come to count.

An event that a rule takes sets the tag that it names when it arrives, or, where it is dated ahead,
at its own time; whoever has that tag already is left alone. Over everything, after a load or an
edit, such an event sets its tag where the fact has neither begun nor ended before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from engine.events.events import Codes, Events
from engine.live.event_chains import EventChains
from engine.live.fact_changes import FactEvents
from engine.live.flips import NEVER
from engine.live.held_events import HeldEvents
from engine.live.kept_facts import RemovedTags
from engine.live.step_events import BroughtEvents, CountedEvents, StepEvents
from engine.live.time_span import Span
from engine.model.definitions import Attribute, EventProperty, EventType, Model
from engine.model.hidden_events import (
    ON,
    UNDONE,
    fact_events,
    tag_fact,
    tag_places,
    tag_values,
)
from engine.rules import bound
from engine.rules.bind import Binder
from engine.rules.bound_events import BoundAggregate
from engine.rules.steps import count_of_step, happens_at_all
from engine.rules.time_dependence import why_unkept
from engine.store.catalog import Catalog, event_field, property_field
from engine.store.snapshot import Snapshot

__all__ = ["FreshNames", "NamedFacts"]

_EVER_US = -(1 << 63)
_BLOCK_BITS = 16
_TRUE = 2


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    tag: str
    fact: EventType
    step: BoundAggregate
    events: StepEvents
    places: tuple[str, ...]

    def numbers(self, catalog: Catalog) -> list[int]:
        """The fields of the properties that name the tag."""
        return _numbers(catalog, self.fact, self.places)


def _numbers(catalog: Catalog, fact: EventType, places: Sequence[str]) -> list[int]:
    declared = [fact.properties[place] for place in places]
    return [catalog[property_field(found.name, found.type, found.scale)].id for found in declared]


@dataclass(frozen=True, slots=True, eq=False)
class _Named:
    """Events by the tags that they name: rows uint32, times int64, codes uint32 (n, places)."""

    rows: NDArray[np.uint32]
    times: NDArray[np.int64]
    codes: NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class FreshNames:
    """Facts that begin: rows uint32, and by its name the values of each property that names them
    (objects, n)."""

    rows: NDArray[np.uint32]
    values: Mapping[str, NDArray[np.object_]]

    def passing(self, where: bound.BoundExpr | None) -> NDArray[np.uint32]:
        """The rows (ascending, each once) with one that a match over the properties takes."""
        if where is None or not len(self.rows):
            return np.unique(self.rows)
        return np.unique(self.rows[self._passes(where)])

    def _passes(self, where: bound.BoundExpr) -> NDArray[np.bool_]:
        found: NDArray[np.bool_]
        match where:
            case bound.BoundAnd(items=items):
                found = np.all([self._passes(item) for item in items], axis=0)
            case bound.BoundOr(items=items):
                found = np.any([self._passes(item) for item in items], axis=0)
            case bound.BoundCategory(read=Attribute(name=name), test=test, negated=negated):
                each, of_each = np.unique(self.values[name], return_inverse=True)
                passes = np.array([test.passes(value) != negated for value in each], np.bool_)
                found = passes[of_each]
            case _:
                raise AssertionError(f"no match over the places of a tag: {where}")
        return found


class NamedFacts:
    """The rules of one model version whose sticky tags properties name; for one thread at a time.

    `only` are the types of facts that matter (None: all). `reasons` says of rules by their tags why
    they cannot be kept. By `chains`, where there are some, the facts of few rows are found.
    """

    def __init__(
        self,
        model: Model,
        binder: Binder,
        only: Collection[str] | None = None,
        chains: EventChains | None = None,
    ) -> None:
        self._chains = chains
        self._rules: list[_Rule] = []
        self.reasons: dict[str, str] = {}
        facts = fact_events(model)
        for rule in model.tag_rules:
            if rule["keep"] == "live" or "each" not in rule:
                continue
            fact, places = facts[tag_fact(rule["tag"])], tag_places(rule["tag"])
            if only is not None and fact.name not in only:
                continue
            step = count_of_step(binder, rule["each"])
            events = StepEvents(model, step, partial(_numbers, fact=fact, places=places))
            self._rules.append(_Rule(rule["tag"], fact, step, events, places))
            reason = why_unkept(happens_at_all(step))
            if reason:
                self.reasons[rule["tag"]] = reason

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def next_us(self) -> int:
        """No event comes to count before this by time alone, as far as is known."""
        return min((rule.events.next_us for rule in self._rules), default=NEVER)

    def fields(self, catalog: Catalog) -> frozenset[int]:
        """The fields with the events that the rules take, as far as the store has them."""
        return frozenset[int]().union(*(rule.events.fields(catalog) for rule in self._rules))

    def ahead(
        self, snapshot: Snapshot, tags: Collection[str], now_us: int
    ) -> dict[str, Callable[[], FreshNames]]:
        """Of the rules for some tags: type of the fact -> the facts that an edit to them begins, of
        a snapshot from before it; found when they are asked for."""
        return {
            rule.fact.name: partial(self._ahead, snapshot, rule, now_us)
            for rule in self._rules
            if rule.tag in tags
        }

    def _ahead(self, snapshot: Snapshot, rule: _Rule, now_us: int) -> FreshNames:
        declared = [rule.fact.properties[place] for place in rule.places]
        fields = [property_field(one.name, one.type, one.scale) for one in declared]
        if not all(field in snapshot.fields for field in fields):
            # No event has a property that the edit brings.
            return FreshNames(np.zeros(0, np.uint32), {})
        numbers = rule.numbers(snapshot.fields)
        named = self._begun(snapshot, rule, now_us)
        values = {
            place: _values(snapshot, number, named.codes[:, at])
            for at, (place, number) in enumerate(zip(rule.places, numbers, strict=True))
        }
        return FreshNames(named.rows, values)

    def holding(
        self, snapshot: Snapshot, tag: str, rows: NDArray[np.uint32]
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """The facts of the rule for a tag that some rows (ascending) have: rows uint32, and codes
        uint32 (n, places) of what names them."""
        (rule,) = (one for one in self._rules if one.tag == tag)
        known, held, _ = self._stored(snapshot, rule, rows)
        return known.rows[held], known.codes[held]

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
        made = []
        for rule in self._rules:
            begin = _of_events(rule.events.of_record(snapshot, brought, now_us))
            end = self._removed(snapshot, rule, removed, now_us)
            if len(begin.rows) or len(end.rows):
                made.append(self._changed(snapshot, rule, begin, end))
        return [facts for facts in made if len(facts)]

    def by_time(self, snapshot: Snapshot, span: Span) -> list[FactEvents]:
        """The facts that begin as time makes events count."""
        made = []
        for rule in self._rules:
            begin = _of_events(rule.events.by_time(snapshot, [span]))
            if len(begin.rows):
                made.append(self._changed(snapshot, rule, begin, _nothing(rule)))
        return [facts for facts in made if len(facts)]

    def of_rows(
        self, snapshot: Snapshot, rows: NDArray[np.uint32], after_us: int, through_us: int
    ) -> list[FactEvents]:
        """The same of some rows (ascending) alone."""
        made = []
        for rule in self._rules:
            begin = _of_events(rule.events.of_rows(snapshot, rows, after_us, through_us))
            if len(begin.rows):
                made.append(self._changed(snapshot, rule, begin, _nothing(rule)))
        return [facts for facts in made if len(facts)]

    def of_everything(self, snapshot: Snapshot, now_us: int) -> list[FactEvents]:
        """The facts that no event of theirs is there for so far, and that some event sets."""
        made = []
        for rule in self._rules:
            rule.events.forget()
            fresh = self._begun(snapshot, rule, now_us)
            on = np.ones(len(fresh.rows), np.bool_)
            made.append(_facts(rule, fresh, on))
        return [facts for facts in made if len(facts)]

    def _begun(self, snapshot: Snapshot, rule: _Rule, now_us: int) -> _Named:
        """What events name that count at an instant, where the fact has no event so far."""
        named = _of_events(rule.events.of_everything(snapshot, now_us))
        known = _nothing(rule)
        if event_field(rule.fact.name) in snapshot.fields:
            known, _, _ = self._stored(snapshot, rule, np.unique(named.rows))
        return _distinct(named, without=known)

    def _removed(
        self, snapshot: Snapshot, rule: _Rule, removed: RemovedTags, now_us: int
    ) -> _Named:
        """What the tags that are taken away name."""
        numbers = rule.numbers(snapshot.fields)
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
        stored, held, undone = self._stored(snapshot, rule, np.unique(both.rows))
        # What is stored comes before everything else of its row and name.
        first = _Named(stored.rows, np.full(len(stored.rows), _EVER_US), stored.codes)
        everything = _joined([first, both])
        on = np.concatenate([held, on])
        # Of a change that was undone itself the next one at its instant is none of it.
        last_us = np.where(undone, _EVER_US, stored.times)
        last_us = np.concatenate([last_us, np.full(len(both.rows), _EVER_US)])
        order = np.lexsort((on, everything.times, *everything.codes.T, everything.rows))
        rows, codes = everything.rows[order], everything.codes[order]
        times, on, last_us = everything.times[order], on[order], last_us[order]
        same = np.zeros(len(rows), np.bool_)
        same[1:] = (rows[1:] == rows[:-1]) & (codes[1:] == codes[:-1]).all(axis=1)
        # Of an end and a beginning at one instant the beginning, which stands behind, counts.
        overruled = np.zeros(len(rows), np.bool_)
        overruled[:-1] = same[1:] & (times[1:] == times[:-1])
        kept = np.flatnonzero(~overruled)
        rows, codes, times, on = rows[kept], codes[kept], times[kept], on[kept]
        last_us = last_us[kept]
        same = np.zeros(len(rows), np.bool_)
        same[1:] = (rows[1:] == rows[:-1]) & (codes[1:] == codes[:-1]).all(axis=1)
        before = np.zeros(len(rows), np.bool_)
        before[1:] = same[1:] & on[:-1]
        changed = (times != _EVER_US) & (on != before)
        # What comes at the instant of the last change takes its place, and undoes it.
        undone = np.zeros(len(rows), np.bool_)
        undone[1:] = same[1:] & (last_us[:-1] == times[1:])
        named = _Named(rows[changed], times[changed], codes[changed])
        return _facts(rule, named, on[changed], undone[changed])

    def _stored(
        self, snapshot: Snapshot, rule: _Rule, rows: NDArray[np.uint32]
    ) -> tuple[_Named, NDArray[np.bool_], NDArray[np.bool_]]:
        """The facts of some rows that have ever begun, each once; whether they hold by the last of
        their events, and whether that undid another."""
        field_id = snapshot.fields[event_field(rule.fact.name)].id
        sides = [
            field.id if (field := snapshot.fields.get(_field_of(one))) is not None else 0
            for one in (ON, UNDONE)
        ]
        numbers = rule.numbers(snapshot.fields)
        inside = rows[rows < snapshot.block_count << _BLOCK_BITS]
        found, truths = [_nothing(rule)], [np.zeros((0, 2), np.bool_)]
        chains = self._chains if len(inside) else None
        for held in HeldEvents(snapshot, inside, chains).of(field_id):
            events = held.read([*numbers, *sides])
            named = _named(events, numbers)
            found.append(_Named(inside[held.places], named.times, named.codes))
            truths.append(_named(events, sides).codes == _TRUE)
        every, truth = _joined(found), np.concatenate(truths)
        order = np.lexsort((every.times, *every.codes.T, every.rows))
        rows_, codes = every.rows[order], every.codes[order]
        last = np.ones(len(order), np.bool_)
        last[:-1] = (rows_[1:] != rows_[:-1]) | (codes[1:] != codes[:-1]).any(axis=1)
        chosen = order[last]
        named = _Named(every.rows[chosen], every.times[chosen], every.codes[chosen])
        return named, truth[chosen, 0], truth[chosen, 1]


def _values(snapshot: Snapshot, number: int, codes: NDArray[np.uint32]) -> NDArray[np.object_]:
    """The strings of codes."""
    table = snapshot.dictionary_table(number)
    each, of_each = np.unique(codes, return_inverse=True)
    found = np.array([table.value(code) for code in each.tolist()], np.object_)
    return found[of_each]


def _field_of(declared: EventProperty) -> str:
    return property_field(declared.name, declared.type, declared.scale)


def _of_events(events: CountedEvents) -> _Named:
    """What events name, by when they come to count."""
    return _Named(events.rows, events.instants, events.codes)


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


def _facts(
    rule: _Rule, named: _Named, on: NDArray[np.bool_], undone: NDArray[np.bool_] | None = None
) -> FactEvents:
    places: Mapping[str, NDArray[np.uint32]] = {
        place: np.ascontiguousarray(named.codes[:, at]) for at, place in enumerate(rule.places)
    }
    return FactEvents(rule.fact, named.rows, named.times, on, places, undone)


def _named(events: Events, numbers: Sequence[int]) -> _Named:
    codes = np.zeros((len(events), len(numbers)), np.uint32)
    for at, number in enumerate(numbers):
        found = events.properties.get(number)
        if found is not None:
            assert isinstance(found, Codes)
            codes[:, at] = found.codes
    return _Named(events.rows.astype(np.uint32), events.times, codes)
