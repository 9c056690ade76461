"""Reading ahead changes nothing but when things are made; dictionaries of Parquet files stay."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loaders.ahead import read_ahead
from loaders.chunks import CHUNK_RECORDS
from loaders.parquet_reader import ParquetReader


def test_the_same_items_in_the_same_order_made_on_another_thread() -> None:
    makers: set[int] = set()

    def numbers() -> Iterator[int]:
        for number in range(100):
            makers.add(threading.get_ident())
            yield number

    assert list(read_ahead(numbers())) == list(range(100))
    assert len(makers) == 1 and threading.get_ident() not in makers
    assert list(read_ahead(iter(()))) == []


def test_what_goes_wrong_comes_where_its_item_would() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("cut off")

    seen = []
    with pytest.raises(OSError, match="cut off"):
        for item in read_ahead(broken()):
            seen.append(item)
    assert seen == [1, 2]


def test_a_reader_that_is_left_early_makes_no_more() -> None:
    made = []

    def endless() -> Iterator[int]:
        while True:
            made.append(len(made))
            yield made[-1]

    others = set(threading.enumerate())
    ahead = read_ahead(endless())
    assert [next(ahead), next(ahead)] == [0, 1]
    ahead.close()
    count = len(made)
    assert count <= 5
    assert not set(threading.enumerate()) - others


def test_strings_that_become_codes_come_as_dictionaries(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["a", "b", "c"],
            "city": ["上海", None, "上海"],
            "tags": [["x", "y"], None, ["x"]],
            "age": [1, 2, 3],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    with ParquetReader(
        tmp_path / "t.parquet", list(table.column_names), ["city", "tags"]
    ) as reader:
        (chunk,) = reader.chunks()
    kinds = {name: column.type for name, column in chunk.columns.items()}
    assert pa.types.is_string(kinds["id"]) and pa.types.is_int64(kinds["age"])
    assert pa.types.is_dictionary(kinds["city"]) and pa.types.is_dictionary(
        kinds["tags"].value_type
    )
    assert {name: column.to_pylist() for name, column in chunk.columns.items()} == table.to_pydict()


def test_batches_reach_from_one_row_group_into_the_next(tmp_path: Path) -> None:
    """Each row group has a dictionary of its own."""
    rows = CHUNK_RECORDS + 1000
    table = pa.table(
        {
            "city": [f"c{row // 20_000}" for row in range(rows)],
            "tags": [[f"t{row // 20_000}", "x"][: row % 3] for row in range(rows)],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=20_000)
    with ParquetReader(tmp_path / "t.parquet", ["city", "tags"], ["city", "tags"]) as reader:
        chunks = list(reader.chunks())
    assert sum(chunk.count for chunk in chunks) == rows
    for name in table.column_names:
        read = [value for chunk in chunks for value in chunk.columns[name].to_pylist()]
        assert read == table[name].to_pylist()
