import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PARTS",
    "add_entries",
    "counts_between",
    "entries_between",
    "entries_in_parts",
    "find_entries",
    "find_entry",
    "merge_sorted",
    "move_slots",
]

PARTS: int

_Columns = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]

def entries_in_parts(digests: NDArray[np.uint64]) -> NDArray[np.int64]: ...
def find_entries(
    addresses: NDArray[np.uint64],
    sizes: NDArray[np.int64],
    digests: NDArray[np.uint64],
    known: int,
    visible: int,
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]: ...
def find_entry(
    addresses: NDArray[np.uint64],
    sizes: NDArray[np.int64],
    digest: bytes,
    known: int,
    visible: int,
) -> int | None: ...
def add_entries(
    addresses: NDArray[np.uint64],
    sizes: NDArray[np.int64],
    digests: NDArray[np.uint64],
    numbers: NDArray[np.uint32],
    first: int,
) -> None: ...
def move_slots(slots: NDArray[np.uint64], part: NDArray[np.uint64]) -> None: ...
def counts_between(
    addresses: NDArray[np.uint64],
    sizes: NDArray[np.int64],
    first: int,
    last: int,
    since: int,
    until: int,
) -> NDArray[np.int64]: ...
def entries_between(
    addresses: NDArray[np.uint64],
    sizes: NDArray[np.int64],
    first: int,
    last: int,
    since: int,
    until: int,
    count: int,
) -> _Columns: ...
def merge_sorted(left: _Columns, right: _Columns) -> _Columns | None: ...
