"""The shards that the index comes to have with the entries of a load, one after the other.

    for each stretch of digests: its new entries
        -> for each shard of it: united, cut where it is too large

Stretches are as many as keep the new entries of one within STRETCH_ENTRIES, digests being
uniform; so memory is that of a stretch, whatever comes. A shard that is larger than a stretch is
cut first: it would be cut anyway, having so many more entries to take.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.identity.digests import Run, unite_runs
from engine.identity.shards import Piece, ShardTable
from engine.identity.spilled import SpilledRuns
from engine.limits import IDENTITY_SHARD_BITS_MAX

__all__ = ["grown_shards"]

# Entries that are sorted together: 10 MiB of them. Fewer would be more small steps.
STRETCH_ENTRIES = 1 << 19


class _Stretches:
    """The new entries by stretches, of which the last one asked for is kept."""

    def __init__(self, added: SpilledRuns) -> None:
        self.bits = min((added.count // STRETCH_ENTRIES).bit_length(), IDENTITY_SHARD_BITS_MAX)
        self._added = added
        self._number = -1
        self._entries = Run(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.uint32))

    def within(self, piece: Piece) -> Run:
        """The new entries of a shard that is no larger than a stretch."""
        number = piece.prefix >> (piece.depth - self.bits)
        if number != self._number:
            whole = Piece(number, self.bits, self._entries)
            self._number, self._entries = number, self._added.between(*whole.bounds)
        return _within(self._entries, piece)


def grown_shards(shards: ShardTable, added: SpilledRuns) -> Iterator[tuple[int, Piece]]:
    """For each shard that changes, in order, what it becomes: one piece or more, in order.

    None of the digests that are added is stored. Raises StoreCorrupt.
    """
    stretches = _Stretches(added)
    for shard in range(shards.shard_count):
        for piece in _grown(shards.piece(shard), stretches):
            yield shard, piece


def _grown(stored: Piece, stretches: _Stretches) -> Iterator[Piece]:
    if stored.depth < stretches.bits:
        for half in stored.halves():
            yield from _grown_half(half, stretches)
        return
    new = stretches.within(stored)
    if new.count:
        yield from _united(stored, new)


def _grown_half(half: Piece, stretches: _Stretches) -> Iterator[Piece]:
    """The same of a shard to be, which is none yet and so never stays as it is."""
    if half.depth < stretches.bits:
        for smaller in half.halves():
            yield from _grown_half(smaller, stretches)
    else:
        yield from _united(half, stretches.within(half))


def _united(piece: Piece, new: Run) -> Iterator[Piece]:
    if piece.is_cut_with(new.count):
        for half in piece.halves():
            yield from _united(half, _within(new, half))
    else:
        yield from Piece(piece.prefix, piece.depth, unite_runs(piece.run, new)).cut()


def _within(entries: Run, piece: Piece) -> Run:
    first, last = piece.bounds
    start = int(np.searchsorted(entries.high, np.uint64(first)))
    stop = int(np.searchsorted(entries.high, np.uint64(last), "right"))
    return entries.slice(start, stop)
