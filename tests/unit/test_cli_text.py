"""What the command line shows, and how it reads what people type."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import typer
from rich.cells import cell_len
from typer.testing import CliRunner

from strata.answers import GroupCount, NodeCount
from strata.cli import show
from strata.cli.commands import app
from strata.cli.options import read_identifier, read_instant
from strata.cli.plain import about, explain
from strata.errors import Issue, StrataError

UTC = datetime.UTC


def _fail_if_asked() -> str:
    raise AssertionError("the model's zone is not needed")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", datetime.datetime(2026, 10, 31, 16, tzinfo=UTC)),
        ("2026-11-01T08:00:00", datetime.datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_an_instant_without_a_zone_has_the_models(text: str, expected: datetime.datetime) -> None:
    assert read_instant(text, lambda: "Asia/Shanghai") == expected


@pytest.mark.parametrize(
    "text", ["2026-11-01T08:00:00+08:00", "2026-11-01T00:00:00Z", " 2026-11-01T00:00Z "]
)
def test_an_instant_with_a_zone_asks_for_none(text: str) -> None:
    assert read_instant(text, _fail_if_asked) == datetime.datetime(2026, 11, 1, tzinfo=UTC)


def test_gaps_move_forward_and_folds_are_the_earlier() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    gap = read_instant("2026-03-29T02:30:00", lambda: "Europe/Berlin")
    fold = read_instant("2026-10-25T02:30:00", lambda: "Europe/Berlin")
    assert gap is not None and fold is not None
    assert gap.astimezone(UTC).astimezone(berlin).hour == 3
    assert fold.astimezone(UTC).hour == 0


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "", "11/01/2026"])
def test_no_instant_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_instant(text, _fail_if_asked)


def test_identifiers() -> None:
    assert read_identifier("phone:138:00") == ("phone", "138:00")
    for text in ("phone", "phone:", ":138"):
        with pytest.raises(typer.BadParameter):
            read_identifier(text)


def _issue(column: int, length: int, line: int = 1) -> Issue:
    return Issue("audience", "is wrong", line=line, column=column, length=length)


@pytest.mark.parametrize(
    ("issue", "text", "expected"),
    [
        (_issue(1, 4), "ctiy = 'x'", ("  ctiy = 'x'", "  ^~~~")),
        (_issue(9, 4), "a = 1 or ctiy", ("  a = 1 or ctiy", "          ^~~~")),
        (_issue(14, 1), "a = 1 or ctiy", ("  a = 1 or ctiy", "               ^")),
        (_issue(3, 2, line=2), "a = 1\nor b c", ("  or b c", "    ^~")),
        # Wide characters take two cells each, and a tab takes one.
        (_issue(4, 2), "行业\t中文", ("  行业 中文", "       ^~~~")),
        (_issue(1, 1), "", ("  ", "  ^")),
    ],
)
def test_the_caret_stands_under_the_fault(
    issue: Issue, text: str, expected: tuple[str, str]
) -> None:
    assert explain(issue, text) == expected


def test_of_a_long_line_only_the_surroundings_are_shown() -> None:
    text = "x" * 500_000 + "WRONG" + "y" * 500_000
    shown, caret = explain(_issue(500_001, 5), text)
    assert cell_len(shown) < 160
    assert shown[caret.index("^") : caret.index("^") + 5] == "WRONG"


def test_a_failure_is_told_about_the_expression_it_names() -> None:
    error = StrataError("X", "bad", (Issue("audiences[1]", "bad", line=1, column=1, length=3),))
    with pytest.raises(StrataError), about("first", "second"):
        raise error
    assert error.__notes__ == ["  second", "  ^~~"]


def test_nodes_are_drawn_with_aligned_counts() -> None:
    nodes = (
        NodeCount("or", 0, 1_234_567),
        NodeCount("and", 1, 7),
        NodeCount("a = 1", 2, 1000),
        NodeCount("not", 2, 20),
        NodeCount("b = 1", 3, 3),
        NodeCount("c = 1", 1, 0),
    )
    assert list(show.nodes(nodes)) == [
        "1,234,567  or",
        "        7  ├─ and",
        "    1,000  │  ├─ a = 1",
        "       20  │  └─ not",
        "        3  │     └─ b = 1",
        "        0  └─ c = 1",
    ]
    assert list(show.nodes(())) == []


def test_groups_have_bars_in_proportion() -> None:
    lines = list(
        show.groups([GroupCount("上海", 3200), GroupCount("Oslo", 100), GroupCount(None, 1)])
    )
    assert lines == [
        f"上海       3,200  {'█' * 32}",
        "Oslo         100  █",
        "(missing)      1  █",
    ]
    assert list(show.groups([])) == []
    assert list(show.groups([GroupCount("x", 0)])) == ["x  0"]


def test_values() -> None:
    moment = datetime.datetime(2026, 11, 1, 8, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert show.json_value(Decimal("-12.50")) == "-12.50"
    assert show.json_value(Decimal("1E+3")) == "1000"
    assert show.json_value(moment) == "2026-11-01T00:00:00.000000Z"
    assert show.json_value(datetime.date(2026, 1, 2)) == "2026-01-02"
    assert show.json_value(("a", "b")) == ["a", "b"]
    assert show.json_value(None) is None
    assert show.json_value(True) is True
    assert [show.text_value(value) for value in (None, True, 5, ("a", "b"))] == [
        "",
        "true",
        "5",
        "a|b",
    ]


def test_the_schema_of_models_is_printed_without_a_store() -> None:
    result = CliRunner().invoke(app, ["model", "--schema"], prog_name="strata")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["properties"].keys() >= {"attributes", "segments", "sources"}
