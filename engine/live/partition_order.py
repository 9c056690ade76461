"""Batches of one partition, each behind the one before it.

A client may have several batches under way. Where one of them is not taken, those behind it must
not be either, or the partition would have a gap; until it is sent again from there on.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

from engine.errors import StoreUnwritable
from engine.live.committing import Submission
from engine.live.positions import IngestAck

__all__ = ["PartitionOrder"]


class PartitionOrder:
    """Knows the last batch of each partition; for one thread at a time."""

    def __init__(self) -> None:
        # (source, partition) -> the last batch in line: its answer, its owner's epoch and its
        # first offset.
        self._last: dict[tuple[str, str], tuple[Future[IngestAck], int, int]] = {}

    def behind(self, submission: Submission) -> Submission:
        """The next batch in line, not to be taken where the one before it of its partition cannot
        be."""
        position = submission.position
        if position is None or not len(position.offsets):
            return submission
        key = position.source, position.partition
        first = int(position.offsets[0])
        before = self._last.get(key)
        self._last[key] = submission.answer, position.owner_epoch, first
        if submission.after is not None or before is None:
            return submission
        answer, epoch, offset = before
        if epoch != position.owner_epoch:
            return submission
        if answer.done():
            lost = isinstance(answer.exception(), StoreUnwritable) and first > offset
            if not lost:
                return submission
            # Until the partition is sent again from there on.
            self._last[key] = before
        return replace(submission, after=answer)
