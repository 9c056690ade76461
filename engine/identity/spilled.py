"""Entries of the identity index that a load has given away and does not keep in memory.

1. What has gathered in memory becomes a *run*: its entries sorted by digest, written to a file
   without a name in the folder of the store. A crash leaves nothing of it, so it is never synced.
2. A look-up asks a filter first (digest_filter.h), which says of almost every digest that is
   in no run that it is not, without touching the disk. The others are looked for run by run, as
   they are in shards.
3. In the end the entries of all runs are read stretch by stretch, in the order of digests.

Memory: that of the filter, at most LOAD_IDENTITY_FILTER_BYTES, and one stretch. Beyond 200 million
entries the filter lets more pass that are in no run, and a look-up takes longer.

Bytes of a run: uint64 high[count], uint64 low[count], uint32 row[count] from a border of pages.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import StoreUnwritable
from engine.identity.digest_filter import LINE_BYTES, add_to_filter, passed_filter
from engine.identity.digest_map import DigestMap
from engine.identity.digest_search import rows_in_shards
from engine.identity.digests import UNKNOWN, Run, unite_runs
from engine.limits import LOAD_IDENTITY_FILTER_BYTES

__all__ = ["SpilledRuns", "united"]

_ENTRY_BYTES = 20
_HIGH_BITS = 64
# The filter of the first run, and from how many of its bits for each entry on one twice as large
# is made of the runs, up to its limit.
_FILTER_BYTES_AT_FIRST = 32 << 20
_FILTER_BITS_PER_ENTRY = 12


class SpilledRuns:
    """Runs of distinct digests on the disk. Not for use by two threads at once.

    Raises StoreUnwritable where the disk takes nothing more. `close` lets go of the disk.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._file = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115
        except OSError as error:
            raise self._unwritable(error) from error
        self._runs: list[Run] = []
        self._places: list[tuple[int, int]] = []
        self._end = 0
        self._filter = np.zeros((_FILTER_BYTES_AT_FIRST // LINE_BYTES, 8), np.uint64)
        self.count = 0

    def close(self) -> None:
        """Gives the room on the disk back; nothing is asked or added afterwards."""
        self._runs.clear()
        self._file.close()

    @property
    def run_count(self) -> int:
        """How many runs there are."""
        return len(self._runs)

    @property
    def filter_bytes(self) -> int:
        """Bytes of memory that the filter takes."""
        return self._filter.nbytes

    def add(self, entries: DigestMap) -> None:
        """Makes a run of entries, none of which is in another."""
        count = entries.count
        start, at = self._end, 0
        lows, numbers = start + 8 * count, start + 16 * count
        for first in range(0, 1 << _HIGH_BITS, 1 << (_HIGH_BITS - 8)):
            run = entries.between(first, first + (1 << (_HIGH_BITS - 8)) - 1)
            self._write(run.high.data, start + 8 * at)
            self._write(run.low.data, lows + 8 * at)
            self._write(run.numbers.data, numbers + 4 * at)
            at += run.count
        assert at == count, "a map has as many entries as it says"
        self._places.append((start, count))
        self._end = -(-(start + _ENTRY_BYTES * count) // mmap.PAGESIZE) * mmap.PAGESIZE
        self.count += count
        self._map()
        self._let_pass(self._runs[-1])

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Rows of n digests, uint64 (n, 2), as uint32 (n,); UNKNOWN where in no run."""
        rows = np.full(len(digests), UNKNOWN, np.uint32)
        left = passed_filter(self._filter, np.ascontiguousarray(digests))
        for run in self._runs:
            if not len(left):
                break
            rows[left] = _rows_in_run(run, np.ascontiguousarray(digests[left]))
            left = left[rows[left] == UNKNOWN]
        return rows

    def between(self, first: int, last: int) -> Run:
        """The entries of all runs whose high halves are from `first` to `last`, both included."""
        found = []
        for run in self._runs:
            start = int(np.searchsorted(run.high, np.uint64(first)))
            stop = int(np.searchsorted(run.high, np.uint64(last), "right"))
            found.append(run.slice(start, stop))
        return united(found)

    # ------------------------------------------------------------------------- parts

    def _write(self, data: memoryview, at: int) -> None:
        left = data.cast("B")
        try:
            while len(left):
                done = os.pwrite(self._file.fileno(), left, at)
                left, at = left[done:], at + done
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StoreUnwritable:
        return StoreUnwritable(
            f"The identifiers of a load cannot be written to {self._folder}: {error.strerror}. "
            "Nothing of the load was kept. Make room, then load again."
        )

    def _map(self) -> None:
        """Maps the file as it is now; what is mapped before goes with its last reference."""
        size = self._places[-1][0] + _ENTRY_BYTES * self._places[-1][1]
        mapped = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ)
        self._runs = [
            Run(
                np.frombuffer(mapped, np.uint64, count, start),
                np.frombuffer(mapped, np.uint64, count, start + 8 * count),
                np.frombuffer(mapped, np.uint32, count, start + 16 * count),
            )
            for start, count in self._places
        ]

    def _let_pass(self, added: Run) -> None:
        size = self._filter.nbytes
        wanted = self.count * _FILTER_BITS_PER_ENTRY // 8
        while size < min(wanted, LOAD_IDENTITY_FILTER_BYTES):
            size *= 2
        if size == self._filter.nbytes:
            add_to_filter(self._filter, added.high, added.low)
            return
        self._filter = np.zeros((size // LINE_BYTES, 8), np.uint64)
        for run in self._runs:
            add_to_filter(self._filter, run.high, run.low)


def _rows_in_run(run: Run, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """A run is searched as a shard of every digest, whose columns stand one behind another."""
    address = np.array([run.high.__array_interface__["data"][0]], np.uint64)
    return rows_in_shards(
        digests,
        np.zeros(len(digests), np.uint32),
        address,
        np.array([run.count], np.int64),
        np.zeros(1, np.uint8),
    )


def united(runs: Sequence[Run]) -> Run:
    """One run of them all: neighbours are united until one is left, so that an entry moves as many
    times as the number of runs has bits."""
    left = list(runs)
    while len(left) > 1:
        pairs = (left[at : at + 2] for at in range(0, len(left), 2))
        left = [unite_runs(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return left[0]
