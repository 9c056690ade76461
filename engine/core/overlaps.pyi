from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.core.control import Control
from engine.core.program import Program

__all__ = ["OverlapBlocks"]

class OverlapBlocks:
    counts: NDArray[np.int64]

    def __init__(self, program: Program, roots: Sequence[int], control: Control) -> None: ...
    def read(self, block: int) -> None: ...
