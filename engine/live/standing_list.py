"""Who an uploaded list names, kept up to date while identifiers find owners.

A list is resolved whole once. After that, a profile joins it when an identifier of the list is
linked to it; so only rows with new identifiers are asked, and their values looked up among the
list's. Identifiers are never taken away from a profile that lives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.columns.string_index import StringIndex
from engine.columns.values import decode_values
from engine.core.leaf_plan import ListMembers
from engine.identity.digests import UNKNOWN
from engine.identity.of_snapshot import identities_of
from engine.identity.owners import owners
from engine.live.lists import list_rows, read_list
from engine.model.definitions import Model
from engine.store.catalog import identifier_field
from engine.store.snapshot import Snapshot

__all__ = ["StandingList", "list_members"]

_BLOCK_BITS = 16


def list_members(snapshot: Snapshot, model: Model, name: str) -> ListMembers:
    """The rows of an uploaded list, and how many identifiers wait. Raises NotFound."""
    rows, waiting = list_rows(snapshot, identities_of(snapshot), model, name)
    return ListMembers(rows, waiting)


class StandingList:
    """The rows of one list as of the last state that `grow` has seen.

    `field_id` is the identifier field that can bring new rows; None for lists of uids, which
    belong to their profiles from the start, and for kinds that the store does not have.
    """

    def __init__(self, snapshot: Snapshot, model: Model, name: str) -> None:
        info, values = read_list(snapshot, name)
        self.members = list_members(snapshot, model, name)
        self._rows = self.members.rows
        self._later = np.zeros(0, np.uint32)
        self._index = StringIndex()
        self.field_id: int | None = None
        field = snapshot.fields.get(identifier_field(info.kind))
        kind = model.identifiers.get(info.kind)
        if field is None or kind is None:
            return
        self.field_id = field.id
        blocked = np.array([text in kind.blocked for text in values.to_list()], np.bool_)
        kept = values.take(np.flatnonzero(~blocked)) if blocked.any() else values
        self._index.add(kept.offsets, kept.data, kept.valid)
        if (later := identities_of(snapshot).later()) is not None:
            # A block that was saved after this state has identifiers that others get later.
            rows = owners(later, model, info.kind, values)
            self.grow(snapshot, np.unique(rows[rows != UNKNOWN]))

    @classmethod
    def of_rows(cls, rows: NDArray[np.uint32]) -> StandingList:
        """A list that nobody uploaded and nobody joins: these rows, sorted and each once."""
        made = cls.__new__(cls)
        made.members, made.field_id = ListMembers(rows, 0), None
        made._rows, made._later, made._index = rows, np.zeros(0, np.uint32), StringIndex()
        return made

    def grow(self, snapshot: Snapshot, rows: NDArray[np.uint32]) -> None:
        """Takes in rows (sorted) that an update has linked identifiers to."""
        if self.field_id is None:
            return
        rows = rows[~self.among(rows)]
        blocks = rows >> _BLOCK_BITS
        found = [self._later]
        for stretch in np.split(rows, np.flatnonzero(np.diff(blocks)) + 1):
            if len(stretch):
                found.append(stretch[self._named(snapshot, stretch)])
        self._later = np.unique(np.concatenate(found))
        if len(self._later) > max(65_536, len(self._rows) // 4):
            self._rows = np.union1d(self._rows, self._later)
            self._later = self._later[:0]

    @property
    def rows(self) -> NDArray[np.uint32]:
        """All rows that the list names, sorted."""
        return np.union1d(self._rows, self._later)

    def among(self, rows: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which rows the list names, bool (n,)."""
        return _in_sorted(rows, self._rows) | _in_sorted(rows, self._later)

    def _named(self, snapshot: Snapshot, rows: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which rows of one block own an identifier of the list."""
        assert self.field_id is not None, "asked of a list that can grow"
        parts = snapshot.payloads(self.field_id, int(rows[0]) >> _BLOCK_BITS)
        if not parts:
            return np.zeros(len(rows), np.bool_)
        owners, values = decode_values(parts)
        inside = (rows & 0xFFFF).astype(np.uint16)
        first = np.searchsorted(owners, inside, side="left")
        counts = np.searchsorted(owners, inside, side="right") - first
        starts = np.repeat(first - (np.cumsum(counts) - counts), counts)
        asked = values.take(starts + np.arange(int(counts.sum())))
        hits = self._index.find(asked.offsets, asked.data, asked.valid) >= 0
        return np.bincount(np.repeat(np.arange(len(rows)), counts)[hits], minlength=len(rows)) > 0


def _in_sorted(values: NDArray[np.uint32], held: NDArray[np.uint32]) -> NDArray[np.bool_]:
    if not len(held):
        return np.zeros(len(values), np.bool_)
    at = np.searchsorted(held, values).clip(max=len(held) - 1)
    found: NDArray[np.bool_] = held[at] == values
    return found
