from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.events.asking import Aggregate, Answer, Where
from engine.events.chunks import Chunks

__all__ = ["aggregate", "pick", "window_size"]

def pick(
    chunks: Chunks, start: int, end: int, where: Sequence[Where] = (), *, table: str = ""
) -> list[NDArray[np.bool_]]: ...
def window_size(chunks: Chunks, start: int, end: int) -> int: ...
def aggregate(
    chunks: Chunks,
    asked: Sequence[Aggregate],
    start: int,
    end: int,
    where: Sequence[Where] = (),
    *,
    table: str = "",
) -> list[Answer]: ...
