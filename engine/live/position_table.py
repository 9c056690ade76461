"""The positions of all partitions of one open store: exactly what is durable of each.

They follow from the log. So that the log can be trimmed, the whole table is saved now and then
with the sequence that it contains, as JSON in the named record `positions`.
"""

from __future__ import annotations

import json
import threading

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputInvalid, OwnerFenced, StoreCorrupt
from engine.limits import POSITION_NAME_BYTES
from engine.live.log_entry import Mark
from engine.live.positions import Position, StoredPosition
from engine.store.snapshot import Snapshot
from engine.store.writer import Writer

__all__ = ["PositionTable"]

_NAME = "positions"


class PositionTable:
    """(source, partition) -> StoredPosition. One thread changes it, any may read."""

    def __init__(self, saved: dict[tuple[str, str], StoredPosition], through: int) -> None:
        self._guard = threading.Lock()
        self._durable = saved
        # What the batches of a commit under way will have made durable.
        self._pending: dict[tuple[str, str], StoredPosition] = {}
        self.through = through
        self._dirty_since: int | None = None

    @classmethod
    def load(cls, snapshot: Snapshot) -> PositionTable:
        """The saved table; the records of the log after `through` come on top."""
        stored = snapshot.meta(_NAME)
        if stored is None:
            return cls({}, 0)
        try:
            document = json.loads(stored)
            table = {
                (str(source), str(partition)): StoredPosition(int(epoch), int(offset))
                for source, partition, epoch, offset in document["positions"]
            }
            return cls(table, int(document["through"]))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreCorrupt(f"the positions of sources cannot be read ({error})") from error

    def get(self, source: str, partition: str) -> StoredPosition | None:
        """What is durable of a partition; None where it never sent anything."""
        with self._guard:
            return self._durable.get((source, partition))

    @property
    def count(self) -> int:
        """How many partitions there are."""
        return len(self._durable)

    def all(self) -> dict[tuple[str, str], StoredPosition]:
        """(source, partition) -> what is durable of it."""
        with self._guard:
            return dict(self._durable)

    @property
    def dirty_since(self) -> int | None:
        """The oldest record of the log that the saved table lacks; None where it has all."""
        return self._dirty_since

    def fresh(self, position: Position) -> NDArray[np.intp]:
        """Which records of a batch are not durable yet.

        Raises OwnerFenced where a later owner of the partition has written, and InputInvalid
        for names that are too long.
        """
        for name, text in (("source", position.source), ("partition", position.partition)):
            if len(text.encode()) > POSITION_NAME_BYTES:
                raise InputInvalid(f"the name of a {name} has at most {POSITION_NAME_BYTES} bytes")
        key = position.source, position.partition
        stored = self._pending.get(key) or self._durable.get(key)
        if stored is None:
            return np.arange(len(position.offsets))
        if position.owner_epoch < stored.owner_epoch:
            raise OwnerFenced(
                f"Partition {position.partition!r} of source {position.source!r} has an owner of "
                f"epoch {stored.owner_epoch:,} now, and this one has epoch "
                f"{position.owner_epoch:,}. Stop this ingester; its successor goes on."
            )
        return np.flatnonzero(position.offsets > np.uint64(stored.offset))

    def advance(self, position: Position) -> Mark | None:
        """What the partition's position becomes with a batch, once it is durable; None where
        it stays as it is."""
        key = position.source, position.partition
        stored = self._pending.get(key) or self._durable.get(key)
        if not len(position.offsets):
            return None
        last = int(position.offsets[-1])
        offset = last if stored is None else max(last, stored.offset)
        after = StoredPosition(position.owner_epoch, offset)
        if after == stored:
            return None
        self._pending[key] = after
        return Mark(position.source, position.partition, after)

    def settle(self, first_sequence: int) -> None:
        """The batches of the commit are durable; the first has the sequence given."""
        with self._guard:
            if self._pending:
                self._durable.update(self._pending)
                if self._dirty_since is None:
                    self._dirty_since = first_sequence
        self._pending.clear()

    def forget(self) -> None:
        """The commit failed: nothing of it is durable."""
        self._pending.clear()

    def replay(self, mark: Mark, sequence: int) -> None:
        """Takes the position of a record of the log."""
        if sequence > self.through:
            with self._guard:
                self._durable[mark.source, mark.partition] = mark.position
                if self._dirty_since is None:
                    self._dirty_since = sequence

    def save(self, writer: Writer, through: int) -> None:
        """Writes the table, which contains every record of the log up to `through`."""
        table = [
            [source, partition, position.owner_epoch, position.offset]
            for (source, partition), position in sorted(self._durable.items())
        ]
        document = {"through": through, "positions": table}
        writer.put_meta(_NAME, json.dumps(document, ensure_ascii=False).encode())

    def saved(self, through: int) -> None:
        """The write with the table is committed."""
        self.through = through
        if self._dirty_since is not None and self._dirty_since <= through:
            self._dirty_since = None
