"""Entries of the feed that name more than a definition: an event, or points.

They stand behind those of definitions (`engine.live.telling`). Each differing name is a definition
of its own in the record (`engine.live.moved_key`), and whoever it is about enters it. Names are in
an order that depends on nothing but themselves, so that the feed is the same however many steps
time takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.live.change import Flips, Numbered, Transition
from engine.live.flip_order import in_order

__all__ = ["ToldEntries", "flips_with", "transitions_of"]


@dataclass(frozen=True, slots=True, eq=False)
class ToldEntries:
    """Entries of one definition: `names` are what the feed has, all different and in order; the
    name of each entry by its place (int64), its row (uint32) and its instant (int64), in any
    order."""

    names: Sequence[str]
    version: int
    numbers: NDArray[np.int64]
    rows: NDArray[np.uint32]
    instants: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


def transitions_of(entries: Sequence[ToldEntries]) -> tuple[Transition, ...]:
    """Entries of one instant."""
    found = []
    for one in entries:
        order = np.lexsort((one.rows, one.numbers))
        rows, numbers = one.rows[order], one.numbers[order]
        ends = np.searchsorted(numbers, np.arange(len(one.names) + 1))
        nobody = rows[:0]
        for place, name in enumerate(one.names):
            some = rows[ends[place] : ends[place + 1]]
            if len(some):
                found.append(Transition(name, one.version, some, nobody))
    return tuple(found)


def flips_with(
    definitions: Numbered, count: int, flips: Flips, entries: Sequence[ToldEntries]
) -> tuple[Numbered, Flips]:
    """Entries among the flips of `count` definitions: what numbers stand for then, and all of
    them."""
    if not any(map(len, entries)):
        return definitions, flips
    names: list[tuple[str, int]] = []
    numbers, instants, rows = [flips.definitions], [flips.instants], [flips.rows]
    for one in entries:
        numbers.append((one.numbers + (count + len(names))).astype(np.uint32))
        instants.append(one.instants)
        rows.append(one.rows)
        names += [(name, one.version) for name in one.names]
    more = sum(map(len, entries))
    entered = np.concatenate([flips.entered, np.ones(more, np.bool_)])
    joined = Flips(np.concatenate(instants), np.concatenate(numbers), np.concatenate(rows), entered)
    return _Joined(definitions, count, names), in_order(joined)


@dataclass(frozen=True, slots=True)
class _Joined:
    """Definitions, and names behind them."""

    definitions: Numbered
    count: int
    names: Sequence[tuple[str, int]]

    def __getitem__(self, number: int) -> tuple[str, int]:
        if number < self.count:
            return self.definitions[number]
        return self.names[number - self.count]
