from collections.abc import Iterable, Mapping

from engine.explaining.reading import Reading, Truth

__all__ = ["Cells", "Ladder", "Name"]

class Name:
    def __call__(self, reading: Reading) -> str | None: ...

class Ladder(Name):
    def __init__(self, names: Iterable[str], through: Iterable[Iterable[Truth]]) -> None: ...

class Cells(Name):
    def __init__(self, names: Mapping[str, str], counts: Truth, high: list[Truth]) -> None: ...
