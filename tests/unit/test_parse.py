"""Texts that are read, and the trees they become."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.rules import tree
from engine.rules.canonical import format_expression
from engine.rules.parse import parse, parse_step, parse_value
from engine.rules.tree import Name, Number, Span, Text

A, B, C = (tree.Truth(Name(name)) for name in "abc")
ONE = Number(Decimal(1))


def days(amount: int) -> tree.Duration:
    """So many days."""
    return tree.Duration(amount, "day")


def count(*names: str, where: tree.Expr | None = None, window: Any = None) -> tree.Aggregate:
    """The count of a step."""
    step = tree.Step(tree.Selector(names), where)
    return tree.Aggregate("count", step=step, window=window)


LOGIC = {
    "a": A,
    "((a))": A,
    "a and b and c": tree.And((A, B, C)),
    "a and (b and c)": tree.And((A, B, C)),
    "(a and b) and c": tree.And((A, B, C)),
    "a or b and c": tree.Or((A, tree.And((B, C)))),
    "(a or b) and c": tree.And((tree.Or((A, B)), C)),
    "not a and b": tree.And((tree.Not(A), B)),
    "not not a": tree.Not(tree.Not(A)),
    "not (a or b)": tree.Not(tree.Or((A, B))),
    "not a = 1": tree.Not(tree.Compare(Name("a"), "=", ONE)),
    "NOT a AND tRUE": tree.And((tree.Not(A), tree.Truth(tree.Bool(True)))),
    "false": tree.Truth(tree.Bool(False)),
}

PREDICATES = {
    "a = 1": tree.Compare(Name("a"), "=", ONE),
    "a<>1": tree.Compare(Name("a"), "!=", ONE),
    "a>=b": tree.Compare(Name("a"), ">=", Name("b")),
    "a between 1 and b": tree.Between(Name("a"), ONE, Name("b")),
    "a not between 1 and b and c": tree.And(
        (tree.Between(Name("a"), ONE, Name("b"), negated=True), C)
    ),
    "a in ('x', 'y', 'x')": tree.In(Name("a"), (Text("x"), Text("y"), Text("x"))),
    "a NOT IN (-1)": tree.In(Name("a"), (Number(Decimal(-1)),), negated=True),
    "a is missing": tree.Presence(Name("a"), present=False),
    "a is present": tree.Presence(Name("a"), present=True),
    "a is not missing": tree.Presence(Name("a"), present=True),
    "a is not present": tree.Presence(Name("a"), present=False),
    "a contains 'x'": tree.Match(Name("a"), "contains", "x"),
    "a not starts  with ''": tree.Match(Name("a"), "starts with", "", negated=True),
    "a ENDS\nWITH 'it''s'": tree.Match(Name("a"), "ends with", "it's"),
    "tag has all ('x')": tree.HasAll(Name("tag"), (Text("x"),)),
    "segment('x')": tree.Segment("x"),
    "list('')": tree.ListOf(""),
    "consent('p')": tree.Consent("p"),
    "consent('p', 'c')": tree.Consent("p", "c"),
    "list = 'x'": tree.Compare(Name("list"), "=", Text("x")),
}

# Columns may be called anything that is not reserved.
NAMES = [
    *("date", "time", "count", "score", "first", "last", "sum", "days", "segment", "list"),
    *("this", "week", "today", "since", "ago", "calendar", "missing", "present", "all", "with"),
    *("month", "year", "to", "from", "before", "sequence", "consent", "bucket", "min", "hour"),
    *("行业", "größe", "_", "_1", "x2", "ＡＢ"),
]
QUOTED = {'"and"': "and", '"a b"': "a b", '"a""b"': 'a"b', '"any-other"': "any-other"}

NUMBERS = {
    "12": "12",
    "3.50": "3.5",
    "1_000": "1000",
    "1e6": "1000000",
    "1E+2": "100",
    "2.5e-3": "0.0025",
    "5.": "5",
    ".5": "0.5",
    "007": "7",
    "0.0": "0",
    "0e999999999999": "0",
    "9" * 38: "9" * 38,
    "0" * 50 + "1": "1",
    "1e37": "1" + "0" * 37,
    "1e-38": "0." + "0" * 37 + "1",
}

LITERALS = {
    "''": Text(""),
    "'a''b'": Text("a'b"),
    "'--'": Text("--"),
    "'“，”'": Text("“，”"),
    "true": tree.Bool(True),
    "-3": Number(Decimal(-3)),
    "- 3": Number(Decimal(-3)),
    "-0": Number(Decimal(0)),
    "date '1970-01-02'": tree.Date(1),
    "DATE '0001-01-01'": tree.Date(-719_162),
    "time '1970-01-01T00:00:01'": tree.Time(1_000_000, None),
    "time '1970-01-01 00:01'": tree.Time(60_000_000, None),
    "time '1970-01-01T00:00:00.5Z'": tree.Time(500_000, 0),
    "time '1969-12-31t23:59:59.9999999+08:00'": tree.Time(-1, 28_800),
    "time '1970-01-01T00:00:00-0330'": tree.Time(0, -12_600),
    "time '1970-01-01T00:00:00+08'": tree.Time(0, 28_800),
    "time '1970-01-01T00:00:00+08:05:43'": tree.Time(0, 29_143),
}

VALUES = {
    "now": tree.Now(),
    "1 days": days(1),
    "2 Weeks": tree.Duration(2, "week"),
    "1e3 seconds": tree.Duration(1000, "second"),
    "365_250 days": days(365_250),
    "now - 3 days": tree.Sum((tree.Term(1, None, tree.Now()), tree.Term(-1, None, days(3)))),
    "2 * a": tree.Sum((tree.Term(1, Number(Decimal(2)), Name("a")),)),
    "-2 * a": tree.Sum((tree.Term(1, Number(Decimal(-2)), Name("a")),)),
    "a - 2 * b + 1": tree.Sum(
        (
            tree.Term(1, None, Name("a")),
            tree.Term(-1, Number(Decimal(2)), Name("b")),
            tree.Term(1, None, ONE),
        )
    ),
    "-1 + a": tree.Sum((tree.Term(1, None, Number(Decimal(-1))), tree.Term(1, None, Name("a")))),
    "score('x')": tree.Call("score", "x"),
    "bucket ( 'x' )": tree.Call("bucket", "x"),
    "count(a, b)": count("a", "b"),
    "count(count)": count("count"),
    "count(a where b or c)": count("a", where=tree.Or((B, C))),
    "days(any)": tree.Aggregate("days", step=tree.Step(tree.AnyEvent())),
    "sum(a.b where c)": tree.Aggregate(
        "sum", property=tree.Property(tree.Selector(("a",)), "b"), where=C
    ),
    'max(any."b c")': tree.Aggregate("max", property=tree.Property(tree.AnyEvent(), "b c")),
    "first(first)": tree.Aggregate("first", step=tree.Step(tree.Selector(("first",)))),
}

NOW, DAY = tree.Instant(tree.Now()), tree.Instant(tree.Date(1))
WINDOWS = {
    "in last 30 days": tree.Window("in_last", length=days(30)),
    "IN\n-- between the two words\nLAST 1 day": tree.Window("in_last", length=days(1)),
    "in last 3 calendar months": tree.Window("in_last_calendar", count=3, unit="month"),
    "1 calendar quarter ago": tree.Window("calendar_ago", count=1, unit="quarter"),
    "between 3 days and 1 day ago": tree.Window("between_ago", start=days(3), end=days(1)),
    "since now": tree.Window("since", from_=NOW),
    "since now - 3 days": tree.Window("since", from_=tree.Instant(tree.Now(), -1, days(3))),
    "before date '1970-01-02'": tree.Window("before", to=DAY),
    "from date '1970-01-02' to now": tree.Window("from_to", from_=DAY, to=NOW),
    "today": tree.Window("today"),
    "yesterday": tree.Window("yesterday"),
    "this week": tree.Window("this", unit="week"),
}


@pytest.mark.parametrize("text", [*LOGIC, *PREDICATES])
def test_conditions(text: str) -> None:
    assert parse(text) == {**LOGIC, **PREDICATES}[text]


@pytest.mark.parametrize("name", NAMES)
def test_only_reserved_words_need_quotes(name: str) -> None:
    assert parse(name) == tree.Truth(Name(name))
    assert parse(f"{name} in (1) and 1 = {name}") == tree.And(
        (tree.In(Name(name), (ONE,)), tree.Compare(ONE, "=", Name(name)))
    )
    assert parse(f"{name} is missing") == tree.Presence(Name(name), present=False)
    where = tree.Truth(Name(name))
    window = tree.Window("since", from_=NOW)
    expected = tree.Compare(count(name, name, where=where, window=window), "=", ONE)
    assert parse(f"count({name}, {name} where {name} since now) = 1") == expected
    prop = tree.Property(tree.Selector((name,)), name)
    assert parse_value(f"sum({name}.{name})") == tree.Aggregate("sum", property=prop)


@pytest.mark.parametrize("text", QUOTED)
def test_quoted_names(text: str) -> None:
    assert parse(text) == tree.Truth(Name(QUOTED[text]))


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers(text: str) -> None:
    value = parse_value(text)
    assert isinstance(value, Number)
    expected = Decimal(NUMBERS[text])
    # The digits must agree too: 1e3 and 1000 are one literal, and equal decimals may differ.
    assert value.value.as_tuple() == expected.as_tuple()


@pytest.mark.parametrize("text", [*LITERALS, *VALUES])
def test_values(text: str) -> None:
    assert parse_value(text) == {**LITERALS, **VALUES}[text]


@pytest.mark.parametrize("text", WINDOWS)
def test_windows(text: str) -> None:
    window = WINDOWS[text]
    assert parse_step(f"a {text}") == (tree.Step(tree.Selector(("a",))), window)
    assert parse_value(f"count(a where b = 1 {text})") == count(
        "a", where=tree.Compare(Name("b"), "=", ONE), window=window
    )
    sequence = parse(f"sequence(a then b within 1 day {text})")
    assert isinstance(sequence, tree.Sequence)
    assert sequence.window == window


def test_window_after_a_bracketed_boolean() -> None:
    window = tree.Window("between_ago", start=days(3), end=days(1))
    text = "count(a where (b) between 3 days and 1 day ago)"
    assert parse_value(text) == count("a", where=B, window=window)


def test_other_windows_follow_a_bare_boolean() -> None:
    for text, window in WINDOWS.items():
        if window.kind != "between_ago":
            assert parse_value(f"count(a where b {text})") == count("a", where=B, window=window)


def test_sequence() -> None:
    step = tree.Step(tree.Selector(("b",)), C)
    assert parse("sequence(a then b where c within 1 day then no any within 2 days)") == (
        tree.Sequence(
            tree.Step(tree.Selector(("a",))),
            (
                tree.Link(step, days(1)),
                tree.Link(tree.Step(tree.AnyEvent()), days(2), absent=True),
            ),
        )
    )


def test_a_step_alone_has_an_optional_window() -> None:
    assert parse_step("any where a") == (tree.Step(tree.AnyEvent(), A), None)


def test_blanks_and_comments_mean_nothing() -> None:
    assert parse("\ufeff".strip("\ufeff") + "a\u3000=\r\n\t1 -- b = 2\n -- c") == parse("a=1")
    assert parse("a=5--3") == parse("a = 5")


def test_spans_are_code_points_of_the_text() -> None:
    text = " (行业 = '𝛂' or\nb) and count(c where d in last 1 day) >= 2 * e"
    expr = parse(text)
    assert isinstance(expr, tree.And)

    def written(node: Any) -> str:
        assert isinstance(node.span, Span)
        return text[node.span.start : node.span.end]

    assert written(expr) == text.strip()
    first, second = expr.items
    assert isinstance(first, tree.Or) and isinstance(second, tree.Compare)
    assert written(first) == "(行业 = '𝛂' or\nb)"
    assert written(first.items[0]) == "行业 = '𝛂'"
    assert written(second) == "count(c where d in last 1 day) >= 2 * e"
    aggregate, scaled = second.left, second.right
    assert isinstance(aggregate, tree.Aggregate) and isinstance(scaled, tree.Sum)
    assert aggregate.step is not None
    assert written(aggregate.step) == "c where d"
    assert written(aggregate.window) == "in last 1 day"
    assert written(scaled.terms[0]) == "2 * e"


def test_spans_take_no_part_in_comparison() -> None:
    assert parse("a  and b") == parse("a and b")
    assert hash(parse("(a) and b")) == hash(parse("a and b"))
    assert format_expression(parse("(a) and b")) == "a and b"
