"""Entries of an index that nobody has to keep: each follows from its number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings

__all__ = ["digests_of", "texts_of"]

_TEXT_DIGITS = 9


def digests_of(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The digests of entries by their numbers, uint64 (n, 2): two steps of SplitMix64
    (Steele, Lea and Flood), as uniform as keyed digests are and distinct by construction."""
    firsts: NDArray[np.uint64] = numbers.astype(np.uint64) * np.uint64(2)
    halves: NDArray[np.uint64] = np.stack((firsts, firsts + np.uint64(1)), axis=1)
    halves *= np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        halves ^= halves >> np.uint64(shift)
        halves *= np.uint64(factor)
    halves ^= halves >> np.uint64(31)
    return halves


def texts_of(numbers: NDArray[np.int64]) -> Strings:
    """Identifiers as a source of people has them: `p` and nine digits."""
    count = len(numbers)
    letters = np.full((count, _TEXT_DIGITS + 1), ord("p"), np.uint8)
    for digit in range(_TEXT_DIGITS):
        letters[:, _TEXT_DIGITS - digit] = ord("0") + numbers // 10**digit % 10
    offsets = np.arange(count + 1, dtype=np.int64) * letters.shape[1]
    return Strings(offsets, letters.reshape(-1), np.ones(count, np.bool_))
