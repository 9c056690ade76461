"""Files as they come: formats, compressions, encodings, bad records and broken files."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import loaders
from engine.database import Database
from engine.errors import InputInvalid, NotFound
from tests.loading import IDENTIFY, Loading
from tests.skips import needs_unprivileged_user

SOURCE = f"{IDENTIFY}, attributes: {{city: city, age: age}}"
ROWS = [("m1", "上海", 30), ("m2", "Oslo", 41), ("m3", 'a,b "c"\nd', 52)]


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[Loading]:
    made = Loading(tmp_path, SOURCE)
    with made.database:
        yield made


def as_csv(delimiter: str = ",") -> bytes:
    lines = [delimiter.join(("id", "city", "age"))]
    for member, city, age in ROWS:
        quoted = '"' + city.replace('"', '""') + '"'
        lines.append(delimiter.join((member, quoted, str(age))))
    return ("\r\n".join(lines) + "\r\n").encode()


def as_jsonl() -> bytes:
    rows = (dict(zip(("id", "city", "age"), row, strict=True)) for row in ROWS)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_parquet() -> bytes:
    members, cities, ages = zip(*ROWS, strict=True)
    table = pa.table({"id": members, "city": pa.array(cities).dictionary_encode(), "age": ages})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return sink.getvalue().to_pybytes()


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}
FORMATS = {".csv": as_csv, ".jsonl": as_jsonl, ".parquet": as_parquet}
QUERY = SOURCE + ', query: "SELECT id, city, age FROM input"'


@pytest.mark.parametrize("source", [SOURCE, QUERY], ids=["plain", "query"])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_format_and_compression(
    tmp_path: Path, form: str, compression: str, source: str
) -> None:
    loading = Loading(tmp_path, source)
    path = tmp_path / f"people's [1] file{form}{compression}"
    path.write_bytes(COMPRESSIONS[compression](FORMATS[form]()))
    with loading.database:
        summary = loading.load(path)
        assert (summary.accepted, summary.refused, summary.created) == (3, 0, 3)
        for member, city, age in ROWS:
            assert loading.attributes(member) == {"city": city, "age": age}
        version = loading.database.data_version
        again = loading.load(path)
    assert (again.accepted, again.created, again.profiles_changed) == (3, 0, 0)
    assert (again.blocks_written, again.data_version) == (0, version)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("compression", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("source", [SOURCE, QUERY], ids=["plain", "query"])
def test_a_file_cut_off_changes_nothing(
    tmp_path: Path, form: str, compression: str, source: str
) -> None:
    loading = Loading(tmp_path, source)
    path = tmp_path / f"people{form}{compression}"
    path.write_bytes(COMPRESSIONS[compression](FORMATS[form]() * 50)[:-12])
    refuses(loading, path, "damaged or was not written whole|not a whole Parquet file")


@pytest.mark.parametrize("source", [SOURCE, QUERY], ids=["plain", "query"])
def test_half_a_parquet_file(tmp_path: Path, source: str) -> None:
    path = tmp_path / "people.parquet"
    path.write_bytes(as_parquet()[:-7])
    refuses(Loading(tmp_path, source), path, "people.parquet is not a whole Parquet file")


def refuses(loading: Loading, path: Path, *told: str) -> None:
    """The load is refused in one paragraph, and nothing is changed or left behind."""
    before = sorted(loading.folder.iterdir())
    version = loading.database.data_version
    with loading.database, pytest.raises(InputInvalid) as refusal:
        try:
            loading.load(path)
        finally:
            assert loading.database.data_version == version
            assert loading.database.profile_count == 0
    text = str(refusal.value)
    assert any(part in text for words in told for part in words.split("|")), text
    assert "\n" not in text and "Error" not in text
    assert sorted(loading.folder.iterdir()) == before


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["bare", "mark"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_csv_with_and_without_mark(loading: Loading, mark: bytes, delimiter: str) -> None:
    path = loading.folder / "people.csv"
    path.write_bytes(mark + as_csv(delimiter))
    assert loading.load(path).accepted == 3
    assert loading.attributes("m1") == {"city": "上海", "age": 30}


@pytest.mark.parametrize("query", ["", ", query: 'SELECT * FROM input'"])
@pytest.mark.parametrize("form", [".csv", ".jsonl"])
def test_gb18030(tmp_path: Path, query: str, form: str) -> None:
    loading = Loading(tmp_path, SOURCE + ", encoding: gb18030" + query)
    path = tmp_path / f"people{form}"
    path.write_bytes(FORMATS[form]().decode().encode("gb18030"))
    with loading.database:
        assert loading.load(path).accepted == 3
        assert loading.attributes("m1") == {"city": "上海", "age": 30}


@pytest.mark.parametrize("query", ["", ", query: 'SELECT * FROM input'"])
def test_the_wrong_encoding(tmp_path: Path, query: str) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(as_csv().decode().encode("gb18030"))
    told = "say so in the source (encoding: gb18030)"
    refuses(Loading(tmp_path, SOURCE + query), path, told)


def _told(value: bytes | str) -> str:
    """Names a case by what is told: compressed bytes carry the time, and would differ between
    the processes of one run."""
    return value if isinstance(value, str) else "content"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        ("id,city,age\n".encode("utf-16"), "UTF-16"),
        (gzip.compress(as_csv()), "add .gz"),
        (as_parquet(), "rename it to end in .parquet"),
        (b"PK\x03\x04rest", "workbook"),
        (b"id,city,age\nm1,x", "line 2: the file ends in the middle"),
        (b'id,city,age\nm1,x,3\nm2,"x', "line 3: the file ends in the middle"),
        (b'id,city,age\nm1,x,3\nm2,"x\ny', "line 4: the file ends in the middle"),
        (b"id,town,ages\nm1,x,3\n", "no column city, which source people reads. It has id, town"),
        (b"id,cty,age\nm1,x,3\n", "Did you mean cty?"),
        (b"id,city,age,city\nm1,x,3,y\n", "the column name city stands there twice"),
        (b'id,"city\n', "line 1: a quotation mark is opened"),
    ],
    ids=_told,
)
def test_csv_files_that_cannot_be_used(loading: Loading, content: bytes, told: str) -> None:
    path = loading.folder / "people.csv"
    path.write_bytes(content)
    refuses(loading, path, told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no JSON object"),
        (b'[{"id": "m1"},\n{"id": "m2"}]\n', "JSON array"),
        (b'{"id": "m1", "city": "x", "age": 3}\n{"id": "m2", "ci', "line 2: the file ends"),
        (b'{"id": "m1", "citi": "x", "age": 3}\n', "has the key city. Did you mean citi?"),
        (b'{"id": "m1", "age": 3}\n', "write it as null"),
        (b"not\njson\n", "no JSON object"),
    ],
    ids=_told,
)
def test_json_files_that_cannot_be_used(loading: Loading, content: bytes, told: str) -> None:
    path = loading.folder / "people.jsonl"
    path.write_bytes(content)
    refuses(loading, path, told)


def test_files_that_are_not_there_or_have_no_format(loading: Loading) -> None:
    folder = loading.folder / "folder.csv"
    folder.mkdir()
    strange = loading.folder / "people.dat"
    strange.write_bytes(as_csv())
    for path, told in (
        (loading.folder / "none.csv", "There is no file"),
        (loading.folder / "none", "There is no file"),
        (folder, "is a folder"),
        (loading.folder, "is a folder"),
        (strange, "no name that tells its format"),
    ):
        with pytest.raises(InputInvalid, match=told):
            loading.load(path)


@needs_unprivileged_user
def test_a_file_that_may_not_be_read(loading: Loading) -> None:
    path = loading.folder / "people.csv"
    path.write_bytes(as_csv())
    path.chmod(0)
    with pytest.raises(InputInvalid, match="may not be read"):
        loading.load(path)


def test_bad_records_stop_nothing(loading: Loading) -> None:
    text = (
        "id,city,age\n"
        "m1,x,1\n"
        "m2,x\n"  # 3
        "\n"
        'm3,"two\nlines",3\n'
        "m4,x,many\n"  # 7
        'm5,"x" y,5\n'  # 8
        'm6,"never closed,6\n'  # 9
        "m7,x,7,8\n"  # 10
        ",x,8\n"  # 11
        "m9,x,9\n"
    )
    summary = loading.load_text(text)
    assert (summary.accepted, summary.refused) == (3, 6)
    assert summary.refused_file == str(loading.refused_file)
    assert "6 refused" in str(summary) and str(loading.refused_file) in str(summary)
    refused = loading.refused()
    assert [(name, line) for name, line, _, _ in refused] == [
        ("people.csv", line) for line in (3, 7, 8, 9, 10, 11)
    ]
    reasons = [reason for _, _, reason, _ in refused]
    assert reasons[0] == "has 2 fields, and the header has 3"
    assert reasons[1] == "column age: 'many' is not a number"
    assert "behind a closing quotation mark" in reasons[2]
    assert "opened and not closed" in reasons[3]
    assert "has 4 fields" in reasons[4]
    assert "identifier" in reasons[5]
    assert [record for *_, record in refused][:2] == ["m2,x", "m4,x,many"]
    assert loading.attributes("m3") == {"city": "two\nlines", "age": 3}
    assert loading.attributes("m9") == {"city": "x", "age": 9}


def test_bad_lines_of_json_stop_nothing(loading: Loading) -> None:
    lines = [
        '{"id": "m1", "city": "x", "age": 1}',
        "{nonsense}",
        "[1, 2]",
        '{"id": "m2", "city": "x", "age": NaN}',
        '{"id": "m3", "city": {"name": "x"}, "age": 3}',
        '{"id": "m4", "city": "\\ud83d", "age": 4}',
        '{"id": "m5", "city": ["x", "y"], "age": 5}',
        "",
        '{"id": "m6", "city": ["x"], "age": "6"}',
        "[" * 100_000,
    ]
    summary = loading.load_text("\n".join(lines) + "\n", "people.jsonl")
    assert (summary.accepted, summary.refused) == (2, 7)
    assert [line for _, line, _, _ in loading.refused()] == [2, 3, 4, 5, 6, 7, 10]
    assert loading.attributes("m6") == {"city": "x", "age": 6}


def test_a_stray_mark_refuses_its_line_alone(loading: Loading) -> None:
    body = [f"m{number},x,{number}" for number in range(20_000)]
    body[7] = 'm7,"x,7'
    summary = loading.load_text("id,city,age\n" + "\n".join(body) + "\n")
    assert (summary.accepted, summary.refused) == (19_999, 1)
    ((_, line, reason, record),) = loading.refused()
    assert (line, record) == (9, 'm7,"x,7')
    assert "its quotation mark never closes" in reason


def test_refused_records_of_several_chunks_keep_their_lines(loading: Loading) -> None:
    bad = {0, 65_535, 65_536, 65_537, 131_072}
    rows = (f"m{i},x,{'?' if i in bad else i % 90}\n" for i in range(131_074))
    summary = loading.load_text("id,city,age\n" + "".join(rows))
    assert (summary.accepted, summary.refused) == (131_069, 5)
    assert [line for _, line, _, _ in loading.refused()] == [number + 2 for number in sorted(bad)]
    assert loading.database.count("age = 7").count == sum(
        number % 90 == 7 for number in range(131_074) if number not in bad
    )


def test_the_refused_file_belongs_to_the_last_load_that_refused(loading: Loading) -> None:
    loading.load_text("id,city,age\nm1,x,?\n")
    before = loading.refused()
    loading.load_text("id,city,age\nm1,x,1\n")
    assert loading.refused() == before
    with pytest.raises(InputInvalid):
        loading.load_text("id,city,age\nm1,x,?\nm2")
    assert loading.refused() == before
    assert not [path for path in loading.folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("place", ["missing/refused.csv", "."])
def test_a_refused_file_that_cannot_be_written(loading: Loading, place: str) -> None:
    path = loading.folder / "people.csv"
    path.write_text("id,city,age\nm1,x,1\nm2,x,?\n")
    refused = loading.folder / place
    with pytest.raises(InputInvalid, match="cannot be written"):
        loaders.load(loading.database, "people", [path], refused=refused)
    assert loading.database.profile_count == 0


def test_refused_records_never_replace_what_is_loaded(loading: Loading) -> None:
    text = "id,city,age\nm1,x,?\n"
    path = loading.folder / "people.csv"
    path.write_text(text)
    with pytest.raises(InputInvalid, match="would replace"):
        loaders.load(loading.database, "people", [path], refused=path)
    assert path.read_text() == text


def test_several_files_and_progress(loading: Loading) -> None:
    told: list[tuple[int, float | None]] = []
    paths = [loading.folder / name for name in ("a.csv", "b.jsonl", "c.parquet")]
    for path, content in zip(paths, (as_csv(), as_jsonl(), as_parquet()), strict=True):
        path.write_bytes(content)
    summary = loading.load(*paths, progress=lambda records, share: told.append((records, share)))
    assert (summary.accepted, summary.created) == (9, 3)
    assert [records for records, _ in told] == [3, 6, 9]
    assert [share for _, share in told] == pytest.approx([1 / 3, 2 / 3, 1])


def test_a_bad_file_after_a_good_one_changes_nothing(loading: Loading) -> None:
    good, bad = loading.folder / "a.csv", loading.folder / "b.csv.gz"
    good.write_bytes(as_csv())
    bad.write_bytes(gzip.compress(as_csv() * 99)[:-3])
    with pytest.raises(InputInvalid):
        loading.load(good, bad)
    assert loading.database.profile_count == 0


def test_a_load_that_is_stopped_changes_nothing(loading: Loading) -> None:
    path = loading.folder / "people.csv"
    path.write_bytes(as_csv())

    def stop(records: int, share: float | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loading.load(path, progress=stop)
    assert loading.database.profile_count == 0
    assert loading.load(path).accepted == 3


def test_sources_that_cannot_be_loaded(tmp_path: Path, loading: Loading) -> None:
    with pytest.raises(NotFound, match="Did you mean people"):
        loaders.load(loading.database, "poeple", [tmp_path / "x.csv"])
    with pytest.raises(InputInvalid, match="at least one file"):
        loaders.load(loading.database, "people", [])
    with (
        Database.create(tmp_path / "bare") as bare,
        pytest.raises(InputInvalid, match="no model yet"),
    ):
        loaders.load(bare, "people", [tmp_path / "x.csv"])
