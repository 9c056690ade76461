from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer

__all__ = [
    "ARRAY",
    "BITSET",
    "BLOCK_ROWS",
    "BLOCK_WORDS",
    "EMPTY",
    "RUN",
    "cardinality_of_mask",
    "check",
    "contains",
    "decode",
    "decode_into_mask",
    "encode",
    "encode_mask",
    "mask_of_rows",
    "rows_of_mask",
    "words_of_reason",
]

EMPTY: Final[int]
ARRAY: Final[int]
BITSET: Final[int]
RUN: Final[int]
BLOCK_ROWS: Final[int]
BLOCK_WORDS: Final[int]

def words_of_reason(reason: int) -> str: ...
def encode(rows: NDArray[np.uint16]) -> tuple[int, bytes, int]: ...
def encode_mask(words: NDArray[np.uint64]) -> tuple[int, bytes, int]: ...
def decode(kind: int, buffer: Buffer, cardinality: int) -> NDArray[np.uint16]: ...
def decode_into_mask(
    kind: int, buffer: Buffer, cardinality: int, words: NDArray[np.uint64]
) -> None: ...
def check(kind: int, buffer: Buffer, cardinality: int) -> str: ...
def contains(kind: int, buffer: Buffer, cardinality: int, row: int) -> bool: ...
def cardinality_of_mask(words: NDArray[np.uint64]) -> int: ...
def rows_of_mask(words: NDArray[np.uint64]) -> NDArray[np.uint16]: ...
def mask_of_rows(rows: NDArray[np.uint16]) -> NDArray[np.uint64]: ...
