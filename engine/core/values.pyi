import numpy as np
from numpy.typing import NDArray

from engine.core.control import Control
from engine.core.program import Program

__all__ = ["SUM_DIGITS", "ValueBlocks", "double_keys"]

SUM_DIGITS: int

def double_keys(values: NDArray[np.float64]) -> NDArray[np.int64]: ...

class ValueBlocks:
    is_float: bool
    is_ratio: bool
    block: int
    matched: int
    count: int
    is_wide: bool

    def __init__(
        self,
        program: Program,
        root: int,
        node: int,
        control: Control,
        *,
        grouped: bool = False,
        is_bool: bool = False,
        group_column: int = -1,
    ) -> None: ...
    def read(self, block: int) -> bool: ...
    def add_matched(self, counts: NDArray[np.int64]) -> None: ...
    def add_totals(
        self,
        count: NDArray[np.int64],
        low: NDArray[np.uint64],
        high: NDArray[np.int64],
        least: NDArray[np.int64],
        greatest: NDArray[np.int64],
    ) -> None: ...
    def add_float_totals(
        self,
        count: NDArray[np.int64],
        infinite: NDArray[np.int64],
        least: NDArray[np.float64],
        greatest: NDArray[np.float64],
        digits: NDArray[np.int64],
    ) -> None: ...
    def count_by_keys(self, keys: NDArray[np.int64], counts: NDArray[np.int64]) -> None: ...
    def wide_values(self) -> list[int]: ...
    def wide_ratios(self) -> list[tuple[int, int]]: ...
    def ratios(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
    def group_codes(self) -> NDArray[np.uint32]: ...
    def add_elements(self, counts: NDArray[np.int64]) -> None: ...
    def audience(self) -> NDArray[np.uint64]: ...
    def value_rows(self) -> NDArray[np.uint16]: ...
    def whole_values(self) -> NDArray[np.int64]: ...
    def double_values(self) -> NDArray[np.float64]: ...
    def codes_of(self, rows: NDArray[np.uint16]) -> NDArray[np.uint32]: ...
    def texts_of(self, rows: NDArray[np.uint16]) -> list[str | None]: ...
