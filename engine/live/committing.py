"""Group commits: from batches that wait to acknowledgements, in one sync.

0. Where stored segments move with time, the clock comes first: a tick to the instant at which the
   batches are logged, so that they are judged at it and not at that of the tick before.
1. Each batch, in order: leave out what its partition has made durable before, validate, resolve
   its identities, and add it to the log. What is wrong with one batch is that batch's alone.
2. Add the feed records of what has become visible since the last commit.
3. Save some of the blocks that have been dirty for longest, and of what else must be saved
   before the log can be trimmed: as many as keep the log short, or all where batches have stopped,
   but no more bytes than keep the commit near its target time. While somebody waits for the commit,
   only what can no longer be left to one for which nobody does (`has_due`); such a one saves one
   block, as whoever comes meanwhile waits for it. Where these come again and again, they catch up
   with what a full load has left, and nobody waits for that.
4. Commit. Then, and only then: acknowledge, and let the feed be seen.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.errors import EngineError, InputInvalid, StoreUnwritable
from engine.failpoints import failpoint
from engine.identity.live import LiveIdentities
from engine.limits import (
    COMMIT_TARGET_S,
    FEED_KEPT_US,
    FEED_TRIM_RECORDS,
    FEED_TRIM_S,
    LAG_MOST_US,
    LOG_KEPT_BYTES,
    LOG_KEPT_RECORDS,
    POSITIONS_FEW,
    POSITIONS_LAG,
    SAVE_CAUGHT_UP_SHARE,
    SAVE_LATE_SHARE,
    SAVE_SLICE_BYTES,
    SAVE_SLICE_LEAST_BYTES,
)
from engine.live.batch import ProfileBatch
from engine.live.feed_record import instant_of
from engine.live.figures import Figures
from engine.live.lagging import Lag, LagStep, rows_of
from engine.live.log_clock import LogClock
from engine.live.log_entry import LogEntry, Tick, pack_entry, pack_tick
from engine.live.log_record import pack_update
from engine.live.pending_feed import PendingFeed
from engine.live.position_table import PositionTable
from engine.live.positions import IngestAck, Position
from engine.live.resolving import Resolver
from engine.live.update import ProfileUpdate
from engine.store.store import Store, Writer

__all__ = ["Committer", "Logged", "Submission", "with_rows"]

# Who gives the set values of a batch that names neither a giver nor a source.
NOBODY = "ingest"


@dataclass(frozen=True, slots=True, eq=False)
class Submission:
    """A batch that waits to be logged, and where its acknowledgement goes.

    Where the batch that it comes `after` was not taken, it is not taken either. `source` is whose
    the ids of events are; '' stands for the position's, and without one for the giver.
    """

    batch: ProfileBatch
    position: Position | None
    giver: str
    after: Future[IngestAck] | None = None
    source: str = ""
    answer: Future[IngestAck] = field(default_factory=Future)

    def __post_init__(self) -> None:
        # What is in line is carried out, whoever loses interest in the answer.
        if not self.answer.running():
            self.answer.set_running_or_notify_cancel()

    def succeed(self, ack: IngestAck) -> None:
        """Answers that the batch is durable."""
        if not self.answer.done():
            self.answer.set_result(ack)

    def fail(self, error: BaseException) -> None:
        """Answers with an error."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(frozen=True, slots=True)
class Logged:
    """A durable record of the log, to be applied. `before_us` is that of a tick, and `step` that of
    one in slices."""

    sequence: int
    instant_us: int
    update: ProfileUpdate | None
    before_us: int | None = None
    step: LagStep | None = None

    @property
    def is_tick(self) -> bool:
        """Whether the clock moves and nothing else happens."""
        return self.before_us is not None


class Committer:
    """Makes group commits; used by one thread."""

    def __init__(
        self,
        store: Store,
        identities: LiveIdentities,
        positions: PositionTable,
        feed: PendingFeed,
        figures: Figures,
        clock: LogClock,
    ) -> None:
        self.clock = clock
        self._store = store
        self.identities = identities
        self._positions = positions
        self._feed = feed
        self._figures = figures
        self.feed_kept_us = FEED_KEPT_US
        self._next_trim_s = 0.0
        # The sequence and the instant of a record of the feed: the first, once that was looked at.
        self._oldest_fed = 0, 0
        self._slice_bytes = SAVE_SLICE_BYTES
        # How many blocks have become due to be saved, and will be after the commit under way.
        self._due = self._still_due = 0.0
        # Whether so much was left to be saved that no commit leaves it to another.
        self._is_late = False
        self._saved_positions = False
        self._writer: Writer | None = None

    @property
    def unsaved_since(self) -> tuple[int | None, int | None]:
        """Since which record of the log identities and positions are not saved; None: they are."""
        return self.identities.dirty_since, self._positions.dirty_since

    @property
    def has_due(self) -> bool:
        """Whether a block is due to be saved: a commit for that alone delays nobody's."""
        return self._due >= 1

    def intern(self, dictionary: int, strings: Strings) -> NDArray[np.uint32]:
        """Codes of strings, new ones given by the commit under way; for its resolver."""
        assert self._writer is not None, "nothing is resolved outside a commit"
        return self._writer.intern(dictionary, strings)

    def commit(
        self,
        submissions: Sequence[Submission],
        resolver: Resolver | None,
        *,
        save_more: bool = False,
        tick: bool = False,
        through_us: int | None = None,
        still_until_us: int | None = None,
        blocks: int = 0,
    ) -> list[Logged]:
        """Makes one commit; every submission is answered when it returns.

        With `save_more` it saves what it can and not only what is due; with `tick` the clock
        moves to now first, or no further than `through_us`. With `still_until_us`, an instant up to
        which nobody is due, this is the first slice of a tick; a slice takes so many `blocks`.
        Returns what was logged, in order. Raises StoreUnwritable where nothing was kept; the
        submissions are then answered with it, too.
        """
        before = self._store.root.data_version
        taken: list[tuple[Submission, IngestAck]] = []
        logged: list[Logged] = []
        try:
            with self._store.write_group() as writer:
                self._writer = writer
                instant_us = self.clock.instant(through_us)
                if tick and still_until_us is not None and self.clock.lag is None:
                    self._tick(writer, min(still_until_us, instant_us), logged)
                    self._begin_lag(instant_us)
                if tick:
                    self._tick(writer, instant_us, logged, blocks)
                ticks = len(logged)
                for submission in submissions:
                    failpoint("ingest.before_resolve")
                    self._take(submission, writer, resolver, instant_us, taken, logged)
                _bring_up(logged, ticks)
                through, saved_bytes = self._save(writer, save_more=save_more, alone=not logged)
                failpoint("log.before_commit")
                started = time.monotonic()
        except BaseException as error:
            self._undo(before, resolver)
            refusal = _as_refusal(error)
            for submission in submissions:
                submission.fail(refusal)
            if refusal is error:
                raise
            raise refusal from error
        self._settle(before, through)
        failpoint("log.after_commit")
        self._adapt(time.monotonic() - started, saved_bytes)
        self._figures.add(commits=1, batches=len(taken), saved_bytes=saved_bytes)
        for submission, ack in taken:
            submission.succeed(ack)
        return logged

    def _tick(self, writer: Writer, instant_us: int, logged: list[Logged], blocks: int = 0) -> None:
        """Moves the clock, where it moves at all, and some of the blocks that lag behind it."""
        before_us, lag, step = self.clock.logged_us, self.clock.lag, None
        if lag is not None:
            next_ = min(lag.first + blocks, lag.end)
            step = LagStep(lag.since_us, lag.first, next_, lag.end)
        if before_us < instant_us or step is not None:
            sequence = writer.log(pack_tick(Tick(before_us, instant_us, step)))
            self.clock.set(writer, instant_us, None if step is None else step.left)
            logged.append(Logged(sequence, instant_us, None, before_us, step))

    def _begin_lag(self, instant_us: int) -> None:
        """All blocks lag behind the tick to come, if it does not go far."""
        before_us, block_count = self.clock.logged_us, self._store.glance().block_count
        if before_us < instant_us <= before_us + LAG_MOST_US and block_count > 1:
            self.clock.lag = Lag(before_us, 0, block_count)

    # ------------------------------------------------------------------------- batches

    def _take(
        self,
        submission: Submission,
        writer: Writer,
        resolver: Resolver | None,
        instant_us: int,
        taken: list[tuple[Submission, IngestAck]],
        logged: list[Logged],
    ) -> None:
        """Adds one batch to the log, or answers why not."""
        batch, position = submission.batch, submission.position
        try:
            _require_taken(submission.after)
            if resolver is None:
                raise InputInvalid(
                    "The store has no model yet, so no name means anything; apply a model first "
                    "(strata apply MODEL)."
                )
            active = None
            if position is not None:
                position.check(batch.count)
                active = np.zeros(batch.count, np.bool_)
                active[self._positions.fresh(position)] = True
            source = "" if position is None else position.source
            giver = submission.giver or (NOBODY if position is None else source)
            whose = submission.source or source or giver
            resolved = resolver.resolve(
                batch, giver, writer.next_sequence, active, source=whose, now_us=instant_us
            )
        except EngineError as error:
            submission.fail(error)
            return
        mark = None if position is None else self._positions.advance(position)
        if resolved.update is not None or mark is not None:
            failpoint("log.before_write")
            packed = b"" if resolved.update is None else pack_update(resolved.update)
            sequence = writer.log(pack_entry(LogEntry(instant_us, mark, packed)))
            logged.append(Logged(sequence, instant_us, resolved.update))
        ack = IngestAck(
            offset=writer.next_sequence - 1,
            accepted=resolved.accepted,
            duplicates=0 if active is None else batch.count - int(np.count_nonzero(active)),
            created=resolved.created,
            blocked=resolved.blocked,
            refused=tuple(resolved.refused),
        )
        taken.append((submission, ack))

    # --------------------------------------------------------------------- feed, saving

    def _put_feed(self, writer: Writer) -> int:
        """Adds the feed records of all that is visible; the record up to which that is."""
        through = writer.snapshot.data_version
        records = self._feed.records(through, self._store.root.feed_last)
        if records:
            failpoint("feed.before_write")
        for sequence, payload in records:
            writer.put_feed(sequence, payload)
        writer.set_feed_through(through)
        return through

    def _trim_feed(self, writer: Writer) -> None:
        """Removes, now and then, the feed records that have been kept for long enough; the last
        one stays, so that the feed never seems never to have been."""
        now = time.monotonic()
        if now < self._next_trim_s:
            return
        self._next_trim_s = now + FEED_TRIM_S
        oldest_us = self.clock.now() - self.feed_kept_us
        feed = self._store.feed()
        # Read once: the first record of a store is large, that of all who came to be in a segment.
        first, instant_us = self._oldest_fed
        if first == feed.first and instant_us >= oldest_us:
            return
        kept = 0
        for record in itertools.islice(feed.read(), FEED_TRIM_RECORDS):
            kept, instant_us = record.sequence, instant_of(record.payload)
            if instant_us >= oldest_us:
                break
        self._oldest_fed = kept, instant_us
        if kept > feed.first:
            failpoint("trim.before_write")
            writer.trim_feed(kept)

    def _save(self, writer: Writer, *, save_more: bool, alone: bool) -> tuple[int, int]:
        """Adds the feed of all that is visible, and saves what has waited longest: the record up
        to which the feed is then complete, and bytes that were saved. `alone`: no batch waits."""
        writer.catch_up()
        self._still_due = self._due_by_now(writer)
        # Who waits for the acknowledgement, or to be told, is not to wait for blocks, too.
        alone &= not self._feed.is_ready(writer.snapshot.data_version)
        self._is_late = not alone and self._stays_late(writer)
        must = save_more or self._is_late
        may = alone and self._still_due >= 1
        with writer.resting(wait=must) if must or may else nullcontext(False) as rests:
            # A saved block never runs ahead of the feed.
            through = self._put_feed(writer)
            # Whoever comes meanwhile waits for it.
            most = None if save_more else 1 if alone else int(self._still_due)
            given = self._save_blocks(writer, most) if rests else 0
        self._trim_feed(writer)
        # A new store's key has to be durable before anything is known by it.
        room = max(self._slice_bytes - given, 0) if self.identities.dirty_since else 0
        given += self.identities.save_slice(writer, room)
        self._save_positions(writer, save_more=save_more)
        return through, given

    def _save_blocks(self, writer: Writer, most: int | None) -> int:
        """Saves at most so many blocks, or all that are dirty, up to a slice; bytes of them."""
        wanted = list(writer.snapshot.version.overlay.dirty)[:most]
        if wanted:
            failpoint("save.before_write")
        given = saved = 0
        for block in wanted:
            if given >= self._slice_bytes:
                break
            given += writer.save_block(block)
            saved += 1
        self._still_due = max(self._still_due - saved, 0.0)
        return given

    def _due_by_now(self, writer: Writer) -> float:
        """How many blocks have become due to be saved, with those that the batches of this commit
        make due."""
        dirty = len(writer.snapshot.version.overlay.dirty)
        logged = writer.logged_bytes / LOG_KEPT_BYTES + writer.logged_records / LOG_KEPT_RECORDS
        return min(self._due + logged * dirty, dirty)

    def _stays_late(self, writer: Writer) -> bool:
        """Whether so many blocks are due that this commit has to save some."""
        dirty = len(writer.snapshot.version.overlay.dirty)
        share = SAVE_CAUGHT_UP_SHARE if self._is_late else SAVE_LATE_SHARE
        return self._still_due >= max(share * dirty, 1)

    def _save_positions(self, writer: Writer, *, save_more: bool) -> None:
        """Saves the positions where they alone hold the log, or lack too much of it."""
        since = self._positions.dirty_since
        self._saved_positions = False
        if since is None:
            return
        count = self._positions.count
        lags = writer.next_sequence - since > max(POSITIONS_LAG, count)
        held = [self.identities.dirty_since, *writer.unsaved_since()]
        oldest = min((sequence for sequence in held if sequence is not None), default=since)
        if lags or (since <= oldest and (save_more or count <= POSITIONS_FEW)):
            self._positions.save(writer, self._store.root.data_version)
            self._saved_positions = True

    def _adapt(self, seconds: float, saved_bytes: int) -> None:
        """Keeps commits that save near their target time."""
        if saved_bytes and seconds > 1.5 * COMMIT_TARGET_S:
            self._slice_bytes = max(self._slice_bytes // 2, SAVE_SLICE_LEAST_BYTES)
        elif seconds < COMMIT_TARGET_S:
            self._slice_bytes = min(self._slice_bytes * 5 // 4, SAVE_SLICE_BYTES)

    # --------------------------------------------------------------------------- after

    def _settle(self, before: int, through: int) -> None:
        self._writer = None
        self.clock.settle()
        self._due = self._still_due
        self.identities.saved(self._store.newest())
        # What was saved lacks the batches of this commit, which are dirty from here on.
        if self._saved_positions:
            self._positions.saved(before)
        self._positions.settle(before + 1)
        self._feed.written(through)

    def _undo(self, before: int, resolver: Resolver | None) -> None:
        self._writer = None
        self.clock.undo()
        self.identities.forget_after(before)
        self._positions.forget()
        if resolver is not None:
            resolver.forget_after(before)


def _bring_up(logged: list[Logged], ticks: int) -> None:
    """The last of some ticks brings up what the batches behind it write to."""
    if ticks and ticks < len(logged):
        tick = logged[ticks - 1]
        if tick.step is not None:
            logged[ticks - 1] = with_rows(tick, logged[ticks:])


def with_rows(tick: Logged, batches: Iterable[Logged]) -> Logged:
    """A tick in slices, with the rows of the batches behind it whose blocks lag."""
    assert tick.step is not None, "nobody lags"
    rows = tick.step.lagging(rows_of(one.update for one in batches if one.update is not None))
    return replace(tick, step=replace(tick.step, rows=rows))


def _require_taken(before: Future[IngestAck] | None) -> None:
    """Raises what the batch before was refused with; it may be of the commit under way."""
    if before is not None and before.done():
        before.result()


def _as_refusal(error: BaseException) -> EngineError:
    """What submitters are told: nothing of theirs was kept."""
    if isinstance(error, EngineError):
        return error
    return StoreUnwritable(f"Nothing of the batch was kept, because the store failed: {error}.")
