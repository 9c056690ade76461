"""From a durable record of the log to the next visible version.

1. Write the update into the state before, or into copies (engine.live.applying).
2. Judge the rows it touched by the segments that read what it changed (engine.live.segments),
   and write who entered and left.
3. Leave what entered and left where the next commit finds it, too; then publish everything at
   once.

The order in 3 matters: whoever saves the blocks of a version also finds the feed of it, so a
saved block never runs ahead of the feed.

A tick of the clock writes nothing of its own. What it does to segments is found from the state
before it, which takes the longer the more time has passed; so it can be found ahead, while
readers go on (`look_ahead`), and only its outcome is written in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine.failpoints import failpoint
from engine.identity.live import LiveIdentities
from engine.live.applying import apply_update
from engine.live.block_writer import BlockWriter
from engine.live.change import Cause
from engine.live.committing import Logged
from engine.live.figures import Figures
from engine.live.model_in_force import ModelInForce
from engine.live.pending_feed import PendingFeed
from engine.live.segments import TimeChange
from engine.live.standing import Standing
from engine.store.mutation import Mutation
from engine.store.snapshot import Snapshot
from engine.store.store import Store

__all__ = ["Applier"]


class Applier:
    """Applies records in their order; used by one thread at a time.

    `standing` says when the stored members of moving segments are exact, of the last record.
    """

    def __init__(
        self, store: Store, identities: LiveIdentities, feed: PendingFeed, figures: Figures
    ) -> None:
        self._store = store
        self.identities = identities
        self.standing: Standing | None = None
        self._feed = feed
        self._figures = figures
        self._ahead: tuple[int, TimeChange | None] | None = None

    def look_ahead(self, logged: Logged, in_force: ModelInForce | None) -> None:
        """Finds what the next record, a tick, will do; the visible state is the one before it."""
        self._ahead = logged.sequence, self._passed(self._store.glance(), logged, in_force)

    def apply(
        self,
        logged: Logged,
        in_force: ModelInForce | None,
        absorbs: Callable[[int], bool] | None = None,
        *,
        with_feed: bool = True,
    ) -> None:
        """Makes a record visible.

        `absorbs` says of a block whether it takes the record (all do where None); with
        `with_feed` unset the feed has the record's transitions already.
        """
        sequence = logged.sequence
        failpoint("apply.before_block")
        with self._store.mutation(sequence) as mutation:
            if logged.is_tick:
                self._tick(mutation, logged, in_force, absorbs, with_feed=with_feed)
            else:
                self._update(mutation, logged, in_force, absorbs, with_feed=with_feed)
            failpoint("apply.before_publish")
            self._store.publish(mutation, is_tick=logged.is_tick)
        if in_force is not None:
            in_force.resolver.applied(sequence)
        self.identities.settle(sequence)
        self._figures.add(records_applied=1)
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
        if logged.update is not None:
            applied = apply_update(mutation, logged.update, absorbs)
            row_count, touched = applied.row_count, applied.touched
        candidate = mutation.candidate(row_count)
        if self.standing is not None:
            self.standing = replace(self.standing, data_version=logged.sequence)
        if touched is not None and in_force is not None:
            change = in_force.segments.update(candidate, touched, logged.instant_us)
            BlockWriter(mutation).write_moves(change.moves)
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
        if ahead is not None and ahead[0] == logged.sequence:
            change = ahead[1]
        else:
            change = self._passed(mutation.snapshot, logged, in_force, absorbs)
        mutation.candidate(mutation.snapshot.row_count)
        self._figures.add(ticks=1)
        if change is None or in_force is None:
            return
        BlockWriter(mutation).write_moves(change.moves)
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

    def _passed(
        self,
        snapshot: Snapshot,
        logged: Logged,
        in_force: ModelInForce | None,
        absorbs: Callable[[int], bool] | None = None,
    ) -> TimeChange | None:
        if in_force is None:
            return None
        assert logged.before_us is not None
        segments = in_force.segments
        return segments.advance(snapshot, logged.before_us, logged.instant_us, absorbs)

    def _stand(self, in_force: ModelInForce, logged: Logged) -> None:
        if in_force.segments.moving:
            due_us = in_force.segments.earliest()
            self.standing = Standing(logged.sequence, logged.instant_us, due_us)
