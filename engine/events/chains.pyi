import numpy as np
from numpy.typing import NDArray

from engine.events.chunks import Chunks

__all__ = ["Chains"]

class Chains:
    def __init__(self, chunks: Chunks) -> None: ...
    def extend(self, chunks: Chunks) -> None: ...
    def events_of(self, row: int) -> NDArray[np.uint32]: ...
