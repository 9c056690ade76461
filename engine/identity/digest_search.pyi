import numpy as np
from numpy.typing import NDArray

__all__ = ["places_in_run", "rows_in_shards"]

def places_in_run(
    high: NDArray[np.uint64], low: NDArray[np.uint64], digests: NDArray[np.uint64]
) -> NDArray[np.int64]: ...
def rows_in_shards(
    digests: NDArray[np.uint64],
    shards: NDArray[np.uint32],
    addresses: NDArray[np.uint64],
    counts: NDArray[np.int64],
    depths: NDArray[np.uint8],
) -> NDArray[np.uint32]: ...
