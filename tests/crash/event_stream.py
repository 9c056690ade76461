"""A stream of events that come twice and in disorder, made anew by whoever needs it.

Of so many events a tenth come later than their turn, and a sixth of all records are an earlier one
again: a fifth as many as there are events.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.live.batch import EventRows, Ints, ProfileBatch, Texts

__all__ = ["MODEL", "NOW_US", "SOURCE", "EventStream"]

SOURCE = "shop"
NOW_US = 1_760_000_000_000_000
_SPAN_US = 60 * 86_400_000_000
# How many events later one comes at most, and is told again at most.
_LATE, _AGAIN = 3_000, 20_000

MODEL = {
    "model.yaml": """\
time_zone: Europe/Berlin
identifiers:
  member: {per_profile: 1}
attributes:
  stage: {type: category}
events:
  read: {properties: {page: category}}
  order: {properties: {amount: {type: decimal, scale: 2}, page: category}}
segments:
  readers: "count(read in last 7 days) >= 2"
  silent: "count(read in last 10 days) = 0"
  spent: "sum(order.amount in last 30 days) > 300 and stage != 'x'"
  newest: "last_value(order.page) = 'p1' or last(read) < now - 20 days"
  many: "count(any) >= 15 or distinct(read.page) >= 4"
"""
}


class EventStream:
    """So many events, each with the number of its turn, and the records that tell of them."""

    def __init__(self, seed: int, count: int) -> None:
        self.count = count
        # More people than rows of a block where there are a million events.
        self.people = max(10, count // 14)
        chance = np.random.default_rng(seed)
        turns = np.arange(count, dtype=np.int64)
        late = chance.random(count) < 0.1
        came = turns + np.where(late, chance.integers(1, _LATE, count), 0)
        again = chance.choice(count, count // 5, replace=False)
        came_again = came[again] + chance.integers(0, _AGAIN, len(again))
        order = np.argsort(np.concatenate([came, came_again]), kind="stable")
        self.records = np.concatenate([turns, again])[order]
        """The event of each record, as they come."""
        self._mixed = chance.integers(0, 1 << 40, count)

    @cached_property
    def _members(self) -> Strings:
        return Strings.from_list([f"m{n}" for n in range(self.people)])

    def batch(self, events: NDArray[np.int64]) -> ProfileBatch:
        """Records of these events."""
        mixed = self._mixed[events]
        times = NOW_US - _SPAN_US + events * (_SPAN_US // self.count)
        is_order = mixed % 3 > 0
        every = np.ones(len(events), np.bool_)
        return ProfileBatch(
            len(events),
            {"member": self._members.take((mixed // 7 % self.people).astype(np.intp))},
            {"stage": _texts("xyz", mixed // 11 % 3)},
            times=times,
            events=tuple(
                EventRows(
                    name,
                    at,
                    times[at],
                    every[at],
                    Strings.from_list([f"e{event}" for event in events[at].tolist()]),
                    {
                        "page": _texts("pqrst", mixed[at] // 13 % 5),
                        **({"amount": Ints(mixed[at] % 9_999, every[at])} if orders else {}),
                    },
                )
                for name, orders in (("read", False), ("order", True))
                for at in (np.flatnonzero(is_order == orders),)
            ),
        )


def _texts(letters: str, of: NDArray[np.int64]) -> Texts:
    values = [f"p{n}" for n in range(5)] if letters[0] == "p" else list(letters)
    return Texts(Strings.from_list(values).take(of.astype(np.intp)))
