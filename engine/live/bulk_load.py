"""A bulk load: many batches of profile updates, one write, all or nothing.

    add:     resolve, as for a record of the log -> stage what the record would say
    finish:  fold what waits -> drop blocks that came out as they were -> one store write

Between the two nothing of the load is in the store: `abandon`, a crash or an error leave it
as it was. A load reads the state in which it began; if somebody else changes profiles or the
model before it finishes, `finish` refuses, because rows and codes were given out since.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import TracebackType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.strings import Strings
from engine.errors import InputInvalid
from engine.identity.index import IdentityIndex
from engine.live.batch import BatchOutcome, LoadOutcome, ProfileBatch
from engine.live.interning import LoadDictionaries
from engine.live.load_folding import LoadFolding
from engine.live.log_clock import clock_of, system_clock
from engine.live.resolving import Resolver
from engine.live.validate import refusals
from engine.model.definitions import Model, Source
from engine.store.catalog import Catalog, event_field, identifier_field, property_field
from engine.store.drafts import Drafts
from engine.store.store import Store, Writer

__all__ = ["BulkLoad"]

# Makes a write of what it is given, and whatever must go with it; returns the data version.
Write = Callable[[Callable[[Writer], None]], int]

# Counts the bulk loads that changed profiles: uint64.
_REVISION = "profiles/revision"
_REVISION_BYTES = struct.Struct("<Q")


class _LoadIdentities:
    """The identity index of a load, which keeps no record of what came when."""

    def __init__(self, index: IdentityIndex) -> None:
        self._index = index

    @property
    def key(self) -> bytes:
        """See ResolverIdentities."""
        return self._index.key

    def digests(self, kind: str, values: Strings) -> NDArray[np.uint64]:
        """See ResolverIdentities."""
        return self._index.digests(kind, values)

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """See ResolverIdentities."""
        return self._index.find(digests)

    def add(self, digests: NDArray[np.uint64], rows: NDArray[np.uint32], sequence: int) -> None:
        """See ResolverIdentities."""
        self._index.add(digests, rows)


class BulkLoad:
    """One load of one source of profiles. Not for use by two threads at once.

    As a context manager it abandons what was not finished.
    """

    def __init__(
        self,
        store: Store,
        model: Model,
        source: Source,
        write: Write | None = None,
        now: Callable[[], int] = system_clock,
    ) -> None:
        self._now = now
        self._store = store
        self._write_through = write or self._write_alone
        self._model = model
        self._published = store.published_updates
        self._snapshot = store.snapshot()
        self._open = True
        fields = self._snapshot.fields
        _require_fields(fields, model)
        self._drafts = Drafts(store, self._require_unchanged)
        self._index = IdentityIndex(self._snapshot, drafts=self._drafts)
        self._folding = LoadFolding(
            self._snapshot, model, self._drafts, max(now(), clock_of(self._snapshot))
        )
        self._dictionaries = LoadDictionaries(self._snapshot)
        self._source = source.name
        self._staged_batches = 0
        self._resolver = Resolver(
            model,
            fields,
            _LoadIdentities(self._index),
            self._dictionaries.codes,
            self._count_owned,
            self._snapshot.row_count,
        )
        self._accepted = self._refused = self._blocked_count = 0

    def __enter__(self) -> BulkLoad:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        self.abandon()
        return False

    def add(self, batch: ProfileBatch) -> BatchOutcome:
        """Takes the updates of a batch, after those of the batches before.

        Raises InputInvalid, with nothing taken, where the batch does not fit the model, and
        for values beyond what the store takes, which ends the load.
        """
        assert self._open, "the load is over"
        refused = refusals(batch, self._model, self._now())
        try:
            return self._take(batch, refused)
        except BaseException:
            # Some of the batch may be staged and the rest not.
            self.abandon()
            raise

    def _take(self, batch: ProfileBatch, refused: dict[int, str]) -> BatchOutcome:
        sequence = self._staged_batches + 1
        resolved = self._resolver.resolve_checked(batch, refused, self._source, sequence)
        if resolved.update is not None:
            self._folding.take(resolved.update)
        self._staged_batches = sequence
        self._resolver.applied(sequence)
        self._accepted += resolved.accepted
        self._refused += len(resolved.refused)
        self._blocked_count += resolved.blocked
        return BatchOutcome(resolved.accepted, resolved.refused, resolved.blocked)

    def finish(self) -> LoadOutcome:
        """Writes the load into the store, if it changes anything; the load is over then.

        Raises InputInvalid where profiles or the model changed since the load began.
        """
        assert self._open, "the load is over"
        try:
            self._folding.finish()
            self._index.write_ahead()
        except BaseException:
            self.abandon()
            raise
        changed = self._profiles_changed()
        blocks = len(self._drafts) + sum(len(field.encoded) for field in self._folding.fields())
        version = self._snapshot.data_version
        events = self._folding.event_counts
        if blocks:
            version = self._write()
        outcome = LoadOutcome(
            accepted=self._accepted,
            refused=self._refused,
            blocked=self._blocked_count,
            created=self._resolver.next_row - self._snapshot.row_count,
            profiles_changed=changed,
            blocks_written=blocks,
            data_version=version,
            events_added=events.added,
            events_replaced=events.replaced,
            events_unchanged=events.unchanged,
            events_removed=events.removed,
        )
        self.abandon()
        return outcome

    def abandon(self) -> None:
        """Drops the load; the store is as it was. Does nothing after `finish`."""
        if self._open:
            self._open = False
            self._folding.abandon()
            self._index.close()
            self._drafts.drop()
            self._snapshot.close()
            # These refer back to the load, and the load to the store's map.
            del self._resolver, self._index, self._folding, self._drafts

    # ------------------------------------------------------------------------ adding

    def _count_owned(self, kind: str, rows: NDArray[np.uint32]) -> tuple[NDArray[np.int64], int]:
        """See OwnedCounts; the batches of the load take the place of records."""
        field_id = self._snapshot.fields[identifier_field(kind)].id
        return self._folding.count_owned(field_id, rows), self._staged_batches

    # --------------------------------------------------------------------- finishing

    def _profiles_changed(self) -> int:
        """Counts the profiles that differ."""
        old_rows = self._snapshot.row_count
        changed: dict[int, NDArray[np.bool_]] = {}
        for field in self._folding.fields():
            for block in field.encoded:
                if block * BLOCK_ROWS < old_rows:
                    mask = changed.setdefault(block, np.zeros(BLOCK_ROWS, np.bool_))
                    mask |= field.changed_in_block(block)
        among_old = sum(
            int(np.count_nonzero(mask[: old_rows - block * BLOCK_ROWS]))
            for block, mask in changed.items()
        )
        return among_old + self._resolver.next_row - old_rows

    def _write(self) -> int:
        """One write with everything in it; returns the new data version."""
        return self._write_through(self._put)

    def _write_alone(self, put: Callable[[Writer], None]) -> int:
        with self._store.write() as writer:
            put(writer)
        return writer.data_version

    def _put(self, writer: Writer) -> None:
        revision = self._next_revision()
        self._dictionaries.save(writer)
        writer.set_row_count(self._resolver.next_row)
        for field in self._folding.fields():
            for block, encoded in sorted(field.encoded.items()):
                if encoded.parts:
                    writer.put_field(field.field.id, block, encoded)
                else:
                    writer.empty_field(field.field.id, block)
        self._drafts.hand_over(writer)
        self._index.save(writer)
        writer.put_meta(_REVISION, revision)

    def _require_unchanged(self) -> None:
        """Raises InputInvalid where somebody has written since the load began; only writers ask,
        so that it stays so until they are done."""
        before, now = self._snapshot, self._store.newest()
        if (
            now.meta(_REVISION) != before.meta(_REVISION)
            or now.model_version != before.model_version
            or now.version.state.root.row_count != before.version.state.root.row_count
            or self._store.published_updates != self._published
        ):
            raise InputInvalid(
                "profiles or the model changed while the load was running; nothing of the "
                "load was kept. Load again."
            )

    def _next_revision(self) -> bytes:
        self._require_unchanged()
        stored = self._snapshot.meta(_REVISION)
        count = _REVISION_BYTES.unpack(stored)[0] if stored is not None else 0
        return _REVISION_BYTES.pack(count + 1)


def _require_fields(fields: Catalog, model: Model) -> None:
    """Raises InputInvalid where the store has got another model than this one meanwhile."""
    stored = {name: (field.type, field.scale) for name, field in fields.items()}
    wanted: dict[str, tuple[str, int]] = {
        name: (each.type, each.scale) for name, each in model.attributes.items()
    }
    for event in model.events.values():
        wanted[event_field(event.name)] = "", 0
        for found in event.properties.values():
            name = property_field(found.name, found.type, found.scale)
            wanted[name] = found.type, found.scale
    same = all(identifier_field(kind) in stored for kind in model.identifiers) and all(
        stored.get(name) == declared for name, declared in wanted.items()
    )
    if not same:
        raise InputInvalid("the model changed just before the load began. Load again.")
