"""Stored segments, and whatever else has members: who is in them, kept with the data.

Which definitions are kept is told in `engine.live.kept_definitions`, what is kept beside segments
and why it comes in levels in `engine.live.definitions`, how one level is judged in
`engine.live.kept_level`. After a record of the log, level by level,
1. the rows are found that it wrote in a field that some definition reads, and those it created, or
   those that time alone moves;
2. each is judged, and what differs from the stored membership is a transition;
3. the facts that follow are written, for the next level to read.

After an edit of the model, a load or an upload the definitions concerned are evaluated over
everything instead, by blocks and in several threads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from engine.columns.zone import Encoded
from engine.core import evaluate
from engine.core.control import Control
from engine.live.change import NO_MOVES, Touched, Transition
from engine.live.definitions import Definition, GoneName, key_of, levels_of
from engine.live.each_actions import EachActions
from engine.live.event_chains import EventChains
from engine.live.fact_changes import FactEvents, FactWriter, held_by
from engine.live.facts_ahead import FactsAhead
from engine.live.flip_outcome import Passed
from engine.live.kept_definitions import KeptDefinitions, version_of
from engine.live.kept_facts import KeptFacts, RemovedTags
from engine.live.kept_level import KeptLevel, Moved, joined_moves
from engine.live.kept_names import KeptNames, NamesChange
from engine.live.kept_points import KeptPoints
from engine.live.log_clock import system_clock
from engine.live.memberships import changed_memberships, rows_of_masks, stored_masks
from engine.live.named_facts import NamedFacts
from engine.live.segment_change import SegmentChange, TimeChange
from engine.live.segment_plan import SegmentPlan
from engine.live.standing_list import StandingList
from engine.live.step_events import BroughtEvents
from engine.live.telling import Telling
from engine.live.time_span import Span
from engine.live.told_entries import flips_with, transitions_of
from engine.model.definitions import Model
from engine.model.positions import key_text
from engine.rules.bind import Binder
from engine.store.catalog import Catalog, event_field, segment_field
from engine.store.snapshot import Snapshot

__all__ = ["NAMED", "StoredSegments", "in_turns", "segment_key"]

# Stands among names of definitions for what follows from events one by one, and has no members of
# its own: sticky tags that properties name (engine.live.named_facts) and actions with `each`.
NAMED = ":named"

# Masks of many segments over all blocks take 8 KiB each; more than this is done in turns.
MASK_BYTES_AT_A_TIME = 64 << 20
_MASK_BYTES = 8192
_NO_TAGS: RemovedTags = MappingProxyType({})
_NOBODY = np.zeros(0, np.uint32)


def segment_key(name: str) -> str:
    """The key path of a segment, as transitions name it."""
    return key_of(name)


class StoredSegments(KeptDefinitions):
    """What is kept of one model version; for one thread at a time. Segments go by their names, and
    other definitions by names that begin with a colon (engine.live.definitions).

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
        super().__init__(model, binder, catalog, versions)
        # No method of this object: it would stand in a circle, and hold the map of a closed store.
        numbered = partial(version_of, self._versions)
        self._each = EachActions(model, self.definitions.values(), numbered)
        stored = [self.definitions[name] for name in self._fields]
        self._points = KeptPoints(model, stored, catalog, numbered)
        self._level_of = levels_of(stored)
        self._facts = KeptFacts(stored, self._level_of)
        chains = EventChains()
        self._named = NamedFacts(model, binder, chains=chains)
        self._names = KeptNames(model, stored, catalog, numbered, self._named, chains)
        self._counted_events = self._named.fields(catalog) | self._each.fields(catalog)
        self._counted_events |= self._names.fields(catalog)
        self._counts_events = bool(self._named) or bool(self._each)
        self._telling = Telling(stored, numbered)
        self._levels = [
            KeptLevel(
                model,
                {one.name: one.body for one in stored if self._level_of[one.name] == level},
                {name: n for name, n in self._fields.items() if self._level_of[name] == level},
                chains,
            )
            for level in range(max([*self._level_of.values(), -1 + bool(self._named)]) + 1)
        ]
        # Points are judged when all facts are there.
        last = [self._points] if self._points else []
        self._judges: Sequence[KeptLevel | KeptPoints] = (*self._levels, *last)
        # Types of events of which a record's new ones must be told to `update`.
        wanted = {event_field(name) for level in self._levels for name in level.events_wanted}
        self.events_wanted = self._counted_events.union(
            catalog[name].id for name in wanted if name in catalog
        )
        moving = [name for judge in self._judges for name in judge.moving]
        moving += self._names.moving
        self.moving = (*moving, *([NAMED] if self._counts_events else []))

    # ------------------------------------------------------------------------ definitions

    @property
    def has_facts(self) -> bool:
        """Whether facts follow from what happens to some definition."""
        return bool(self._facts) or bool(self._named)

    @property
    def refreshable(self) -> tuple[str, ...]:
        """All that a load may change: what is `stored`, and NAMED where there are such tags."""
        return (*self._fields, *([NAMED] if self._counts_events else []))

    def facts_ahead(
        self, old: StoredSegments | None, differ: Iterable[str], snapshot: Snapshot, now_us: int
    ) -> FactsAhead:
        """The facts that an edit from `old` to this would set, where the definitions `differ`, of
        a snapshot from before it."""
        before = () if old is None else old.model.tag_rules
        fresh = [rule["tag"] for rule in self.model.tag_rules if rule not in before]
        stored = {} if old is None else dict(old._fields)
        named = self._named.ahead(snapshot, fresh, now_us)
        return FactsAhead(self.definitions, differ, stored, named)

    @property
    def unforeseen(self) -> Mapping[str, str]:
        """Key path of what sets a fact, or says when there is something to do, and cannot be kept
        -> why, as the end of a sentence."""
        found = {
            key_of(name): reason
            for name, reason in self.not_kept.items()
            if _has_effects(self.definitions[name])
        }
        named = {key_text(("tag_rules", tag)): why for tag, why in self._named.reasons.items()}
        return {**found, **named}

    def tell(self, moved: Moved) -> tuple[Transition, ...]:
        """What the feed tells of definitions that are entered and left at one instant."""
        return self._telling.transitions(moved)

    def tell_end(self, snapshot: Snapshot, names: Collection[str]) -> tuple[Transition, ...]:
        """What the feed tells where definitions are no more: everybody leaves them."""
        leaving = {}
        for name in names:
            rows = rows_of_masks(stored_masks(snapshot, self.membership_field(name)))
            if len(rows):
                leaving[name] = np.zeros(0, np.uint32), rows
        return (*self.tell(leaving), *self._names.everybody_leaves(snapshot, names))

    # ------------------------------------------------------------------ after a log record

    def update(
        self,
        candidate: Snapshot,
        touched: Touched,
        now_us: int = 0,
        *,
        brought: Sequence[BroughtEvents] = (),
        removed: RemovedTags = _NO_TAGS,
        write: FactWriter | None = None,
    ) -> SegmentChange:
        """What the changes of one record do to the stored definitions.

        `candidate` has the changes, and the memberships as they were; `now_us` is the clock, at
        which these are exact. `brought` are the new events of the types in `events_wanted`,
        `removed` the tags that the record takes away. Lists are taken as they were when last
        evaluated over everything, with the identifiers linked since: an upload must be followed by
        `forget_lists` and `refresh`. A row that dies, or comes back, must be in `touched.created`
        or among the rows written in the field of live rows.

        `write` is called with the facts that follow, level by level. What is returned must be
        carried out before the next call; memberships change in no other way, but by `advance` and
        `refresh`.
        """
        moves, rows_evaluated = NO_MOVES, 0
        moved: dict[str, tuple[NDArray[np.uint32], NDArray[np.uint32]]] = {}
        counted = [one for one in brought if one.field_id in self._counted_events]
        for number, level in enumerate(self._levels):
            change = level.update(candidate, touched, now_us, brought)
            moves = joined_moves(moves, change.moves)
            moved.update(change.moved)
            rows_evaluated += change.rows_evaluated
            states = partial(held_by, candidate, self.model, at_us=now_us)
            facts = self._facts.at_once(number, change.moved, removed, now_us, states)
            if self._named and not number:
                facts += self._named.of_update(candidate, counted, removed, now_us)
            if facts:
                assert write is not None, "facts have somebody to write them"
                candidate, written = write(facts)
                touched = Touched(touched.created, {**touched.fields, **written})
        asked = self._each.of_record(candidate, counted, now_us)
        points = self._points.changes(candidate, touched, now_us)
        names = self._names.changes(candidate, touched, counted, now_us)
        more = transitions_of([*names.entries, *asked, *points.entries])
        return SegmentChange(
            moves=moves,
            points=points,
            names=names,
            transitions=(*self._telling.transitions(moved), *more),
            count_deltas=_deltas(moved),
            rows_evaluated=rows_evaluated + points.rows_evaluated + names.rows_evaluated,
        )

    def look_ahead(self, snapshot: Snapshot, span: Span) -> Passed | None:
        """The first part of `advance`, which changes nothing that others see."""
        return self._levels[0].advance(snapshot, span) if self._levels else None

    def advance(
        self,
        snapshot: Snapshot,
        spans: Sequence[Span],
        *,
        ahead: Sequence[Passed | None] = (),
        write: FactWriter | None = None,
    ) -> TimeChange | None:
        """What happens as time passes; None where nothing moves with it. No row is in two of the
        spans.

        `ahead` is what `look_ahead` found of each span. `write` is called with the facts that
        follow, level by level. What is returned must be carried out before the next call, as with
        `update`.
        """
        if not self.moving:
            return None
        passed: list[tuple[Passed, Sequence[str]]] = []
        begun: list[FactEvents] = []
        moves = NO_MOVES
        for span, first in zip(spans, ahead or [None] * len(spans), strict=True):
            for number, level in enumerate(self._levels):
                found = first if not number else None
                found = found or level.advance(snapshot, span)
                facts: list[FactEvents] = []
                if found is not None:
                    passed.append((found, level.moving))
                    moves = joined_moves(moves, level.moves_of(found))
                    # Who lags may have been written to since: what is stored holds until now.
                    at_us = span.after_us if span.clocks is None else span.through_us
                    states = partial(held_by, snapshot, self.model, at_us=at_us)
                    facts = self._facts.by_time(number, found, level.moving, states)
                if self._named and not number:
                    facts += self._named.by_time(snapshot, span)
                if facts:
                    assert write is not None, "facts have somebody to write them"
                    begun += facts
                    snapshot, written = write(facts)
                    # To those that come, facts are events that were dated ahead.
                    for later in self._judges[number + 1 :]:
                        later.expect(snapshot, Touched(_NOBODY, written), span.after_us)
        asked = self._each.by_time(snapshot, spans)
        points = self._points.passing(snapshot, spans)
        names = NamesChange()
        if self._names:
            # Such ticks are in one piece.
            (span,) = spans
            names = self._names.passing(
                snapshot, span.after_us, span.through_us, begun, span.absorbs
            )
        telling = self._telling
        more = [*names.entries, *asked, *points.entries]
        told = flips_with(telling.definitions, telling.count, telling.flips(passed), more)
        return TimeChange(
            *told,
            moves,
            points,
            names,
            sum(found.rows_evaluated for found, _ in passed)
            + points.rows_evaluated
            + names.rows_evaluated,
            sum(found.blocks_read for found, _ in passed),
        )

    def earliest(self) -> Mapping[str, int]:
        """Name of each moving definition -> an instant before which time alone changes nothing of
        it; long ago where that is not known yet."""
        due = {name: at for judge in self._judges for name, at in judge.earliest().items()}
        due |= self._names.earliest()
        if self._counts_events:
            due[NAMED] = min(self._named.next_us, self._each.next_us)
        return due

    def block_looks(self, through_us: int) -> int:
        """About how often a block is looked through on the way to an instant. Also for those who
        do not apply records: it may be wrong by a little then. 0 where it makes no difference,
        since what live rules with names tell is found in one piece."""
        if self._names:
            return 0
        return sum(judge.block_looks(through_us) for judge in self._judges)

    def forget_lists(self) -> None:
        """Forget what uploaded lists said; the next plan reads them anew."""
        for judge in self._judges:
            judge.forget_lists()

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
        ahead: FactsAhead | None = None,
    ) -> dict[str, NDArray[np.uint64]]:
        """The members of any definitions, kept or not, at an instant (None: now), by their
        definitions alone: masks uint64 (blocks, 1024). `ahead` has facts that an edit will set.

        Raises NotYet for one without an evaluator, NotFound for one whose list is not
        there, Cancelled and DeadlineExceeded.
        """
        if not names:
            return {}
        bodies = {name: self.definitions[name].body for name in names}
        stored: Mapping[str, int] = {}
        lists: Mapping[str, StandingList] = {}
        if ahead is not None:
            stored, lists = ahead.stored, ahead.lists
            bodies = {name: ahead.body(body) for name, body in bodies.items()}
        instant = system_clock() if now_us is None else now_us
        plan = SegmentPlan(
            snapshot, self.model, bodies, now_us=instant, stored=stored, lists=lists, kept=False
        )
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
        fresh: Iterable[str] = (),
        gone: Sequence[GoneName] = (),
    ) -> SegmentChange:
        """What brings stored definitions (None: all) from what is stored to what they say of the
        snapshot at the clock, `now_us`, evaluated over everything: after a load, an upload or an
        edit. Of actions that are `fresh`, defined by that edit, nothing is told. Everybody leaves
        the `gone` bands and values of tiers, once the others of the score or tier are evaluated.

        Of definitions of several levels those of the lowest: the others are `stale`, with those
        that read the facts that follow, and are evaluated once these are written.
        """
        for level in self._levels:
            level.forget_members()
        wanted = set(self.refreshable if names is None else names)
        asked = [name for name in self._fields if name in wanted]
        with_named = self._counts_events and NAMED in wanted
        lowest = 0 if with_named else min((self._level_of[name] for name in asked), default=0)
        chosen = [name for name in asked if self._level_of[name] == lowest]
        memberships: dict[int, Mapping[int, Encoded]] = {}
        moved: dict[str, tuple[NDArray[np.uint32], NDArray[np.uint32]]] = {}
        evaluated = partial(
            self.evaluate, snapshot, now_us=now_us, pool=pool, threads=threads, control=control
        )
        for some in in_turns(chosen, snapshot.block_count):
            for name, masks in evaluated(some).items():
                field_id = self._fields[name]
                stored = stored_masks(snapshot, field_id)
                blocks, entered, left = changed_memberships(masks, stored)
                if blocks:
                    memberships[field_id] = blocks
                    moved[name] = entered, left
        points, of_points = self._points.everything(snapshot, chosen, now_us, fresh)
        memberships.update(of_points)
        named, of_names = self._names.everything(snapshot, chosen, now_us)
        memberships.update(of_names)
        states = partial(held_by, snapshot, self.model, at_us=now_us)
        facts = self._facts.at_once(lowest, moved, _NO_TAGS, now_us, states)
        if with_named:
            facts += self._named.of_everything(snapshot, now_us)
            self._each.forget()
        later = {*asked} - {*chosen} | self._facts.readers(facts)
        unborn = {name for name in fresh if name in moved and self.definitions[name].is_action}
        told = {name: sides for name, sides in moved.items() if name not in unborn}
        waiting = {self.definitions[name].told for name in later}
        leaving = {one.name: one for one in gone if one.told not in waiting}
        nobody = np.zeros(0, np.uint32)
        for name in leaving:
            field_id = snapshot.fields[segment_field(name)].id
            told[name] = nobody, rows_of_masks(stored_masks(snapshot, field_id))
        return SegmentChange(
            memberships=memberships,
            transitions=(
                *self._telling.with_gone(leaving.values()).transitions(told),
                *transitions_of([*named, *points.entries]),
            ),
            count_deltas=_deltas(moved),
            rows_evaluated=len(chosen) * snapshot.live_count,
            facts=facts,
            stale=[name for name in self._fields if name in later],
            gone=leaving,
        )


def _has_effects(definition: Definition) -> bool:
    return definition.sets_facts or definition.is_action


def _deltas(moved: Moved) -> dict[str, int]:
    deltas = {name: len(entered) - len(left) for name, (entered, left) in moved.items()}
    return {name: delta for name, delta in deltas.items() if delta}


def in_turns(names: Sequence[str], block_count: int) -> Iterator[Sequence[str]]:
    """Stretches of names whose masks fit in memory together; at least one at a time."""
    most = max(1, MASK_BYTES_AT_A_TIME // (_MASK_BYTES * max(1, block_count)))
    for start in range(0, len(names), most):
        yield names[start : start + most]
