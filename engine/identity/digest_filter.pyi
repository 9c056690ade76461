import numpy as np
from numpy.typing import NDArray

__all__ = ["LINE_BYTES", "add_to_filter", "passed_filter"]

LINE_BYTES: int

def add_to_filter(
    filter_: NDArray[np.uint64], high: NDArray[np.uint64], low: NDArray[np.uint64]
) -> None: ...
def passed_filter(
    filter_: NDArray[np.uint64], digests: NDArray[np.uint64]
) -> NDArray[np.int64]: ...
