"""What can be asked of the events of a block: aggregates, and which events count."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.containers import rows_of_mask

__all__ = ["Aggregate", "Answer", "Fold", "Where", "WhereKind"]


class Fold(IntEnum):
    """How events are added up by row: STRATA_FOLD_* of fold_block.h."""

    MARK = 1
    COUNT_U8 = 2  # stops at 255
    COUNT_U16 = 3  # of fewer than 65,536 events
    COUNT_U32 = 4
    SUM_U32 = 5  # of values from 0 to 2^32 - 1; carries past that
    SUM_I64 = 6  # where no sum can leave 64 bits
    SUM_I128 = 7
    LEAST = 8
    GREATEST = 9
    BITS = 10  # distinct values below 64
    DAYS = 11
    # 12 adds up what events are worth by their age, which scores alone ask for.
    DISTINCT = 13
    # 14 to 16 are of decimals of several scales, which plans alone ask for.
    FIRST = 17
    LAST = 18


class WhereKind(IntEnum):
    """What a node of a `where` says: STRATA_WHERE_* of where.h."""

    PRESENT = 1
    RANGE = 2
    CODES = 3
    FLOATS = 4
    TEXT = 5
    ROWS = 6
    AND = 8
    OR = 9
    NOT = 10


@dataclass(frozen=True, slots=True, eq=False)
class Where:
    """A node of a `where`; nodes stand in postfix order.

    RANGE (ints, codes, bools) and FLOATS have bounds, both included. CODES has `members`, bits
    by code, at least four words and as many as the greatest code takes; ROWS the mask of a block.
    TEXT has `how`: 0 contains, 1 starts with, 2 ends with, and the bytes looked for.
    """

    kind: WhereKind
    property: int = 0
    low: int = 0
    high: int = 0
    low_float: float = 0.0
    high_float: float = 0.0
    members: NDArray[np.uint64] | None = None
    how: int = 0
    needle: bytes = b""


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """One aggregate. `property` None: of the time, or of events as such.

    `starts` int64[days + 1], for DAYS: the first instants of days around the window and of the
    day after them. `ranks` uint32, for FIRST and LAST of codes: how they are ordered, by code.
    """

    fold: Fold
    property: int | None = None
    starts: NDArray[np.int64] | None = None
    ranks: NDArray[np.uint32] | None = None


class Answer(NamedTuple):
    """What an aggregate is, by row of the block.

    `marks` uint64[1024]: the rows that have such an event. `values`: one for each row of the
    block; rows without a mark have 0 in counts and sums, elsewhere anything. Sums of 128 bits
    are [65536, 2] int64: low and high half. First and last texts are None; see `events`, the
    references part * CHUNK_EVENTS + place of the events of first and last. `carried`: some value
    did not fit, and none means anything.
    """

    marks: NDArray[np.uint64]
    values: NDArray[Any] | None
    events: NDArray[np.uint32] | None = None
    carried: bool = False

    def by_row(self) -> dict[int, Any]:
        """Values of the rows with a mark, as Python numbers."""
        assert self.values is not None
        rows = rows_of_mask(self.marks).tolist()
        if self.values.ndim == 2:
            pairs = self.values[rows].tolist()
            numbers = [(high << 64) + low % (1 << 64) for low, high in pairs]
            return dict(zip(rows, numbers, strict=True))
        return dict(zip(rows, self.values[rows].tolist(), strict=True))
