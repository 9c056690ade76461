"""What every rival can do, and the columns that they are given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.data.people import TAGS, VALUES
from bench.questions import DENSE, RARE, Answer, AnyOf, Draw

__all__ = [
    "ASKED_TAGS",
    "MISSING_CODE",
    "Columns",
    "EventRival",
    "Rival",
    "bit_of",
    "codes_of",
    "read_columns",
    "read_events",
]

# Only these are asked about, so only these get columns of their own.
ASKED_TAGS = (*DENSE, *RARE)
MISSING_CODE = 255
MISSING_NUMBER = -1

Columns = dict[str, NDArray[Any]]


class Rival(ABC):
    """One rival with the data in one layout."""

    def __init__(self, layout: str, threads: int) -> None:
        self.layout = layout
        self.threads = threads

    @abstractmethod
    def load(self, files: Sequence[Path]) -> None:
        """Takes the people of some Parquet files; not measured."""

    @abstractmethod
    def ask(self, draw: Draw) -> Answer:
        """The answer, by the fastest way that this rival has; measured as a whole."""


class EventRival(Rival):
    """One that has what the people did, too."""

    @abstractmethod
    def load_events(self, files: Mapping[str, Sequence[Path]]) -> None:
        """Takes what the people did, by type; not measured."""


def read_columns(files: Sequence[Path]) -> Iterator[Columns]:
    """The columns that are asked about, file by file.

    Categories are codes, places in VALUES (uint8, MISSING_CODE without a value); numbers are
    int8 (age) and int32 (company_size, and revenue in hundredths), MISSING_NUMBER without;
    `tag_bits` (uint64) has a bit for each place in TAGS.
    """
    names = [*VALUES, "age", "company_size", "revenue", "tag_bits"]
    for file in files:
        table = pq.read_table(file, columns=names).combine_chunks()
        columns: Columns = {name: _codes(table[name], VALUES[name]) for name in VALUES}
        columns["age"] = _numbers(table["age"]).astype(np.int8)
        columns["company_size"] = _fitting(_numbers(table["company_size"]))
        hundred = pa.scalar(100, pa.decimal128(3, 0))
        hundredths = pc.cast(pc.multiply(table["revenue"], hundred), pa.int64())
        columns["revenue"] = _fitting(_numbers(hundredths))
        columns["tag_bits"] = table["tag_bits"].to_numpy()
        yield columns


def read_events(files: Sequence[Path]) -> Iterator[Columns]:
    """What people did, file by file: `row` (uint32), the person's number; `time` (int64), in
    microseconds; and `amount` (int32, hundredths) of orders."""
    for file in files:
        names = [name for name in pq.read_schema(file).names if name in ("row", "time", "amount")]
        table = pq.read_table(file, columns=names).combine_chunks()
        columns: Columns = {
            "row": table["row"].to_numpy(),
            "time": pc.cast(table["time"], pa.int64()).to_numpy(),
        }
        if "amount" in names:
            hundred = pa.scalar(100, pa.decimal128(3, 0))
            amounts = pc.cast(pc.multiply(table["amount"], hundred), pa.int64())
            columns["amount"] = _fitting(amounts.to_numpy())
        yield columns


def _codes(column: Any, values: tuple[str, ...]) -> NDArray[np.uint8]:
    places = pc.index_in(pc.cast(column, pa.string()), pa.array(values))
    codes: NDArray[np.uint8] = places.fill_null(MISSING_CODE).to_numpy().astype(np.uint8)
    return codes


def _numbers(column: Any) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = column.fill_null(MISSING_NUMBER).to_numpy()
    return numbers


def _fitting(numbers: NDArray[np.int64]) -> NDArray[np.int32]:
    assert numbers.max() < 2**31, "a number needs more than 32 bits"
    return numbers.astype(np.int32)


def codes_of(condition: AnyOf) -> list[int]:
    """The codes of the values of a condition."""
    values = VALUES[condition.column]
    return [values.index(value) for value in condition.values]


def bit_of(tag: str) -> int:
    """The place of a tag's bit."""
    return TAGS.index(tag)
