"""What every reader gives: chunks of records in columns, each record with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["CHUNK_RECORDS", "BadRecord", "Chunk", "Reader"]

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
    be read at all."""

    count: int
    columns: Mapping[str, pa.Array]
    lines: NDArray[np.int64]
    bad: list[BadRecord] = field(default_factory=list)

    def text_of(self, index: int) -> str:
        """One record for a person, as `column=value` pairs."""
        return ", ".join(f"{name}={column[index].as_py()}" for name, column in self.columns.items())


class Reader(Protocol):
    """One file, or one query over several. `done` and `total` measure progress in one unit
    (bytes or records); `total` is 0 where it is not known."""

    path: Path
    column_names: list[str]
    done: int
    total: int

    def chunks(self) -> Iterator[Chunk]:
        """The records, in order. Raises InputInvalid where the file itself is unusable."""
        ...
