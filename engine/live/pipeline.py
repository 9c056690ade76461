"""Two threads between a batch and its visibility.

    submit -> [queue] -> commit thread: log, fsync, acknowledge -> [queue] -> apply thread: visible

1. The commit thread takes whatever waits and makes one group commit of it. With nothing to log
   it still commits while there is anything to tell; once batches have stopped, it saves until the
   log is empty. Where stored segments move with time, each group begins with a tick of the clock,
   and a tick that somebody wants (`tick`) makes a group of its own. A clock that is far behind is
   brought up in slices of time (`engine.live.time_slices`), for which batches wait, too.
2. The apply thread makes each record visible, in order, while the next commit is under way.
3. An edit (a new model, an uploaded list, a bulk load) is made by its caller while the pipeline
   is *drained*: everything logged is visible, and its feed durable. Batches wait meanwhile.
4. When the store takes no more writes, or a record cannot be applied, the pipeline stops for
   good: what waits and what comes is refused with the reason, and reads go on.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator

from engine.errors import EngineError, Overloaded, StoreUnwritable
from engine.limits import (
    APPLY_QUEUE_BATCHES,
    CLOSING_TICK_S,
    GROUP_BATCHES,
    IDLE_SAVE_S,
    INGEST_QUEUE_BATCHES,
    QUIET_S,
)
from engine.live.applier import Applier
from engine.live.committing import Committer, Logged, Submission
from engine.live.due_time import DueTime, moves_with_time
from engine.live.lagging import BlockSlices
from engine.live.model_in_force import ModelInForce
from engine.live.partition_order import PartitionOrder
from engine.live.pending_feed import PendingFeed
from engine.live.watermark import Watermark
from engine.store.store import Store

__all__ = ["Pipeline"]

_LOG = logging.getLogger("strata.engine")

# How long a commit that was refused waits before it is tried again.
RETRY_S = 0.5

# How long a commit waits of which the one before had nothing to do.
FRUITLESS_S = 0.5

CANNOT_COMMIT = "Nothing can be written at the moment; see the log for the reason, and try again."

STILL_BEHIND = (
    "The store was closed before it had caught up with the time that had passed; nothing was kept. "
    "Send it again once the store is open."
)

# What a refused caller is told to wait: a few commits.
RETRY_AFTER_MS = 100


class _Abandoned(Exception):
    """The store is being closed, and what a tick does was not found yet."""


class Pipeline:
    """The threads of one open store. `submit` and `drained` may be called from any thread."""

    def __init__(
        self,
        store: Store,
        committer: Committer,
        applier: Applier,
        feed: PendingFeed,
        in_force: ModelInForce | None,
        start_over: Callable[[], None],
    ) -> None:
        self._start_over = start_over
        self._store = store
        self._committer = committer
        self._applier = applier
        self._feed = feed
        self.in_force = in_force
        root = store.root
        self.visible = Watermark(store.glance().data_version)
        self.told = Watermark(root.feed_through)
        # Guards everything below; notified at every change of it.
        self._changed = threading.Condition()
        self._waiting: deque[Submission] = deque()
        self._under_way: list[Submission] = []
        self._partitions = PartitionOrder()
        self._logged: deque[Logged] = deque()
        self._committing = self._applying = False
        # Whether it is found what the record that is applied does, so that it is only written.
        self._is_found = False
        # Whether the last commit was refused, as by a full disk; nothing of it was kept.
        self._cannot_commit = False
        self._draining = self._checkpoints = 0
        self._wants_tick = False
        self._time = DueTime(committer.clock, applier)
        self._block_slices = BlockSlices()
        # How long everything took to apply since blocks came along last.
        self._others_s = 0.0
        # Whether the thread that commits has ended.
        self._is_all_logged = False
        # Whether the last tick took blocks along that lagged.
        self._took_blocks = False
        # What there was to save when a commit last saved nothing of it.
        self._fruitless: tuple[object, ...] = ()
        # How many were asked for, and how many of these are visible; and what of them is logged, up
        # to which record.
        self._ticks_asked = self._ticks_done = 0
        self._ticks_under_way: deque[tuple[int, int]] = deque()
        # From when on no batch has come for a while.
        self._quiet_from_s = 0.0
        self._closing = self._abandoned = False
        self._closing_s = 0.0
        self._failure = ""
        self._failure_listeners: list[Callable[[], None]] = []
        self._one_edit = threading.Lock()
        self._commit_thread = threading.Thread(target=self._run_commits, name="commit", daemon=True)
        self._threads = [
            self._commit_thread,
            threading.Thread(target=self._run_applies, name="apply", daemon=True),
        ]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    @property
    def failure(self) -> str:
        """Why nothing more is written, or ''."""
        return self._failure or self._store.failure

    def refuse(self, failure: str) -> None:
        """Takes no writes from the beginning."""
        self._failure = failure

    @property
    def is_over(self) -> bool:
        """Whether nothing that is not visible yet ever will be."""
        return bool(self.failure) or (self._closing and self._is_idle())

    def on_failure(self, listener: Callable[[], None]) -> None:
        """Calls `listener` once when the pipeline stops for good, at once where it has."""
        with self._changed:
            if not self.failure:
                self._failure_listeners.append(listener)
                return
        listener()

    def submit(self, submission: Submission, *, wait: bool = False) -> None:
        """Puts a batch in line. Where the line is full, waits for its turn or raises Overloaded.

        Raises StoreUnwritable once the pipeline has stopped, and for a store open for reading.
        """
        self._require_writable()
        with self._changed:
            while wait and len(self._waiting) >= INGEST_QUEUE_BATCHES and not self._is_over():
                self._changed.wait()
            if self._is_over():
                raise StoreUnwritable(self.failure or "The store is closed; nothing was kept.")
            if len(self._waiting) >= INGEST_QUEUE_BATCHES:
                raise Overloaded(
                    f"{len(self._waiting)} batches wait to be logged already; send this one "
                    "again a little later.",
                    retry_after_ms=RETRY_AFTER_MS,
                )
            self._waiting.append(self._partitions.behind(submission))
            self._quiet_from_s = time.monotonic() + QUIET_S
            self._changed.notify_all()

    @contextlib.contextmanager
    def drained(self) -> Iterator[None]:
        """Nothing is logged, applied or saved inside; everything logged before is visible.

        Raises StoreUnwritable once the pipeline has stopped.
        """
        with self._one_edit:
            with self._changed:
                self._draining += 1
                self._changed.notify_all()
                while not self._is_drained() and not self._is_over() and not self._is_stuck():
                    self._changed.wait()
                if self._is_over() or not self._is_drained():
                    self._draining -= 1
                    closed = "The store is closed." if self._closing else CANNOT_COMMIT
                    raise StoreUnwritable(self.failure or closed)
            try:
                yield
            except BaseException as error:
                if self._store.failure:
                    self.stop(error)
                raise
            finally:
                with self._changed:
                    self._draining -= 1
                    self._changed.notify_all()

    def checkpoint(self) -> None:
        """Waits until everything that is visible now is saved. Raises StoreUnwritable."""
        self._require_writable()
        wanted = self._store.root.data_version
        with self._changed:
            self._checkpoints += 1
            self._changed.notify_all()
            try:
                while not self._is_over() and not self._is_saved(wanted):
                    self._changed.wait(IDLE_SAVE_S)
                    if self._cannot_commit:
                        raise StoreUnwritable(CANNOT_COMMIT)
            finally:
                self._checkpoints -= 1
            if self._is_over() and not self._is_saved(wanted):
                raise StoreUnwritable(self.failure or "The store is closed.")

    def tick(self, *, force: bool = False, wait: bool = True) -> None:
        """Moves the clock of the state to now, where stored segments move with time and somebody
        is due in one of them; with `force`, also where nobody is.

        Waits until what has happened is visible, or cannot be written; or else only asks for it.
        Does nothing on a store that takes no writes.
        """
        if self._store.read_only:
            return
        is_wanted = force or self.is_due
        with self._changed:
            if not moves_with_time(self.in_force) or self._is_over():
                return
            if is_wanted:
                self._wants_tick = True
                self._ticks_asked += 1
                self._changed.notify_all()
            asked = self._ticks_asked
            # Nobody is due either while a tick that was carried out is not visible yet.
            logged = self._ticks_under_way[-1][1] if self._ticks_under_way else 0
            # Others may go on writing, so that there is always something that is not visible yet.
            while (
                wait
                and not self._is_over()
                and (self._ticks_done < asked if is_wanted else self._is_under_way(logged))
            ):
                self._changed.wait()

    @property
    def is_due(self) -> bool:
        """Whether somebody may have entered or left a segment since the clock moved last."""
        return self._time.is_due(self.in_force)

    @property
    def behind_us(self) -> int:
        """How much time the clock of the state has to make up for, where that is more than for one
        tick; 0 where it is not, or nothing moves with it."""
        return self._time.behind_us(self.in_force)

    def close(self) -> None:
        """Logs, applies and saves what waits, then ends the threads. What waits for a clock that
        is far behind is refused: to catch up may take long."""
        refused: list[Submission] = []
        with self._changed:
            self._closing, self._closing_s = True, time.monotonic()
            self._wants_tick = False
            if self.behind_us:
                refused.extend(self._waiting)
                self._waiting.clear()
            self._changed.notify_all()
        for submission in refused:
            submission.fail(StoreUnwritable(STILL_BEHIND))
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self.visible.wake()
        self.told.wake()

    # -------------------------------------------------------------------------- states

    def _require_writable(self) -> None:
        if self._store.read_only:
            raise StoreUnwritable(
                f"The store at {self._store.path} is open for reading only. Open it for writing."
            )

    def _is_over(self) -> bool:
        return self._closing or bool(self._failure)

    def _is_saved(self, sequence: int) -> bool:
        """Whether the log is not needed up to a record."""
        return self._store.root.log_first > sequence

    def _is_idle(self) -> bool:
        """Whether everything logged is visible."""
        return not (self._logged or self._applying or self._committing)

    def _is_stuck(self) -> bool:
        return self._cannot_commit and self._is_idle()

    def _is_drained(self) -> bool:
        return self._is_idle() and not self._feed and not self._lags

    @property
    def _lags(self) -> bool:
        """Whether some blocks lag behind the clock."""
        return self._committer.clock.lag is not None

    def _is_under_way(self, sequence: int) -> bool:
        """Whether some of what was logged up to a record is not visible yet."""
        return bool(self._ticks_under_way) and self._ticks_under_way[0][1] <= sequence

    # ------------------------------------------------------------------------- commits

    def _run_commits(self) -> None:
        try:
            while (batches := self._next_group()) is not None:
                self._commit(batches)
        except BaseException as error:
            self.stop(error)
        with self._changed:
            self._is_all_logged = True
            self._changed.notify_all()

    def _next_group(self) -> list[Submission] | None:
        """What the next commit logs, maybe nothing; None when all is done."""
        with self._changed:
            while not self._failure:
                group = self._group()
                if group is not None:
                    self._committing = True
                    self._changed.notify_all()
                    return group
                if self._closing and self._is_idle() and not self._waiting and self.is_clean:
                    return None
                if self._closing and (self._abandoned or (self._cannot_commit and self._is_idle())):
                    return None  # what is not saved stands in the log
                if self.is_clean or (self._draining and self._is_drained()):
                    self._changed.wait()
                elif not self._changed.wait(self._pause_s()):
                    # Nothing came: save what is left to save, until the log is empty.
                    self._committing = True
                    return []
        return None

    def _group(self) -> list[Submission] | None:
        """The batches that can be logged now; none of them where a feed waits; else None."""
        if (self._is_slice_due or self._lags) and self.behind_us:
            return [] if self._is_idle() and not self._abandoned else None
        if self._waiting and not self._draining and len(self._logged) < APPLY_QUEUE_BATCHES:
            count = min(len(self._waiting), GROUP_BATCHES)
            return [self._waiting.popleft() for _ in range(count)]
        if self._wants_tick and not self._draining and not self._logged:
            return []
        if self._cannot_commit:
            return None
        if self._is_next_slice_due and not self._abandoned:
            return []
        is_free = not (self._logged or self._applying or self._abandoned)
        if self._feed.is_ready(self._store.glance().data_version):
            # The next slice takes it along: a commit of its own takes as much of the processor.
            return None if self._lags and not self._closing else []
        return [] if is_free and not self._draining and self._committer.has_due else None

    @property
    def _is_next_slice_due(self) -> bool:
        """Whether some of the blocks that lag are to come along now: one slice at a time, so that a
        batch that comes meanwhile waits for one and not for two. It is logged while what the one
        before does is written, which takes about as long."""
        is_free = not self._logged and (self._is_found or not self._applying)
        return self._lags and is_free

    @property
    def _is_slice_due(self) -> bool:
        """Whether a clock that is behind is to be brought up."""
        return not self._draining and bool(self._waiting or self._wants_tick)

    def _pause_s(self) -> float:
        """How long to wait for batches before a commit without any."""
        if self._cannot_commit:
            return RETRY_S
        if self._fruitless == self._to_save():
            return FRUITLESS_S
        if self._closing:
            return 0
        quiet_in_s = 0.0 if self._checkpoints else self._quiet_from_s - time.monotonic()
        return max(quiet_in_s, IDLE_SAVE_S)

    def _to_save(self) -> tuple[object, ...]:
        """What decides what a commit without batches has to do."""
        root, snapshot = self._store.root, self._store.glance()
        dirty = len(snapshot.version.overlay.dirty)
        unsaved = self._committer.unsaved_since
        return root.log_first, root.feed_through, snapshot.data_version, dirty, unsaved

    @property
    def is_clean(self) -> bool:
        """Whether everything logged is visible and saved."""
        root = self._store.root
        return root.log_first > root.data_version

    def _commit(self, batches: list[Submission]) -> None:
        resolver = None if self.in_force is None else self.in_force.resolver
        self._under_way = batches
        with self._changed:
            behind_us = 0 if batches else self.behind_us
            wanted = self._wants_tick or bool(batches) or self._is_next_slice_due
            through_us, still_until_us, asked = None, None, self._ticks_asked
            if behind_us:
                # One slice at a time; the rest is left, and with it whoever waits for it.
                is_due = self._is_slice_due or self._lags
                wanted = is_due and not (self._logged or self._applying)
                through_us = self._time.slice_end_us
                asked = self._ticks_done
            else:
                self._wants_tick = False
            tick = wanted and moves_with_time(self.in_force)
            came = not any(logged.step is not None for logged in self._logged)
            if tick and came and not behind_us and self._time.is_much(self.in_force):
                still_until_us = self._time.still_until_us(self._committer.clock.logged_us)
            # What others send is visible after one slice of blocks, and not two.
            blocks = 0 if batches and self._took_blocks else self._block_slices.blocks
            self._took_blocks = blocks > 0
            before = self._to_save()
        try:
            # Between batches it would save what the next one changes again.
            is_quiet = not batches and time.monotonic() >= self._quiet_from_s and not self._lags
            save_more = bool(self._checkpoints) or self._closing or is_quiet
            logged = self._committer.commit(
                batches,
                resolver,
                save_more=save_more,
                tick=tick,
                through_us=through_us,
                still_until_us=still_until_us,
                blocks=blocks,
            )
            failed = False
        except EngineError as error:
            if self._store.failure:
                raise
            logged, failed = [], True
            if not self._cannot_commit:
                _LOG.warning("nothing can be written to %s: %s", self._store.path, error)
            _forget_frames(error)
        refused: list[Submission] = []
        with self._changed:
            self._cannot_commit = failed
            if failed and behind_us:
                # Whoever waits for the clock is told now.
                asked, self._wants_tick = self._ticks_asked, False
                refused.extend(self._waiting)
                self._waiting.clear()
            self._fruitless = before if before == self._to_save() else ()
            self._logged.extend(logged)
            self._committing = False
            if self._lags and not failed:
                # Whoever waits for a tick waits until the last block has come.
                asked = self._ticks_done
            if logged:
                self._ticks_under_way.append((asked, logged[-1].sequence))
            elif failed or self._is_idle():
                self._ticks_done = asked
            elif self._ticks_under_way:
                self._ticks_under_way[-1] = asked, self._ticks_under_way[-1][1]
            self._changed.notify_all()
        for submission in refused:
            submission.fail(StoreUnwritable(CANNOT_COMMIT))
        self.told.advance(self._store.root.feed_through)

    # ------------------------------------------------------------------------- applies

    def _run_applies(self) -> None:
        try:
            while (logged := self._next_logged()) is not None:
                started_s = time.monotonic()
                if logged.is_tick:
                    self._applier.look_ahead(logged, self.in_force, self._check_open)
                    self._take_as_found()
                with self._store.turn() as is_over:
                    self._apply(logged, started_s)
                    # Readers wait anyhow: as much as is there, as long as is fair.
                    while not is_over() and (more := self._next_logged(wait=False)) is not None:
                        self._apply(more, time.monotonic())
        except _Abandoned:
            with self._changed:
                self._abandoned, self._applying = True, False
                self._logged.clear()
                self._changed.notify_all()
        except BaseException as error:
            self.stop(error)
            if self._store.is_torn:
                # Nothing is written any more; reads go on as of the record before.
                self._commit_thread.join()
                self._start_over()

    def _take_as_found(self) -> None:
        with self._changed:
            self._is_found = True
            self._changed.notify_all()

    def _check_open(self) -> None:
        """Raises where nobody waits for a tick any more: it is carried out at the next opening."""
        if self._closing and time.monotonic() > self._closing_s + CLOSING_TICK_S:
            raise _Abandoned

    def _apply(self, logged: Logged, started_s: float) -> None:
        span_us = 0
        if logged.before_us is not None:
            span_us = logged.instant_us - self._time.still_until_us(logged.before_us)
        self._applier.apply(logged, self.in_force)
        seconds = time.monotonic() - started_s
        with self._changed:
            self._applying = False
            if logged.step is not None and (taken := logged.step.next - logged.step.first):
                beside_s = self._applier.beside_slice_s
                self._block_slices.took(taken, seconds - beside_s, self._others_s + beside_s)
                self._others_s = 0.0
            else:
                self._others_s += seconds
            if logged.before_us is not None and logged.step is None:
                self._time.slices.took(span_us, seconds)
            while self._is_under_way(logged.sequence):
                self._ticks_done = max(self._ticks_done, self._ticks_under_way.popleft()[0])
            self._changed.notify_all()
        self.visible.advance(logged.sequence)

    @property
    def _is_closing_done(self) -> bool:
        """Whether nothing more comes to be applied before the threads end."""
        is_last = not (self._committing or self._waiting or self._lags)
        return self._closing and is_last

    def _next_logged(self, *, wait: bool = True) -> Logged | None:
        """The next record to apply; None at the end, or where there is none yet and no `wait`, or
        a tick, which is looked at before its turn."""
        with self._changed:
            if not wait and self._logged and self._logged[0].is_tick:
                return None
            while not self._logged:
                if not wait or self._failure or self._is_all_logged or self._is_closing_done:
                    return None
                self._changed.wait()
            self._applying = True
            logged = self._logged.popleft()
            self._is_found = not logged.is_tick
            return logged

    # --------------------------------------------------------------------------- ending

    def stop(self, error: BaseException) -> None:
        """Nothing more is written; everybody who waits is told why."""
        trace = "".join(traceback.format_exception(error))
        _LOG.error("the store at %s takes no more writes: %s", self._store.path, trace)
        _forget_frames(error)
        with self._changed:
            if not self._failure:
                self._failure = self._store.failure or (
                    f"The store at {self._store.path} takes no more writes, because a record of "
                    f"its log could not be carried out: {error}. Open the store again."
                )
            waiting = list(self._waiting)
            self._waiting.clear()
            under_way, self._under_way = self._under_way, []
            self._committing = self._applying = False
            listeners = self._failure_listeners
            self._failure_listeners = []
            self._changed.notify_all()
        for submission in (*waiting, *under_way):
            submission.fail(StoreUnwritable(self._failure))
        self.visible.wake()
        self.told.wake()
        for listener in listeners:
            listener()


def _forget_frames(error: BaseException | None) -> None:
    """Whoever keeps an answer that is an error must not keep the store's map with it."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
