"""Digests of the ids that sources give to events.

Two events of one profile and type are one where their source and their id are the same. What is
stored is a digest of both, 8 bytes: it is only ever compared within one profile and type, so that
strangers meet once in 2^64 pairs. It is keyed as identifiers are, with the store's own key, so that
nobody can make ids that meet on purpose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.columns.hashing import siphash128, siphash128_many
from engine.columns.strings import Strings

__all__ = ["event_digests"]

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
