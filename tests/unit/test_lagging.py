"""Who lags behind the clock, which rows are ahead of their block, and the log that this needs."""

from __future__ import annotations

import numpy as np

from engine.limits import BLOCK_SLICE_S, BLOCK_SLICE_SHARE
from engine.live.lagging import BlockSlices, Lag, Lagging, LagStep
from engine.live.time_span import RowClocks, Span


def _rows(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.array(numbers, np.uint32)


def test_rows_have_passed_what_is_not_after_their_clock() -> None:
    clocks = RowClocks()
    clocks.set(_rows(3, 70_000), 10)
    clocks.set(_rows(3, 5), 20)
    rows, instants = _rows(3, 3, 5, 70_000, 70_000, 4), np.array([20, 21, 5, 10, 11, 1])
    behind = clocks.are_behind(rows, instants)
    assert behind.tolist() == [True, False, True, True, False, False]
    assert clocks.of_block(0).tolist() == [3, 5] and clocks.of_block(1).tolist() == [70_000]
    ((number, left, at),) = Span(0, 30, clocks=clocks).ahead([(7, rows, instants)])
    assert (number, left.tolist(), at.tolist()) == (7, [3, 70_000, 4], [21, 11, 1])
    assert not Span(0, 30, clocks=clocks).ahead([(7, _rows(5), np.array([20]))])


def test_a_tick_passes_for_everybody_once() -> None:
    lagging = Lagging()
    steps = [LagStep(5, 0, 1, 4), LagStep(5, 1, 1, 4, _rows(2 << 16, 5 << 16)), LagStep(5, 1, 4, 4)]
    clocks_us = [5, 9, 10, 12]
    reached: dict[int, list[int]] = {block: [5] for block in range(5)}
    for number, step in enumerate(steps):
        spans = lagging.spans(clocks_us[number], clocks_us[number + 1], step, 5 << 16, None)
        for span in spans:
            for block in range(5):
                if span.rows is None and span.takes(block):
                    assert span.after_us == reached[block][-1]
                    reached[block].append(span.through_us)
        # A row that is created by the batch has nothing behind it.
        found = [span.rows.tolist() for span in spans if span.rows is not None]
        assert found == ([] if step.rows is None else [[2 << 16]])
        lagging.take(100 + number, clocks_us[number + 1], step)
    assert {tuple(way) for way in reached.values()} == {(5, 12), (5, 9, 10, 12)}
    assert lagging.lag is None


def test_the_log_is_kept_until_what_lagged_is_saved() -> None:
    lagging = Lagging()
    assert lagging.needs(None) is None
    lagging.take(7, 10, LagStep(5, 0, 1, 3))
    assert lagging.lag == Lag(5, 1, 3) and lagging.needs(None) == 7
    lagging.take(8, 11, LagStep(5, 1, 3, 3))
    assert lagging.needs(8) == 7
    lagging.take(20, 12, None)
    assert lagging.needs(9) is None


def test_slices_grow_while_they_take_little_time() -> None:
    slices = BlockSlices()
    for _ in range(3):
        slices.took(slices.blocks, BLOCK_SLICE_S / 10)
    assert slices.blocks == 8
    slices.took(1, BLOCK_SLICE_S / 10)
    assert slices.blocks == 8, "one that was cut short says nothing"
    slices.took(8, 2 * BLOCK_SLICE_S)
    assert slices.blocks == 4


def test_slices_take_a_share_of_what_others_take() -> None:
    slices = BlockSlices()
    others_s = 10 * BLOCK_SLICE_S / BLOCK_SLICE_SHARE
    slices.took(1, 4 * BLOCK_SLICE_S, others_s)
    assert slices.blocks == 2
    slices.took(2, 14 * BLOCK_SLICE_S, others_s)
    assert slices.blocks == 2
    slices.took(2, 16 * BLOCK_SLICE_S, others_s)
    assert slices.blocks == 1


def test_rows_of_blocks_that_have_come_are_forgotten() -> None:
    clocks = RowClocks()
    clocks.set(_rows(3, 70_000, 2 << 16), 10)
    clocks.forget_before(1)
    assert not len(clocks.of_block(0)) and clocks.of_block(1).tolist() == [70_000]
    lagging = Lagging()
    lagging.take(7, 10, LagStep(5, 0, 1, 3, _rows(70_000, 2 << 16)))
    lagging.take(8, 11, LagStep(5, 1, 2, 3, _rows((2 << 16) + 1)))
    (_, coming) = lagging.spans(11, 12, LagStep(5, 2, 3, 3), 3 << 16, None)
    assert coming.clocks is not None and coming.is_slice
    assert [len(coming.clocks.of_block(block)) for block in range(3)] == [0, 0, 2]
