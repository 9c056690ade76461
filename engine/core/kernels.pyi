from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LEAST_MEMBERS",
    "add_by_table",
    "add_in_range",
    "add_to_rows",
    "after",
    "combine",
    "group",
    "in_range",
    "is_member",
    "join",
    "linear_sign",
    "narrow_by_container",
    "narrow_to_members",
    "narrow_to_range",
    "ratio_to_double",
    "rows_in_mask",
    "rows_in_range",
    "rows_of",
    "rows_that_are_members",
    "tables",
    "take_pairs",
    "wide_ratio_to_double",
]

LEAST_MEMBERS: int

def tables() -> list[str]: ...
def combine(
    name: str, operation: str, mask: NDArray[np.uint64], other: NDArray[np.uint64]
) -> int: ...
def join(
    name: str,
    terms: Sequence[NDArray[np.uint64]],
    flips: Sequence[bool],
    out: NDArray[np.uint64] | None = None,
) -> int: ...
def join_any(
    name: str,
    groups: Sequence[Sequence[NDArray[np.uint64]]],
    flips: Sequence[bool],
    out: NDArray[np.uint64] | None = None,
) -> int: ...
def code_masks(name: str, values: NDArray[np.uint8], out: NDArray[np.uint64]) -> None: ...
def range_masks(
    name: str,
    values: NDArray[np.uint8],
    lows: NDArray[np.uint8],
    spans: NDArray[np.uint8],
    out: NDArray[np.uint64],
) -> None: ...
def ranks(
    name: str,
    values: NDArray[np.uint32],
    cuts: NDArray[np.uint32],
    highest: int,
    before: int,
    out: NDArray[np.uint8],
) -> bool: ...
def narrow_by_container(
    name: str,
    operation: str,
    mask: NDArray[np.uint64],
    kind: int,
    content: NDArray[np.uint8],
    cardinality: int,
) -> int: ...
def in_range(name: str, values: NDArray[Any], low: float, high: float) -> NDArray[np.uint64]: ...
def narrow_to_range(
    name: str,
    values: NDArray[Any],
    low: float,
    high: float,
    present: NDArray[np.uint64] | None,
    flip: bool,
    mask: NDArray[np.uint64],
) -> int: ...
def is_member(
    name: str, values: NDArray[Any], members: NDArray[np.uint64]
) -> NDArray[np.uint64]: ...
def narrow_to_members(
    name: str,
    values: NDArray[Any],
    members: NDArray[np.uint64],
    flip: bool,
    mask: NDArray[np.uint64],
) -> int: ...
def group(
    name: str, values: NDArray[Any], mask: NDArray[np.uint64], counts: NDArray[np.int64]
) -> int: ...
def add_by_table(
    name: str,
    lanes: NDArray[np.uint8],
    values: NDArray[np.uint8],
    points: NDArray[np.uint8],
    most: int,
) -> None: ...
def add_in_range(
    name: str, lanes: NDArray[np.uint8], values: NDArray[Any], low: int, high: int, number: int
) -> None: ...
def add_to_rows(name: str, values: NDArray[Any], mask: NDArray[np.uint64], value: int) -> None: ...
def rows_of(name: str, mask: NDArray[np.uint64], rows: NDArray[np.uint16]) -> int: ...
def rows_in_mask(
    name: str,
    rows: NDArray[np.uint16],
    mask: NDArray[np.uint64],
    flip: bool,
    out: NDArray[np.uint16],
) -> int: ...
def rows_in_range(
    name: str,
    values: NDArray[Any],
    first: int,
    rows: NDArray[np.uint16],
    low: float,
    high: float,
    flip: bool,
    out: NDArray[np.uint16],
) -> int: ...
def rows_that_are_members(
    name: str,
    values: NDArray[Any],
    first: int,
    rows: NDArray[np.uint16],
    members: NDArray[np.uint64],
    flip: bool,
    out: NDArray[np.uint16],
) -> int: ...
def after(
    name: str,
    rows: NDArray[np.uint16],
    times: NDArray[np.uint32],
    latest: NDArray[np.uint32],
    sure: int,
    most: int,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]: ...
def take_pairs(
    name: str, lanes: NDArray[np.uint32], bits: int, least: int, low: int, high: int
) -> NDArray[np.uint64]: ...
def ratio_to_double(numerator: int, denominator: int) -> float: ...
def wide_ratio_to_double(numerator: int, denominator: int) -> float: ...
def linear_sign(factors: Sequence[int], values: Sequence[int], constant: int) -> int: ...
