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
]

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
