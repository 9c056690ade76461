import numpy as np
from numpy.typing import NDArray

__all__ = ["gather", "pack_list", "unpack_list"]

def pack_list(
    values: list[str | None],
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.bool_]]: ...
def unpack_list(
    offsets: NDArray[np.int64], data: NDArray[np.uint8], valid_array: NDArray[np.bool_]
) -> list[str | None]: ...
def gather(
    offsets: NDArray[np.int64],
    data: NDArray[np.uint8],
    valid_array: NDArray[np.bool_],
    indices: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.bool_]]: ...
