from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from engine.core.control import Control
from engine.core.program import Program

__all__ = [
    "Counting",
    "block_masks",
    "count_groups",
    "count_nodes",
    "count_roots",
    "leaf_states",
    "many_masks",
    "root_masks",
]

class Counting:
    def __init__(
        self, program: Program, root: int, group_size: int | None, is_bool: bool
    ) -> None: ...
    def run(self, control: Control, pool: Executor | None, threads: int) -> NDArray[np.int64]: ...

def count_roots(
    program: Program,
    roots: Sequence[int],
    *,
    control: Control | None = None,
    pool: Executor | None = None,
    threads: int = 1,
) -> NDArray[np.int64]: ...
def count_nodes(
    program: Program,
    roots: Sequence[int],
    *,
    control: Control | None = None,
    pool: Executor | None = None,
    threads: int = 1,
) -> NDArray[np.int64]: ...
def count_groups(
    program: Program,
    root: int,
    code_count: int,
    *,
    is_bool: bool = False,
    control: Control | None = None,
    pool: Executor | None = None,
    threads: int = 1,
) -> NDArray[np.int64]: ...
def many_masks(
    program: Program,
    roots: Sequence[int],
    *,
    control: Control | None = None,
    pool: Executor | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]: ...
def root_masks(
    program: Program,
    root: int,
    *,
    control: Control | None = None,
    pool: Executor | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.uint64], int]: ...
def block_masks(program: Program, roots: Sequence[int], block: int) -> NDArray[np.uint64]: ...
def leaf_states(program: Program) -> NDArray[np.uint8]: ...
