"""Where an ingester stands: which of its records are durable, and who may send more.

A source numbers the records of each of its partitions with rising offsets; gaps are legal. What
was made durable up to an offset is never taken again, so an ingester that did not get its answer
sends the batch once more, cut as it likes. An owner of a partition has an epoch; once a higher
one has written, lower ones are fenced off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputInvalid, about_field

__all__ = ["IngestAck", "Position", "StoredPosition"]


@dataclass(frozen=True, slots=True)
class Position:
    """The place of a batch in its partition: `offsets` uint64 (n,), rising, one a record."""

    source: str
    partition: str
    owner_epoch: int
    offsets: NDArray[np.uint64]

    @classmethod
    def from_first(
        cls, source: str, partition: str, owner_epoch: int, first: int, count: int
    ) -> Position:
        """Records numbered one after the other from `first`."""
        offsets = np.uint64(first) + np.arange(count, dtype=np.uint64)
        return cls(source, partition, owner_epoch, offsets)

    def check(self, count: int) -> None:
        """InputInvalid where the offsets are not those of `count` records."""
        if len(self.offsets) != count:
            message = f"{len(self.offsets)} offsets stand beside {count} records"
            raise about_field(InputInvalid, "batch.offsets", message)
        if (self.offsets[1:] <= self.offsets[:-1]).any():
            message = "the offsets of a batch must rise from record to record"
            raise about_field(InputInvalid, "batch.offsets", message)


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """What is durable of a partition: everything up to `offset`, last by `owner_epoch`."""

    owner_epoch: int
    offset: int


@dataclass(frozen=True, slots=True)
class IngestAck:
    """The answer to a batch; everything in it is durable.

    `offset` is the place in the store's log that contains the batch: a read that waits for it
    sees the batch. `refused` has (record in the batch, reason). `duplicates` were durable
    before. `created` profiles are new; `blocked` counts identifier values that the model blocks.
    """

    offset: int
    accepted: int
    duplicates: int = 0
    created: int = 0
    blocked: int = 0
    refused: tuple[tuple[int, str], ...] = ()
