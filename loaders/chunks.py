"""What every reader gives: chunks of records in columns, each record with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["CHUNK_RECORDS", "BadRecord", "Chunk", "Reader", "bad_records"]

# Records handled at a time: enough that the work per chunk is in arrays, few enough that
# progress is seen and memory stays small.
CHUNK_RECORDS = 65_536


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that cannot be used: the file, its line (or number, from 1), why, and the
    record as far as it was read."""

    file: str
    line: int
    reason: str
    record: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """`count` records in columns by name, the place of each (int64), and those that could not
    be read at all. `text_of` gives one record, by its index, as a person would look for it."""

    count: int
    columns: Mapping[str, pa.Array]
    lines: NDArray[np.int64]
    text_of: Callable[[int], str]
    bad: Sequence[BadRecord] = ()


def bad_records(bad: Sequence[BadRecord]) -> Chunk:
    """A chunk of nothing but records that could not be read."""
    return Chunk(0, {}, np.zeros(0, np.int64), str, bad)


class Reader(Protocol):
    """One file, or one query over several; a context manager that lets go of what it opened.

    `column_names` is None where only reading to the end tells. `done` and `total` measure
    progress in one unit (bytes or records); `total` is 0 where it is not known.
    """

    path: Path
    column_names: list[str] | None
    total: int

    @property
    def done(self) -> int:
        """How much has been read."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """The records, in order. Raises InputInvalid where the file itself is unusable."""
        ...

    def __enter__(self) -> Reader: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
