"""Which cells count where updates carry event times.

Cells of an attribute that holds one value are laid over what stands there in the order of the
updates, with two rules. A cell with a time is passed over where the cell that stands there has
a later one. A cell without a time is always taken, and leaves a cell without a time.

The times of what stands there are a field of their own (INTS, microseconds), which has a value
only in rows whose cell came with one; an erasure may be such a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.patch import patch_ints
from engine.columns.zone import Encoded
from engine.live.block_cells import read_ints
from engine.live.update import NO_TIME

__all__ = ["Lasting", "are_not_late", "are_taken", "change_times", "join_times", "lasting"]


class Lasting(NamedTuple):
    """Of the cells of each row, the one that they lead to.

    `at` (m,) are places of cells, one a row, ordered by row. `always` bool (m,): it is taken
    whatever stood there before; otherwise it is where it is not late.
    """

    at: NDArray[np.intp]
    always: NDArray[np.bool_]


def lasting(rows: NDArray[np.uint32], times: NDArray[np.int64] | None) -> Lasting:
    """What cells come down to, laid one after the other over anything.

    `rows` uint32 (n,) and `times` int64 (n,), None where no cell has one, are in the order of
    the updates. A cell that is late for what stood there before takes all others of its row
    with it: it has the latest time of them.
    """
    if not len(rows):
        return Lasting(np.zeros(0, np.intp), np.zeros(0, np.bool_))
    order = np.argsort(rows, kind="stable")
    if times is None:
        at = order[_ends(rows[order])]
        return Lasting(at, np.ones(len(at), np.bool_))
    order = order[_after_the_timeless(rows[order], times[order] == NO_TIME)]
    # What is left of a row begins with its last cell without a time, which as the least time
    # there is loses to every other; among equal times the last cell stays the last.
    order = order[np.lexsort((times[order], rows[order]))]
    ends = _ends(rows[order])
    starts = np.append(True, ends[:-1])
    return Lasting(order[ends], times[order[starts]] == NO_TIME)


def _ends(rows: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which of the ordered rows are the last of their like."""
    return np.append(rows[1:] != rows[:-1], True)


def _after_the_timeless(rows: NDArray[np.uint32], timeless: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which cells, grouped by row, have no cell without a time after them in their row."""
    places = np.arange(len(rows))
    ends = np.flatnonzero(_ends(rows))
    sizes = np.diff(ends, prepend=-1)
    last = np.maximum.reduceat(np.where(timeless, places, -1), ends - sizes + 1)
    kept: NDArray[np.bool_] = places >= np.repeat(last, sizes)
    return kept


def are_taken(
    time_parts: Sequence[Buffer],  # of the field of times in one block, as they stand
    rows: NDArray[np.uint16],
    times: NDArray[np.int64] | None,
    always: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which lasting cells (n,) are not late for what stands in the block."""
    if times is None or not time_parts or always.all():
        return np.ones(len(rows), np.bool_)
    return are_not_late(*read_ints(time_parts, rows), times, always)


def are_not_late(
    stored: NDArray[np.int64],  # the times of what stands there
    known: NDArray[np.bool_],  # where it has one
    times: NDArray[np.int64],
    always: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which lasting cells (n,) are not late for what stands there."""
    return always | ~known | (times >= stored)


def change_times(
    time_parts: Sequence[Buffer], rows: NDArray[np.uint16], times: NDArray[np.int64] | None
) -> Encoded | None:
    """The times of a block after cells were taken in rows (n,), sorted and each once; None
    where they stay as they were."""
    if times is None:
        times = np.full(len(rows), NO_TIME, np.int64)
    timed = times != NO_TIME
    if not time_parts and not timed.any():
        return None
    if time_parts:
        stored, known = read_ints(time_parts, rows)
        if not ((known != timed) | (timed & (stored != times))).any():
            return None
    return patch_ints(time_parts, rows, times, timed)


def join_times(
    pieces: Sequence[tuple[NDArray[np.uint32], NDArray[np.int64] | None]],
) -> NDArray[np.int64] | None:
    """The times of several columns of cells, given with their rows; None where none has one."""
    if all(times is None for _, times in pieces):
        return None
    return np.concatenate(
        [
            np.full(len(rows), NO_TIME, np.int64) if times is None else times
            for rows, times in pieces
        ]
    )
