"""Digests of the ids that sources give to events.

Two events of one profile and type are one where their source and their id are the same. What is
stored is a digest of both, 8 bytes: it is only ever compared within one profile and type, so that
strangers meet once in 2^64 pairs. It is keyed as identifiers are, with the store's own key, so that
nobody can make ids that meet on purpose.

What the store remembers of its own (facts, histories) has ids that follow from the instant.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.columns.hashing import siphash128, siphash128_many
from engine.columns.strings import Strings

__all__ = ["event_digests", "instant_ids", "mixed"]

# What identifiers are told apart by is the number of a field, and here it is the source in the key.
_KIND = 0


def event_digests(key: bytes, source: str, ids: Strings) -> NDArray[np.uint64]:
    """Digests of n ids of one source, uint64 (n,): 0 where an id is missing or empty.

    `key` is that of the store's identities, 16 bytes.
    """
    of_source = siphash128(b"event id\0" + source.encode(), key)
    digests = siphash128_many(ids, of_source, _KIND)[:, 0]
    digests = np.maximum(digests, np.uint64(1))
    digests[ids.lengths() == 0] = 0
    return digests


def instant_ids(instants: NDArray[np.int64]) -> NDArray[np.uint64]:
    """An id for each instant, never 0: so of two events at one instant the later one counts."""
    return np.maximum(mixed(instants.astype(np.int64).view(np.uint64)), np.uint64(1))


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every value to another one (the finisher of SplitMix64: Steele et al., "Fast splittable
    pseudorandom number generators", 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
