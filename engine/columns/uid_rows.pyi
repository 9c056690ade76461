from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["uids_of_rows"]

class _Parts(Protocol):
    @property
    def first_part(self) -> NDArray[np.uint32]: ...
    @property
    def address(self) -> NDArray[np.uint64]: ...

def uids_of_rows(table: _Parts, rows: NDArray[np.uint32], rows_per_part: int) -> bytes: ...
