import numpy as np
from numpy.typing import NDArray

__all__ = ["cell_triples", "count_by_code", "deal_rows"]

def cell_triples(
    rows: NDArray[np.uint32],
    givers: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    held: NDArray[np.uint8],
    codes: NDArray[np.uint32],
) -> tuple[NDArray[np.uint16], NDArray[np.uint32], NDArray[np.uint32]]: ...
def count_by_code(
    rows: NDArray[np.uint16], codes: NDArray[np.uint32], code_count: int
) -> tuple[int, NDArray[np.int64]]: ...
def deal_rows(
    rows: NDArray[np.uint16],
    codes: NDArray[np.uint32],
    places: NDArray[np.int64],
    out: NDArray[np.uint16],
) -> None: ...
