"""Sources with a `query:`, which DuckDB runs over their files."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from engine.errors import InputInvalid
from tests.loading import IDENTIFY, Loading

PURCHASES = "customer,day,amount\n" + "".join(
    f"m{number % 7},2026-01-{number % 28 + 1:02},{number}.335\n" for number in range(700)
)


def loading(folder: Path, attributes: str, query: str, zone: str = "UTC") -> Loading:
    return Loading(folder, f'{IDENTIFY}, attributes: {attributes}, query: "{query}"', zone)


def test_records_per_customer(tmp_path: Path) -> None:
    made = loading(
        tmp_path,
        "{age: orders, spent: spent, weight: mean, born: first, likes: days}",
        "SELECT customer AS id, count(*) AS orders, sum(amount) AS spent, avg(amount) AS mean,"
        " min(day) AS first, list(DISTINCT strftime(day, '%d') ORDER BY 1) AS days"
        " FROM input GROUP BY customer ORDER BY customer",
    )
    with made.database:
        assert made.load_text(PURCHASES).accepted == 7
        amounts = [number + 0.335 for number in range(3, 700, 7)]
        found = made.attributes("m3")
        assert found["age"] == 100
        assert found["spent"] == Decimal("34983.50")
        assert found["weight"] == pytest.approx(sum(amounts) / 100)
        assert found["born"] == date(2026, 1, 4)
        assert list(found["likes"]) == ["04", "11", "18", "25"]
        version = made.database.data_version
        again = made.load_text(PURCHASES)
        assert (again.profiles_changed, again.data_version) == (0, version)


def test_queries_run_on_one_thread(tmp_path: Path) -> None:
    # With more, a sum of floats differs from run to run, and so would the load.
    made = loading(tmp_path, "{age: n}", "SELECT id, current_setting('threads') AS n FROM input")
    with made.database:
        made.load_text("id\nm1\n")
        assert made.attributes("m1") == {"age": 1}


def test_several_files_are_one_input(tmp_path: Path) -> None:
    made = loading(tmp_path, "{age: n}", "SELECT id, count(*) AS n FROM input GROUP BY id")
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path in paths:
        path.write_text("id\nm1\nm2\n")
    with made.database:
        made.load(*paths)
        assert made.attributes("m1") == {"age": 2}
        with pytest.raises(InputInvalid, match="must have one format"):
            made.load(paths[0], tmp_path / "c.parquet")


def test_leading_zeros_of_identifiers_stay(tmp_path: Path) -> None:
    made = loading(tmp_path, "{age: age}", "SELECT * FROM input")
    with made.database:
        made.load_text("id,age\n007,1\n008,2\n")
        assert made.attributes("007") == {"age": 1}


def test_days_of_instants_are_those_of_the_source(tmp_path: Path) -> None:
    query = "SELECT id, seen, seen::date AS born FROM input"
    made = loading(tmp_path, "{seen: seen, born: born}", query, "Asia/Shanghai")
    with made.database:
        made.load_text("id,seen\nm1,2026-01-01T20:00:00Z\n")
        assert made.attributes("m1") == {
            "seen": datetime(2026, 1, 1, 20, tzinfo=UTC),
            "born": date(2026, 1, 2),
        }


def test_lines_that_cannot_be_read_are_refused_with_their_place(tmp_path: Path) -> None:
    made = loading(tmp_path, "{age: n}", "SELECT id, sum(n) AS n FROM input GROUP BY id")
    good = "".join(f"m{number % 3},1\n" for number in range(30_000))
    with made.database:
        summary = made.load_text(f"id,n\n{good}m1,x\nm2\nm2,1,1\nm2,5\n")
        assert (summary.accepted, summary.refused) == (3, 3)
        assert made.attributes("m2") == {"age": 10_005}
    refused = made.refused()
    assert [(name, line) for name, line, _, _ in refused] == [
        ("people.csv", line) for line in (30_002, 30_003, 30_004)
    ]
    assert [record for *_, record in refused] == ["m1,x", "m2", "m2,1,1"]


def test_lines_of_json_that_are_none_are_refused_with_their_place(tmp_path: Path) -> None:
    made = loading(tmp_path, "{age: n}", "SELECT id, sum(n) AS n FROM input GROUP BY id")
    with made.database:
        lines = ['{"id": "m1", "n": 1}', "{no}", '{"id": "m1", "n": 2}', "7", ""]
        summary = made.load_text("\n".join(lines), "people.jsonl")
        assert (summary.accepted, summary.refused) == (1, 2)
        assert made.attributes("m1") == {"age": 3}
    assert [line for _, line, _, _ in made.refused()] == [2, 4]


def test_records_of_the_result_are_refused_by_number(tmp_path: Path) -> None:
    made = loading(tmp_path, "{age: age}", "SELECT id, age FROM input ORDER BY rowid_ DESC")
    text = "id,age,rowid_\n" + "".join(f"m{i},{'x' if i == 2 else i},{i}\n" for i in range(5))
    with made.database:
        assert made.load_text(text).accepted == 4
    ((_, number, reason, record),) = made.refused()
    assert (number, reason) == (3, "column age: 'x' is not a number")
    assert record == '{"id": "m2", "age": "x"}'


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT id, agee AS age FROM input", 'Candidate bindings: "age"'),
        ("SELECT id, age FROM inptu", "inptu"),
        ("SELEC id", "syntax error"),
        ("SELECT id, age FROM input; SELECT 1", "must be one SELECT"),
        ("COPY input TO 'x.csv'", "must be one SELECT"),
        ("SELECT id, error('stop here') AS age FROM input", "stop here"),
        ("SELECT id FROM input", "no column age"),
        ("SELECT id, {'a': age} AS age FROM input", "holds objects"),
    ],
)
def test_queries_that_cannot_be_run(tmp_path: Path, query: str, told: str) -> None:
    source = f'{IDENTIFY}, attributes: {{age: age}}, query: "{query}"'
    made = Loading(tmp_path, source)
    with made.database:
        with pytest.raises(InputInvalid) as refusal:
            made.load_text("id,age\nm1,1\n")
        assert made.database.profile_count == 0
    text = str(refusal.value)
    assert told in text and "\n" not in text
    assert "LINE 1" not in text and "strata-load" not in text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"id,age\n".decode().encode("utf-16"), "UTF-16"),
        (b"\x80\x81\x82" * 99, "near line 1: the bytes are not UTF-8"),
        (b"PAR1", "is a Parquet file"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, content: bytes, told: str) -> None:
    made = loading(tmp_path, "{age: age}", "SELECT id, age FROM input")
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    with made.database, pytest.raises(InputInvalid, match=told):
        made.load(path)


def test_half_a_last_line_changes_nothing(tmp_path: Path) -> None:
    made = loading(tmp_path, "{age: age}", "SELECT id, age FROM input")
    with made.database:
        with pytest.raises(InputInvalid, match="line 4: the file ends in the middle"):
            made.load_text("id,age\nm1,1\nm2,2\nm3")
        assert made.database.profile_count == 0
        assert made.load_text("id,age\nm1,1\nm2,2\nm3\n").refused == 1
        assert made.load_text("id,age\nm1,1\nm2,2\nm3,3").accepted == 3


def test_nothing_is_left_in_the_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    made = loading(tmp_path, "{age: age}", "SELECT id, age FROM input")
    with made.database:
        made.load_text('{"id": "m1", "age": 1}\n', "people.jsonl")
        with pytest.raises(InputInvalid):
            made.load_text('{"id": "m1", "ag": 1}\n', "people.jsonl")
    assert not list(temporary.iterdir())
