"""The data sets: the same from the same seed, whatever is made of them and in whichever order."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.data import data_set
from bench.data import people as people_module
from bench.data.data_set import data_folder, events, people, read_size, size_name
from bench.data.events import DAYS, EVENTS_A_PERSON, PROPERTIES, TYPES
from bench.data.people import NOW, PIECE_ROWS, TAGS, VALUES, tag_share, write_people
from bench.rivals.rival import MISSING_CODE, read_columns


def silent(doing: str, share: float) -> None:
    """Tells nobody."""


def _table(path: Path, count: int, **how: int) -> Any:
    digest = write_people(path, count, **how)
    assert pq.read_metadata(path).metadata[b"digest"].decode() == digest
    return pq.read_table(path)


def test_a_larger_set_begins_with_a_smaller_one(tmp_path: Path) -> None:
    large = _table(tmp_path / "large", PIECE_ROWS + 1_000)
    small = _table(tmp_path / "small", 1_000)
    assert large.slice(0, 1_000).equals(small)
    alone = _table(tmp_path / "alone", 1_000, first=PIECE_ROWS)
    assert large.slice(PIECE_ROWS).equals(alone)
    for column in set(alone.column_names):
        assert alone[column] != small[column], "each piece is made of its own numbers"
    assert not _table(tmp_path / "other", 1_000, seed=7).equals(small)


def test_the_digest_is_that_of_the_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [write_people(tmp_path / str(n), 500, seed=seed) for n, seed in enumerate((1, 1, 2))]
    assert digests[0] == digests[1] != digests[2]
    assert write_people(tmp_path / "shorter", 499, seed=1) != digests[0]
    monkeypatch.setattr(people_module, "tag_share", lambda place: 0.3)
    assert write_people(tmp_path / "tagged", 500, seed=1) != digests[0]


def test_chunks_are_shared_and_not_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_set, "CHUNK_ROWS", PIECE_ROWS)
    first = people(tmp_path, PIECE_ROWS + 10, tell=silent, workers=1)
    assert [path.name for path in first.files] == ["chunk-0000.parquet", "chunk-0001-10.parquet"]
    stamps = [path.stat().st_mtime_ns for path in first.files]
    again = people(tmp_path, PIECE_ROWS + 10, tell=silent, workers=1)
    assert again == first and [path.stat().st_mtime_ns for path in again.files] == stamps
    whole = people(tmp_path, 2 * PIECE_ROWS, tell=silent, workers=1)
    assert whole.files[0] == first.files[0] and whole.digest != first.digest
    rows = pa.concat_tables([pq.read_table(path) for path in whole.files])
    assert rows["id"].to_pylist() == [f"P{number:09}" for number in range(2 * PIECE_ROWS)]


def test_an_interrupted_chunk_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: Path, *_: object, **__: object) -> str:
        path.write_text("half")
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(data_set, "write_people", fails)
        with pytest.raises(OSError, match="full"):
            people(tmp_path, 100, tell=silent)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert people(tmp_path, 100, tell=silent).files[0].exists()


def test_shares_are_those_that_are_promised(tmp_path: Path) -> None:
    path = tmp_path / "people"
    table = _table(path, PIECE_ROWS)
    assert len(TAGS) == len(set(TAGS)) == 60
    assert tag_share(0) == 0.5 and tag_share(59) == pytest.approx(1e-6)
    (columns,) = read_columns([path])
    bits = columns["tag_bits"]
    for place in (0, 1, 7, 20, 28):
        share = tag_share(place)
        held = int(((bits >> np.uint64(place)) & np.uint64(1)).sum())
        assert abs(held - share * PIECE_ROWS) < 5 * np.sqrt(share * PIECE_ROWS)
    lists = [sum(1 << TAGS.index(tag) for tag in tags) for tags in table["tags"].to_pylist()]
    assert lists == bits.tolist()
    for name, values in VALUES.items():
        counts = np.bincount(columns[name], minlength=256)
        assert counts[: len(values)].all() and not counts[len(values) : MISSING_CODE].any()
        assert counts[0] == counts[: len(values)].max()
        assert counts[MISSING_CODE] == table[name].null_count


def test_rivals_read_the_values(tmp_path: Path) -> None:
    path = tmp_path / "people"
    table = _table(path, 2_000)
    (columns,) = read_columns([path])
    cents = [-1 if one is None else int(one * 100) for one in table["revenue"].to_pylist()]
    assert columns["revenue"].tolist() == cents
    ages = [-1 if one is None else one for one in table["age"].to_pylist()]
    assert columns["age"].tolist() == ages
    titles = [None if code == MISSING_CODE else VALUES["title"][code] for code in columns["title"]]
    assert titles == table["title"].to_pylist()


@pytest.mark.parametrize(
    ("text", "size"),
    [("20000", 20_000), ("500k", 500_000), ("10M", 10_000_000), (" 1m", 1_000_000)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert read_size(text) == size == read_size(size_name(size))


@pytest.mark.parametrize("text", ["", "0", "-1", "1g", "m", "1.5m"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        read_size(text)


def test_data_go_where_they_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert data_folder(tmp_path) == tmp_path
    monkeypatch.setenv("STRATA_BENCH_DATA", str(tmp_path / "named"))
    assert data_folder() == tmp_path / "named"
    monkeypatch.delenv("STRATA_BENCH_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_folder() == tmp_path / "cache" / "strata" / "bench"


def test_events_are_those_of_the_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_set, "CHUNK_ROWS", PIECE_ROWS)
    data = people(tmp_path, PIECE_ROWS + 1_000, tell=silent, workers=1)
    made = events(data, tell=silent, workers=1)
    assert list(made.files) == list(TYPES)
    tables = {
        kind: pa.concat_tables(map(pq.read_table, paths)) for kind, paths in made.files.items()
    }
    assert made.count == sum(map(len, tables.values()))
    assert made.count == pytest.approx(EVENTS_A_PERSON * data.count, rel=0.05)
    begin = NOW - datetime.timedelta(days=DAYS)
    for kind, table in tables.items():
        assert table.column_names == ["id", "row", "time", *PROPERTIES[kind]]
        rows, times = table["row"].to_numpy(), table["time"].cast(pa.int64()).to_numpy()
        assert (np.lexsort((times, rows)) == np.arange(len(rows))).all(), "in order"
        assert rows.max() < data.count
        assert table["id"].to_pylist()[-1] == f"P{rows[-1]:09}"
        assert begin.timestamp() * 1e6 < times.min() <= times.max() < NOW.timestamp() * 1e6
    stamps = [path.stat().st_mtime_ns for paths in made.files.values() for path in paths]
    assert events(data, tell=silent, workers=1) == made
    assert stamps == [path.stat().st_mtime_ns for paths in made.files.values() for path in paths]
    fewer = people(tmp_path, PIECE_ROWS, tell=silent, workers=1)
    begun = events(fewer, tell=silent, workers=1)
    assert begun.files["order"][0] == made.files["order"][0] and begun.digest != made.digest
