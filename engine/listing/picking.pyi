import numpy as np
from numpy.typing import NDArray

from engine.store.addresses import PartTable

__all__ = ["hashes_of_mask", "uids_of_mask"]

def uids_of_mask(table: PartTable, block: int, words: NDArray[np.uint64]) -> bytes: ...
def hashes_of_mask(
    table: PartTable, block: int, words: NDArray[np.uint64], seed: int, most: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]: ...
