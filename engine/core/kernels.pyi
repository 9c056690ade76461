from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LEAST_MEMBERS",
    "combine",
    "in_range",
    "is_member",
    "linear_sign",
    "ratio_to_double",
    "tables",
    "wide_ratio_to_double",
]

LEAST_MEMBERS: int

def tables() -> list[str]: ...
def combine(
    name: str, operation: str, mask: NDArray[np.uint64], other: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], int]: ...
def in_range(name: str, values: NDArray[Any], low: float, high: float) -> NDArray[np.uint64]: ...
def is_member(
    name: str, values: NDArray[Any], members: NDArray[np.uint64]
) -> NDArray[np.uint64]: ...
def ratio_to_double(numerator: int, denominator: int) -> float: ...
def wide_ratio_to_double(numerator: int, denominator: int) -> float: ...
def linear_sign(factors: Sequence[int], values: Sequence[int], constant: int) -> int: ...
