"""The frame of some integers: base, step and width such that value = base + step * stored."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frame", "frame_of", "width_of"]

_WIDTHS = (0, 1, 2, 4, 6, 8)


class Frame(NamedTuple):
    """`width` bytes hold (high - base) / step; `base` is the least value, `high` the greatest."""

    base: int
    step: int
    width: int
    high: int


def width_of(span: int) -> int:
    """Bytes that hold 0..span; 0 where span is 0."""
    return next(width for width in _WIDTHS if span < 1 << (8 * width))


def frame_of(known: NDArray[np.int64]) -> tuple[Frame, NDArray[Any]]:
    """(the narrowest frame of at least one value, what they are stored as: uint64).

    A step above 1 is taken only where it saves width.
    """
    low, high = int(known.min()), int(known.max())
    # Subtraction that wraps, read as unsigned, is the exact distance from the base.
    distances = known.view(np.uint64) - np.int64(low).view(np.uint64)
    step = _narrowing_step(distances, high - low)
    if step > 1:
        distances //= np.uint64(step)
    return Frame(low, step, width_of((high - low) // step), high), distances


def _narrowing_step(distances: NDArray[np.uint64], span: int) -> int:
    """The greatest common divisor of the distances where it saves width, else 1.

    Each round keeps only distances that the divisor so far leaves a remainder of, and the
    divisor at least halves; it ends early where the divisor left is too small to save anything.
    """
    width = width_of(span)
    if width <= 1:
        return 1
    step, rest = span, distances
    while width_of(span // step) < width:
        rest = rest % np.uint64(step)
        rest = rest[rest != 0]
        if len(rest) == 0:
            return step
        step = math.gcd(step, int(rest.min()))
    return 1
