import numpy as np
from numpy.typing import NDArray

from engine.store.addresses import PartTable

__all__ = ["hashes_of_mask", "uids_of_mask", "uids_of_rows"]

def uids_of_mask(table: PartTable, block: int, words: NDArray[np.uint64]) -> bytes: ...
def uids_of_rows(table: PartTable, rows: NDArray[np.uint32], rows_per_part: int) -> bytes: ...
def hashes_of_mask(
    table: PartTable, block: int, words: NDArray[np.uint64], seed: int, most: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]: ...
