from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.zone import Encoded

__all__ = ["patch_bools", "patch_codes_set", "patch_rows"]

def patch_codes_set(
    parts: Sequence[Buffer],
    rows: NDArray[np.uint16],
    codes: NDArray[np.uint32],
    held: NDArray[np.bool_],
) -> Encoded: ...
def patch_bools(
    parts: Sequence[Buffer],
    rows: NDArray[np.uint16],
    values: NDArray[np.bool_],
    present: NDArray[np.bool_],
) -> Encoded: ...
def patch_rows(
    parts: Sequence[Buffer], added: NDArray[np.uint16], removed: NDArray[np.uint16]
) -> Encoded: ...
