"""Member lists as Parquet, written as they arrive.

An attribute's type is not in the list itself: it is that of the first value that comes. Until
every column has one, what came is held, as Arrow and not as Python objects.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

from strata.answers import MembersChunk, Value

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["write_parquet"]

# Rows of one group: a reader takes a group at a time, and the writer holds one.
GROUP_ROWS = 1 << 20


def write_parquet(
    chunks: Iterable[MembersChunk], ids: str, attributes: Sequence[str], sink: IO[bytes]
) -> None:
    """Writes chunks as one table: the entries under the name `ids`, then the attributes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [_Column(pa.string()), *(_Column() for _ in attributes)]
    names = [ids, *attributes]
    writer = None
    for chunk in chunks:
        columns[0].add(chunk.entries)
        for column, name in zip(columns[1:], attributes, strict=True):
            column.add((chunk.columns or {})[name])
        if columns[0].count >= GROUP_ROWS and all(column.type is not None for column in columns):
            table = pa.table([column.take() for column in columns], names=names)
            writer = writer or pq.ParquetWriter(sink, table.schema)
            writer.write_table(table)
    table = pa.table([column.take() for column in columns], names=names)
    with writer or pq.ParquetWriter(sink, table.schema) as last:
        if table.num_rows or writer is None:
            last.write_table(table)


class _Column:
    """The cells of one column that are not written yet."""

    def __init__(self, type_: pa.DataType | None = None) -> None:
        self.type = type_
        self.count = 0
        self._arrays: list[pa.Array] = []
        # Cells before the first value.
        self._missing = 0

    def add(self, cells: Sequence[Value]) -> None:
        """Takes the cells of a chunk."""
        import pyarrow as pa

        self.count += len(cells)
        if self.type is None:
            self.type = next((_type_of(cell) for cell in cells if cell is not None), None)
            if self.type is None:
                self._missing += len(cells)
                return
            self._arrays.append(pa.nulls(self._missing, self.type))
        self._arrays.append(pa.array(cells, self.type))

    def take(self) -> pa.ChunkedArray:
        """What there is; the column is empty then. A column without any value is of strings."""
        import pyarrow as pa

        arrays = self._arrays
        if self.type is None:
            self.type = pa.string()
            arrays = [pa.nulls(self._missing, self.type)]
        self._arrays, self._missing, self.count = [], 0, 0
        return pa.chunked_array(arrays, self.type)


def _type_of(value: Value) -> Any:
    """The type of all values of the attribute that this is one of."""
    import pyarrow as pa

    match value:
        case bool():
            return pa.bool_()
        case int():
            return pa.int64()
        case float():
            return pa.float64()
        case Decimal():
            # 18 digits, of which the attribute's scale stand after the point in every value.
            return pa.decimal128(18, -int(value.as_tuple().exponent))
        case datetime.datetime():
            return pa.timestamp("us", "UTC")
        case datetime.date():
            return pa.date32()
        case tuple():
            return pa.list_(pa.string())
        case _:
            return pa.string()
