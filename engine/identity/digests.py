"""Entries of the index that are sorted by digest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.identity.digest_table import merge_sorted

__all__ = ["UNKNOWN", "Run", "unite_runs"]

# What a lookup answers for a digest that is not there.
UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Run:
    """Entries sorted by (high, low): uint64, uint64 and uint32 arrays of one length."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    numbers: NDArray[np.uint32]

    @property
    def count(self) -> int:
        """How many entries there are."""
        return len(self.high)

    def slice(self, start: int, stop: int) -> Run:
        """Entries start..stop-1, a view."""
        return Run(self.high[start:stop], self.low[start:stop], self.numbers[start:stop])


def unite_runs(left: Run, right: Run) -> Run:
    """One run with the entries of both; those that both have, with one number, once."""
    if not left.count or not right.count:
        return left if left.count else right
    merged = merge_sorted(
        (left.high, left.low, left.numbers), (right.high, right.low, right.numbers)
    )
    assert merged is not None, "an identifier moved"
    return Run(*merged)
