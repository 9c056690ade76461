from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.columns.hot_block import HotField

__all__ = ["HotCells", "read_rows"]

class _PartTable(Protocol):
    @property
    def first_part(self) -> NDArray[np.uint32]: ...
    @property
    def address(self) -> NDArray[np.uint64]: ...

class HotCells(HotField):
    def __init__(self, column_kind: int) -> None: ...
    def write(
        self,
        rows: NDArray[np.uint32],
        values: NDArray[Any],
        present: NDArray[np.bool_],
        newest_open: int,
        sequence: int,
    ) -> tuple[NDArray[np.bool_], list[int]]: ...

def read_rows(
    table: _PartTable, rows: NDArray[np.uint32]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]: ...
