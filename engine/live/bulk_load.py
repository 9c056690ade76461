"""A bulk load: many batches of profile updates, one write, all or nothing.

    add:     validate -> resolve identities -> make new profiles -> stage cells
    finish:  fold what waits -> drop blocks that came out as they were -> one store write

Between the two nothing of the load is in the store: `abandon`, a crash or an error leave it
as it was. A load reads the state in which it began; if somebody else changes profiles or the
model before it finishes, `finish` refuses, because rows and codes were given out since.
"""

from __future__ import annotations

import os
import struct
from types import TracebackType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.strings import Strings
from engine.columns.uids import UID_BYTES
from engine.errors import InputInvalid
from engine.identity.digests import UNKNOWN
from engine.identity.index import UID, IdentityIndex, uid_strings
from engine.identity.replay import KindColumn
from engine.identity.resolve import Resolution, resolve
from engine.limits import LOAD_STAGED_BYTES
from engine.live.attribute_load import AttributeLoad
from engine.live.batch import BatchOutcome, LoadOutcome, ProfileBatch
from engine.live.field_load import FieldLoad
from engine.live.identity_fields import IdentifierField, LiveField, UidField
from engine.live.validate import refusals
from engine.model.definitions import Model, Source
from engine.store.catalog import LIVE, UIDS, Catalog, identifier_field
from engine.store.store import Store, Writer

__all__ = ["BulkLoad"]

# Counts the writes that changed profiles: uint64.
_REVISION = "profiles/revision"
_REVISION_BYTES = struct.Struct("<Q")


class BulkLoad:
    """One load of one source of profiles. Not for use by two threads at once.

    As a context manager it abandons what was not finished.
    """

    def __init__(self, store: Store, model: Model, source: Source) -> None:
        if source.event is not None:
            raise InputInvalid(f"source {source.name} brings events, not profiles")
        self._store = store
        self._model = model
        self._snapshot = store.snapshot()
        self._open = True
        fields = self._snapshot.fields
        _require_fields(fields, model)
        self._index = IdentityIndex(self._snapshot)
        self._live = LiveField(self._snapshot, fields[LIVE.name])
        self._uids = UidField(self._snapshot, fields[UIDS.name])
        self._identifiers = {
            kind: IdentifierField(self._snapshot, fields[identifier_field(kind)])
            for kind in model.identifiers
        }
        self._attributes = AttributeLoad(self._snapshot, model, source.name)
        self._blocked = {
            kind: self._index.digests(kind, Strings.from_list(sorted(identifier.blocked)))
            for kind, identifier in model.identifiers.items()
        }
        self._next_row = self._snapshot.row_count
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
        refused = refusals(batch, self._model)
        try:
            return self._take(batch, refused)
        except BaseException:
            # Some of the batch may be staged and the rest not.
            self.abandon()
            raise

    def _take(self, batch: ProfileBatch, refused: dict[int, str]) -> BatchOutcome:
        active = np.ones(batch.count, np.bool_)
        active[list(refused)] = False
        columns, blocked = self._kind_columns(batch, active)
        resolution = self._resolve(columns, active)
        refused.update(resolution.refused)
        self._make_profiles(resolution)
        self._link(columns, resolution)
        at = np.flatnonzero(resolution.rows != UNKNOWN)
        self._attributes.stage(batch, at, resolution.rows[at])
        if self._staged_bytes() > LOAD_STAGED_BYTES:
            self._fold()
        self._accepted += len(at)
        self._refused += len(refused)
        self._blocked_count += blocked
        return BatchOutcome(len(at), sorted(refused.items()), blocked)

    def finish(self) -> LoadOutcome:
        """Writes the load into the store, if it changes anything; the load is over then.

        Raises InputInvalid where profiles or the model changed since the load began.
        """
        assert self._open, "the load is over"
        self._fold()
        changed = self._profiles_changed()
        blocks = sum(len(field.encoded) for field in self._fields())
        version = self._snapshot.data_version
        if blocks:
            version = self._write()
        outcome = LoadOutcome(
            accepted=self._accepted,
            refused=self._refused,
            blocked=self._blocked_count,
            created=self._next_row - self._snapshot.row_count,
            profiles_changed=changed,
            blocks_written=blocks,
            data_version=version,
        )
        self.abandon()
        return outcome

    def abandon(self) -> None:
        """Drops the load; the store is as it was. Does nothing after `finish`."""
        if self._open:
            self._open = False
            self._snapshot.close()

    # ------------------------------------------------------------------------ adding

    def _kind_columns(
        self, batch: ProfileBatch, active: NDArray[np.bool_]
    ) -> tuple[list[KindColumn], int]:
        """The identifiers of the batch, strongest kind first, and how many are blocked."""
        columns = []
        blocked_count = 0
        for kind, identifier in self._model.identifiers.items():
            values = batch.identifiers.get(kind)
            if values is None:
                continue
            there = active & (values.lengths() > 0)
            digests = self._index.digests(kind, values)
            blocked = there & _is_among(digests, self._blocked[kind])
            blocked_count += int(np.count_nonzero(blocked))
            usable = there & ~blocked
            found = np.full(batch.count, UNKNOWN, np.uint32)
            found[usable] = self._index.find(digests[usable])
            columns.append(KindColumn(identifier, values, usable, digests, found))
        return columns, blocked_count

    def _resolve(self, columns: list[KindColumn], active: NDArray[np.bool_]) -> Resolution:
        def owned(kind: int, rows: NDArray[np.uint32]) -> NDArray[np.int64]:
            return self._identifiers[columns[kind].identifier.kind].count_owned(rows)

        return resolve(columns, active, self._next_row, owned)

    def _make_profiles(self, resolution: Resolution) -> None:
        if not resolution.created:
            return
        rows = np.arange(self._next_row, self._next_row + resolution.created, dtype=np.uint32)
        drawn = os.urandom(UID_BYTES * resolution.created)
        uids = np.frombuffer(drawn, np.uint8).reshape(-1, UID_BYTES)
        self._live.stage(rows)
        self._uids.stage(rows, uids)
        self._index.add(self._index.digests(UID, uid_strings(uids)), rows)
        self._next_row += resolution.created

    def _link(self, columns: list[KindColumn], resolution: Resolution) -> None:
        for column, links in zip(columns, resolution.links, strict=True):
            self._index.add(column.digests[links.at], links.rows)
            values = column.values.take(links.at)
            self._identifiers[column.identifier.kind].stage(links.rows, values)

    # --------------------------------------------------------------------- finishing

    def _fields(self) -> list[FieldLoad]:
        return [self._live, self._uids, *self._identifiers.values(), *self._attributes.fields()]

    def _staged_bytes(self) -> int:
        return sum(field.staged_bytes for field in self._fields())

    def _fold(self) -> None:
        for field in self._fields():
            field.fold()

    def _profiles_changed(self) -> int:
        """Counts the profiles that differ, and drops the blocks that do not."""
        old_rows = self._snapshot.row_count
        changed: dict[int, NDArray[np.bool_]] = {}
        for field in self._fields():
            field.drop_unchanged()
            for block in field.encoded:
                if block * BLOCK_ROWS < old_rows:
                    mask = changed.setdefault(block, np.zeros(BLOCK_ROWS, np.bool_))
                    mask |= field.changed_in_block(block)
        among_old = sum(
            int(np.count_nonzero(mask[: old_rows - block * BLOCK_ROWS]))
            for block, mask in changed.items()
        )
        return among_old + self._next_row - old_rows

    def _write(self) -> int:
        """One write with everything in it; returns the new data version."""
        with self._store.write() as writer:
            revision = self._next_revision(writer)
            self._attributes.save_dictionaries(writer)
            writer.set_row_count(self._next_row)
            for field in self._fields():
                for block, encoded in sorted(field.encoded.items()):
                    writer.put_field(field.field.id, block, encoded)
            self._index.save(writer)
            writer.put_meta(_REVISION, revision)
        return writer.data_version

    def _next_revision(self, writer: Writer) -> bytes:
        before, now = self._snapshot, writer.snapshot
        stored = now.meta(_REVISION)
        if stored != before.meta(_REVISION) or now.model_version != before.model_version:
            raise InputInvalid(
                "profiles or the model changed while the load was running; nothing of the "
                "load was kept. Load again."
            )
        count = _REVISION_BYTES.unpack(stored)[0] if stored is not None else 0
        return _REVISION_BYTES.pack(count + 1)


def _require_fields(fields: Catalog, model: Model) -> None:
    """Raises InputInvalid where the store has got another model than this one meanwhile."""
    stored = {name: (field.type, field.scale) for name, field in fields.items()}
    same = all(identifier_field(kind) in stored for kind in model.identifiers) and all(
        stored.get(name) == (attribute.type, attribute.scale)
        for name, attribute in model.attributes.items()
    )
    if not same:
        raise InputInvalid("the model changed just before the load began. Load again.")


def _is_among(digests: NDArray[np.uint64], few: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of n digests (n, 2) are among a few others."""
    found = np.zeros(len(digests), np.bool_)
    for digest in few:
        found |= (digests == digest).all(axis=1)
    return found
