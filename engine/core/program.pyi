from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.core.operations import Plan, RowsLeaf
from engine.store.snapshot import Snapshot

__all__ = ["Program"]

class Program:
    snapshot: Snapshot
    node_count: int
    block_count: int
    def __init__(
        self,
        plan: Plan,
        snapshot: Snapshot,
        roots: Sequence[int],
        group_field_id: int | None = None,
        more_fields: Iterable[int] = (),
    ) -> None: ...
    def rebind(
        self, snapshot: Snapshot, rows: Mapping[RowsLeaf, NDArray[np.uint32]] | None = None
    ) -> None: ...
    def unbind(self) -> None: ...
    @property
    def kernel_name(self) -> str: ...
