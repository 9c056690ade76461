import numpy as np
from numpy.typing import NDArray

from engine.columns.hot_block import HotField

__all__ = ["HotGivers", "HotSet"]

class HotSet(HotField):
    def write(
        self,
        rows: NDArray[np.uint32],
        codes: NDArray[np.uint32],
        held: NDArray[np.bool_],
        newest_open: int,
        sequence: int,
        givers: HotGivers | None = None,
    ) -> list[int]: ...

class HotGivers(HotField):
    def settle(
        self,
        replaced: NDArray[np.uint64],
        rows: NDArray[np.uint32],
        givers: NDArray[np.uint32],
        values: NDArray[np.uint32],
        held: NDArray[np.bool_],
        newest_open: int,
        sequence: int,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.bool_], list[int]]: ...
