"""An open store that takes writes: its threads, and everything that they share.

Opening is recovery, whether the store was closed or killed: see engine.live.recovery. Every
change of state goes through here, as a batch (`submit`) or as an edit (`edit`).

An edit is made by its caller while nothing else is written. Where it concerns segments, it takes
two commits that become visible together: the edit itself with a note of the segments to find
anew, then their members and what entered and left. If the process ends between the two, opening
finds the note and makes the second.

Members are found anew at the clock of the state, so that they agree with those that stay. An edit
brings the clock up to now before it begins; where none of the members that stay moves with time,
the clock has nobody to wait for and is set to now.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from engine.errors import NotFound, NotYet, StoreCorrupt, StoreUnwritable
from engine.failpoints import failpoint
from engine.identity.live import LiveIdentities
from engine.live.applier import Applier
from engine.live.at_rest import STALE
from engine.live.change import Cause, Transition
from engine.live.committing import Committer, Submission
from engine.live.definitions import GoneName
from engine.live.fact_changes import fact_blocks, write_facts
from engine.live.figures import Figures
from engine.live.identity_fields import count_values_of
from engine.live.log_clock import LogClock, LogInstant, system_clock
from engine.live.model_in_force import ModelInForce
from engine.live.pending_feed import PendingFeed
from engine.live.pipeline import Pipeline
from engine.live.position_table import PositionTable
from engine.live.recovery import replay_log
from engine.live.resolving import Resolver
from engine.live.schema import change_fields, segment_versions
from engine.live.segments import StoredSegments
from engine.live.staged import Staged
from engine.rules.bind import Binder
from engine.store.attached import Attached
from engine.store.catalog import identifier_field, segment_field
from engine.store.snapshot import Snapshot
from engine.store.store import Store, Writer

__all__ = ["LiveStore"]

_LOG = logging.getLogger("strata.engine")


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """What an edit has left to do after its first commit; see `Staged`."""

    names: tuple[str, ...] = ()
    cause: Cause = Cause.EDIT
    fresh: tuple[str, ...] = ()
    gone: tuple[GoneName, ...] = ()


class LiveStore:
    """Makes a store live. `binder_of` gives the binder of a snapshot's model, None for none.

    Evaluations over everything use `pool` and up to `threads` threads. Raises StoreCorrupt.
    """

    def __init__(
        self,
        store: Store,
        binder_of: Callable[[Snapshot], Binder | None],
        *,
        pool: Executor | None = None,
        threads: int = 1,
        now: Callable[[], int] = system_clock,
    ) -> None:
        self.store = store
        self._now = now
        self._is_open = True
        self.figures = Figures()
        self._binder_of = binder_of
        self._pool = pool
        self._threads = threads
        self._load_parts()
        store.attach = lambda: Attached(
            self.identities.state, self._applier.standing, self._applier.clock
        )
        store.reveal()
        store.log_holds.append(lambda: self.positions.dirty_since)
        store.log_holds.append(lambda: self.identities.dirty_since)
        store.log_holds.append(self._lag_needs)
        self.replayed_records = 0
        failure = self._replay()
        # Rows were given out by the records replayed.
        in_force = self._in_force(store.glance(), bind=not store.read_only)
        self.pipeline = Pipeline(
            store, self._committer, self._applier, self._feed, in_force, self._start_over
        )
        if failure:
            self.pipeline.refuse(failure)
        elif store.read_only:
            self._finish_edit_unsaved()
        else:
            self._open_for_writing(store)

    def _load_parts(self) -> None:
        """What the disk has of positions and identities, and who works on them."""
        store = self.store
        self._feed = PendingFeed()
        self.positions = PositionTable.load(store.glance())
        self.identities = LiveIdentities.load(store.glance())
        self._applier = Applier(store, self.identities, self._feed, self.figures)
        clock = LogClock.load(store.glance(), self._now)
        self._applier.clock = LogInstant(0, clock.logged_us, clock.logged_us)
        self._committer = Committer(
            store, self.identities, self.positions, self._feed, self.figures, clock
        )

    def _replay(self) -> str:
        """Replays the log. Where that fails, says why, and reads go on as of the record before:
        opening again would only fail again."""
        store = self.store
        try:
            self._replay_records()
            return ""
        except Exception as error:
            trace = "".join(traceback.format_exception(error))
            _LOG.error("the log of %s cannot be replayed: %s", store.path, trace)
            failure = f"The log of the store at {store.path} cannot be replayed: {error}"
        self._start_over()
        return failure

    def _start_over(self) -> None:
        """Makes the visible state anew from the disk and the log, up to the last record that was
        carried out: the next one may have been left half done."""
        visible = self.store.glance().data_version
        self._go_back()
        self._replay_records(most=visible - self.store.glance().data_version)

    def _go_back(self) -> None:
        """Makes the visible state what the disk has."""
        self.store.start_over()
        # Nobody uses those any more, and they hold the store's map.
        del self._applier.identities, self._committer.identities
        self._load_parts()
        self.store.reveal()

    def _lag_needs(self) -> int | None:
        """The first record of the log by which blocks that lag, or did, are brought up again."""
        dirty = self.store.glance().version.overlay.dirty
        return self._applier.lagging.needs(min(dirty.values(), default=None))

    def _replay_records(self, *, most: int | None = None) -> None:
        """Replays the log, or so many records of it; one by one where that fails as it is."""
        try:
            self._carry_out_log(most)
        except Exception as error:
            path = self.store.path
            _LOG.warning("the log of %s is replayed record by record: %s", path, str(error))
        else:
            self.store.mend()
            return
        self._go_back()
        self._carry_out_log(most, one_by_one=True)
        self.store.mend()

    def _carry_out_log(self, most: int | None, *, one_by_one: bool = False) -> None:
        in_force = self._in_force(self.store.glance())
        self.replayed_records = replay_log(
            self.store,
            self._applier,
            self.identities,
            self.positions,
            in_force,
            most=most,
            one_by_one=one_by_one,
        )
        self._committer.clock.resume(self._applier.lagging.lag)

    def _open_for_writing(self, store: Store) -> None:
        try:
            self._finish_edit()
        except StoreUnwritable as error:
            self.pipeline.refuse(f"An edit of {store.path} could not be finished: {error}")
            self._finish_edit_unsaved()
        else:
            self.pipeline.start()
            self._keep_more()

    def close(self) -> None:
        """Saves everything and ends the threads; harmless when done before.

        Lets go of whatever refers to the store's map, which is unmapped with the last of it.
        """
        if self._is_open and not self.store.read_only:
            self.pipeline.close()
        if self._is_open:
            self._is_open = False
            self.store.log_holds.clear()
            self.store.attach = lambda: None
            self.pipeline.in_force = None
            del self.identities, self._applier.identities, self._committer.identities

    @property
    def in_force(self) -> ModelInForce | None:
        """What belongs to the model in force; None before the first apply."""
        return self.pipeline.in_force

    def submit(self, submission: Submission, *, wait: bool = False) -> None:
        """See Pipeline.submit."""
        self.pipeline.submit(submission, wait=wait)

    def save_all(self) -> None:
        """Saves everything that is visible; while the pipeline is drained, or not started."""
        while not self.pipeline.is_clean:
            self._committer.commit([], None, save_more=True)

    # --------------------------------------------------------------------------- edits

    def edit(
        self,
        stage: Callable[[Writer], Staged],
        *,
        cause: Cause = Cause.UPDATE,
        reload: bool = False,
    ) -> int:
        """Makes an edit, which `stage` puts into a writer. Returns the data version after it.

        With `reload` the identities are read anew, because `stage` writes them. Raises what
        `stage` raises, with nothing changed.
        """
        self.pipeline.tick(force=True)
        # Most of what has to be saved is saved before batches have to wait.
        self.pipeline.checkpoint()
        with self.pipeline.drained():
            # Records from before an edit are never applied after it: their rows would be judged
            # by definitions, and laid into fields, that are not those they were logged under.
            self.save_all()
            before = self.store.newest().data_version
            try:
                with self.store.write(show=False) as writer:
                    staged = stage(writer)
                    left = _Unfinished(
                        tuple(staged.stale), cause, tuple(staged.fresh), tuple(staged.gone)
                    )
                    if left.names:
                        self._note(writer, left)
                    self._put_feed(writer, cause, staged.farewells)
                    failpoint("barrier.before_commit")
            except BaseException:
                self.identities.forget_after(before)
                raise
            try:
                self._follow(left, reload=reload)
            except BaseException as error:
                # The first half is durable and not seen; opening the store makes the second.
                self.pipeline.stop(error)
                raise
        version = self.store.glance().data_version
        self.pipeline.visible.advance(version)
        self.pipeline.told.advance(version)
        return version

    def _follow(self, left: _Unfinished, *, reload: bool) -> None:
        """The second half of an edit: what follows from it, and showing both."""
        failpoint("barrier.after_commit")
        # Nothing is known any more of when who is due.
        self._applier.standing = None
        if reload:
            self._load_identities()
        else:
            self.identities.saved(self.store.newest())
        in_force = self._in_force(self.store.newest(), bind=True)
        if left.names and in_force is not None:
            self._find_members(in_force, left)
        self.store.reveal()
        self.pipeline.in_force = in_force

    def _unfinished(self, snapshot: Snapshot) -> _Unfinished:
        """What a crash in the middle of an edit left to be done, or an edit has not done yet."""
        noted = snapshot.meta(STALE)
        if noted is None:
            return _Unfinished()
        try:
            left = json.loads(noted)
            if isinstance(left, list):
                left = {"cause": Cause.EDIT, "names": left}
            names, fresh = ([str(name) for name in left.get(key, ())] for key in ("names", "fresh"))
            gone = tuple(GoneName(*map(str, one)) for one in left.get("gone", ()))
            return _Unfinished(tuple(names), Cause(left["cause"]), tuple(fresh), gone)
        except (ValueError, TypeError, KeyError) as error:
            raise StoreCorrupt(f"the note of an unfinished edit cannot be read ({error})") from None

    def _finish_edit_unsaved(self) -> None:
        """The same for a store that is open for reading: in memory alone."""
        left: Sequence[str] = self._unfinished(self.store.glance()).names
        in_force = self.pipeline.in_force
        while left and in_force is not None:
            self._applier.standing = None
            with self.store.mutation(self.store.glance().data_version + 1) as mutation:
                change = in_force.segments.refresh(
                    mutation.snapshot,
                    left,
                    now_us=self._committer.clock.instant(),
                    pool=self._pool,
                    threads=self._threads,
                )
                left = change.stale
                write_facts(mutation, change.facts)
                mutation.candidate(mutation.snapshot.row_count)
                for field_id, blocks in change.memberships.items():
                    for block, encoded in blocks.items():
                        mutation.put(field_id, block, encoded)
                self.store.publish(mutation)

    def _keep_more(self) -> None:
        """Stores the members of segments that an earlier version of this program could not keep."""
        in_force = self.pipeline.in_force
        names = () if in_force is None else in_force.segments.unstored
        if in_force is None or not names:
            return
        segments = in_force.segments

        def stage(writer: Writer) -> Staged:
            # What has no answer is found out before anything is changed.
            snapshot = writer.snapshot
            segments.evaluate(snapshot, names, pool=self._pool, threads=self._threads)
            versions = {name: segments.definition_version(name) for name in segments.stored}
            versions |= dict.fromkeys(names, snapshot.model_version)
            change_fields(writer, segments.model, versions)
            return Staged(names)

        try:
            self.edit(stage, cause=Cause.EDIT)
        except (NotYet, NotFound, StoreUnwritable) as error:
            _LOG.warning("%s stay unstored in %s: %s", ", ".join(names), self.store.path, error)

    def _finish_edit(self) -> None:
        """The second half of an edit that a crash cut in two."""
        unfinished = self._unfinished(self.store.glance())
        if not unfinished.names:
            return
        self.save_all()
        assert self.pipeline.in_force is not None, "segments belong to a model"
        self._find_members(self.pipeline.in_force, unfinished)
        self.store.reveal()
        version = self.store.glance().data_version
        self.pipeline.visible.advance(version)
        self.pipeline.told.advance(version)

    def _find_members(self, in_force: ModelInForce, unfinished: _Unfinished) -> None:
        """Finds members anew, level by level: what one brings is read by the next. Each level is a
        commit, with a note of what is left."""
        segments, clock = in_force.segments, self._committer.clock
        names, cause = unfinished.names, unfinished.cause
        segments.forget_lists()
        is_free = bool(segments.moving) and set(segments.moving) <= set(names)
        now_us = clock.instant() if is_free else clock.logged_us
        left: Sequence[str] = names
        gone: Sequence[GoneName] = unfinished.gone
        while left:
            snapshot = self.store.newest()
            change = segments.refresh(
                snapshot,
                left,
                now_us=now_us,
                pool=self._pool,
                threads=self._threads,
                fresh=unfinished.fresh,
                gone=gone,
            )
            left = change.stale
            told, gone = change.gone, [one for one in gone if one.name not in change.gone]
            with self.store.write(show=False) as writer:
                for name in told:
                    writer.drop_field(writer.fields[segment_field(name)].id)
                if is_free:
                    clock.set(writer, now_us)
                for fields in (change.memberships, fact_blocks(snapshot, change.facts)):
                    for field_id, blocks in fields.items():
                        for block, encoded in blocks.items():
                            if encoded.parts:
                                writer.put_field(field_id, block, encoded)
                            else:
                                writer.empty_field(field_id, block)
                self._put_feed(writer, cause, change.transitions)
                self._note(writer, replace(unfinished, names=tuple(left), gone=tuple(gone)))
            clock.settle()
            self.identities.saved(self.store.newest())
            self.figures.add(rows_evaluated=change.rows_evaluated)
            failpoint("barrier.between_levels")
        if is_free:
            self._applier.clock = LogInstant(0, now_us, now_us)

    @staticmethod
    def _note(writer: Writer, left: _Unfinished) -> None:
        if left.names:
            noted = {
                "cause": left.cause,
                "names": left.names,
                "fresh": left.fresh,
                "gone": left.gone,
            }
            writer.put_meta(STALE, json.dumps(noted, ensure_ascii=False).encode())
        else:
            writer.delete_meta(STALE)

    def _put_feed(self, writer: Writer, cause: Cause, transitions: Sequence[Transition]) -> None:
        told = PendingFeed()
        sequence = writer.next_sequence
        told.add(sequence, self._committer.clock.instant(), cause, tuple(transitions))
        # Of the newest state: the first commit of an edit is not shown before the second.
        previous = self.store.newest().version.state.root.feed_last
        for number, payload in told.records(sequence, previous):
            writer.put_feed(number, payload)

    # -------------------------------------------------------------------------- parts

    def _load_identities(self) -> None:
        """Takes what somebody else has written into the store; nothing here waits to be saved."""
        self.identities = LiveIdentities.load(self.store.newest())
        self._applier.identities = self._committer.identities = self.identities
        self.store.attach_newest()

    def _in_force(self, snapshot: Snapshot, *, bind: bool = False) -> ModelInForce | None:
        """What belongs to the model of a snapshot; with `bind` its segments are bound now, so that
        no batch waits for it."""
        binder = self._binder_of(snapshot)
        if binder is None:
            return None
        catalog = snapshot.fields
        versions = segment_versions(catalog)
        resolver = Resolver(
            binder.model,
            catalog,
            self.identities,
            self._committer.intern,
            partial(_count_owned, self.store),
            snapshot.row_count,
        )
        make_segments = partial(StoredSegments, binder.model, binder, catalog, versions)
        in_force = ModelInForce(
            snapshot.model_version, binder.model, binder, resolver, make_segments
        )
        if bind:
            assert in_force.segments is not None
        return in_force


def _count_owned(
    store: Store, kind: str, rows: NDArray[np.uint32]
) -> tuple[NDArray[np.int64], int]:
    """How many identifiers of a kind rows own, and as of which record of the log."""
    # Identifiers are never written in place.
    snapshot = store.glance()
    field = snapshot.fields[identifier_field(kind)]
    counts = np.zeros(len(rows), np.int64)
    blocks = rows >> np.uint32(16)
    for block in np.unique(blocks).tolist():
        parts = snapshot.payloads(field.id, block)
        if parts:
            at = blocks == block
            counts[at] = count_values_of(parts, rows[at].astype(np.uint16))
    return counts, snapshot.data_version
