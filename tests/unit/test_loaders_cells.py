"""Cells of every type, from texts and from typed columns, and what is kept of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import InputInvalid
from tests.loading import IDENTIFY, Loading

ALL = (
    f"{IDENTIFY}, attributes: {{city: city, likes: {{column: likes, split: '|'}}, age: age, "
    "spent: spent, weight: weight, vip: vip, born: born, seen: seen, remark: remark}"
)
COLUMNS = ("id", "city", "likes", "age", "spent", "weight", "vip", "born", "seen", "remark")
NEW_YORK = "America/New_York"


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[Loading]:
    made = Loading(tmp_path, ALL)
    with made.database:
        yield made


def one(folder: Path, attribute: str, zone: str = "UTC", more: str = "") -> Loading:
    return Loading(folder, f"{IDENTIFY}, attributes: {{{attribute}: cell}}{more}", zone)


def load_cells(made: Loading, cells: pa.Array, ids: pa.Array | None = None) -> list[str]:
    """Loads one column from Parquet, for members m0, m1, ...; the reasons of those refused."""
    path = made.folder / "cells.parquet"
    if ids is None:
        ids = pa.array([f"m{number}" for number in range(len(cells))])
    pq.write_table(pa.table({"id": ids, "cell": cells}), path)
    return [reason for _, _, reason, _ in made.refused()] if made.load(path).refused else []


def values(made: Loading, attribute: str, count: int) -> list[Any]:
    return [made.attributes(f"m{number}").get(attribute) for number in range(count)]


def test_texts_of_every_type(loading: Loading) -> None:
    cells = ["m1", " Oslo", "tea| go ||", "-7", "1.005", "2.50", "是", "2026/1/2",
             "2026-01-02 03:04:05.6789", "a \"b\""]  # fmt: skip
    quoted = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    loading.load_text(",".join(COLUMNS) + f"\n{quoted}\n")
    assert loading.attributes("m1") == {
        "city": " Oslo",
        "likes": ["go", "tea"],
        "age": -7,
        "spent": Decimal("1.01"),
        "weight": 2.5,
        "vip": True,
        "born": date(2026, 1, 2),
        "seen": datetime(2026, 1, 2, 3, 4, 5, 678_900, UTC),
        "remark": 'a "b"',
    }


EMPTY = ",".join(COLUMNS) + "\nm1,,, , ,,,,,\n"
FULL = ",".join(COLUMNS) + "\nm1,x,a|b,1,2,3,1,2026-01-01,2026-01-01,r\n"


def test_an_empty_cell_leaves_what_was_there(loading: Loading) -> None:
    loading.load_text(FULL)
    before: Mapping[str, Any] = loading.attributes("m1")
    assert len(before) == 9
    assert loading.load_text(EMPTY).profiles_changed == 0
    assert loading.attributes("m1") == before


def test_an_empty_cell_erases_where_the_source_says_so(tmp_path: Path) -> None:
    made = Loading(tmp_path, ALL + ", empty: unset")
    with made.database:
        made.load_text(FULL)
        assert made.load_text(EMPTY).profiles_changed == 1
        assert made.attributes("m1") == {}
        # Blanks are a value of a category and of a text, and not of a number.
        made.load_text(",".join(COLUMNS) + '\nm1,"  ",,,,,,,,"  "\n')
        assert made.attributes("m1") == {"city": "  ", "remark": "  "}


@pytest.mark.parametrize(
    ("cell", "spent"),
    [
        (1.005, "1.01"),  # the double lies below, the shortest decimal on the border
        (-1.005, "-1.01"),
        (2.675, "2.68"),
        (0.285, "0.29"),
        (1.0049999999999997, "1.00"),
        (0.1 + 0.2, "0.30"),
        (1e15 + 0.3, "1000000000000000.20"),
        (-0.0, "0.00"),
        (5e-324, "0.00"),
        (9.99e15, "9990000000000000.00"),
    ],
)
def test_decimals_from_doubles(tmp_path: Path, cell: float, spent: str) -> None:
    made = one(tmp_path, "spent")
    with made.database:
        assert load_cells(made, pa.array([cell])) == []
        assert values(made, "spent", 1) == [Decimal(spent)]


def test_decimals_from_decimals_and_integers(tmp_path: Path) -> None:
    made = one(tmp_path, "spent")
    with made.database:
        exact = [Decimal("1.005"), Decimal("-1.005"), None, Decimal("9999999999999999.994")]
        assert load_cells(made, pa.array(exact, pa.decimal128(38, 3))) == []
        assert values(made, "spent", 4) == [
            Decimal("1.01"), Decimal("-1.01"), None, Decimal("9999999999999999.99"),
        ]  # fmt: skip
        too_long = [Decimal(10) ** 16, Decimal(7)]
        assert load_cells(made, pa.array(too_long, pa.decimal128(38, 0))) == [
            "column cell: 10000000000000000 has more than 18 digits"
        ]
        assert load_cells(made, pa.array([10**16, -(10**16) + 1, 2**63 - 1])) == [
            "column cell: 10000000000000000 has more than 18 digits",
            "column cell: 9223372036854775807 has more than 18 digits",
        ]
        assert made.attributes("m1")["spent"] == 1 - 10**16


def test_infinities_and_what_is_no_number_are_refused(tmp_path: Path) -> None:
    doubles = pa.array([float("inf"), 1.5, float("nan"), None])
    for attribute in ("weight", "spent", "age"):
        folder = tmp_path / attribute
        folder.mkdir()
        made = one(folder, attribute)
        with made.database:
            reasons = load_cells(made, doubles)
            refused = ["inf is refused", "nan is refused"]
            if attribute == "age":
                refused.insert(1, "1.5 is not a whole number")
            assert len(reasons) == len(refused)
            for reason, begin in zip(reasons, refused, strict=True):
                assert reason.startswith(f"column cell: {begin}")


def test_negative_zero_is_zero(tmp_path: Path) -> None:
    made = one(tmp_path, "weight")
    with made.database:
        load_cells(made, pa.array([-0.0]))
        made.load_text("id,cell\nm1,-0\nm2,-0.0e1\n")
        assert [str(value) for value in values(made, "weight", 3)] == ["0.0"] * 3


def test_ints_of_every_width(tmp_path: Path) -> None:
    made = one(tmp_path, "age")
    with made.database:
        assert load_cells(made, pa.array([1.0, None, -3.0, 2.0**53])) == []
        assert values(made, "age", 4) == [1, None, -3, 2**53]
        assert load_cells(made, pa.array([7, 2**64 - 1, 2**63 - 1], pa.uint64())) == [
            "column cell: 18446744073709551615 does not fit 64 bits"
        ]
        assert values(made, "age", 3) == [7, None, 2**63 - 1]
        assert load_cells(made, pa.array([-(2**63), 5])) == []
        assert values(made, "age", 2) == [-(2**63), 5]


def test_identifiers_that_arrive_as_whole_floats(tmp_path: Path) -> None:
    made = one(tmp_path, "age")
    with made.database:
        ids = pa.array([17850.0, None, 12345.5, 1e17])
        reasons = load_cells(made, pa.array([1, 2, 3, 4]), ids)
        assert len(reasons) == 1 and "identifier" in reasons[0]
        assert made.attributes("17850") == {"age": 1}
        assert made.attributes("12345.5") == {"age": 3}
        assert made.attributes("100000000000000000") == {"age": 4}
        summary = made.load_text("id,cell\n 17850.0 ,9\n17850,8\n")
        assert (summary.created, made.attributes("17850")) == (0, {"age": 8})


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("maybe", "none of true/false"),
        ("0x10", "not a number"),
        ("1,234", "without separators"),
        ("1e99", "does not fit"),
        ("12 3", "not a number"),
        ("１２", "not a number"),
    ],
)
def test_texts_that_are_no_value(tmp_path: Path, cell: str, told: str) -> None:
    made = one(tmp_path, "vip" if cell == "maybe" else "age")
    with made.database:
        made.load_text(f'id,cell\nm1,"{cell}"\n')
        ((_, line, reason, _),) = made.refused()
        assert line == 2 and told in reason


def test_a_reason_does_not_repeat_a_whole_book(tmp_path: Path) -> None:
    made = one(tmp_path, "age")
    with made.database:
        made.load_text(f"id,cell\nm1,{'x' * 100_000}\n")
        ((_, _, reason, record),) = made.refused()
        assert len(reason) < 300 and reason.endswith("is not a number")
        assert len(record) > 100_000


@pytest.mark.parametrize(
    ("cell", "instant"),
    [
        ("2026-03-08 01:59:59", "2026-03-08T06:59:59Z"),
        ("2026-03-08 02:30:00", "2026-03-08T07:30:00Z"),  # in the gap: forward by it
        ("2026-03-08 03:00:00", "2026-03-08T07:00:00Z"),
        ("2026-11-01 01:30:00", "2026-11-01T05:30:00Z"),  # in the fold: the earlier
        ("2026-11-01 02:00:00", "2026-11-01T07:00:00Z"),
        ("2050-07-01 00:00:00", "2050-07-01T04:00:00Z"),  # beyond what zone tables spell out
        ("2026-07-01", "2026-07-01T04:00:00Z"),
        ("2026-07-01T08:00:00+08:00", "2026-07-01T00:00:00Z"),
        ("2026-07-01 08:00:00 UTC", "2026-07-01T08:00:00Z"),
        ("2026-07-01T08:00:00.123456789Z", "2026-07-01T08:00:00.123456Z"),
        ("2026/7/1 8:05", "2026-07-01T12:05:00Z"),
        ("1969-12-31 19:00:00.000001", "1970-01-01T00:00:00.000001Z"),
    ],
)
def test_times(tmp_path: Path, cell: str, instant: str) -> None:
    made = one(tmp_path, "seen", NEW_YORK)
    with made.database:
        made.load_text(f"id,cell\nm0,{cell}\n")
        expected = datetime.fromisoformat(instant)
        assert values(made, "seen", 1) == [expected]
        if "Z" not in cell and "+" not in cell and "UTC" not in cell and "/" not in cell:
            local = pa.array([datetime.fromisoformat(cell)], pa.timestamp("us"))
            assert load_cells(made, local) == []
            assert values(made, "seen", 1) == [expected]


def test_a_source_has_its_own_zone(tmp_path: Path) -> None:
    made = one(tmp_path, "seen", NEW_YORK, ", time_zone: Asia/Shanghai")
    with made.database:
        made.load_text("id,cell\nm0,2026-07-01 08:00:00\n")
        assert values(made, "seen", 1) == [datetime(2026, 7, 1, tzinfo=UTC)]


def test_typed_times(tmp_path: Path) -> None:
    made = one(tmp_path, "seen")
    with made.database:
        assert load_cells(made, pa.array([-1, 1_999, None], pa.timestamp("ns"))) == []
        assert values(made, "seen", 3) == [
            datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
            datetime(1970, 1, 1, 0, 0, 0, 1, UTC),
            None,
        ]
        assert load_cells(made, pa.array([3600], pa.timestamp("s", "Asia/Shanghai"))) == []
        assert values(made, "seen", 1) == [datetime(1970, 1, 1, 1, tzinfo=UTC)]
        assert load_cells(made, pa.array([date(2026, 1, 1)])) == []
        assert values(made, "seen", 1) == [datetime(2026, 1, 1, tzinfo=UTC)]
        (reason,) = load_cells(made, pa.array([2**62], pa.timestamp("ms")))
        assert "outside the years" in reason
        (reason,) = load_cells(made, pa.array([1_767_225_600]))
        assert "is a number; turn it into a time" in reason


def test_typed_dates(tmp_path: Path) -> None:
    made = one(tmp_path, "born", "Asia/Shanghai")
    day = date(2026, 1, 2)
    zone = ZoneInfo("Asia/Shanghai")
    with made.database:
        for cell in (
            pa.array([day]),
            pa.array([day], pa.date64()),
            pa.array([datetime(2026, 1, 2)]),
            pa.array([datetime(2026, 1, 2, tzinfo=zone)], pa.timestamp("us", "UTC")),
            pa.array([20260102]),
            pa.array(["2026-01-02T00:00:00"]),
        ):
            made.load_text("id,cell\nm0,1999-01-01\n")
            assert load_cells(made, cell) == []
            assert values(made, "born", 1) == [day]
        (reason,) = load_cells(made, pa.array([datetime(2026, 1, 2, 3)]))
        assert "is a time, not a day" in reason
        made.load_text("id,cell\nm0,2026-02-30\nm1,02/03/2026\n")
        assert ["no day of the calendar" in reason for _, _, reason, _ in made.refused()] == [
            True, False,
        ]  # fmt: skip


def test_sets_from_lists_and_texts(tmp_path: Path) -> None:
    made = Loading(tmp_path, f"{IDENTIFY}, attributes: {{likes: {{column: cell, split: ', '}}}}")
    with made.database:
        lists = pa.array([["a", " b "], [], None, ["c, d", ""], [None, "e"]])
        assert load_cells(made, lists.slice(1)) == []
        assert [list(made.attributes(f"m{i}").get("likes", ())) for i in range(4)] == [
            [], [], ["c", "d"], ["e"],
        ]  # fmt: skip
        made.load_text(
            '{"id": "m0", "cell": "x, y"}\n{"id": "m1", "cell": ["z", 5.0]}\n', "a.jsonl"
        )
        assert [list(made.attributes(f"m{i}")["likes"]) for i in range(2)] == [
            ["x", "y"],
            ["5", "z"],
        ]


def test_a_set_without_split_is_one_value_as_it_stands(tmp_path: Path) -> None:
    made = one(tmp_path, "likes")
    with made.database:
        made.load_text('id,cell\nm0," a|b, c"\n')
        assert [list(found) for found in values(made, "likes", 1)] == [[" a|b, c"]]


def test_each_giver_replaces_only_its_own(tmp_path: Path) -> None:
    source = f"{IDENTIFY}, tags: {{column: tags, split: '|'}}, by: who"
    made = Loading(tmp_path, source)
    with made.database:
        made.load_text("id,tags,who\nm0,a|b,ann\nm0,b|c,bob\nm0,d,\n")
        assert list(made.attributes("m0")["tag"]) == ["a", "b", "c", "d"]
        made.load_text("id,tags,who\nm0,x, ann \n")
        assert list(made.attributes("m0")["tag"]) == ["b", "c", "d", "x"]
        made.load_text("id,tags,who\nm0,y,\n")
        assert list(made.attributes("m0")["tag"]) == ["b", "c", "x", "y"]


def test_blocked_identifiers_are_passed_over(tmp_path: Path) -> None:
    made = Loading(tmp_path, "identify: {member: id, phone: tel}, attributes: {age: age}")
    with made.database:
        summary = made.load_text("id,tel,age\nm1,000,1\nm2,000,2\n,000,3\n")
        assert (summary.accepted, summary.refused, summary.blocked_identifiers) == (2, 1, 3)
        assert "3 blocked identifiers" in str(summary)
        assert made.attributes("m2") == {"age": 2}


def test_columns_that_no_cell_can_come_from(tmp_path: Path) -> None:
    made = one(tmp_path, "city")
    with made.database:
        for cells in (
            pa.array([{"a": 1}]),
            pa.array([b"\xff\xfe"]),
            pa.array([[[1]]]),
        ):
            with pytest.raises(InputInvalid, match=r"column cell, of the type .* cannot be read"):
                load_cells(made, cells)
        assert load_cells(made, pa.array(["上海".encode()])) == []
        assert values(made, "city", 1) == ["上海"]
        assert load_cells(made, pa.array([None])) == []
        assert load_cells(made, pa.array([1.5], pa.float32())) == []
        assert load_cells(made, pa.array([["x"]])) == []
        assert values(made, "city", 1) == ["x"]


def test_a_refused_cell_takes_no_other_with_it(tmp_path: Path) -> None:
    source = (
        f"{IDENTIFY}, attributes: {{age: age, likes: {{column: likes, split: '|'}}, city: city}}, "
        "tags: tags, by: who, empty: unset"
    )
    made = Loading(tmp_path, source)
    rows = ["m0,?,a|b,x,t,ann", "m1,1,c|d,y,u,bob", "m2,?,e,z,v,ann", "m3,2,f,,w,", "m4,3,,q,,x"]
    with made.database:
        assert made.load_text("id,age,likes,city,tags,who\n" + "\n".join(rows)).refused == 2
        assert made.attributes("m1") == {"age": 1, "likes": ["c", "d"], "city": "y", "tag": ["u"]}
        assert made.attributes("m3") == {"age": 2, "likes": ["f"], "tag": ["w"]}
        assert made.attributes("m4") == {"age": 3, "city": "q"}
        assert made.database.profile_count == 3
