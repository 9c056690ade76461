"""A stored mask that becomes another: who enters and who leaves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.core.memberships import take_moves

WORDS = 1024
Mask = NDArray[np.uint64]


def _mask(rng: np.random.Generator, share: float) -> Mask:
    return np.packbits(rng.random(64 * WORDS) < share, bitorder="little").view(np.uint64)


def _rows(mask: Mask) -> set[int]:
    bits = np.unpackbits(mask.view(np.uint8), bitorder="little")
    return set(np.flatnonzero(bits).tolist())


@pytest.mark.parametrize("block", [0, 3, 65_535])
@pytest.mark.parametrize("shares", [(0, 0, 0), (1, 0, 0), (0, 1, 0.5), (0.5, 0.5, 0.1), (1, 1, 1)])
def test_rows_that_stand_apart_stay(
    block: int, shares: tuple[float, float, float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    members, stored, apart = (_mask(rng, share) for share in shares)
    in_it, was_in, beside = _rows(members), _rows(stored), _rows(apart)
    entered, left = take_moves(members, stored, apart, block)
    first = block << 16
    assert entered.dtype == left.dtype == np.uint32
    assert entered.tolist() == [first + row for row in sorted(in_it - was_in - beside)]
    assert left.tolist() == [first + row for row in sorted(was_in - in_it - beside)]
    assert _rows(stored) == (in_it - beside) | (was_in & beside)
    assert _rows(members) == in_it and _rows(apart) == beside
