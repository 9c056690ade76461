"""What the customers of `bench.data.people` did: three events each on average, the same each time.

Ninety days up to the last instant of the data, in six types; a few customers did much and most
little (Zipf). Events are made in the pieces of their customers, so that any piece can be made
alone. They stand in one file for each type, in the order of customers and then of time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.data.people import NOW, PIECE_ROWS, SEED, decimals, microseconds, person_ids

__all__ = ["CATEGORIES", "DAYS", "EVENTS_A_PERSON", "PROPERTIES", "TYPES", "write_events"]

DAYS = 90
EVENTS_A_PERSON = 3
CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "page": ("官网", "PaaS平台", "价格", *(f"page-{number:03}" for number in range(1, 98))),
    "asset": ("白皮书", "案例集", *(f"asset-{number:03}" for number in range(1, 299))),
    "channel": ("wechat", "web", "mini-program", "app", "mail", "sms", "抖音", "offline"),
}
# The types, and which properties each has; `amount` is money, the others are categories.
PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "visit": ("page", "channel"),
    "read": ("asset", "channel"),
    "download": ("asset", "channel"),
    "order": ("amount", "asset", "channel"),
    "watch": ("asset", "channel"),
    "chat": ("channel",),
}
TYPES = tuple(PROPERTIES)
# How fast shares of events fall from one customer to the next.
_ZIPF = 0.7
_ROW_GROUP = 250_000
# Beside the seeds of people, so that neither repeats the other's numbers.
_STREAM = 1


def write_events(folder: Path, name: str, count: int, *, first: int = 0, seed: int = SEED) -> None:
    """Writes what the customers `first` to `first + count` did, as `NAME-TYPE.parquet` for each
    type.

    `first` is a multiple of `PIECE_ROWS`. The metadata of each file have a digest of its values
    under "digest". Memory holds some row groups at most.
    """
    assert first % PIECE_ROWS == 0 and count > 0
    with ExitStack() as stack:
        files = {kind: _File(folder / f"{name}-{kind}.parquet", kind, stack) for kind in TYPES}
        for start in range(first, first + count, PIECE_ROWS):
            piece = _Piece(seed, start, min(PIECE_ROWS, first + count - start))
            for kind, table in piece.tables():
                files[kind].add(table)
        for file in files.values():
            file.finish()


class _File:
    """One file, written a row group at a time."""

    def __init__(self, path: Path, kind: str, stack: ExitStack) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._waiting: list[pa.Table] = []
        schema = pa.schema(
            [("id", pa.string()), ("row", pa.uint32()), ("time", pa.timestamp("us", "UTC"))]
        )
        for name in PROPERTIES[kind]:
            schema = schema.append(pa.field(name, _arrow_type(name)))
        self._writer = stack.enter_context(pq.ParquetWriter(path, schema))

    def add(self, table: pa.Table) -> None:
        for column in table.columns[1:]:
            for chunk in column.chunks:
                values = chunk.indices if isinstance(chunk, pa.DictionaryArray) else chunk
                self._digest.update(values.buffers()[1])
        self._waiting.append(table)
        if sum(map(len, self._waiting)) >= _ROW_GROUP:
            self._flush()

    def finish(self) -> None:
        self._flush()
        self._writer.add_key_value_metadata({"digest": self._digest.hexdigest()})

    def _flush(self) -> None:
        if self._waiting:
            whole = pa.concat_tables(self._waiting)
            self._writer.write_table(whole, row_group_size=_ROW_GROUP)
            self._waiting.clear()


class _Piece:
    """The events of one piece of customers: always drawn whole, then cut."""

    def __init__(self, seed: int, start: int, rows: int) -> None:
        self._rng = np.random.default_rng([seed, start // PIECE_ROWS, _STREAM])
        self._start, self._rows = start, rows

    def tables(self) -> Iterator[tuple[str, pa.Table]]:
        """The events of each type, in the order of rows and times."""
        rng, count = self._rng, PIECE_ROWS * EVENTS_A_PERSON
        weights = rng.permutation(np.arange(1, PIECE_ROWS + 1) ** -_ZIPF)
        persons = rng.choice(PIECE_ROWS, count, p=weights / weights.sum())
        kinds = rng.integers(0, len(TYPES), count)
        span_ms = DAYS * 86_400_000
        times = microseconds(NOW) - 1_000 * rng.integers(1, span_ms, count)
        columns: dict[str, Any] = {name: self._zipf(name, count) for name in CATEGORIES}
        columns["amount"] = 100 + (100 * np.exp(rng.normal(5, 1.2, count))).astype(np.int64)
        order = np.lexsort((times, persons, kinds))
        order = order[persons[order] < self._rows]
        edges = np.searchsorted(kinds[order], np.arange(len(TYPES) + 1))
        for number, kind in enumerate(TYPES):
            chosen = order[edges[number] : edges[number + 1]]
            rows = persons[chosen] + self._start
            table = {
                "id": person_ids(rows),
                "row": pa.array(rows.astype(np.uint32)),
                "time": pa.array(times[chosen], pa.timestamp("us", "UTC")),
            }
            for name in PROPERTIES[kind]:
                table[name] = _column(name, columns[name][chosen])
            yield kind, pa.table(table)

    def _zipf(self, name: str, count: int) -> NDArray[np.int32]:
        weights = 1 / np.arange(1, len(CATEGORIES[name]) + 1)
        codes = self._rng.choice(len(weights), count, p=weights / weights.sum())
        return codes.astype(np.int32)


def _arrow_type(name: str) -> pa.DataType:
    if name == "amount":
        return pa.decimal128(18, 2)
    return pa.dictionary(pa.int32(), pa.string())


def _column(name: str, values: NDArray[Any]) -> pa.Array:
    if name == "amount":
        return decimals(pa.array(values))
    return pa.DictionaryArray.from_arrays(pa.array(values), pa.array(CATEGORIES[name]))
