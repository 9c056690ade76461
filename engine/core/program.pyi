from collections.abc import Sequence

from engine.core.operations import Plan
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
    ) -> None: ...
    @property
    def kernel_name(self) -> str: ...
