"""Flips in the order of the feed: runs that are merged, and flips that are sorted one by one."""

from __future__ import annotations

import numpy as np
import pytest

from engine.live.change import Flips
from engine.live.flip_order import FlipRun, all_flips, in_order

Flip = tuple[int, int, bool, int]


def _flips(found: list[Flip]) -> Flips:
    columns = list(zip(*found, strict=True)) or [(), (), (), ()]
    return Flips(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.uint32),
        np.array(columns[3], np.uint32),
        np.array(columns[2], np.bool_),
    )


def _told(flips: Flips) -> list[Flip]:
    columns = (flips.instants, flips.definitions, flips.entered, flips.rows)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _runs(rng: np.random.Generator, runs: int, least: int) -> list[Flip]:
    """Of each block, instant, definition and side one, in any order, and some single flips."""
    found: list[Flip] = []
    used: set[Flip] = set()
    for _ in range(runs):
        instant, definition = int(rng.integers(-2, 2)), int(rng.integers(0, 4))
        entered = bool(rng.integers(0, 2))
        first = int(rng.choice([0, 65_000, 65_536, 131_000, (1 << 32) - 2_000]))
        count = int(rng.integers(least, 3 * least))
        rows = np.sort(rng.choice(1_000, count, replace=False)) + first
        one = [(instant, definition, entered, row) for row in rows.tolist()]
        found += [flip for flip in one if flip not in used]
        used.update(one)
    return found


@pytest.mark.parametrize("least", [1, 100], ids=["few in common", "long runs"])
def test_the_order_is_that_of_the_feed(least: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for runs in (0, 1, 2, 7, 40):
        found = _runs(rng, runs, least)
        wanted = sorted(found, key=lambda one: (one[0], one[1], not one[2], one[3]))
        assert _told(in_order(_flips(found))) == wanted
        for share in (0.0, 0.5, 1.0):
            together = [one for one in _as_runs(found) if rng.random() < share]
            apart = set(found).difference(
                *(_told(all_flips(_flips([]), [one])) for one in together)
            )
            single = [flip for flip in found if flip in apart]
            assert _told(in_order(_flips(single), together)) == wanted


def _as_runs(found: list[Flip]) -> list[FlipRun]:
    """The same, in runs that ascend; each breaks off here and there."""
    runs: list[list[Flip]] = []
    for flip in found:
        if not runs or flip[:3] != runs[-1][-1][:3] or flip[3] <= runs[-1][-1][3]:
            runs.append([])
        runs[-1].append(flip)
    return [FlipRun(*run[0][:3], np.array([flip[3] for flip in run], np.uint32)) for run in runs]
