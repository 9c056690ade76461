import numpy as np
from numpy.typing import NDArray

__all__ = ["row_in_shards", "rows_in_shards", "shards_of_digests"]

def shards_of_digests(
    digests: NDArray[np.uint64],
    shard_of: NDArray[np.uint32],
    bits: int,
    addresses: NDArray[np.uint64],
) -> tuple[NDArray[np.uint32], bool]: ...
def rows_in_shards(
    digests: NDArray[np.uint64],
    shards: NDArray[np.uint32],
    addresses: NDArray[np.uint64],
    counts: NDArray[np.int64],
    depths: NDArray[np.uint8],
) -> NDArray[np.uint32]: ...
def row_in_shards(
    digest: bytes,
    shard_of: NDArray[np.uint32],
    bits: int,
    addresses: NDArray[np.uint64],
    counts: NDArray[np.int64],
    depths: NDArray[np.uint8],
) -> int | None: ...
