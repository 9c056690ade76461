import numpy as np
from numpy.typing import NDArray

from engine.events.chunks import Chunks

__all__ = ["NOT_FOUND", "Chains"]

NOT_FOUND: int

class Chains:
    @property
    def part_count(self) -> int: ...
    @property
    def chained(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def __init__(self, chunks: Chunks) -> None: ...
    def extend(self, chunks: Chunks) -> None: ...
    def find(
        self,
        chunks: Chunks,
        rows: NDArray[np.uint16],  # IN
        ids: NDArray[np.uint64],  # IN
    ) -> NDArray[np.uint32]: ...
    def events_of(self, row: int) -> NDArray[np.uint32]: ...
