"""From a batch of updates to what a log record says of them: whose they are, and codes.

    validate -> look identifiers up -> resolve them to rows -> codes of strings
    -> uids for new profiles -> tell the identities

Everything that may fail comes before the first thing that others see, so that a batch which
is refused whole leaves nothing behind but codes that no cell has.

Records are resolved ahead of their application. What one of them gives away (rows,
identifiers) must be known to the next, so the resolver keeps it until it is told that it can
be read from the visible state.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.columns.uids import UID_BYTES
from engine.identity.digests import UNKNOWN
from engine.identity.index import UID, uid_strings
from engine.identity.replay import KindColumn
from engine.identity.resolve import Resolution, counted, resolve
from engine.live.batch import ProfileBatch
from engine.live.event_ids import event_digests
from engine.live.resolved_cells import Intern, resolve_cells
from engine.live.resolved_events import resolve_events
from engine.live.update import LinkedIdentifiers, ProfileUpdate
from engine.live.validate import refusals
from engine.model.definitions import Model
from engine.store.catalog import Field, identifier_field

__all__ = ["OwnedCounts", "Resolved", "Resolver", "ResolverIdentities"]

# (kind, rows uint32 (n,)) -> (identifiers of the kind that each row owns, int64 (n,), 0 for
# rows that do not exist yet; the sequence of the last record that is counted in).
OwnedCounts = Callable[[str, NDArray[np.uint32]], tuple[NDArray[np.int64], int]]


class ResolverIdentities(Protocol):
    """What a resolver asks of an identity index."""

    @property
    def key(self) -> bytes:
        """The key of the digests, 16 bytes."""

    def digests(self, kind: str, values: Strings) -> NDArray[np.uint64]:
        """Digests of n identifiers of one kind, uint64 (n, 2); of missing ones without meaning."""

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Rows of n digests, uint32 (n,), those of records not applied yet too; else UNKNOWN."""

    def add(self, digests: NDArray[np.uint64], rows: NDArray[np.uint32], sequence: int) -> None:
        """Distinct digests that have no owner yet, given away by the record `sequence`."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What became of a batch.

    `update` is what a log record has to say, None where no update was accepted. `refused` has
    (row in the batch, reason), by row. `created` profiles are new; `blocked` counts the
    identifier values that were ignored because the model blocks them.
    """

    update: ProfileUpdate | None
    refused: list[tuple[int, str]]
    accepted: int = 0
    blocked: int = 0
    created: int = 0


@dataclass(frozen=True, slots=True)
class _Pending:
    """What the record `sequence` gave away: for each kind rows, sorted, and how often each."""

    sequence: int
    first_new: int
    linked: Mapping[str, tuple[NDArray[np.uint32], NDArray[np.int64]]]


class Resolver:
    """Resolves one batch after the other against one model.

    One thread resolves; `applied` may be called from another.
    """

    def __init__(
        self,
        model: Model,
        catalog: Mapping[str, Field],
        identities: ResolverIdentities,
        intern: Intern,
        owned: OwnedCounts,
        next_row: int,
    ) -> None:
        self._model = model
        self._catalog = catalog
        self._identities = identities
        self._intern = intern
        self._owned = owned
        self._next_row = next_row
        self._guard = threading.Lock()
        self._pending: list[_Pending] = []
        self._blocked = {
            kind: identities.digests(kind, Strings.from_list(sorted(identifier.blocked)))
            for kind, identifier in model.identifiers.items()
        }

    @property
    def next_row(self) -> int:
        """The row that the next new profile gets."""
        return self._next_row

    def resolve(
        self,
        batch: ProfileBatch,
        giver: str,
        sequence: int,
        active: NDArray[np.bool_] | None = None,
        *,
        source: str | None = None,
        now_us: int | None = None,
    ) -> Resolved:
        """Resolves the updates of a batch, which the log record `sequence` is to say.

        `giver` gives the set values of updates that name nobody, and `source` (None: the giver)
        is whose the ids of events are. `now_us` is the clock, None this machine's. Where
        `active` (bool (n,)) is False an update is passed over: neither accepted nor refused.
        Raises InputInvalid, and then it is as if the batch had not come, where the batch does
        not fit the model or has too many values that are new.
        """
        refused = refusals(batch, self._model, now_us)
        return self.resolve_checked(batch, refused, giver, sequence, active, source=source)

    def resolve_checked(
        self,
        batch: ProfileBatch,
        refused: Mapping[int, str],
        giver: str,
        sequence: int,
        active: NDArray[np.bool_] | None = None,
        *,
        source: str | None = None,
    ) -> Resolved:
        """The same for a batch of which `refusals` has been asked."""
        taking_part = np.ones(batch.count, np.bool_) if active is None else active.copy()
        reasons = {at: reason for at, reason in refused.items() if taking_part[at]}
        taking_part[list(reasons)] = False
        columns, blocked = self._kind_columns(batch, taking_part)
        resolution = resolve(columns, taking_part, self._next_row, self._count_owned(columns))
        reasons.update(resolution.refused)
        at = np.flatnonzero(resolution.rows != UNKNOWN)
        answer = Resolved(
            None, sorted(reasons.items()), len(at), blocked, created=resolution.created
        )
        if not len(at):
            return answer
        update = self._update(batch, at, resolution, columns, giver)
        if batch.events:
            named = giver if source is None else source
            events = resolve_events(
                batch.events,
                at,
                resolution.rows[at],
                batch.count,
                partial(event_digests, self._identities.key, named),
                self._model,
                self._catalog,
                self._intern,
            )
            update = replace(update, events=events)
        self._give_away(update, [column.identifier.kind for column in columns], sequence)
        return Resolved(update, answer.refused, answer.accepted, blocked, answer.created)

    def applied(self, sequence: int) -> None:
        """Records up to a sequence are in every count of `owned` from now on."""
        with self._guard:
            self._pending = [record for record in self._pending if record.sequence > sequence]

    def forget_after(self, sequence: int) -> None:
        """Records after a sequence came to nothing: rows and identifiers are free again.

        The identities are told by whoever keeps them.
        """
        with self._guard:
            for record in reversed(self._pending):
                if record.sequence > sequence:
                    self._next_row = record.first_new
            self._pending = [record for record in self._pending if record.sequence <= sequence]

    # ----------------------------------------------------------------------- identifiers

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
            usable = active & (values.lengths() > 0)
            digests = self._identities.digests(kind, values)
            if len(self._blocked[kind]):
                blocked = usable & _is_among(digests, self._blocked[kind])
                blocked_count += int(np.count_nonzero(blocked))
                usable &= ~blocked
            if usable.all():
                found = self._find(digests)
            else:
                found = np.full(batch.count, UNKNOWN, np.uint32)
                found[usable] = self._identities.find(digests[usable])
            columns.append(KindColumn(identifier, values, usable, digests, found))
        return columns, blocked_count

    def _find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Rows of digests, of which neighbours that are the same are looked up once: records of
        one profile tend to come together."""
        starts = np.ones(len(digests), np.bool_)
        starts[1:] = (digests[1:] != digests[:-1]).any(axis=1)
        if 2 * np.count_nonzero(starts) > len(digests):
            return self._identities.find(digests)
        rows: NDArray[np.uint32] = self._identities.find(digests[starts])[np.cumsum(starts) - 1]
        return rows

    def _count_owned(
        self, columns: list[KindColumn]
    ) -> Callable[[int, NDArray[np.uint32]], NDArray[np.int64]]:
        def owned(place: int, rows: NDArray[np.uint32]) -> NDArray[np.int64]:
            kind = columns[place].identifier.kind
            # Taken first: what is forgotten after this is in the count that comes next.
            with self._guard:
                pending = self._pending
            counts, through = self._owned(kind, rows)
            for record in pending:
                if record.sequence > through and kind in record.linked:
                    counts = counts + _looked_up(record.linked[kind], rows)
            return counts

        return owned

    def _update(
        self,
        batch: ProfileBatch,
        at: NDArray[np.intp],
        resolution: Resolution,
        columns: list[KindColumn],
        giver: str,
    ) -> ProfileUpdate:
        cells = resolve_cells(
            batch, at, resolution.rows[at], giver, self._model, self._catalog, self._intern
        )
        linked = []
        for column, links in zip(columns, resolution.links, strict=True):
            # In the order of the updates, as all their cells are.
            is_link = np.zeros(batch.count, np.bool_)
            is_link[links.at] = True
            of_links = np.flatnonzero(is_link)
            linked.append(
                LinkedIdentifiers(
                    self._catalog[identifier_field(column.identifier.kind)].id,
                    resolution.rows[of_links],
                    column.values.take(of_links),
                    column.digests[of_links],
                )
            )
        drawn = np.frombuffer(os.urandom(UID_BYTES * resolution.created), np.uint8)
        uids = drawn.reshape(-1, UID_BYTES)
        return ProfileUpdate(
            self._next_row,
            uids,
            self._identities.digests(UID, uid_strings(uids)),
            tuple(links for links in linked if len(links.rows)),
            *cells,
        )

    def _give_away(self, update: ProfileUpdate, kinds: list[str], sequence: int) -> None:
        rows = np.arange(update.first_new, update.row_count, dtype=np.uint32)
        if len(rows):
            self._identities.add(update.uid_digests, rows, sequence)
        of_field = {self._catalog[identifier_field(kind)].id: kind for kind in kinds}
        linked = {}
        for links in update.identifiers:
            self._identities.add(links.digests, links.rows, sequence)
            linked[of_field[links.field_id]] = counted(links.rows)
        with self._guard:
            self._pending = [*self._pending, _Pending(sequence, update.first_new, linked)]
        self._next_row = update.row_count


def _is_among(digests: NDArray[np.uint64], few: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of n digests (n, 2) are among a few others."""
    found = np.zeros(len(digests), np.bool_)
    for digest in few:
        found |= (digests == digest).all(axis=1)
    return found


def _looked_up(
    counted: tuple[NDArray[np.uint32], NDArray[np.int64]], rows: NDArray[np.uint32]
) -> NDArray[np.int64]:
    """The counts of rows, 0 where they were not counted."""
    known, counts = counted
    if not len(known):
        return np.zeros(len(rows), np.int64)
    at = np.minimum(np.searchsorted(known, rows), len(known) - 1)
    return np.where(known[at] == rows, counts[at], 0)
