import numpy as np
from numpy.typing import NDArray

__all__ = ["copy_strings", "read_rows"]

def read_rows(
    message: NDArray[np.uint8] | bytes, time_least: int, time_most: int
) -> tuple[
    int,
    list[str],
    NDArray[np.uint8],
    NDArray[np.uint32],
    NDArray[np.int32],
    NDArray[np.uint8],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
]: ...
def copy_strings(
    message: NDArray[np.uint8] | bytes,
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    total: int,
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]: ...
