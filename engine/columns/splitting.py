"""Where payloads of unequal strings are cut into parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.containers import BLOCK_ROWS
from engine.bitmaps.directory import PART_BYTES

__all__ = ["MAX_STRING_BYTES", "split"]

# Head, presence (a bitset at most) and alignment gaps of a part, rounded up.
_OVERHEAD_BYTES = 512 + BLOCK_ROWS // 8

# The longest string that a part can hold; what takes data in refuses longer ones.
MAX_STRING_BYTES = PART_BYTES - _OVERHEAD_BYTES - 64


def split(offsets: NDArray[np.int64], item_bytes: int) -> list[tuple[int, int]]:
    """Ranges [start, stop) of items that fit one part each, in order; one range of nothing.

    offsets: int64[n+1] of the items' strings; item_bytes: what each item takes besides, at
    most 64.
    """
    count = len(offsets) - 1
    taken = offsets - offsets[0] + item_bytes * np.arange(count + 1)
    ranges = []
    start = 0
    while True:
        room = int(taken[start]) + PART_BYTES - _OVERHEAD_BYTES
        stop = int(np.searchsorted(taken, room, side="right")) - 1
        assert stop > start or count == start, "a string longer than MAX_STRING_BYTES"
        ranges.append((start, stop))
        start = stop
        if start >= count:
            return ranges
