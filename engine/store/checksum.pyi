from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer

__all__ = ["IMPLEMENTATION", "crc32c", "crc32c_portable"]

IMPLEMENTATION: Final[str]

def crc32c(buffer: Buffer | NDArray[np.uint8], seed: int = 0) -> int: ...
def crc32c_portable(buffer: Buffer | NDArray[np.uint8], seed: int = 0) -> int: ...
