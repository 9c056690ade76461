"""Every expression of a model checked: faults with their place, circles, and chains."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Issue
from engine.model.load import load_model
from engine.rules import tree
from engine.rules.check import check_expressions
from engine.rules.circles import circles
from engine.rules.parse import parse, parse_value
from engine.rules.references import Reference, references, tag_reads

BASE = """\
time_zone: Asia/Shanghai
identifiers: {phone: {}}
purposes: {marketing: {channels: [sms]}}
events:
  order:
    properties: {amount: {type: decimal, scale: 2}, pieces: int, load: float, sku: category,
      gift: bool, day: date, paid: time}
  visit: {properties: {page: category}}
"""


def issues(rest: str) -> list[Issue]:
    """What is wrong with the model of BASE and the rest; `rest` begins on line 9."""
    return check_expressions(*load_model({"m.yaml": BASE + rest}))


def issue(rest: str) -> Issue:
    (found,) = issues(rest)
    return found


ATTRIBUTES = "attributes: {city: category, age: int, joined: time}\n"


def test_a_model_of_everything_is_right() -> None:
    assert (
        issues(
            """\
attributes:
  city: category
  age: int
  source: {type: category, is: "first_value(order.sku)"}
  orders: {type: int, is: "count(order) + 2 * age"}
  spent: {type: decimal, scale: 2, is: "avg(order.pieces) + 0.5 * age"}
  heavy: {type: float, is: "max(order.load)"}
  heavier: {type: float, is: "count(order)"}
  latest: {type: time, is: "last(order)"}
  day: {type: date, is: "max(order.day)"}
  start: {type: time, is: "max(order.day)"}
  given: {type: bool, is: "last_value(order.gift)"}
  where: {type: text, is: "band('lead')"}
tag_rules:
  - {tag: A, when: "count(order) >= 1 and tag = 'B'", keep: sticky}
  - {tag: B, when: "tag starts with 'C'"}
  - {tag: "x{page}", each: "visit where page = 'x' in last 3 days"}
scores:
  lead:
    rules:
      - {when: "segment('old') and tag in ('A', 'B', 'none')", points: 20}
      - {each: "visit where page = 'x' in last 3 days", points: 5, half_life: 30 days}
    bands: {cold: 0, hot: 70}
tiers:
  life: {stages: [{name: dormant, when: "band('lead') = 'cold'"}], default: rest}
  rfm:
    rfm:
      {recency: last(order), frequency: count(order), monetary: sum(order.amount), cut: mean}
  rfe: {rfe: {recency: "last(visit)", frequency: "days(visit)", engagement: {visit: 1}, cut: mean}}
  core: {top: {by: "last(order) - first(order)", shares: {core: 20%}}, default: other}
segments:
  old: "age >= 60 and not segment('young')"
  young: age < 18 or tier('rfm') = '重要价值'
actions:
  go: {on: "segment('old') and tier('life') = 'rest'", do: assign}
  each: {each: "order where amount > 3", do: assign}
"""
        )
        == []
    )


@pytest.mark.parametrize(
    ("rest", "where", "line", "message"),
    [
        ("segments: {a: \"cty = 'x'\"}\n", "segments.a", 9, "no attribute named 'cty'"),
        ("segments:\n  a:\n    when: age >\n", "segments.a", 10, "expected a value"),
        ("segments: {a: \"segment('b')\"}\n", "segments.a", 9, "no segment named 'b'"),
        (
            "scores:\n  s:\n    rules:\n    - {when: 'x', points: 1}\n",
            "scores.s.rules[0].when",
            12,
            "'x'",
        ),
        (
            "scores: {s: {rules: [{each: 'ordr', points: 1}]}}\n",
            "scores.s.rules[0].each",
            9,
            "'ordr'",
        ),
        (
            "scores: {s: {rules: [{each: 'order between 1 day and 2 days ago', points: 1}]}}\n",
            "scores.s.rules[0].each",
            9,
            "the longer duration comes first",
        ),
        ("tag_rules:\n- {tag: A, when: 'x'}\n", "tag_rules[0].when", 10, "'x'"),
        (
            "tag_rules:\n- {tag: 'A{page}', each: 'visit where pge = 1'}\n",
            "tag_rules[0].each",
            10,
            "'pge'",
        ),
        ("tiers: {t: {stages: [{name: a, when: 'x'}]}}\n", "tiers.t.stages[0].when", 9, "'x'"),
        (
            "tiers: {t: {top: {by: \"'x'\", shares: {a: 10%}}}}\n",
            "tiers.t.top.by",
            9,
            "with an order",
        ),
        (
            "tiers: {t: {top: {by: 3 days, shares: {a: 10%}}}}\n",
            "tiers.t.top.by",
            9,
            "the same for every profile",
        ),
        (
            "tag_rules:\n- {tag: 'A{pieces}', each: order}\n",
            "tag_rules[0].each",
            10,
            "'pieces', which is an int",
        ),
        ("actions: {a: {on: 'x', do: go}}\n", "actions.a.on", 9, "'x'"),
        ("actions: {a: {each: 'x', do: go}}\n", "actions.a.each", 9, "'x'"),
    ],
)
def test_a_fault_in_each_place(rest: str, where: str, line: int, message: str) -> None:
    found = issue(rest)
    assert message in found.message
    assert found.where == f"m.yaml, {where}"
    assert found.line == line


@pytest.mark.parametrize(
    ("metrics", "key", "message"),
    [
        (
            "recency: count(order), frequency: count(order), monetary: sum(order.amount)",
            "recency",
            "expected a time",
        ),
        (
            "recency: last(order), frequency: last(order), monetary: sum(order.amount)",
            "frequency",
            "an exact number",
        ),
        (
            "recency: last(order), frequency: count(order), monetary: max(order.load)",
            "monetary",
            "an exact number",
        ),
        (
            "recency: now, frequency: count(order), monetary: sum(order.amount)",
            "recency",
            "the same for every profile",
        ),
    ],
)
def test_metrics_of_cells(metrics: str, key: str, message: str) -> None:
    found = issue(f"tiers: {{t: {{rfm: {{{metrics}, cut: mean}}}}}}\n")
    assert found.where.endswith(f"tiers.t.rfm.{key}") and message in found.message


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        ("category", "count(order)", "a category"),
        ("int", "avg(order.pieces)", "a whole number"),
        ("int", "0.5 * count(order)", "a whole number"),
        ("int", "sum(order.amount)", "a whole number"),
        ("int", "count(order) + 0.5", "a whole number"),
        ("int", "max(order.load)", "an int"),
        ("float", "last(order)", "a float"),
        ("bool", "count(order)", "a boolean"),
        ("date", "last(order)", "a date"),
        ("time", "last(order) - first(order)", "a time"),
        ("text", "1", "a text"),
    ],
)
def test_computed_attributes_are_of_their_type(declared: str, value: str, expected: str) -> None:
    found = issue(f"attributes: {{a: {{type: {declared}, is: '{value}'}}}}\n")
    assert f"expected {expected}" in found.message and found.where.endswith("attributes.a.is")


def test_the_place_in_the_rule_is_told_in_words() -> None:
    found = issue(f"{ATTRIBUTES}segments:\n  a: |\n    age > 1 and\n      cty = 'x'\n")
    assert "at line 2, column 3 of the rule" in found.message
    assert (found.line, found.column, found.offset, found.length) == (11, 0, 14, 3)
    assert found.hint == "did you mean 'city'?"
    assert (
        "at column 13 of the rule"
        in issue(f"{ATTRIBUTES}segments: {{a: age > 1 and cty = 'x'}}\n").message
    )


@pytest.mark.parametrize(
    ("rest", "circle"),
    [
        ("segments: {a: \"not segment('a')\"}\n", "segment 'a' -> segment 'a'"),
        (
            "segments: {a: \"segment('b') or true\", b: \"true and not segment('a')\"}\n",
            "segment 'a' -> segment 'b' -> segment 'a'",
        ),
        (
            "scores: {s: {rules: [{when: \"tier('t') = 'x'\", points: 1}], bands: {hot: 3}}}\n"
            "tiers: {t: {stages: [{name: x, when: \"band('s') = 'hot'\"}]}}\n",
            "score 's' -> tier 't' -> score 's'",
        ),
        (
            "tag_rules: [{tag: A, when: \"'B' = tag\"}, "
            "{tag: B, when: \"tag has all ('x', 'A')\"}]\n",
            "tag 'A' -> tag 'B' -> tag 'A'",
        ),
        ("tag_rules: [{tag: ABC, when: \"tag contains 'B'\"}]\n", "tag 'ABC' -> tag 'ABC'"),
        ("tag_rules: [{tag: ABC, when: \"tag ends with 'C'\"}]\n", "tag 'ABC' -> tag 'ABC'"),
        ('tag_rules: [{tag: ABC, when: "tag is missing"}]\n', "tag 'ABC' -> tag 'ABC'"),
        (
            "tag_rules: [{tag: A, when: \"segment('s')\"}]\nsegments: {s: \"tag in ('x', 'A')\"}\n",
            "tag 'A' -> segment 's' -> tag 'A'",
        ),
        (
            "attributes: {a: {type: int, is: 'b + 1'}, b: {type: int, is: '2 * a'}}\n",
            "attribute 'a' -> attribute 'b' -> attribute 'a'",
        ),
        (
            "attributes: {a: {type: float, is: count(order) + 0 * b},"
            " b: {type: float, is: \"score('s')\"}}\n"
            "scores: {s: {rules: [{when: 'a > 3', points: 1}]}}\n",
            "attribute 'a' -> attribute 'b' -> score 's' -> attribute 'a'",
        ),
        (
            "tiers: {t: {top: {by: \"score('s')\", shares: {a: 10%}}}}\n"
            "scores: {s: {rules: [{when: \"tier('t') is missing\", points: 1}]}}\n",
            "score 's' -> tier 't' -> score 's'",
        ),
    ],
)
def test_circles_are_named(rest: str, circle: str) -> None:
    found = issues(rest)
    assert [one.message for one in found] == [f"a circle of references: {circle}"]


@pytest.mark.parametrize(
    "rest",
    [
        "tag_rules: [{tag: A, when: \"tag = 'B'\"}, {tag: B, when: \"tag starts with 'x'\"}]\n",
        "tag_rules: [{tag: 'A{page}', each: 'visit'}, {tag: B, when: \"tag starts with 'A'\"}]\n",
        f"{ATTRIBUTES}tag_rules: [{{tag: A, when: \"city = 'A'\"}}]\n",
        "segments: {a: \"segment('b') and segment('c')\", b: \"segment('c')\", c: 'true'}\n",
    ],
)
def test_what_only_looks_like_a_circle(rest: str) -> None:
    assert issues(rest) == []


def test_a_long_chain_is_told_once_where_it_becomes_too_long() -> None:
    links = "".join(f"  s{at}: not segment('s{at - 1}')\n" for at in range(1, 400))
    found = issue(f"segments:\n  s0: 'true'\n{links}")
    assert "levels with its segments and scores written out" in found.message
    assert found.where == "m.yaml, segments.s128"


def test_every_fault_is_told_and_each_once() -> None:
    found = issues("segments: {a: x > 1, b: \"segment('a') and y > 1\", c: \"segment('a')\"}\n")
    assert [one.where for one in found] == ["m.yaml, segments.a", "m.yaml, segments.b"]


def test_references_in_the_order_written() -> None:
    expr = parse(
        "segment('s') or not (a + 2 * score('x') > band_ or band('y') in ('p'))"
        " or tier('t') is present or c contains 'x' or b between 1 and score('z') or d"
        " or count(order where e = 1) > f or list('l') or bucket('u') < 1"
    )
    assert [(one.kind, one.name) for one in references(expr)] == [
        ("segment", "s"),
        ("attribute", "a"),
        ("score", "x"),
        ("attribute", "band_"),
        ("score", "y"),
        ("tier", "t"),
        ("attribute", "c"),
        ("attribute", "b"),
        ("score", "z"),
        ("attribute", "d"),
        ("attribute", "f"),
    ]
    value = parse_value("a")
    assert isinstance(value, tree.Name)
    assert list(references(value)) == [Reference("attribute", "a", value)]


def test_tag_reads_select_among_tags() -> None:
    tags = {"ab": None, "bc": None, "x": None}
    texts = {
        "tag = 'ab'": ["ab"],
        "'ab' = tag": ["ab"],
        "tag in ('x', 'y', 'ab')": ["x", "ab"],
        "tag has all ('bc', 'y')": ["bc"],
        "tag contains 'b'": ["ab", "bc"],
        "tag starts with 'b'": ["bc"],
        "not tag ends with 'b'": ["ab"],
        "tag is missing": ["ab", "bc", "x"],
        "other = 'ab' and other is missing": [],
    }
    for text, expected in texts.items():
        reads = [tag for one in tag_reads(parse(text)) for tag in one.among(tags)]
        assert reads == expected


GRAPHS = st.integers(1, 6).flatmap(
    lambda size: st.fixed_dictionaries(
        {node: st.lists(st.integers(0, size), max_size=4) for node in range(size)}
    )
)


@given(GRAPHS)
def test_circles_are_found_exactly_when_there_are_some(graph: dict[int, list[int]]) -> None:
    found = list(circles(graph))
    for circle in found:
        assert circle[0] == circle[-1] and len(circle) > 1
        assert all(target in graph[node] for node, target in pairwise(circle))
    # Nodes that refer to nothing left are taken away until nothing changes.
    left = {node: set(targets) & set(graph) for node, targets in graph.items()}
    while free := [node for node, targets in left.items() if not targets & set(left)]:
        for node in free:
            del left[node]
    assert bool(found) == bool(left)


def test_a_chain_longer_than_the_stack_is_no_circle() -> None:
    chain = {at: [at + 1] for at in range(50_000)}
    assert list(circles(chain)) == []
