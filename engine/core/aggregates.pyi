from collections.abc import Callable, Mapping, Sequence

from engine.core.operations import Column
from engine.store.snapshot import Snapshot

__all__ = ["AggregateColumns", "AggregateLayout"]

class AggregateLayout:
    count: int
    def __init__(
        self,
        columns: Sequence[Column],
        position: Callable[[int], int],
        before: Mapping[int, Sequence[int]],
    ) -> None: ...
    def bind(self, snapshot: Snapshot) -> None: ...

class AggregateColumns:
    def __init__(
        self,
        layout: AggregateLayout,
        kernels: int,
        fields: int,
        field_count: int,
        block_count: int,
    ) -> None: ...
