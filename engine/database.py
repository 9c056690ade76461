"""One open store with its model: the face that servers, loaders and command lines use.

Reads take a snapshot and never wait for writes; writes go one at a time. Every failure that
can be expected is one of engine.errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from engine.audience import CountResult
from engine.database_parts import DatabaseParts
from engine.errors import InputInvalid, ModelInvalid, StoreUnwritable
from engine.live.log_clock import system_clock
from engine.model.hidden_events import is_hidden
from engine.name_groups import counted
from engine.store.data_file import DATA_FILE
from engine.store.store import Store, VerifyReport, Writer

if TYPE_CHECKING:
    from engine.cards_then import CardsThen
    from engine.columns.strings import Strings
    from engine.core.control import Control
    from engine.live.batch import ProfileBatch
    from engine.live.bulk_load import BulkLoad
    from engine.live.positions import IngestAck, Position, StoredPosition
    from engine.live.profile_events import EventPage, EventsAsked
    from engine.live.profiles import ProfileRecord
    from engine.live.staged import Staged
    from engine.live.ticking import Ticker
    from engine.members import Members
    from engine.model.definitions import Model, Source
    from engine.model_edits import DefinitionChange, ModelPlan
    from engine.profile_cards import ProfileCard
    from engine.rules import tree
    from engine.uploaded_lists import UploadedList

__all__ = ["AppliedModel", "Database"]

# How often a wait without a deadline looks whether anything can come at all.
WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class AppliedModel:
    """What an apply did: the model version now in force, and the key paths that changed.

    `changed` is False where the model said the same before; the version is then the old one.
    """

    version: int
    changed: bool
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed_keys: tuple[str, ...] = ()
    changes: tuple[DefinitionChange, ...] = ()


class Database(DatabaseParts):
    """An open store. Safe to share between threads."""

    def __init__(
        self, store: Store, threads: int | None, now: Callable[[], int] = system_clock
    ) -> None:
        super().__init__(store, threads, now)
        self._ticker: Ticker | None = None

    @classmethod
    def create(
        cls, path: Path, *, threads: int | None = None, now: Callable[[], int] = system_clock
    ) -> Self:
        """A new, empty store in a folder that is not there yet; `now` is its clock, microseconds
        from 1970. Raises AlreadyExists, StoreUnwritable."""
        return cls(Store.create(path), threads, now)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        read_only: bool = False,
        threads: int | None = None,
        now: Callable[[], int] = system_clock,
    ) -> Self:
        """A store that is there. `threads` None takes one for each processor, at most 16.

        Raises StoreMissing, StoreInUse, StoreVersionUnsupported, StoreCorrupt.
        """
        return cls(Store.open(path, read_only=read_only), threads, now)

    def close(self) -> None:
        """Save everything and let go of the store; harmless when done before."""
        if self._ticker is not None:
            self._ticker.stop()
        if self._is_live:
            self._live.close()
        if self._threads.pool is not None:
            self._threads.pool.shutdown()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------- state

    @property
    def model(self) -> Model | None:
        """The model in force; None before the first apply."""
        with self._store.glance() as snapshot:
            binder = self._binder_of(snapshot)
            return None if binder is None else binder.model

    @property
    def model_version(self) -> int:
        """How often the model changed; 0 before the first apply."""
        with self._store.glance() as snapshot:
            return snapshot.model_version

    @property
    def data_version(self) -> int:
        """Sequence of the last record of the log that is visible."""
        with self._store.glance() as snapshot:
            return snapshot.data_version

    @property
    def profile_count(self) -> int:
        """Live profiles."""
        with self._store.glance() as snapshot:
            return snapshot.live_count

    @property
    def profile_conditions_made(self) -> int:
        """Conditions that were made ready to be asked of profiles since this was opened: those of a
        model once, whatever is read by them."""
        return self._closures.made

    def stats(self) -> dict[str, int]:
        """Figures of the store: profiles, events, blocks, versions, bytes."""
        from engine.live.event_figures import event_figures
        from engine.live.lists import list_names

        with self._store.glance() as snapshot:
            root = self._store.root
            return {
                "profiles": snapshot.live_count,
                "rows": snapshot.row_count,
                "blocks": snapshot.block_count,
                "fields": len(snapshot.fields),
                "lists": len(list_names(snapshot)),
                "data_version": snapshot.data_version,
                "model_version": snapshot.model_version,
                "file_bytes": (self._store.path / DATA_FILE).stat().st_size,
                "log_records": root.data_version + 1 - root.log_first,
                "dirty_blocks": len(snapshot.version.overlay.dirty),
                "segments_kept": sum(not is_hidden(name) for name in snapshot.segment_counts),
                "replayed_records": self._live.replayed_records,
                **event_figures(snapshot),
                **snapshot.version.lineage.row_chains.figures,
                **self._live.figures.all(),
            }

    def verify(self) -> VerifyReport:
        """Reads and checks every stored record."""
        return self._store.verify()

    # ------------------------------------------------------------------------- model

    @staticmethod
    def check_model(files: Mapping[str, str]) -> Model:
        """The model of some files, expressions checked. Raises ModelInvalid with every fault."""
        from engine.model.load import load_model
        from engine.rules.check import check_expressions

        model, positions = load_model(files)
        issues = check_expressions(model, positions)
        if issues:
            raise ModelInvalid(*issues)
        return model

    def plan_model(self, files: Mapping[str, str]) -> ModelPlan:
        """What `apply_model` would do, exactly and at this moment; changes nothing.

        Raises ModelInvalid, NotYet.
        """
        from engine.model.not_yet import refuse_not_yet
        from engine.model_edits import plan_edit

        model = self.check_model(files)
        refuse_not_yet(model)
        with self._store.snapshot() as snapshot:
            binder, now_us = self._binder_of(snapshot), self._now()
            refreshes = self._binders.refreshes(snapshot)
            return plan_edit(binder, refreshes, model, snapshot, self._threads, now_us).plan

    def apply_model(self, files: Mapping[str, str]) -> AppliedModel:
        """Puts a model in force. Raises ModelInvalid, NotYet; nothing is changed then."""
        from engine.live.change import Cause
        from engine.live.schema import holds_data
        from engine.model.diff import refuse_impossible
        from engine.model.not_yet import refuse_not_yet
        from engine.model_edits import ModelPlan, plan_edit

        model = self.check_model(files)
        refuse_not_yet(model)
        plan = ModelPlan()
        version = 0

        def stage(writer: Writer) -> Staged:
            nonlocal plan, version
            snapshot = writer.snapshot
            binder = self._binder_of(snapshot)
            old = None if binder is None else binder.model
            refuse_impossible(old, model, holds_data=lambda key: holds_data(snapshot, key))
            refreshes = self._binders.refreshes(snapshot)
            edit = plan_edit(binder, refreshes, model, snapshot, self._threads, self._now())
            plan = edit.plan
            version, staged = edit.stage(writer, files)
            return staged

        self._live.edit(stage, cause=Cause.EDIT)
        return AppliedModel(
            version=version,
            changed=bool(plan.added or plan.removed or plan.changed_keys),
            added=plan.added,
            removed=plan.removed,
            changed_keys=plan.changed_keys,
            changes=plan.changes,
        )

    # ------------------------------------------------------------------------- reads

    def count(
        self,
        expression: str | tree.Expr,
        *,
        as_of_us: int | None = None,
        nodes: bool = False,
        group_by: str | None = None,
        control: Control | None = None,
    ) -> CountResult:
        """How many profiles an expression holds for; with `nodes` at each node of its tree,
        with `group_by` split by a category or bool attribute, or by `tier('x')` or `band('x')`."""
        with self._store.snapshot() as snapshot:
            is_plain = as_of_us is None and not nodes
            if is_plain:
                kept = self._count_known(snapshot, expression, group_by, control)
                if kept is not None:
                    return kept
            audience = self._audience(snapshot, as_of_us, control)
            found = counted(audience, expression, nodes=nodes, group_by=group_by)
            if is_plain and isinstance(expression, str):
                self._forms.learn(expression, snapshot, audience.binder, group_by)
            return found

    def stored_count(self, expression: str | tree.Expr) -> CountResult | None:
        """The count of `segment('x')` alone, now, from its counter: microseconds, no block is
        read, and no write is waited for; None where that does not do."""
        if self._store.is_torn:
            # A snapshot says why it cannot be read.
            return None
        with self._store.glance() as snapshot:
            return self._stored_count(snapshot, expression)

    def count_many(
        self,
        expressions: Sequence[str | tree.Expr],
        *,
        as_of_us: int | None = None,
        nodes: bool = False,
        where: str = "expressions[{}]",
        control: Control | None = None,
    ) -> list[CountResult]:
        """Counts of many expressions in one pass over the data, in order.

        `where` names an expression in errors, by its place from 0.
        """
        with self._store.snapshot() as snapshot:
            audience = self._audience(snapshot, as_of_us, control)
            for place, expression in enumerate(expressions):
                audience.add(expression, where.format(place), keeps_tree=nodes)
            return audience.counts(nodes=nodes) if expressions else []

    def members(
        self,
        expression: str | tree.Expr,
        *,
        as_of_us: int | None = None,
        limit: int | None = None,
        salt: str = "",
        order_by: str | None = None,
        descending: bool = False,
        control: Control | None = None,
    ) -> Members:
        """The profiles that an expression holds for; `limit` of them as Members.choose says.

        Close the answer when done with it.
        """
        if limit is not None and limit < 0:
            raise InputInvalid(f"A limit of {limit} makes no sense; give 0 or more.")
        snapshot = self._store.snapshot()
        try:
            members = self._members(snapshot, expression, as_of_us, control)
            members.choose(limit, salt=salt, order_by=order_by, descending=descending)
        except BaseException:
            snapshot.close()
            raise
        return members

    def profiles(
        self, identifiers: Sequence[tuple[str, str]], *, recent_events: int = 0
    ) -> list[ProfileRecord | None]:
        """The profile that owns each (kind, value), None where nobody does; kind `uid` takes
        32 hexadecimal digits. With at most so many of its last events."""
        return [
            None if found is None else found.record
            for found in self._read(identifiers, recent_events, with_rules=False)
        ]

    def cards(
        self, identifiers: Sequence[tuple[str, str]], *, recent_events: int = 0
    ) -> list[ProfileCard | None]:
        """The same, with what the rules of the model say of each."""
        return self._read(identifiers, recent_events, with_rules=True)

    def cards_then(
        self, identifiers: Sequence[tuple[str, str]], as_of_us: int, *, recent_events: int = 0
    ) -> CardsThen:
        """The same as of another instant; see CardsThen."""
        from engine.cards_then import cards_then

        with self._store.snapshot() as snapshot:
            audience = self._audience_of_one(snapshot, as_of_us, None)
            return cards_then(snapshot, audience, self._closures, identifiers, recent_events)

    def card_at_hand(
        self, identifier: tuple[str, str], *, recent_events: int = 0
    ) -> ProfileCard | None:
        """The card of one, where that takes no longer than what the rules say of a few events: no
        write is waited for, and nothing read for the first time; None where that does not do, or
        nobody owns the identifier."""
        snapshot = self._store.snapshot_now()
        if snapshot is None:
            return None
        with snapshot:
            binder, now_us = self._require_binder(snapshot), self._now()
            return self._cards.at_hand(
                snapshot, binder, identifier, now_us, recent_events=recent_events
            )

    def _read(
        self, identifiers: Sequence[tuple[str, str]], recent_events: int, *, with_rules: bool
    ) -> list[ProfileCard | None]:
        with self._store.snapshot() as snapshot:
            found = self._cards.read(
                snapshot,
                self._require_binder(snapshot),
                identifiers,
                self._now(),
                recent_events=recent_events,
                with_rules=with_rules,
            )
            return [*found]

    def events(self, identifier: tuple[str, str], asked: EventsAsked) -> EventPage | None:
        """A page of the events of the profile that owns (kind, value), None where nobody does."""
        from engine.identity.digests import UNKNOWN
        from engine.identity.of_snapshot import identities_of
        from engine.identity.owners import row_of
        from engine.live.profile_events import read_events

        with self._store.snapshot() as snapshot:
            model = self._require_binder(snapshot).model
            row = row_of(identities_of(snapshot), model, *identifier)
            asked = asked.by(self._now())
            return None if row == UNKNOWN else read_events(snapshot, model, row, asked)

    # ------------------------------------------------------------------------- writes

    def submit(
        self,
        batch: ProfileBatch,
        position: Position | None = None,
        *,
        giver: str = "",
        source: str = "",
        after: Future[IngestAck] | None = None,
    ) -> Future[IngestAck]:
        """Puts a batch of updates in line; the answer comes when it is durable.

        `position` says which of its records are new (see Position); without one, all are.
        `giver` gives the set values of updates that name nobody; '' stands for the position's
        source. `source` is whose the ids of events are; '' stands for the position's, and without
        one for the giver. Who sends batches of a partition before the answers to those before have
        come gives the answer to the last one as `after`: if that one is refused, so is this, and
        the position does not pass what was not taken.

        Raises Overloaded, StoreUnwritable; the answer raises those, InputInvalid where the batch
        does not fit the model, OwnerFenced.
        """
        from engine.live.committing import Submission

        submission = Submission(batch, position, giver, after, source)
        self._live.submit(submission)
        return submission.answer

    def ingest(
        self,
        batch: ProfileBatch,
        position: Position | None = None,
        *,
        giver: str = "",
        source: str = "",
    ) -> IngestAck:
        """The same, waiting for the answer, and for room in line."""
        from engine.live.committing import Submission

        submission = Submission(batch, position, giver, source=source)
        self._live.submit(submission, wait=True)
        return submission.answer.result()

    def position(self, source: str, partition: str) -> StoredPosition | None:
        """What is durable of a partition of a source; None where it never sent anything."""
        return self._live.positions.get(source, partition)

    def wait_visible(self, offset: int, control: Control | None = None) -> None:
        """Returns once reads see everything up to an offset of an acknowledgement.

        Raises what the Control raises, and StoreUnwritable where it will never come.
        """
        pipeline = self._live.pipeline
        while pipeline.visible.wait(offset - 1, control, WAIT_S) < offset:
            if pipeline.is_over:
                raise StoreUnwritable(
                    pipeline.failure or f"The store was closed before offset {offset} was seen."
                )

    def checkpoint(self) -> None:
        """Saves everything that is visible; the log is empty then, but for what came since."""
        self._live.pipeline.checkpoint()

    @property
    def write_failure(self) -> str:
        """Why nothing more is written until the store is opened again, or ''."""
        return self._live.pipeline.failure

    def on_write_failure(self, listener: Callable[[], None]) -> None:
        """Calls `listener` once, on any thread, when the store stops taking writes."""
        self._live.pipeline.on_failure(listener)

    # -------------------------------------------------------------------------- clock

    def tick(self) -> None:
        """Brings the stored members of segments that move with time up to now, and tells who
        entered and left on the way. Nothing is written where nobody did, or might have."""
        self._live.pipeline.tick()

    def run_clock(self) -> None:
        """Ticks once a second from now on, until the database is closed."""
        from engine.live.ticking import Ticker

        if self._ticker is None:
            self._ticker = Ticker(lambda: self._live.pipeline.tick(wait=False))

    # --------------------------------------------------------------------------- feed

    def unkept_segments(self) -> Mapping[str, str]:
        """Segments of the model that are evaluated only when asked -> why, as the end of a
        sentence."""
        in_force = self._live.in_force
        return {} if in_force is None else in_force.segments.unkept

    def untold_definitions(self) -> Mapping[str, str]:
        """Key path of each score, tier and tag of the model that the feed does not tell of -> why,
        as the end of a sentence."""
        in_force = self._live.in_force
        return {} if in_force is None else in_force.segments.untold

    def add_feed_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener`, on any thread, whenever the feed has grown; returns what ends that."""
        return self._live.pipeline.told.add_listener(listener)

    def wait_feed(
        self, after_sequence: int, control: Control | None = None, timeout_s: float = 1.0
    ) -> int:
        """The newest record of the log whose feed is complete, once it is greater than
        `after_sequence` or the time is over."""
        return self._live.pipeline.told.wait(after_sequence, control, timeout_s)

    # ------------------------------------------------------------------- lists and loads

    def upload_list(self, name: str, kind: str, values: Strings) -> UploadedList:
        """Stores a list of identifiers under a name, in place of what it held before."""
        return self._lists.upload(name, kind, values)

    def lists(self) -> list[UploadedList]:
        """The uploaded lists, by name."""
        return self._lists.all()

    def delete_list(self, name: str) -> None:
        """Removes an uploaded list. NotFound where there is none, InputInvalid where segments
        whose members are stored read it."""
        self._lists.delete(name)

    def bulk_load(self, source: Source) -> BulkLoad:
        """A load of profiles from a source; nothing is changed until it finishes."""
        from engine.live.bulk_load import BulkLoad

        with self._store.snapshot() as snapshot:
            model = self._require_binder(snapshot).model
        with self._live.pipeline.drained():
            self._live.save_all()
            return BulkLoad(self._store, model, source, self._write_load, self._now)

    def _write_load(self, stage: Callable[[Writer], None]) -> int:
        from engine.live.staged import Staged

        def stage_all(writer: Writer) -> Staged:
            stage(writer)
            in_force = self._live.in_force
            return Staged(() if in_force is None else in_force.segments.refreshable)

        return self._live.edit(stage_all, reload=True)
