from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.core.where_plan import WhereNode
from engine.events.chunks import Chunks

__all__ = ["WhereNodes"]

class WhereNodes:
    node_count: int
    def __init__(self, nodes: Sequence[WhereNode]) -> None: ...
    def pick(
        self, chunks: Chunks, start: int, end: int, *, table: str = ""
    ) -> list[NDArray[np.bool_]]: ...
