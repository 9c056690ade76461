"""The structured form: equal to protobuf's JSON, and refused wherever it is wrong."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from google.protobuf import json_format

from engine.errors import ExpressionInvalid
from engine.limits import DEFAULT, ExpressionLimits
from engine.rules import tree
from engine.rules.canonical import format_expression
from engine.rules.parse import parse
from engine.rules.structured import from_structured, to_structured
from strata.v1 import expression_pb2

Form = dict[str, Any]

# Between them every kind of node, field and enum, with defaults and without.
TEXTS = [
    "a and b = 1 and (c or not d)",
    "a != 1 or a < 1 or a <= 1 or a > 1 or a >= 1",
    "a between -1 and 2.5 or a not between date '2026-01-01' and now",
    "a in ('', 'x', 1, true, false, date '0001-01-01') and a not in (time '2026-01-01T00:00:00')",
    "tag has all ('x') and a is missing and a is present",
    "a contains '' and a not starts with 'x' and a ends with 'y'",
    "true or false",
    "segment('') and list('x') and consent('p') and consent('p', '')",
    "score('a') + band('b') = tier('c') - 2 * bucket('')",
    "0 * a + 0 * b - 0 = 0",
    "-2 * a + 3 - 1 second = -1 + 1 minute - 1 hour",
    "count(a) = days(any) and first(a, b where c) = last(a where not c)",
    "sum(a.b) = avg(any.b where c) and min(a.b) = max(a.b) and distinct(a.b) = 1",
    "first_value(a.b where c or d today) = last_value(a.b yesterday)",
    "count(a in last 1 week) = count(a between 2 weeks and 1 week ago)",
    "count(a since now) = count(a before now - 1 day) + count(a since now + 1 day)",
    "count(a from date '2026-01-01' to time '2026-01-01T00:00:00+08:00') = 1",
    "count(a in last 1 calendar day) = count(a 2 calendar weeks ago)",
    "count(a this month) = count(a this quarter) + count(a this year)",
    "sequence(a where b then c where d within 1 day then no e within 9999999999 seconds today)",
]


def form_of(text: str) -> Form:
    """A form of one's own to spoil."""
    return copy.deepcopy(to_structured(parse(text)))


@pytest.mark.parametrize("text", TEXTS)
def test_form_is_the_json_of_the_message(text: str) -> None:
    form = to_structured(parse(text))
    message = json_format.ParseDict(form, expression_pb2.Expr())
    assert json_format.MessageToDict(message, preserving_proto_field_name=True) == form
    received = expression_pb2.Expr.FromString(message.SerializeToString())
    again = json_format.MessageToDict(received, preserving_proto_field_name=True)
    assert format_expression(from_structured(again)) == text


def test_every_enum_value_of_the_message_is_used() -> None:
    written = str([to_structured(parse(text)) for text in TEXTS])
    enums = expression_pb2.Expr.DESCRIPTOR.enum_types
    assert len(enums) == 6
    for enum in enums:
        first, *others = (value.name for value in enum.values)
        assert first.endswith("_UNSPECIFIED") and enum.values[0].number == 0
        for name in others:
            assert f"'{name}'" in written


def test_nodes_stand_in_the_order_of_the_text() -> None:
    form = to_structured(parse("count(x where a and b) = 1 or not c"))
    assert form["root"] == 0
    assert [next(iter(node)) for node in form["nodes"]] == [
        *("any_of", "comparison", "all_of", "truth", "truth", "negation", "truth"),
    ]
    assert form["nodes"][0] == {"any_of": {"items": [1, 5]}}


def test_nodes_may_come_in_any_order() -> None:
    form = {
        "nodes": [
            {"truth": {"name": "a"}},
            {"all_of": {"items": [2, 0]}},
            {"negation": {"item": 3}},
            {"truth": {"name": "b"}},
        ],
        "root": 1,
    }
    assert from_structured(form) == parse("not b and a")


def test_chains_inside_chains_are_one() -> None:
    form: Form = {"nodes": [{"truth": {"name": "a0"}}], "root": 5_000}
    for at in range(1, 5_001):
        form["nodes"].append({"truth": {"name": f"a{at}"}})
    form["root"] = len(form["nodes"])
    for at in range(1, 5_001):
        left = 0 if at == 1 else len(form["nodes"]) - 1
        form["nodes"].append({"all_of": {"items": [left, at]}})
    form["root"] = len(form["nodes"]) - 1
    expr = from_structured(form)
    assert isinstance(expr, tree.And)
    assert [item.value.name for item in expr.items[:3]] == ["a0", "a1", "a2"]  # type: ignore[union-attr]
    assert len(expr.items) == 5_001


def test_null_is_absent_and_amounts_may_be_numbers() -> None:
    form = form_of("a > now - 3 days")
    term = form["nodes"][0]["comparison"]["right"]["sum"]["terms"][1]
    term["factor"] = None
    term["atom"]["duration"]["amount"] = 3
    assert from_structured(form) == parse("a > now - 3 days")


# What to start from, the path to spoil, the value to put there (`...` removes), where the
# fault is named (relative: the path itself where None), and words of the message.
SPOILED: list[tuple[str, tuple[str | int, ...], Any, str | None, str]] = [
    # The frame.
    ("a", ("nodes",), ..., None, "at least 1"),
    ("a", ("nodes",), [], None, "at least 1"),
    ("a", ("nodes",), {}, None, "a list is expected, not an object"),
    ("a", ("root",), ..., None, "required"),
    ("a", ("root",), 1, None, "there is no node 1; there are 1"),
    ("a", ("root",), -1, None, "whole number from 0"),
    ("a", ("root",), "0", None, "whole number from 0"),
    ("a", ("root",), True, None, "whole number from 0"),
    ("a", ("root",), 0.0, None, "whole number from 0"),
    ("a", ("rot",), 0, "", "there is no field 'rot'"),
    ("a", ("nodes", 0), "a", None, "an object is expected, not text"),
    ("a", ("nodes", 0), {}, None, "exactly one field"),
    ("a", ("nodes", 0, "list"), {"name": "x"}, "nodes[0]", "exactly one field"),
    ("a", ("nodes", 0, 7), {}, "nodes[0]", "there is no field 7"),
    ("a", ("nodes", 0, "truth"), {}, None, "exactly one field"),
    ("a", ("nodes", 0, "truth", "name"), "", None, "cannot be empty"),
    ("a", ("nodes", 0, "truth", "name"), "\ud800", None, "surrogate"),
    ("a", ("nodes", 0, "truth", "name"), ["a"], None, "text is expected, not a list"),
    ("true", ("nodes", 0, "truth", "boolean"), 1, None, "true or false"),
    # Not a tree.
    ("a and b", ("nodes", 0, "all_of", "items"), [1, 1], "nodes[0]", "more than once"),
    ("a and b", ("nodes", 0, "all_of", "items"), [0, 1], "nodes[0]", "is the root"),
    ("a and b", ("nodes", 0, "all_of", "items"), [1, 3], "nodes[0].all_of.items[1]", "no node 3"),
    ("a and b", ("nodes", 0, "all_of", "items"), [1], None, "at least 2"),
    ("a and b", ("nodes", 0, "all_of", "items"), [1, "2"], "nodes[0].all_of.items[1]", "whole"),
    ("a and b", ("nodes", 3), {"truth": {"name": "c"}}, None, "not part of the expression"),
    ("a and b", ("root",), 1, "nodes[0]", "is the root"),
    ("a and b", ("root",), 2, "nodes[0]", "is the root"),
    ("not not a", ("nodes", 1, "negation", "item"), 0, "nodes[1]", "is the root"),
    ("not a", ("nodes", 0, "negation", "item"), ..., None, "required"),
    ("count(a where b) = 1", ("nodes", 0), {"truth": {"name": "x"}}, "nodes[1]", "not part"),
    # Values.
    ("a = 1", ("nodes", 0, "comparison", "left"), ..., None, "required"),
    ("a = 1", ("nodes", 0, "comparison", "left"), {}, None, "exactly one field"),
    ("a = 1", ("nodes", 0, "comparison", "relation"), ..., None, "required"),
    ("a = 1", ("nodes", 0, "comparison", "relation"), "RELATION_UNSPECIFIED", None, "not one of"),
    ("a = 1", ("nodes", 0, "comparison", "relation"), 1, None, "not one of"),
    ("a = 1", ("nodes", 0, "comparison", "right", "number"), 1, None, "text is expected"),
    ("a = 1", ("nodes", 0, "comparison", "right", "number"), "1,5", None, "a number is written"),
    ("a = 1", ("nodes", 0, "comparison", "right", "number"), "--1", None, "a number is written"),
    ("a = 1", ("nodes", 0, "comparison", "right", "number"), "NaN", None, "a number is written"),
    ("a = 1", ("nodes", 0, "comparison", "right", "number"), "1e38", None, "at most 38 digits"),
    ("a = date '2026-01-01'", ("nodes", 0, "comparison", "right", "date"), "x", None, "not a date"),
    ("a = now", ("nodes", 0, "comparison", "right", "now"), {"x": 1}, None, "there is no field"),
    (
        "a = 1 day",
        ("nodes", 0, "comparison", "right", "duration", "amount"),
        "0",
        None,
        "at least 1",
    ),
    ("a = 1 day", ("nodes", 0, "comparison", "right", "duration", "amount"), "1.5", None, "whole"),
    ("a = 1 day", ("nodes", 0, "comparison", "right", "duration", "amount"), 1.5, None, "whole"),
    (
        "a = 1 day",
        ("nodes", 0, "comparison", "right", "duration", "amount"),
        "9" * 30,
        None,
        "whole",
    ),
    (
        "a = 1 day",
        ("nodes", 0, "comparison", "right", "duration", "unit"),
        "DAY",
        None,
        "not one of",
    ),
    ("a = score('x')", ("nodes", 0, "comparison", "right", "call", "argument"), ..., None, "requ"),
    ("a in (1)", ("nodes", 0, "one_of", "literals"), [], None, "at least 1"),
    (
        *("a in (1)", ("nodes", 0, "one_of", "literals", 0), {"name": "b"}, None),
        "there is no field 'name'",
    ),
    ("a is missing", ("nodes", 0, "presence", "present"), ..., None, "required"),
    ("a contains 'x'", ("nodes", 0, "match", "text"), ..., None, "required"),
    # Sums that no text can say.
    ("a = 1 * b", ("nodes", 0, "comparison", "right", "sum", "terms"), [], None, "at least 1"),
    (
        *("a = 2 * b", ("nodes", 0, "comparison", "right", "sum", "terms", 0, "factor"), ...),
        *("nodes[0].comparison.right.sum.terms", "single term"),
    ),
    (
        *("a = 2 * b", ("nodes", 0, "comparison", "right", "sum", "terms", 0, "negative"), True),
        *(None, "the first term is not negative"),
    ),
    (
        *("a = 2 * 3", ("nodes", 0, "comparison", "right", "sum", "terms", 0, "atom", "number")),
        *("-3", "nodes[0].comparison.right.sum.terms[0].atom", "below zero"),
    ),
    (
        *("a = b + 3", ("nodes", 0, "comparison", "right", "sum", "terms", 1, "atom", "number")),
        *("-3", "nodes[0].comparison.right.sum.terms[1].atom", "below zero"),
    ),
    (
        *("a = b + 2 * c", ("nodes", 0, "comparison", "right", "sum", "terms", 1, "factor"), "-2"),
        *(None, "below zero"),
    ),
    (
        *("a = b + c", ("nodes", 0, "comparison", "right", "sum", "terms", 1, "atom")),
        *({"sum": {"terms": []}}, None, "there is no field 'sum'"),
    ),
    # Events and windows.
    (
        *("count(a) = 1", ("nodes", 0, "comparison", "left", "aggregate", "function")),
        *("AGGREGATE_FUNCTION_SUM", "nodes[0].comparison.left.aggregate.step", "takes a property"),
    ),
    (
        *("count(a) = 1", ("nodes", 0, "comparison", "left", "aggregate", "where"), 0),
        *(None, "stands in the step"),
    ),
    (
        *("count(a) = 1", ("nodes", 0, "comparison", "left", "aggregate", "step", "selector")),
        *({}, None, "either `names` or `any`"),
    ),
    (
        *(
            "count(a) = 1",
            ("nodes", 0, "comparison", "left", "aggregate", "step", "selector", "any"),
        ),
        *(True, "nodes[0].comparison.left.aggregate.step.selector", "either `names` or `any`"),
    ),
    (
        *(
            "count(a) = 1",
            ("nodes", 0, "comparison", "left", "aggregate", "step", "selector", "names"),
        ),
        *(["a", ""], "nodes[0].comparison.left.aggregate.step.selector.names[1]", "empty"),
    ),
    (
        *("sum(a.b) = 1", ("nodes", 0, "comparison", "left", "aggregate", "property", "events")),
        *({"names": ["a", "b"]}, None, "exactly one name"),
    ),
    ("sequence(a then b within 1 day)", ("nodes", 0, "sequence", "links"), [], None, "at least 1"),
    (
        *("sequence(a then b within 1 day)", ("nodes", 0, "sequence", "window"), {}, None),
        "exactly one field",
    ),
    (
        *("sequence(a then b within 1 day today)", ("nodes", 0, "sequence", "window")),
        *({"in_last_calendar": {"count": 0, "unit": "CALENDAR_UNIT_DAY"}},),
        *("nodes[0].sequence.window.in_last_calendar.count", "at least 1"),
    ),
    (
        *("sequence(a then b within 1 day today)", ("nodes", 0, "sequence", "window")),
        *({"since": {"now": {"negative": True}}},),
        *("nodes[0].sequence.window.since.now.negative", "only a duration"),
    ),
]


def spoil(form: Form, path: tuple[str | int, ...], value: Any) -> None:
    """Puts a value at a path, or removes what is there."""
    *most, last = path
    holder: Any = form
    for key in most:
        holder = holder[key]
    if value is ...:
        del holder[last]
    elif isinstance(holder, list) and last == len(holder):
        holder.append(value)
    else:
        holder[last] = value


def named(path: tuple[str | int, ...]) -> str:
    """A path as an error names it."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


@pytest.mark.parametrize(
    ("text", "path", "value", "where", "message"),
    SPOILED,
    ids=[f"{s[0]}: {named(s[1])} {s[2]!r}" for s in SPOILED],
)
def test_spoiled_forms_are_refused(
    text: str, path: tuple[str | int, ...], value: Any, where: str | None, message: str
) -> None:
    form = form_of(text)
    spoil(form, path, value)
    with pytest.raises(ExpressionInvalid) as raised:
        from_structured(form, where="tree")
    (issue,) = raised.value.issues
    place = named(path) if where is None else where
    assert issue.where == (f"tree.{place}" if place else "tree")
    assert message in issue.message


@pytest.mark.parametrize("form", [None, [], "a", 1, {}])
def test_what_is_no_form_is_refused(form: object) -> None:
    with pytest.raises(ExpressionInvalid):
        from_structured(form)


def test_cycles_apart_from_the_root_are_refused() -> None:
    nodes = [{"truth": {"name": "a"}}, {"negation": {"item": 2}}, {"negation": {"item": 1}}]
    with pytest.raises(ExpressionInvalid, match="not part of the expression"):
        from_structured({"nodes": nodes, "root": 0})


def test_near_names_are_suggested() -> None:
    form = form_of("a = 1")
    form["nodes"][0]["comparision"] = form["nodes"][0].pop("comparison")
    with pytest.raises(ExpressionInvalid, match="did you mean comparison"):
        from_structured(form)
    form = form_of("a = 1")
    form["nodes"][0]["comparison"]["relation"] = "RELATION_EQUALS"
    with pytest.raises(ExpressionInvalid, match="did you mean RELATION_EQUAL"):
        from_structured(form)


def nots(levels: int) -> Form:
    """That many `not` around a name."""
    nodes: list[Form] = [{"negation": {"item": at + 1}} for at in range(levels)]
    return {"nodes": [*nodes, {"truth": {"name": "a"}}], "root": 0}


def test_depth_is_limited_as_in_a_text() -> None:
    assert from_structured(nots(DEFAULT.depth)) == parse("not " * DEFAULT.depth + "a")
    for levels in (DEFAULT.depth + 1, 9_999):
        with pytest.raises(ExpressionInvalid, match="more than 64 deep"):
            from_structured(nots(levels))


def test_size_is_limited_as_in_a_text() -> None:
    limits = ExpressionLimits(nodes=10, in_literals=3, text_bytes=200)
    for text, message in {
        " or ".join(["a"] * 11): "more than 10",
        " or ".join(["a"] * 19): "more than 10",
        "a in (1, 2, 3, 4)": "at most 3",
        f"a = '{'x' * 200}'": "200 are read",
    }.items():
        with pytest.raises(ExpressionInvalid, match=message):
            from_structured(form_of(text), limits=limits)
    with pytest.raises(ExpressionInvalid, match="at most 10 conditions"):
        from_structured(form_of(" or ".join(["a"] * 21)), limits=limits)


def test_a_where_inside_a_where_is_refused_as_in_a_text() -> None:
    form = form_of("count(a where b) = 1 or count(c where d) = 1")
    # The condition of the first step becomes the second comparison, which has a where itself.
    form["nodes"][1]["comparison"]["left"]["aggregate"]["step"]["where"] = 3
    form["nodes"][0]["any_of"]["items"] = [1, 2]
    with pytest.raises(ExpressionInvalid, match="another `where`"):
        from_structured(form)
