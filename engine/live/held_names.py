"""Tags that rows have by a rule whose tags properties name, and the events that store them.

The id of such an event follows from the codes by which the tag is known, so it can be taken away by
them, and writing it twice writes it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.events.events import Codes, Events
from engine.live.event_ids import mixed
from engine.live.field_load import Selection
from engine.live.tag_names import NO_TAG

__all__ = ["HeldNames", "WrittenNames", "both_of", "each_once", "known_as"]


@dataclass(frozen=True, slots=True, eq=False)
class HeldNames:
    """Tags that rows have: rows uint32, `names` int64 (engine.live.tag_names), and the codes uint32
    (n, places + 1) by which they are known, that of the set `tag` last."""

    rows: NDArray[np.uint32]
    names: NDArray[np.int64]
    codes: NDArray[np.uint32]

    @property
    def keys(self) -> NDArray[np.int64]:
        """One for each row and tag."""
        return self.rows.astype(np.int64) << 32 | self.names

    def take(self, at: NDArray[np.bool_] | NDArray[np.intp]) -> HeldNames:
        """Some of them."""
        return HeldNames(self.rows[at], self.names[at], self.codes[at])


@dataclass(frozen=True, slots=True, eq=False)
class WrittenNames:
    """Events of one type that begin, and those that are `gone`."""

    field: int
    properties: Sequence[int]
    held: HeldNames
    instants: NDArray[np.int64]
    gone: NDArray[np.bool_]

    def events(self, at: Selection) -> tuple[Events, NDArray[np.bool_]]:
        """Some of them, of one block."""
        codes = self.held.codes[at]
        columns = {
            number: Codes(np.ascontiguousarray(codes[:, column]))
            for column, number in enumerate(self.properties)
        }
        rows = self.held.rows[at].astype(np.uint16)
        return Events(rows, self.instants[at], _ids(codes), None, columns), self.gone[at]


def known_as(some: HeldNames, told: HeldNames) -> HeldNames:
    """The same tags by the codes that were told, where they were."""
    codes = some.codes.copy()
    order = np.argsort(told.keys)
    keys = told.keys[order]
    at = np.minimum(np.searchsorted(keys, some.keys), max(len(keys) - 1, 0))
    if len(keys):
        same = keys[at] == some.keys
        codes[same] = told.codes[order[at[same]]]
    return HeldNames(some.rows, some.names, codes)


def both_of(one: HeldNames, other: HeldNames) -> HeldNames:
    """All of one, then all of the other."""
    return HeldNames(
        np.concatenate([one.rows, other.rows]),
        np.concatenate([one.names, other.names]),
        np.concatenate([one.codes, other.codes]),
    )


def each_once(one: HeldNames, other: HeldNames) -> HeldNames:
    """Each row and tag of both once."""
    both = both_of(one, other)
    both = both.take(both.names != NO_TAG)
    return both.take(np.unique(both.keys, return_index=True)[1])


def _ids(codes: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """One for each tag, by the codes that it is known by; never 0."""
    ids = np.zeros(len(codes), np.uint64)
    for column in codes.T:
        ids = mixed(ids ^ column.astype(np.uint64))
    return np.maximum(ids, np.uint64(1))
