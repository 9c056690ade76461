from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.columns.hot_block import HotField

__all__ = ["HotBools", "HotRows", "move_rows"]

class HotRows(HotField):
    def write(
        self,
        rows: NDArray[np.uint32],
        entered: NDArray[np.bool_],
        newest_open: int,
        sequence: int,
    ) -> tuple[NDArray[np.bool_], list[int]]: ...

class HotBools(HotField):
    def write(
        self,
        rows: NDArray[np.uint32],
        values: NDArray[np.bool_],
        present: NDArray[np.bool_],
        newest_open: int,
        sequence: int,
    ) -> tuple[NDArray[np.bool_], list[int]]: ...

def move_rows(
    fields: list[HotRows],
    starts: Sequence[int],
    rows: NDArray[np.uint32],
    entered: NDArray[np.bool_],
    newest_open: int,
    sequence: int,
) -> tuple[NDArray[np.int64], list[int], list[tuple[int, int, int]]]: ...
