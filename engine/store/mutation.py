"""A record of the log on its way into the visible state.

What the record changes is written in place where nobody reads it (`field`), else as a new payload
(`put`). Then a candidate shows the state with the record, for those who derive something from it,
whose changes are made in the same way; publishing lets everybody else see all of it at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.hot_block import HotField
from engine.columns.zone import Encoded
from engine.store.hot import HotFields
from engine.store.open_events import OpenEvents
from engine.store.overlay import HeapPayload
from engine.store.snapshot import Snapshot
from engine.store.version import InPlace, Version

__all__ = ["Mutation"]


class Mutation:
    """One record, or several as one; see Store.mutation. For the thread that applies records."""

    def __init__(
        self,
        version: Version,
        hot: HotFields,
        sequence: int,
        newest_open: int,
        attach: Callable[[], object],
        first: int,
    ) -> None:
        self.sequence, self.first = sequence, first
        # Memory may be written in place that was made after the record `newest_open`.
        self.newest_open = newest_open
        # The state before it.
        self.snapshot = Snapshot(version)
        self.base = version
        self.may_have_written = False
        self.candidate_version: Version | None = None
        # field -> block -> payload, before and after the candidate was made.
        self.changes: dict[int, dict[int, HeapPayload]] = {}
        self.derived: dict[int, dict[int, HeapPayload]] = {}
        self._blocks: set[int] = set()
        self._added: Counter[int] = Counter()
        self._hot = hot
        self._attach = attach

    def field(self, field_id: int) -> HotField | None:
        """The blocks of a field that can be written in place, None for a kind that cannot.

        Whoever changes one says so by `changed` and `grown`.
        """
        listed = self.snapshot.fields.by_id(field_id)
        assert listed is not None, f"there is no field {field_id}"
        self.may_have_written = True
        return self._hot.of(listed)

    def changed(self, blocks: Iterable[int]) -> None:
        """Blocks were changed in place."""
        self._blocks.update(blocks)

    def grown(self, field_id: int, added: int) -> None:
        """In blocks changed in place, a field of rows has so many more."""
        self._added[field_id] += added

    def put(self, field_id: int, block: int, encoded: Encoded) -> None:
        """A field of a block becomes another."""
        listed = self.snapshot.fields.by_id(field_id)
        assert listed is not None, f"there is no field {field_id}"
        self._keep(field_id, block, self._hot.place(listed, block, encoded, self.sequence))

    def heat(self, field_id: int, block: int, parts: Sequence[Buffer]) -> None:
        """Copies a block of which nothing is in memory that is written in place, with what its
        `parts` have, so that it can be."""
        hot = self.field(field_id)
        assert hot is not None, f"field {field_id} is not written in place"
        self._keep(field_id, block, hot.heat(block, parts, self.sequence, self.sequence))

    def events(self, field_id: int, block: int) -> OpenEvents:
        """The events of a block, to be changed; `put_events` says that it was done."""
        return self._hot.events(self.snapshot, field_id, block)

    def find_events(
        self, events: OpenEvents, rows: NDArray[np.uint16], ids: NDArray[np.uint64]
    ) -> NDArray[np.uint32]:
        """See OpenEvents.find."""
        found = events.find(self.snapshot, rows, ids)
        self._hot.asked(events)
        return found

    def leave_events(self, field_id: int, block: int) -> None:
        """Events of a block were looked at, and stay as they are."""
        self._hot.leave(field_id, block)

    def put_events(self, field_id: int, block: int, events: OpenEvents) -> None:
        """Events of a block were changed."""
        self._keep(field_id, block, events.close(self.sequence))

    def renew(self, field_id: int, blocks: Iterable[int]) -> list[int]:
        """Copies those of the blocks that an open snapshot sees, so that they can be written in
        place; which these are."""
        hot = self.field(field_id)
        assert hot is not None, f"field {field_id} is not written in place"
        renewed = []
        for block in blocks:
            seen = hot.get(block)
            if seen is not None and seen.born <= self.newest_open:
                self._keep(field_id, block, hot.renew(block, self.sequence))
                renewed.append(block)
        return renewed

    def _keep(self, field_id: int, block: int, made: HeapPayload) -> None:
        chosen = self.changes if self.candidate_version is None else self.derived
        chosen.setdefault(field_id, {})[block] = made

    def candidate(self, row_count: int) -> Snapshot:
        """The state with the record, seen by nobody else; `row_count` rows are given out. Another
        one has what was derived from the one before, too."""
        for field_id, blocks in self.derived.items():
            self.changes.setdefault(field_id, {}).update(blocks)
        self.derived = {}
        self.candidate_version = self.base.after_record(
            self.sequence, self.changes, row_count, self.in_place, first=self.first
        )
        self.candidate_version.attached = self._attach()
        return Snapshot(self.candidate_version)

    @property
    def in_place(self) -> InPlace:
        """What was changed in place so far."""
        return InPlace(frozenset(self._blocks), dict(self._added))
