"""From a durable record of the log to the next visible version.

1. Write the update into the state before, or into copies (engine.live.applying).
2. Judge the rows it touched by the segments that read what it changed (engine.live.segments),
   and write the facts that follow, and who entered and left.
3. Leave what entered and left where the next commit finds it, too; then publish everything at
   once.

The order in 3 matters: whoever saves the blocks of a version also finds the feed of it, so a
saved block never runs ahead of the feed.

A tick of the clock writes nothing of its own. What it does to segments is found from the state
before it, which takes the longer the more time has passed; so it can be found ahead, while
readers go on (`look_ahead`), and only its outcome is written in the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.failpoints import failpoint
from engine.identity.live import LiveIdentities
from engine.live.aging import Aging
from engine.live.applying import apply_update
from engine.live.block_writer import BlockWriter
from engine.live.change import Cause
from engine.live.committing import Logged
from engine.live.fact_changes import FactEvents, FactWriter, write_facts
from engine.live.figures import Figures
from engine.live.flip_outcome import Passed
from engine.live.kept_names import write_names
from engine.live.kept_points import write_points
from engine.live.lagging import Lagging
from engine.live.log_clock import LogInstant
from engine.live.model_in_force import ModelInForce
from engine.live.pending_feed import PendingFeed
from engine.live.removed_tags import removed_tags
from engine.live.standing import Standing
from engine.live.step_events import BroughtEvents
from engine.live.time_span import Span
from engine.store.mutation import Mutation
from engine.store.snapshot import Snapshot
from engine.store.store import Store

__all__ = ["Applier"]


class Applier:
    """Applies records in their order; used by one thread at a time.

    `standing` says when the stored members of moving segments are exact, of the last record;
    `clock` what time it is in the log; `beside_slice_s` how long it took to look ahead at what
    the last tick does to others than the blocks that come along with it.
    """

    def __init__(
        self, store: Store, identities: LiveIdentities, feed: PendingFeed, figures: Figures
    ) -> None:
        self._store = store
        self.identities = identities
        self.standing: Standing | None = None
        self.aging = Aging()
        self.clock: LogInstant | None = None
        self._feed = feed
        self._figures = figures
        self.lagging = Lagging()
        self._ahead: tuple[int, list[Passed | None]] | None = None
        self.beside_slice_s = 0.0

    def look_ahead(
        self, logged: Logged, in_force: ModelInForce | None, check: Callable[[], None]
    ) -> None:
        """Finds what the next record, a tick, will do; the visible state is the one before it.
        `check` is called before each block; what it raises ends the search."""

        def each(block: int) -> bool:
            failpoint("apply.before_block")
            check()
            return True

        self.beside_slice_s = 0.0
        if in_force is not None:
            state = self._store.glance()
            found: list[Passed | None] = []
            for span in self._spans(logged, state.row_count, each):
                began_s = time.monotonic()
                found.append(in_force.segments.look_ahead(state, span))
                if not span.is_slice:
                    self.beside_slice_s += time.monotonic() - began_s
            self._ahead = logged.sequence, found

    def _spans(
        self, logged: Logged, row_count: int, absorbs: Callable[[int], bool] | None
    ) -> list[Span]:
        assert logged.before_us is not None
        return self.lagging.spans(
            logged.before_us, logged.instant_us, logged.step, row_count, absorbs
        )

    def apply(
        self,
        logged: Logged,
        in_force: ModelInForce | None,
        absorbs: Callable[[int], bool] | None = None,
        *,
        with_feed: bool = True,
        first: int | None = None,
    ) -> None:
        """Makes a record visible, or all from the `first` on, which it then stands for.

        `absorbs` says of a block whether it takes the record (all do where None); with
        `with_feed` unset the feed has the record's transitions already.
        """
        sequence = logged.sequence
        failpoint("apply.before_block")
        with self._store.mutation(sequence, first=first) as mutation:
            if logged.is_tick:
                self._tick(mutation, logged, in_force, absorbs, with_feed=with_feed)
            else:
                self._update(mutation, logged, in_force, absorbs, with_feed=with_feed)
            failpoint("apply.before_publish")
            self._store.publish(mutation, is_tick=logged.is_tick)
        if in_force is not None:
            in_force.resolver.applied(sequence)
        self.identities.settle(sequence)
        self._figures.add(records_applied=1 if first is None else sequence - first + 1)
        failpoint("apply.after_publish")

    def _update(
        self,
        mutation: Mutation,
        logged: Logged,
        in_force: ModelInForce | None,
        absorbs: Callable[[int], bool] | None,
        *,
        with_feed: bool,
    ) -> None:
        row_count, touched = mutation.snapshot.row_count, None
        brought: Sequence[BroughtEvents] = ()
        if logged.update is not None:
            wanted = frozenset[int]() if in_force is None else in_force.segments.events_wanted
            applied = apply_update(mutation, logged.update, absorbs, wanted, logged.instant_us)
            row_count, touched, brought = applied.row_count, applied.touched, applied.brought
        candidate = mutation.candidate(row_count)
        if self.standing is not None:
            self.standing = replace(self.standing, data_version=logged.sequence)
        if touched is not None and in_force is not None:
            segments, update = in_force.segments, logged.update
            assert update is not None
            change = segments.update(
                candidate,
                touched,
                logged.instant_us,
                brought=brought,
                removed=removed_tags(candidate, update, absorbs) if segments.has_facts else {},
                write=_fact_writer(mutation, row_count),
            )
            BlockWriter(mutation).write_moves(change.moves)
            write_points(mutation, change.points)
            write_names(mutation, change.names)
            if with_feed:
                transitions = tuple(change.transitions)
                self._feed.add(logged.sequence, logged.instant_us, Cause.UPDATE, transitions)
            self._figures.add(rows_evaluated=change.rows_evaluated)
            self._stand(in_force, logged)

    def _tick(
        self,
        mutation: Mutation,
        logged: Logged,
        in_force: ModelInForce | None,
        absorbs: Callable[[int], bool] | None,
        *,
        with_feed: bool,
    ) -> None:
        ahead, self._ahead = self._ahead, None
        assert logged.before_us is not None
        self.clock = LogInstant(logged.sequence, logged.before_us, logged.instant_us)
        if in_force is not None and absorbs is None and logged.step is None:
            # What is applied again after a kill is let go of by a tick to come, and what some lag
            # behind, too.
            self.aging.tick(mutation, in_force.model, logged.instant_us)
        row_count = mutation.snapshot.row_count
        mutation.candidate(row_count)
        self._figures.add(ticks=1, tick_slices=logged.step is not None)
        spans = self._spans(logged, row_count, absorbs)
        change = None
        if in_force is not None:
            change = in_force.segments.advance(
                mutation.snapshot,
                spans,
                ahead=ahead[1] if ahead is not None and ahead[0] == logged.sequence else (),
                write=_fact_writer(mutation, row_count),
            )
        self.lagging.take(logged.sequence, logged.instant_us, logged.step)
        if in_force is None or change is None:
            return
        BlockWriter(mutation).write_moves(change.moves)
        if any(span.is_slice for span in spans):
            failpoint("apply.in_slice")
        write_points(mutation, change.points)
        write_names(mutation, change.names)
        if with_feed:
            self._feed.add_flips(
                logged.sequence, logged.instant_us, change.definitions, change.flips
            )
        self._figures.add(
            rows_evaluated=change.rows_evaluated,
            tick_rows_evaluated=change.rows_evaluated,
            tick_blocks_read=change.blocks_read,
        )
        self._stand(in_force, logged)

    def _stand(self, in_force: ModelInForce, logged: Logged) -> None:
        if in_force.segments.moving:
            due_us = in_force.segments.earliest()
            self.standing = Standing(logged.sequence, logged.instant_us, due_us)


def _fact_writer(mutation: Mutation, row_count: int) -> FactWriter:
    """Lays facts over the state of a mutation, which is then a candidate again."""

    def write(facts: Sequence[FactEvents]) -> tuple[Snapshot, Mapping[int, NDArray[np.uint32]]]:
        written = write_facts(mutation, facts)
        failpoint("apply.after_facts")
        return mutation.candidate(row_count), written

    return write
