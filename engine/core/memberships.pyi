import numpy as np
from numpy.typing import NDArray

from engine.store.addresses import PartTable

__all__ = ["encode_mask", "holds_row", "stored_masks", "take_moves"]

def encode_mask(mask: NDArray[np.uint64]) -> tuple[bytes, int]: ...
def stored_masks(table: PartTable, block_count: int) -> NDArray[np.uint64]: ...
def holds_row(table: PartTable, row: int) -> bool: ...
def take_moves(
    members: NDArray[np.uint64],
    stored: NDArray[np.uint64],
    apart: NDArray[np.uint64],
    block: int,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]: ...
