"""The entries of a tick at which many flip at once, in the bytes of the feed.

At a local midnight thousands of rows of each block enter or leave one definition at one instant.
Such entries are runs that differ in their row alone, and of each run the rows are kept as in a
record of an update (`engine.live.feed_record`), in two bytes for a row or less, instead of fifteen.
Behind the definitions of a record of version 4 (`engine.live.clock_record`) come, little-endian,

| size | field |
| --- | --- |
| 24 each | runs: instant i64, definition by its number u32, container count u32 (at least 1), |
| | whether the rows entered (1) or left (0) u8, reserved 7 bytes (0) |
| 4 each | container heads: block u16, row count - 1 u16 |
| | containers, in the order of their heads |

Runs are in the order of their entries, and no two of them have the same instant, definition and
side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.limits import TIME_US
from engine.live.change import Flips
from engine.live.feed_record import EntryRun, pack_containers, read_containers

__all__ = ["pack_runs", "read_runs"]

_RUN = np.dtype(
    [
        ("instant", "<i8"),
        ("definition", "<u4"),
        ("containers", "<u4"),
        ("entered", "u1"),
        ("reserved", "V7"),
    ]
)


def pack_runs(
    flips: Flips,
    starts: NDArray[np.intp],
    numbers: NDArray[np.intp],
) -> list[bytes]:
    """The bytes of flips, which are in order, in pieces: a run begins at each of `starts`, the
    first at 0, and is of the definition beside it in `numbers`."""
    runs = np.zeros(len(starts), _RUN)
    ends = [*starts[1:].tolist(), len(flips)]
    sides = [flips.rows[start:end] for start, end in zip(starts.tolist(), ends, strict=True)]
    heads, counts, payloads = pack_containers(sides)
    runs["instant"] = flips.instants[starts]
    runs["definition"] = numbers
    runs["containers"] = counts
    runs["entered"] = flips.entered[starts]
    return [runs.tobytes(), heads.tobytes(), *payloads]


def read_runs(
    view: memoryview,
    at: int,
    run_count: int,
    definitions: Sequence[tuple[str, int]],
    last_us: int,
) -> list[EntryRun]:
    """The runs of a record, at least one, that begin at `at`; `last_us` is the instant of its tick.
    ValueError where they are none; the rows inside a container are checked when they are read."""
    heads_at = at + run_count * _RUN.itemsize
    if heads_at > len(view):
        raise ValueError("a feed record ends within its runs")
    runs = np.frombuffer(view[at:heads_at], _RUN)
    _check(runs, len(definitions), last_us)
    counts = runs["containers"].astype(np.int64)
    blocks, rows, places = read_containers(view, heads_at, int(counts.sum()))
    found, first, ordinal = [], 0, 0
    for run, count in zip(runs, counts.tolist(), strict=True):
        of_run = blocks[first : first + count]
        if (of_run[1:] <= of_run[:-1]).any():
            raise ValueError("the blocks of a feed record do not ascend")
        name, version = definitions[int(run["definition"])]
        one = EntryRun(
            name,
            version,
            bool(run["entered"]),
            int(run["instant"]),
            ordinal,
            of_run,
            np.cumsum(rows[first : first + count]),
            view,
            places[first : first + count + 1],
        )
        found.append(one)
        first, ordinal = first + count, ordinal + one.count
    return found


def _check(runs: NDArray[Any], definition_count: int, last_us: int) -> None:
    instants, numbers, entered = runs["instant"], runs["definition"], runs["entered"]
    if (instants[1:] < instants[:-1]).any() or instants[-1] > last_us or instants[0] < TIME_US[0]:
        raise ValueError("the instants of a feed record do not ascend to that of its tick")
    if (numbers >= definition_count).any() or (entered > 1).any() or not runs["containers"].all():
        raise ValueError("a run of a feed record is of no definition, or has no rows")
    if any(runs["reserved"].tobytes()):
        raise ValueError("the reserved bytes of a feed record are not 0")
    sides = numbers.astype(np.int64) * 2 + (1 - entered.astype(np.int64))
    if ((instants[1:] == instants[:-1]) & (sides[1:] <= sides[:-1])).any():
        raise ValueError("the runs of a feed record are not in order")
