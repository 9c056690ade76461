"""Conditions by their pattern: what parser and binder make of them, or nothing at all."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ExpressionInvalid
from engine.model.definitions import Attribute, Model
from engine.rules import patterns
from engine.rules.bind import Binder
from engine.rules.bound import BoundAnd, BoundCompare, BoundExpr, BoundNot, BoundOr, ScoreSource
from engine.rules.canonical import format_expression
from engine.rules.known_texts import ReadText
from engine.rules.patterns import Patterns
from tests.unit.bind_model import ATTRIBUTES, model


def without_nodes(item: BoundExpr) -> BoundExpr:
    """A bound tree that does not say what it came from."""
    if isinstance(item, BoundAnd | BoundOr):
        item = replace(item, items=tuple(without_nodes(part) for part in item.items))
    elif isinstance(item, BoundNot):
        item = replace(item, item=without_nodes(item.item))
    return replace(item, node=None)


def by_the_binder(text: str, binder: Binder) -> tuple[BoundExpr, str]:
    parsed, bound = binder.read(text)
    return without_nodes(bound), format_expression(parsed)


def read_twice(first: str, second: str, of: Model | None = None) -> ReadText | None:
    """What a text says once another has been read; the binder is not asked about it."""
    binder = Binder(of or model())
    binder.patterns.read(first, binder.read)

    def refuse(text: str) -> tuple[object, object]:
        raise AssertionError(f"{text} has a pattern that is known")

    return binder.patterns.read(second, refuse)  # type: ignore[arg-type]


SAME = [
    ("age >= 18", "age >= 2000000"),
    ("rev < 5", "rev < 0.05"),
    ("rev  =  1.5", "rev  =  17.250"),
    ("cost <> 3", "cost <> 0"),
    ("age between 18 and 40", "age between 3 and 7"),
    ("age BETWEEN 18\nAND 40 and rev > 3", "age BETWEEN 9\nAND 1 and rev > 0.10"),
    ("city = 'a'", "city = 'It''s'"),
    ("city != 'a'", "city != ''"),
    ("city in ('a', 'b')", "city in ('y', 'x')"),
    ("city not in ('a','b')", "city not in ('1','2')"),
    ("tag = 'a' and not tag = 'b'", "tag = '制造业' and not tag = 'and'"),
    ("not interests in ('a') and region = 'b'", "not interests in ('= 5') and region = 'or'"),
    (" age > 1  and city = 'x' ", "\tage > 1  and city = '9' "),
    ("rev >= 1 and age < 1 and rev < 5", "rev >= 99.99 and age < 123 and rev < 9007199254740993"),
    ("count(order in last 30 days) >= 2", "count(order in last 9999 days) >= 0"),
    ("not COUNT( visit  IN LAST 2 weeks ) = 1", "not COUNT( visit  IN LAST 3 weeks ) = 2.50"),
    ("days(order in last 5 hours) < 3 and age < 3", "days(order in last 77 hours) < 4 and age < 4"),
    ("sum(order.amount in last 90 days) > 5.5", "sum(order.amount in last 80 days) > 1000.10"),
    ("avg(order.pieces in last 3 days) != 2", "avg(order.pieces in last 4 days) != 9"),
    ("max(order.amount) >= 7 and count(order) > 1", "max(order.amount) >= 8 and count(order) > 2"),
    ("distinct(order . sku) >= 7", "distinct(order . sku) >= 2"),
    ("score('lead') >= 5", "score('lead') >= 7.250"),
    ("not score( 'lead' ) <> 5", "not score( 'lead' ) <> 0.001"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_what_differs_in_literals_is_read_by_the_pattern_of_the_first(
    first: str, second: str
) -> None:
    binder = Binder(model())
    for text in (first, second):
        read = read_twice(first, text)
        assert read is not None
        assert (read.bound, read.canonical) == by_the_binder(text, binder)
        assert read.lists == {}


def test_attributes_are_named_once_in_the_order_written() -> None:
    read = read_twice("rev >= 1 and age < 1 and rev < 5", "rev >= 2 and age < 3 and rev < 4")
    assert read is not None and read.attributes == ("rev", "age")


LEFT = [
    "age >= 1 or age < 0",
    "(age >= 1)",
    "age >= 1_0",
    "age >= 1e3",
    "age >= -1",
    "age >= 007",
    "age >= 1.",
    "age >= 123456789012345678901",
    "1 <= age",
    "age in (1, 2)",
    "age + 1 > 2",
    "age not between 1 and 2",
    "age between 1 and size",
    "born > date '2024-01-01'",
    "weight > 1.5",
    "vip",
    "city contains 'a'",
    "city in ('a', 'a')",
    "city = region",
    "segment('adults')",
    "count(order in last 1 day) >= 2",
    "count(order in last 0 days) >= 2",
    "count(order in last 10000 days) >= 2",
    "count(order in last 365251 days) >= 2",
    "count(order in last 03 days) >= 2",
    "count(order in last 3 calendar days) >= 2",
    "count(order this month) >= 2",
    "count(order where pieces > 2) >= 2",
    "count(order, visit) >= 2",
    "2 <= count(order)",
    "first(order in last 3 days) >= now - 1 day",
    "first_value(order.sku) = 'a'",
    "max(order.load) > 1",
    "score('lead') >= 5 and age > 1",
    "interests has all ('a', 'b')",
    "age >= 1 -- and so on",
    "\"city\" = 'a'",
    "city = 'a--b'",
    "",
    "and",
    "age > 1 and",
]


@pytest.mark.parametrize("text", LEFT)
def test_what_has_no_pattern_is_left_to_the_parser(text: str) -> None:
    binder = Binder(model())
    for _ in range(2):
        assert binder.patterns.read(text, binder.read) is None


@pytest.mark.parametrize(
    "text",
    [
        "city = '\ud800'",
        "not = 5",
        "cty = 'x'",
        "age = 'x'",
        "city = 5",
        "score('nobody') >= 5",
        "min(order.day) = 5",
    ],
)
def test_what_the_binder_refuses_has_no_pattern(text: str) -> None:
    binder = Binder(model())
    for _ in range(2):
        try:
            read = binder.patterns.read(text, binder.read)
        except ExpressionInvalid:
            read = None
        assert read is None


def test_a_string_for_a_number_is_left_to_the_parser() -> None:
    assert read_twice("age >= 1", "age >= '1'") is None
    assert read_twice("city = 'a'", "city = 1") is None


def test_a_literal_that_tells_nothing_does_not_spoil_its_pattern() -> None:
    assert (
        read_twice("count(order in last 1 days) >= 2", "count(order in last 1 days) >= 3") is None
    )
    binder = Binder(model())
    binder.patterns.read("count(order in last 1 days) >= 2", binder.read)
    assert binder.patterns.read("count(order in last 2 days) >= 2", binder.read) is not None


@pytest.mark.parametrize("amount", ["0", "1", "02", "1.5", "365251", "'3'"])
def test_a_duration_that_may_be_refused_or_written_otherwise_is_left(amount: str) -> None:
    first = "count(order in last 30 days) >= 2"
    assert read_twice(first, first.replace("30", amount)) is None


SCORES = {
    "lead": {"rules": ({"when": "rev > 5 and age > 3", "points": Decimal(5)},), "bands": {}},
    "fair": {"rules": ({"when": "city = 'a'", "points": Decimal(2)},), "bands": {}},
    "listed": {"rules": ({"when": "list('vips')", "points": Decimal(1)},), "bands": {}},
}


def test_a_score_is_read_by_its_own_pattern_with_what_its_rules_read() -> None:
    binder = Binder(replace(model(), scores=SCORES))
    reads = {"lead": ("rev", "age"), "fair": ("city",)}
    for name in ("lead", "fair", "lead"):
        read = binder.patterns.read(f"score('{name}') >= 5", binder.read)
        assert read is not None and read.attributes == reads[name]
        assert read.canonical == f"score('{name}') >= 5"
        assert isinstance(read.bound, BoundCompare)
        (term,) = read.bound.form.terms
        assert isinstance(term.source, ScoreSource)
        assert term.source.score is binder.score(name)


def test_scores_over_lists_and_several_together_have_no_pattern() -> None:
    binder = Binder(replace(model(), scores=SCORES))
    for text in ("score('listed') >= 5", "score('lead') >= 5 and score('fair') >= 5"):
        assert binder.patterns.read(text, binder.read) is None


def test_half_a_character_is_left_to_the_parser() -> None:
    assert read_twice("city = 'a'", "city = '\ud800'") is None


def test_attributes_with_more_behind_them_have_no_patterns() -> None:
    plain = model()
    more = {
        "past": Attribute("past", "int", history=True),
        "made": Attribute("made", "int", computed="age + 1"),
        "gated": Attribute("gated", "int", needs="marketing"),
    }
    having = replace(plain, attributes={**ATTRIBUTES, **more})
    for name in more:
        binder = Binder(having)
        assert binder.patterns.read(f"{name} > 1", binder.read) is None


def test_tags_that_rules_may_give_have_no_patterns() -> None:
    rule = {"tag": "b", "when": "age > 5", "keep": "live"}
    binder = Binder(replace(model(), tag_rules=[rule]))
    assert binder.patterns.read("tag = 'a'", binder.read) is None
    assert binder.patterns.read("interests = 'a'", binder.read) is not None


def test_not_more_patterns_are_kept_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patterns, "_MOST_PATTERNS", 3)
    binder = Binder(model())
    made = Patterns(binder.model)
    for blanks in range(8):
        assert made.read(f"age{' ' * blanks}> 1", binder.read) is not None
    assert len(made._known) <= 3


NAMES = st.sampled_from(["age", "rev", "city", "region", "tag", "interests", "weight", "nobody"])
STRINGS = st.text(st.sampled_from("ab'\" 制=5"), max_size=3).map(
    lambda text: "'" + text.replace("'", "''") + "'"
)
NUMBERS = st.one_of(
    st.sampled_from(["0", "00", "1.0", "1.", ".5", "1_0", "1e3", "9" * 18, "9" * 19, "5and"]),
    st.integers(0, 10**6).map(str),
    st.decimals(0, 1000, places=3).map(str),
)
LITERALS = st.one_of(STRINGS, NUMBERS)
BLANKS = st.sampled_from(["", " ", "  ", "\n", " -- x\n"])
AGGREGATES = st.sampled_from(["count(order", "days(visit", "sum(order.amount", "avg(visit.amount"])
CONDITIONS = st.one_of(
    st.tuples(
        AGGREGATES,
        st.one_of(
            st.just(""),
            st.tuples(
                st.sampled_from([" in last ", " in  LAST "]),
                NUMBERS,
                st.sampled_from([" days", " day", " weeks", "hours", " months"]),
            ).map("".join),
        ),
        st.just(")"),
        st.sampled_from(["=", " != ", " < ", ">="]),
    ),
    st.tuples(st.sampled_from(["score('lead') > ", "score('plain')<=", "score('x') = "])),
    st.tuples(NAMES, BLANKS, st.sampled_from(["=", "!=", "<>", "<", ">=", ">", "<="]), BLANKS),
    st.tuples(NAMES, st.just(" between "), NUMBERS, st.sampled_from([" and ", " AND\t", "and"])),
    st.tuples(NAMES, st.just(" in ("), STRINGS, BLANKS, st.just(",")),
    st.tuples(NAMES, st.sampled_from([" not in(", " in("])),
).map("".join)
TEXTS = st.lists(
    st.tuples(
        st.sampled_from(["", "not ", "NOT  ", "("]),
        CONDITIONS,
        LITERALS,
        st.sampled_from(["", ")"]),
        st.sampled_from([" and ", " AND ", " or ", "and", " and not "]),
    ).map("".join),
    min_size=1,
    max_size=3,
).flatmap(lambda parts: st.sampled_from(["".join(parts) + "age > 1", "".join(parts)[:-5]]))


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_whatever_is_read_by_patterns_is_what_the_binder_says(texts: list[str]) -> None:
    binder = Binder(model())
    for text in texts:
        try:
            read = binder.patterns.read(text, binder.read)
        except ExpressionInvalid:
            continue
        if read is not None:
            assert (read.bound, read.canonical) == by_the_binder(text, binder)
