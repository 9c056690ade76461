import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.store.addresses import PartTable

__all__ = ["encode_mask", "has_row", "holds_row", "patch_rows", "stored_masks"]

def encode_mask(mask: NDArray[np.uint64]) -> tuple[bytes, int]: ...
def patch_rows(
    table: PartTable,
    block: int,
    rows: NDArray[np.uint16],
    entered: NDArray[np.uint8],
) -> tuple[bytes, int]: ...
def stored_masks(table: PartTable, block_count: int) -> NDArray[np.uint64]: ...
def holds_row(table: PartTable, row: int) -> bool: ...
def has_row(part: Buffer, row: int) -> bool: ...
