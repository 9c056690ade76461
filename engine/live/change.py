"""What a record of the log did to the visible state, as the live rooms tell each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.columns.zone import Encoded

__all__ = [
    "NO_MOVES",
    "Cause",
    "FieldBlocks",
    "Flips",
    "Moves",
    "Numbered",
    "Touched",
    "Transition",
    "in_order",
]

# As many flips for each run of them as make it cheaper to put the runs in order.
_RUN_FLIPS = 16

# field number -> block -> what the field of that block has become.
FieldBlocks = Mapping[int, Mapping[int, Encoded]]


class Numbered(Protocol):
    """The definitions that numbers stand for."""

    def __getitem__(self, number: int, /) -> tuple[str, int]:
        """The key path and the version of one."""


class Cause(StrEnum):
    """Why a profile entered or left something."""

    UPDATE = "update"
    CLOCK = "clock"
    EDIT = "edit"
    MERGE = "merge"
    ERASURE = "erasure"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Touched:
    """The rows that a record wrote to. All arrays are sorted uint32 without repeats.

    `created` are new profiles, which need every derived field; `fields` maps the number of
    each written field to the rows written there. Rows outside blocks that are being replayed
    are left out.
    """

    created: NDArray[np.uint32]
    fields: Mapping[int, NDArray[np.uint32]]


@dataclass(frozen=True, slots=True)
class Moves:
    """Rows that enter memberships and leave them by one record of the log.

    Membership field `fields[i]` has rows[starts[i]:starts[i + 1]], sorted uint32, each once, and
    `entered` with the same places: bool, unset where the row leaves.
    """

    fields: Sequence[int]
    starts: Sequence[int]
    rows: NDArray[np.uint32]
    entered: NDArray[np.bool_]

    def each(self) -> Iterator[tuple[int, NDArray[np.uint32], NDArray[np.bool_]]]:
        """Field, rows and `entered` of the memberships that change."""
        for i, field_id in enumerate(self.fields):
            first, last = self.starts[i], self.starts[i + 1]
            if first < last:
                yield field_id, self.rows[first:last], self.entered[first:last]


NO_MOVES = Moves((), (0,), np.zeros(0, np.uint32), np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class Transition:
    """Profiles that entered and left one definition by one record of the log.

    `definition` is a key path such as `segments.high_value`, `version` the number of its
    definition; `entered` and `left` are sorted uint32 rows without repeats.
    """

    definition: str
    version: int
    entered: NDArray[np.uint32]
    left: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Flips:
    """Who enters and leaves what as time passes, one after the other in the order of `instants`.

    Side by side: instants int64 (microseconds from 1970), the number of the definition uint32,
    rows uint32, and `entered` bool, unset where the row leaves. At one instant they are ordered by
    definition, then those who enter before those who leave, then rows.
    """

    instants: NDArray[np.int64]
    definitions: NDArray[np.uint32]
    rows: NDArray[np.uint32]
    entered: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.instants)


def in_order(flips: Flips) -> Flips:
    """Flips in any order, in that of the feed.

    Many mostly come in runs, of which only the rows differ, and ascend: one of each block and
    definition. Then the runs are put in order, and the rows of those that only differ there merged.
    """
    count = len(flips)
    if not count:
        return flips
    begins = np.ones(count, np.bool_)
    begins[1:] = flips.rows[1:] <= flips.rows[:-1]
    for column in (flips.instants, flips.definitions, flips.entered):
        begins[1:] |= column[1:] != column[:-1]
    starts = np.flatnonzero(begins)
    if len(starts) * _RUN_FLIPS > count:
        return _one_by_one(flips)
    sizes = np.diff(starts, append=count)
    heads = flips.instants[starts], flips.definitions[starts], flips.entered[starts]
    order = np.lexsort((flips.rows[starts], ~heads[2], heads[1], heads[0]))
    starts, sizes = starts[order], sizes[order]
    instants, definitions, entered = (head[order] for head in heads)
    stretches = zip(starts.tolist(), (starts + sizes).tolist(), strict=True)
    rows = np.concatenate([flips.rows[start:end] for start, end in stretches])
    fresh = np.ones(len(starts), np.bool_)
    fresh[1:] = (instants[1:] != instants[:-1]) | (definitions[1:] != definitions[:-1])
    fresh[1:] |= entered[1:] != entered[:-1]
    firsts = np.flatnonzero(fresh)
    edges = np.append(np.cumsum(sizes)[firsts] - sizes[firsts], count)
    for same in np.flatnonzero(np.diff(firsts, append=len(starts)) > 1).tolist():
        of_same = rows[edges[same] : edges[same + 1]]
        if (of_same[1:] < of_same[:-1]).any():
            of_same.sort()
    return Flips(
        np.repeat(instants, sizes), np.repeat(definitions, sizes), rows, np.repeat(entered, sizes)
    )


def _one_by_one(flips: Flips) -> Flips:
    """The same for flips of which few have anything in common."""
    assert int(flips.definitions.max()) < 1 << 31, "each has a number of 31 bits"
    # One sort of one number for each is several times faster than four, one after the other.
    keys = flips.definitions.astype(np.uint64) << np.uint64(33)
    keys |= (~flips.entered).astype(np.uint64) << np.uint64(32)
    keys |= flips.rows
    # What is found comes in stretches that ascend, of each block and definition.
    order = np.argsort(keys, kind="stable")
    instants = flips.instants[order]
    if (instants != instants[0]).any():
        by_time = np.argsort(instants, kind="stable")
        order, instants = order[by_time], instants[by_time]
    return Flips(instants, flips.definitions[order], flips.rows[order], flips.entered[order])
