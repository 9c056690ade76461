"""Chains of the events of deep blocks, for who reads one profile at a time.

A profile's events are found by looking at the row of every event of its block, which is quick
while a type has a few chunks there and slow where it has a hundred. So a block that is deep and is
read again and again gets chains (engine.events.chains) of its sealed chunks, once about as much was
spent on scans as the chains take to make. A sealed chunk never changes, on the disk or the heap:
chains serve every state of the store that has the same first chunks, as far as these go; chunks
behind them and the open tail are scanned. What is kept is bounded, and what was used longest ago
goes first.
"""

from __future__ import annotations

import itertools
import struct
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.events.chains import Chains
from engine.events.chunks import Chunks
from engine.limits import READ_CHAINS_BYTES

__all__ = ["DEEP_CHUNKS", "READS_BEFORE_CHAINS", "Deep", "RowChains", "told_of"]

# A scan of fewer chunks takes no longer than the rest of reading a profile.
DEEP_CHUNKS = 8
# Chaining an event takes as long as looking at its row so many times.
READS_BEFORE_CHAINS = 16

_TOLD_BYTES = 24


class Deep(NamedTuple):
    """The sealed chunks of a type in one block: its place among the types asked for, how many
    chunks there are, and what tells them from others (`told_of`)."""

    place: int
    field_id: int
    chunks: int
    told: bytes


def told_of(stored: NDArray[np.void], heap: Sequence[int] = ()) -> bytes:
    """What tells chunks from all others, chunk by chunk: what a manifest says of those that are
    stored, and the serial numbers of those on the heap, which come behind them."""
    names = ("sequence", "crc", "length")
    told = np.stack([stored[name].astype("<u8") for name in names], axis=1).tobytes()
    # No chunk is stored that has no bytes.
    return told + b"".join(struct.pack("<QQQ", serial, 0, 0) for serial in heap)


class _Made:
    """Chains, what tells the chunks that they were made of, and how many of the chunks that were
    asked about last are among these."""

    __slots__ = ("chains", "seen", "told", "used")

    def __init__(self, chains: Chains, told: bytes) -> None:
        self.chains = chains
        self.told = told
        self.seen = told, len(told) // _TOLD_BYTES
        self.used = 0

    def covers(self, told: bytes) -> int:
        """How many of some chunks, from the first on, the chains are of."""
        seen, covered = self.seen
        if seen is told or seen == told:
            return covered
        covered, most = 0, min(len(told), len(self.told))
        while (end := (covered + 1) * _TOLD_BYTES) <= most and told[:end] == self.told[:end]:
            covered += 1
        self.seen = told, covered
        return covered


class _Known:
    """A type in a block: its chains, and how often chunks that these lack were scanned."""

    __slots__ = ("made", "reads")

    def __init__(self) -> None:
        self.made: _Made | None = None
        self.reads = 0


class RowChains:
    """The chains of one open store. Safe to share between threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: dict[tuple[int, int], _Known] = {}
        self._turns = itertools.count(1)
        self._bytes = 0
        self._scanned = 0

    @property
    def figures(self) -> dict[str, int]:
        """For Stats: chunks of deep blocks that were scanned for one profile, and what chains
        take."""
        return {"deep_chunks_scanned": self._scanned, "row_chains_bytes": self._bytes}

    def of(self, deep: Deep, block: int, addresses: tuple[int, ...]) -> tuple[Chains, int] | None:
        """Chains, and of how many of the first chunks they know all; None where all are to be
        scanned. `addresses` are good until this returns."""
        key = deep.field_id, block
        known = self._known.get(key) or self._known.setdefault(key, _Known())
        made = known.made
        covered = 0 if made is None else made.covers(deep.told)
        if deep.chunks - covered >= DEEP_CHUNKS:
            known.reads += 1
            # Who comes while another makes chains does better to scan.
            if known.reads >= READS_BEFORE_CHAINS and self._guard.acquire(blocking=False):
                try:
                    made, covered = self._make(known, deep, addresses), deep.chunks
                finally:
                    self._guard.release()
        self._scanned += deep.chunks - covered
        if made is None or not covered:
            return None
        made.used = next(self._turns)
        return made.chains, covered

    def _make(self, known: _Known, deep: Deep, addresses: tuple[int, ...]) -> _Made:
        chains = Chains(Chunks([], addresses[: deep.chunks]))
        self._drop(known)
        kept = [one for one in self._known.values() if one.made is not None]
        for one in sorted(kept, key=_last_used):
            if self._bytes + chains.nbytes <= READ_CHAINS_BYTES:
                break
            self._drop(one)
        self._bytes += chains.nbytes
        known.reads = 0
        known.made = made = _Made(chains, deep.told)
        return made

    def _drop(self, known: _Known) -> None:
        if known.made is not None:
            self._bytes -= known.made.chains.nbytes
            known.made = None


def _last_used(known: _Known) -> int:
    return 0 if known.made is None else known.made.used
