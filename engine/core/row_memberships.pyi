from typing import final

__all__ = ["RowMemberships"]

@final
class RowMemberships:
    def __init__(self, count: int) -> None: ...
    @staticmethod
    def size_of(count: int, block_count: int) -> int: ...
    def clear(self) -> None: ...
