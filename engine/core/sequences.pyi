from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.core.where_nodes import WhereNodes
from engine.events.chunks import Chunks

__all__ = ["match_block"]

def match_block(
    sets: Sequence[Sequence[tuple[Chunks, WhereNodes]]],
    steps: Sequence[tuple[int, int, bool]],
    start: int,
    end: int,
    now_us: int,
    rows: NDArray[np.uint64] | None = None,
    *,
    table: str = "",
) -> NDArray[np.uint64]: ...
