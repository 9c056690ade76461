from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.zone import Encoded

__all__ = ["patch_codes", "patch_floats", "patch_ints"]

def patch_ints(
    parts: Sequence[Buffer],
    rows: NDArray[np.uint16],
    values: NDArray[np.int64],
    present: NDArray[np.bool_],
) -> Encoded: ...
def patch_floats(
    parts: Sequence[Buffer],
    rows: NDArray[np.uint16],
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> Encoded: ...
def patch_codes(
    parts: Sequence[Buffer],
    rows: NDArray[np.uint16],
    values: NDArray[np.uint32],
    present: NDArray[np.bool_],
) -> Encoded: ...
