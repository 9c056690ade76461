from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.core.program import Program

__all__ = ["ROWS_BY_BLOCK", "changed_rows", "test_many", "test_rows"]

ROWS_BY_BLOCK: Final[int]

def test_rows(program: Program, root: int, rows: NDArray[np.uint32]) -> NDArray[np.bool_]: ...
def test_many(
    program: Program,
    roots: Sequence[int],
    rows: NDArray[np.uint32],
    *,
    by_block_from: int = ...,
) -> NDArray[np.bool_]: ...
def changed_rows(
    program: Program,
    roots: Sequence[int],
    stored: Sequence[int],
    rows: NDArray[np.uint32],
    kinds: Sequence[int],
    wanted: NDArray[np.bool_],
    *,
    by_block_from: int = ...,
) -> tuple[NDArray[np.int32], NDArray[np.uint32], NDArray[np.bool_]]: ...
