"""How many profiles of an audience have each code of a category, a set or a bool."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.core.values import ValueBlocks
from engine.measuring.passes import Reading, gather

__all__ = ["codes_of", "count_codes"]


def codes_of(reading: Reading, codes: int, is_set: bool) -> tuple[NDArray[np.int64], int]:
    """Profiles by code, int64 (codes,), and how many there are. Code 0: of a set those with any
    element, of others those without a value."""
    gathered = gather(reading, lambda: _Codes(codes, is_set))
    counts = sum((one.counts for one in gathered), np.zeros(codes, np.int64))
    return counts, sum(int(one.matched[0]) for one in gathered)


def count_codes(reading: Reading, codes: int) -> NDArray[np.int64]:
    """Profiles by code of what is no set; code 0 those without a value."""
    return codes_of(reading, codes, is_set=False)[0]


class _Codes:
    """How many profiles of the audience one thread has met by code."""

    def __init__(self, codes: int, is_set: bool) -> None:
        self.counts = np.zeros(codes, np.int64)
        self.matched = np.zeros(1, np.int64)
        self._is_set = is_set

    def add(self, blocks: ValueBlocks) -> None:
        self.matched[0] += blocks.matched
        if self._is_set:
            blocks.add_elements(self.counts)
        else:
            blocks.add_matched(self.counts)
