"""Flips in the order of the feed.

Many mostly come in runs, of which only the rows differ, and ascend: one of each block and
definition. Then the runs are put in order, and the rows of those that only differ there merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.live.change import Flips

__all__ = ["FlipRun", "all_flips", "in_order"]

# As many flips for each run of them as make it cheaper to put the runs in order.
_RUN_FLIPS = 16


class FlipRun(NamedTuple):
    """Flips at one instant (microseconds from 1970 in UTC) of one definition, by its number, that
    all enter or all leave: one row at least, sorted uint32."""

    instant_us: int
    definition: int
    entered: bool
    rows: NDArray[np.uint32]


def in_order(flips: Flips, runs: Sequence[FlipRun] = ()) -> Flips:
    """Flips in any order, and runs of others, in that of the feed."""
    if not len(flips) and not runs:
        return flips
    starts = _run_starts(flips)
    count = len(flips) + sum(len(run.rows) for run in runs)
    if (len(starts) + len(runs)) * _RUN_FLIPS > count:
        return _one_by_one(all_flips(flips, runs))
    pieces = np.split(flips.rows, starts[1:]) if len(flips) else []
    pieces += [run.rows for run in runs]
    heads = _heads(runs)
    instants = np.append(flips.instants[starts], heads.instants)
    definitions = np.append(flips.definitions[starts], heads.definitions)
    entered = np.append(flips.entered[starts], heads.entered)
    first_rows = np.append(flips.rows[starts], heads.rows)
    order = np.lexsort((first_rows, ~entered, definitions, instants))
    pieces = [pieces[place] for place in order.tolist()]
    instants, definitions, entered = instants[order], definitions[order], entered[order]
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = (instants[1:] != instants[:-1]) | (definitions[1:] != definitions[:-1])
    fresh[1:] |= entered[1:] != entered[:-1]
    rows, sizes = np.concatenate(pieces), np.array([len(piece) for piece in pieces])
    firsts = np.flatnonzero(fresh)
    edges = np.append(np.cumsum(sizes)[firsts] - sizes[firsts], count)
    for same in np.flatnonzero(np.diff(firsts, append=len(order)) > 1).tolist():
        of_same = rows[edges[same] : edges[same + 1]]
        if (of_same[1:] < of_same[:-1]).any():
            of_same.sort(kind="stable")  # merges the runs
    return Flips(
        np.repeat(instants, sizes), np.repeat(definitions, sizes), rows, np.repeat(entered, sizes)
    )


def all_flips(flips: Flips, runs: Sequence[FlipRun]) -> Flips:
    """Flips, and those of runs behind them, one by one."""
    if not runs:
        return flips
    sizes, heads = [len(run.rows) for run in runs], _heads(runs)
    return Flips(
        np.append(flips.instants, np.repeat(heads.instants, sizes)),
        np.append(flips.definitions, np.repeat(heads.definitions, sizes)),
        np.concatenate([flips.rows, *(run.rows for run in runs)]),
        np.append(flips.entered, np.repeat(heads.entered, sizes)),
    )


def _heads(runs: Sequence[FlipRun]) -> Flips:
    """The first flip of each run."""
    return Flips(
        np.array([run.instant_us for run in runs], np.int64),
        np.array([run.definition for run in runs], np.uint32),
        np.array([run.rows[0] for run in runs], np.uint32),
        np.array([run.entered for run in runs], np.bool_),
    )


def _run_starts(flips: Flips) -> NDArray[np.intp]:
    """Where runs begin among flips."""
    begins = np.ones(len(flips), np.bool_)
    begins[1:] = flips.rows[1:] <= flips.rows[:-1]
    for column in (flips.instants, flips.definitions, flips.entered):
        begins[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(begins)


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
