from collections.abc import Sequence

from engine.bitmaps import Buffer
from engine.events.tail import TailVersion

__all__ = ["Chunks"]

class Chunks:
    parts: list[Buffer | TailVersion]
    def __init__(
        self, parts: Sequence[Buffer | TailVersion], addresses: Sequence[int] = ()
    ) -> None: ...
    def __len__(self) -> int: ...
