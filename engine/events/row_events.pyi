import numpy as np
from numpy.typing import NDArray

from engine.events.chains import Chains
from engine.events.events import Property

__all__ = ["RowEvents"]

class RowEvents:
    @property
    def properties(self) -> set[int]: ...
    def __len__(self) -> int: ...
    def gather(
        self,
        chains: list[Chains | None],
        rows: NDArray[np.uint32],  # IN
        starts: NDArray[np.intp],  # IN
        blocks: NDArray[np.uint32],  # IN
        first_part: NDArray[np.uint32],  # IN
        addresses: NDArray[np.uint64],  # IN
    ) -> None: ...
    def starts(self, row_count: int) -> NDArray[np.uint32]: ...
    def places(self) -> NDArray[np.intp]: ...
    def times(self) -> NDArray[np.int64]: ...
    def property(self, number: int) -> Property | None: ...
