from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.core.program import Program
from engine.core.row_memberships import RowMemberships

__all__ = ["ROWS_BY_BLOCK", "RowChanges", "changed_rows", "test_many"]

ROWS_BY_BLOCK: Final[int]

class RowChanges(NamedTuple):
    starts: list[int]
    rows: NDArray[np.uint32]
    entered: NDArray[np.bool_]
    entered_starts: list[int]
    entered_rows: NDArray[np.uint32]
    left_rows: NDArray[np.uint32]

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
    side_by_side: RowMemberships | None = ...,
    by_block_from: int = ...,
) -> RowChanges: ...
