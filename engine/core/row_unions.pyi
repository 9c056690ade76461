from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["unite"]

def unite(
    pieces: Sequence[NDArray[np.uint32]],
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]: ...
