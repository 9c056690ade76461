from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["TimeGroups", "times_between"]

class TimeGroups:
    def __init__(self, chunk: int) -> None: ...
    def extend(self, chunk: int) -> None: ...

def times_between(
    first_part: NDArray[np.uint32],  # IN
    addresses: NDArray[np.uint64],  # IN
    blocks: NDArray[np.uint32],  # IN
    groups: Sequence[TimeGroups | None],
    from_us: int,
    to_us: int,
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]: ...
