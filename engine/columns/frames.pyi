from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["lay_ints", "measure_codes", "measure_ints"]

def measure_ints(
    values: NDArray[np.int64], present: NDArray[np.uint8]
) -> tuple[int, int, int, int]: ...
def lay_ints(
    values: NDArray[np.int64], present: NDArray[np.uint8], low: int, step: int, width: int
) -> NDArray[Any]: ...
def measure_codes(codes: NDArray[np.uint32]) -> tuple[int, int, int]: ...
