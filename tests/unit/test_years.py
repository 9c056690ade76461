"""A generated year is the same for a seed, and ends where it is said to end."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from examples.years import companies, shoppers
from examples.years.year import ZONE

UNTIL = datetime(2026, 11, 1, tzinfo=ZONE)
WRITERS = {"b2b_wechat": companies.write_year, "retail": shoppers.write_year}


def written(model: str, folder: Path, seed: int, people: int = 300) -> dict[str, list[object]]:
    """The records of each source of a year."""
    folder.mkdir()
    files = WRITERS[model](folder, people, UNTIL, seed)
    return {source: pq.read_table(path).to_pylist() for source, path in files.items()}


@pytest.mark.parametrize("model", WRITERS)
def test_a_seed_is_a_year(tmp_path: Path, model: str) -> None:
    year = written(model, tmp_path / "first", 1)
    assert written(model, tmp_path / "again", 1) == year
    other = written(model, tmp_path / "other", 2)
    assert other.keys() == year.keys()
    assert [source for source in year if other[source] == year[source]] == []


@pytest.mark.parametrize("model", WRITERS)
@pytest.mark.parametrize("seed", range(1, 4))
def test_nothing_happens_after_the_year(tmp_path: Path, model: str, seed: int) -> None:
    for source, records in written(model, tmp_path / "year", seed, 1000).items():
        for record in records:
            assert isinstance(record, dict)
            for name in ("time", "create_time", "joined"):
                assert record.get(name, UNTIL) <= UNTIL, (source, record)


def test_a_year_needs_people(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 is none"):
        shoppers.write_year(tmp_path, 0, UNTIL, 1)
