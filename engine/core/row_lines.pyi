import numpy as np
from numpy.typing import NDArray

from engine.core.where_nodes import WhereNodes
from engine.events.row_events import RowEvents

__all__ = ["FOLDS", "RowLines", "first_from", "windows"]

FOLDS: frozenset[str]

class RowLines:
    def __init__(
        self, sources: list[tuple[RowEvents, WhereNodes | None, int, int]], row_count: int
    ) -> None: ...
    def lay(
        self,
    ) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]] | None: ...
    def fold(
        self,
        how: str,
        places: NDArray[np.intp],  # IN
        from_us: NDArray[np.int64],  # IN
        to_us: NDArray[np.int64],  # IN
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None: ...

def first_from(
    starts: NDArray[np.intp],  # IN
    times: NDArray[np.int64],  # IN
    places: NDArray[np.intp],  # IN
    instants: NDArray[np.int64],  # IN
) -> NDArray[np.intp]: ...
def windows(
    starts: NDArray[np.intp],  # IN
    times: NDArray[np.int64],  # IN
    places: NDArray[np.intp],  # IN
    from_us: NDArray[np.int64],  # IN
    to_us: NDArray[np.int64],  # IN
) -> tuple[NDArray[np.intp], NDArray[np.intp]]: ...
