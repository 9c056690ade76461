from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer

__all__ = ["PART_BYTES", "check", "codes_of_row", "pack", "rows_of_code", "unpack"]

PART_BYTES: Final[int]

def pack(
    codes: NDArray[np.uint32], starts: NDArray[np.int64], rows: NDArray[np.uint16]
) -> list[bytes]: ...
def unpack(
    part: Buffer,
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint16]]: ...
def rows_of_code(part: Buffer, code: int) -> NDArray[np.uint16] | None: ...
def codes_of_row(part: Buffer, row: int) -> NDArray[np.uint32]: ...
def check(part: Buffer) -> str: ...
