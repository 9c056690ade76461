import numpy as np
from numpy.typing import NDArray

__all__ = ["group_digests"]

def group_digests(
    digests: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
