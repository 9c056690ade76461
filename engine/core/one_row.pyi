from collections.abc import Sequence
from typing import Any

__all__ = ["read_cells"]

def read_cells(
    kinds: tuple[int, ...], places: Sequence[tuple[int, ...]], row: int
) -> list[Any]: ...
