"""When two events are one: the same id in the same row, and when they say the same."""

from __future__ import annotations

from collections.abc import Container

import numpy as np
from numpy.typing import NDArray

from engine.events.events import Codes, Events, Property, Texts
from engine.live.text_field import texts_differ

__all__ = ["last_of_ids", "same_events"]


def last_of_ids(rows: NDArray[np.uint16], ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of n events stay: those without an id (0), and of each row and id the last one."""
    known = np.flatnonzero(ids)
    ordered = np.sort(ids[known])
    stays = np.ones(len(ids), np.bool_)
    if not (ordered[1:] == ordered[:-1]).any():
        return stays
    order = known[np.lexsort((rows[known], ids[known]))]
    followed = (ids[order][1:] == ids[order][:-1]) & (rows[order][1:] == rows[order][:-1])
    stays[order[:-1][followed]] = False
    return stays


def same_events(left: Events, right: Events, properties: Container[int]) -> NDArray[np.bool_]:
    """Which of n pairs of events, of the same row each, have the same time and the same values of
    the properties of these numbers; those that a type had once do not count."""
    equal: NDArray[np.bool_] = left.times == right.times
    for number in {*left.properties, *right.properties}:
        if number in properties:
            equal &= _values_equal(left.properties.get(number), right.properties.get(number))
    return equal


def _values_equal(left: Property | None, right: Property | None) -> NDArray[np.bool_]:
    """Of values that are not all missing on both sides."""
    if left is None or right is None:
        one = left if right is None else right
        assert one is not None
        return ~one.present
    if isinstance(left, Codes) and isinstance(right, Codes):
        same: NDArray[np.bool_] = left.codes == right.codes
        return same
    if isinstance(left, Texts) and isinstance(right, Texts):
        return ~texts_differ(left.strings, right.strings)
    assert not isinstance(left, Codes | Texts) and not isinstance(right, Codes | Texts)
    same = (left.present == right.present) & (~left.present | (left.values == right.values))
    return same
