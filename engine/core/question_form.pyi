from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from engine.core.control import Control
from engine.core.program import Program
from engine.store.dictionary import DictionaryTable
from engine.store.snapshot import Snapshot

__all__ = ["CODES", "MOST_LITERALS", "RANGE", "SET", "QuestionForm", "room_for"]

CODES: int
SET: int
RANGE: int
MOST_LITERALS: int

class QuestionForm:
    is_outgrown: bool
    def __init__(
        self,
        program: Program,
        root: int,
        slots: Sequence[tuple[int, int, int, int, Sequence[str], bool]],
        tables: Sequence[DictionaryTable | None],
        groups: tuple[int, int, bool] | None = None,
    ) -> None: ...
    def put(self, snapshot: Snapshot, literals: list[str]) -> bool: ...
    def count(
        self, snapshot: Snapshot, control: Control, pool: Executor | None, threads: int
    ) -> NDArray[np.int64]: ...

def room_for(value_count: int) -> int: ...
