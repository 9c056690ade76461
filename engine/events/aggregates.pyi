from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.events.asking import Aggregate, Answer, Fold, Where
from engine.events.chunks import Chunks

__all__ = ["aggregate", "clear", "days", "pick", "sums_fit", "window_size"]

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
def days(
    chunks: Chunks,
    starts: NDArray[np.int64],
    start: int,
    end: int,
    where: Sequence[Where] = (),
    *,
    table: str = "",
) -> NDArray[np.uint32]: ...
def sums_fit(chunks: Chunks, number: int, event_count: int) -> bool: ...
def clear(
    fold: Fold,
    marks: NDArray[np.uint64],
    values: NDArray[Any],
    events: NDArray[np.uint32] | None = None,
) -> None: ...
