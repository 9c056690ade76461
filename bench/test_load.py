"""A small size of the benchmark of loads: 70,000 people from every kind of file, for the answers.

Measured: nothing; `python -m bench.load` does. The answers are those that DuckDB gives over the
Parquet file, whatever the form; their hash is printed. Not shown: speed and memory.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import duckdb
import pytest

from bench.load.measure import FORMS, answers, load_people, people_file
from engine.database import Database

PEOPLE = 70_000
CONDITIONS = (
    "true",
    "age between 30 and 40 and list_contains(tags, 'webinar')",
    "industry in ('零售', '金融') and not list_contains(tags, 'VIP') and revenue >= 500.25",
    "title is not null and joined >= '2024-01-01 00:00:00+00' and "
    "last_seen < '2026-06-01 00:00:00+00'",
    "company_size > 100 or region = '青海' or stage = 'champion'",
)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_answers_of_the_file(form: str, tmp_path: Path) -> None:
    """Loaded, loaded again without a change, and counted."""
    file = people_file(tmp_path, PEOPLE, form)
    store = tmp_path / "store"
    first = load_people(file, store, segments=10)
    again = load_people(file, store, segments=10)
    assert (first["rows"], first["changed"], again["changed"]) == (PEOPLE, PEOPLE, 0)
    with Database.open(store, read_only=True) as database:
        found = answers(database)
        assert database.verify().is_sound
    with duckdb.connect() as connection:
        counted = ", ".join(f"count(*) filter (where {condition})" for condition in CONDITIONS)
        parquet = people_file(tmp_path, PEOPLE, "parquet")
        row = connection.execute(f"select {counted} from read_parquet('{parquet}')").fetchone()
    assert row is not None and found == list(row)
    print(f"answers {zlib.crc32(json.dumps(found).encode())}")
