"""What the rest of the engine asks of an identity index, and how uids stand in it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.columns.uids import UID_BYTES

__all__ = ["UID", "Identities", "uid_strings"]

# The kind under which the uids of profiles stand in the index.
UID = "uid"


class Identities(Protocol):
    """Which profile owns an identifier: (kind, value) -> row, as of one state of the store.

    An identifier is known by its digest, SipHash-128 of kind and value under a key that each
    store draws for itself. The uid of a profile is one more identifier, of its own kind.
    """

    def digests(self, kind: str, values: Strings) -> NDArray[np.uint64]:
        """Digests of n identifiers of one kind, uint64 (n, 2); of missing ones without meaning."""

    def find(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Rows of n digests, uint32 (n,); UNKNOWN where nobody owns it."""

    def lookup(self, kind: str, values: Strings) -> NDArray[np.uint32]:
        """Rows of the owners of n identifiers, uint32 (n,); UNKNOWN where missing or unowned."""


def uid_strings(uids: NDArray[np.uint8]) -> Strings:
    """Uids, uint8 (n, 16), as the byte strings that the index knows them by."""
    count = len(uids)
    offsets = np.arange(count + 1, dtype=np.int64) * UID_BYTES
    return Strings(offsets, np.ascontiguousarray(uids).reshape(-1), np.ones(count, np.bool_))
