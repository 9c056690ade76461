"""From a durable record of the log to the next visible version.

1. Write the update into the state before, or into copies (engine.live.applying).
2. Judge the rows it touched by the segments that read what it changed (engine.live.segments),
   and write who entered and left.
3. Leave what entered and left where the next commit finds it, too; then publish everything at
   once.

The order in 3 matters: whoever saves the blocks of a version also finds the feed of it, so a
saved block never runs ahead of the feed.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.failpoints import failpoint
from engine.identity.live import LiveIdentities
from engine.live.applying import apply_update
from engine.live.block_writer import BlockWriter
from engine.live.change import Cause
from engine.live.committing import Logged
from engine.live.figures import Figures
from engine.live.model_in_force import ModelInForce
from engine.live.pending_feed import PendingFeed
from engine.store.store import Store

__all__ = ["Applier"]


class Applier:
    """Applies records in their order; used by one thread at a time."""

    def __init__(
        self, store: Store, identities: LiveIdentities, feed: PendingFeed, figures: Figures
    ) -> None:
        self._store = store
        self.identities = identities
        self._feed = feed
        self._figures = figures

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
            row_count, touched = mutation.snapshot.row_count, None
            if logged.update is not None:
                applied = apply_update(mutation, logged.update, absorbs)
                row_count, touched = applied.row_count, applied.touched
            candidate = mutation.candidate(row_count)
            if touched is not None and in_force is not None:
                change = in_force.segments.update(candidate, touched)
                BlockWriter(mutation).write_moves(change.moves)
                if with_feed:
                    transitions = tuple(change.transitions)
                    self._feed.add(sequence, logged.instant_us, Cause.UPDATE, transitions)
                self._figures.add(rows_evaluated=change.rows_evaluated)
            failpoint("apply.before_publish")
            self._store.publish(mutation)
        if in_force is not None:
            in_force.resolver.applied(sequence)
        self.identities.settle(sequence)
        self._figures.add(records_applied=1)
        failpoint("apply.after_publish")
