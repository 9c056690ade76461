"""What binding refuses: where the fault stands, what is said, and what to do instead."""

from __future__ import annotations

import pytest

from engine.errors import ExpressionInvalid, Issue
from engine.rules import tree
from engine.rules.bind import bind, bind_value
from engine.rules.parse import parse, parse_value
from tests.unit.bind_model import model


def refusal(text: str) -> Issue:
    """The one issue of an expression that must not bind."""
    expr = parse(text)
    with pytest.raises(ExpressionInvalid) as refused:
        bind(expr, model(), text=text)
    (issue,) = refused.value.issues
    return issue


# Text, the offending part, a piece of the message, a piece of the hint.
NAMES = [
    ("cty = 'x'", "cty", "no attribute named 'cty'", "did you mean 'city'?"),
    ('city = "Foo"', '"Foo"', "no attribute named 'Foo'", "single quotes: 'Foo'"),
    ("order > 3", "order", "no attribute", "count(order)"),
    ("content > 3", "content", "no attribute", "count(content)"),
    ("plain > 3", "plain", "no attribute", "score('plain')"),
    ("stage = 'rest'", "stage", "no attribute", "tier('stage')"),
    ("adults", "adults", "no attribute", "segment('adults')"),
    ("count(ordr) > 3", "ordr", "no event or event group named 'ordr'", "'order'"),
    ("count(visit, contnt) > 3", "visit, contnt", "named 'contnt'", "'content'"),
    ("sum(ordr.amount) > 3", "ordr", "no event or event group", "'order'"),
    ("sum(order.amnt) > 3", "order.amnt", "no property of these events named 'amnt'", "'amount'"),
    ("count(visit where x = 'x') > 1", "x", "no property", "they have page, amount, fee"),
    ("count(register where x = 'x') > 1", "x", "no property", "they have none"),
    ("count(order where city = 'x') > 1", "city", "no property", "'city' is an attribute"),
    ("segment('adult')", "segment('adult')", "no segment named 'adult'", "'adults'"),
    ("score('led') > 1", "score('led')", "no score named 'led'", "'lead'"),
    ("band('led') = 'hot'", "band('led')", "no score named 'led'", "'lead'"),
    ("band('plain') = 'hot'", "band('plain')", "no bands", ""),
    ("band('lead') = 'hto'", "'hto'", "no band named 'hto'", "'hot'"),
    ("band('lead') in ('hot', 'zzz')", "'zzz'", "no band named 'zzz'", "one of cold, warm, hot"),
    ("band('lead') >= 'hto'", "'hto'", "no band named 'hto'", "'hot'"),
    ("band('lead') between 'hto' and 'hot'", "'hto'", "no band named", "'hot'"),
    ("tier('stge') = 'rest'", "tier('stge')", "no tier named 'stge'", "'stage'"),
    ("tier('stage') = 'zzz'", "'zzz'", "no tier named 'zzz'", "one of dormant, rest"),
    ("consent('marketin')", "consent('marketin')", "no purpose named 'marketin'", "'marketing'"),
    ("consent('marketing', 'smss')", "consent('marketing', 'smss')", "no channel", "'sms'"),
]

KINDS = [
    ("city = 5", "5", "city is a category, and 5 is a number", "in single quotes"),
    ("5 = city", "5", "city is a category, and 5 is a number", "in single quotes"),
    ("city = true", "true", "and true is a boolean", "in single quotes"),
    ("city in ('a', 5)", "5", "and 5 is a number", "in single quotes"),
    ("tag has all (5)", "5", "tag is a set, and 5 is a number", "in single quotes"),
    ("city = remark", "remark", "remark is a text", "in single quotes"),
    ("interests = tag", "tag", "interests is a set, which is compared with strings only", ""),
    ("tier('stage') = interests", "interests", "is a set", ""),
    ("tier('stage') < tier('stage')", "tier('stage') < tier('stage')", "has no <", "= or in"),
    ("band('lead') > tier('stage')", "band('lead') > tier('stage')", "has no >", ""),
    ("age = '5'", "'5'", "age is a number, and '5' is a string", "without quotes"),
    ("weight = '5'", "'5'", "weight is a float, and '5' is a string", "without quotes"),
    ("age = date '2026-01-01'", "date '2026-01-01'", "is a date", "a number"),
    ("age > joined", "joined", "joined is a time", "a number"),
    ("age in (1, 'x')", "'x'", "'x' is a string", "a number"),
    ("joined > '2026-01-01'", "'2026-01-01'", "is a string", "time '2026-11-01T08:00:00+08:00'"),
    ("born > '2026-01-01'", "'2026-01-01'", "is a string", "date '2026-11-01'"),
    ("joined in (time '2026-01-01T00:00:00Z', 5)", "5", "5 is a number", "expected a time"),
    ("now - joined > 30", "30", "now - joined is a duration", "30 days"),
    ("weight > 3 days", "3 days", "weight is a float", "a number"),
    ("vip = 'yes'", "'yes'", "vip is a boolean", "true or false"),
    ("vip in (1)", "1", "vip is a boolean", "true or false"),
    ("city", "city", "only a boolean stands alone", "city is present"),
    ("age contains '1'", "age", "contains reads strings", "a category, a set or a text"),
    ("vip starts with '1'", "vip", "starts with reads strings", ""),
    ("city has all ('x')", "city", "has all reads sets", "= or in"),
    ("'x' has all ('x')", "'x'", "has all reads sets", ""),
]

OPERATORS = [
    ("tag != 'x'", "tag != 'x'", "a set, which has no !=", "write not tag = 'x'"),
    ("'x' != tag", "'x' != tag", "a set, which has no !=", "write not tag = 'x'"),
    ("tag not in ('x')", "tag not in ('x')", "which has no not in", "write not tag in ('x')"),
    ("tag not contains 'x'", "tag not contains 'x'", "has no not contains", "not tag contains 'x'"),
    ("tag not ends with 'x'", "tag not ends with 'x'", "", "write not tag ends with 'x'"),
    ("tag < 'x'", "tag < 'x'", "a set, which has no <", "has all"),
    ("tag between 'x' and 'y'", "tag between 'x' and 'y'", "a set, which has no between", ""),
    ("city > 'x'", "city > 'x'", "a category, which has no >", "strings have no order"),
    ("'x' > city", "'x' > city", "a category, which has no <", "strings have no order"),
    ("'x' < city", "'x' < city", "a category, which has no >", "strings have no order"),
    ("'x' <= city", "'x' <= city", "a category, which has no >=", "strings have no order"),
    ("city < region", "city < region", "a category, which has no <", "strings have no order"),
    ("'a' < 'b'", "'a' < 'b'", "a string, which has no <", "strings have no order"),
    ("'a' between 'a' and 'b'", "'a'", "a string, which has no >=", "strings have no order"),
    ("city between 'a' and 'b'", "city between 'a' and 'b'", "has no between", ""),
    ("tier('stage') < 'rest'", "tier('stage') < 'rest'", "a tier, which has no <", "= or in"),
    ("vip > true", "vip > true", "a boolean, which has no >", "stands alone"),
    ("vip between true and false", "vip between true and false", "no between", "stands alone"),
    ("remark = 'x'", "remark = 'x'", "a text, which has no =", "contains"),
    ("remark != 'x'", "remark != 'x'", "a text, which has no !=", "contains"),
    ("remark in ('x')", "remark in ('x')", "a text, which has no in", "contains"),
    ("remark not in ('x')", "remark not in ('x')", "a text, which has no not in", "contains"),
]

TIMES = [
    (f"joined {op} date '2026-01-01'", "date '2026-01-01'", f"{op} does not compare", ">= and <")
    for op in ("=", "!=")
] + [
    ("born = now", "now", "= does not compare them", "write a time"),
    ("born + 7 days = due", "due", "= does not compare them", "write a time"),
    ("joined between date '2026-01-01' and now", "date '2026-01-01'", "between does not", ""),
    ("born between date '2026-01-01' and now", "now", "between does not compare them", ""),
    ("born in (time '2026-01-01T00:00:00Z')", "time '2026-01-01T00:00:00Z'", "in does not", ""),
    ("joined in (date '2026-01-01')", "date '2026-01-01'", "in does not compare them", ""),
    ("joined + seen > now", "+ seen", "a time cannot be added to a time", "a duration"),
    ("1 day - joined > 1 day", "- joined", "a time cannot be taken from a duration", ""),
    ("born + due > now", "+ due", "a date cannot be added to a date", ""),
    ("joined - 3 > now", "- 3", "a number cannot be taken from a time", "30 days"),
    ("age + 1 day > 3", "+ 1 day", "a duration cannot be added to a number", "30 days"),
    ("2 * joined > now", "2 * joined", "joined is a time, which has no multiple", ""),
    ("2 * born > now", "2 * born", "born is a date, which has no multiple", ""),
    ("city + 1 > 2", "city", "city is a category, which cannot be added", ""),
    ("1 + vip > 2", "vip", "vip is a boolean, which cannot be added", ""),
    ("weight + joined > 3", "+ joined", "a time cannot be added to a float", ""),
    ("1 day + weight > 3", "1 day", "a duration cannot be added to a float", ""),
]

EVENTS = [
    ("sum(order.load) > 1", "order.load", "'load', which is a float", "declare 'load' as a dec"),
    ("avg(order.load) > 1", "order.load", "'load', which is a float", "as a decimal"),
    ("sum(order.sku) > 1", "order.sku", "'sku', which is a category", "sum takes int and decimal"),
    ("max(order.sku) > 'x'", "order.sku", "'sku', which is a category", "float, date and time"),
    ("min(order.note) = 'x'", "order.note", "which is a text", "max takes"[3:]),
    ("last_value(order.note) = 'x'", "last_value(order.note) = 'x'", "has no =", "contains"),
    ("count(any where amount > 1) > 1", "amount", "a decimal in 'order' and an int in 'visit'", ""),
    ("sum(any.amount) > 1", "any.amount", "a decimal in 'order' and an int in 'visit'", "name the"),
    ("count(order where count(visit) > 1) > 1", "count(visit)", "cannot stand inside a where", ""),
    ("count(order where segment('adults')) > 1", "segment('adults')", "inside a where", ""),
    ("count(order where list('x')) > 1", "list('x')", "inside a where", ""),
    ("count(order where consent('marketing')) > 1", "consent('marketing')", "inside a where", ""),
    ("count(order where bucket('s') > 1) > 1", "bucket('s')", "inside a where", "beside"),
    ("count(order where pieces = 'x') > 1", "'x'", "pieces is a number", ""),
    ("sum(order.amount where sku > 'x') > 1", "sku > 'x'", "has no >", ""),
    (
        "count(order in last 1 day) > 1 and count(order between 3 days and 30 days ago) > 1",
        "between 3 days and 30 days ago",
        "the longer duration comes first",
        "between 30 days and 3 days ago",
    ),
    (
        "count(order between 1 day and 2 weeks ago) > 1",
        "between 1 day and 2 weeks ago",
        "the longer duration comes first",
        "between 2 weeks and 1 day ago",
    ),
    ("count(order between 7 days and 1 week ago) > 1", "ago", "empty", "must differ"),
    ("days(order since now + 1 second) > 1", "now + 1 second", "begins after now", "now - "),
    ("days(order from now + 1 day to now + 2 days) > 1", "now + 1 day", "begins after now", ""),
    (
        "first(order from date '2026-03-01' to date '2026-03-01') < now",
        "from date '2026-03-01' to date '2026-03-01'",
        "this window is empty",
        "from the earlier to the later",
    ),
    (
        # Midnight in Shanghai is 16:00 in Greenwich.
        "last(order from date '2026-03-01' to time '2026-02-28T16:00:00Z') < now",
        "from date '2026-03-01' to time '2026-02-28T16:00:00Z'",
        "this window is empty",
        "",
    ),
    ("sum(order.amount from now - 1 day to now - 1 day) > 1", "from", "this window is empty", ""),
]

SEQUENCES = [
    ("sequence(ordr then visit within 1 day)", "ordr", "no event", "'order'"),
    ("sequence(order then visit where x = 1 within 1 day)", "x", "no property", ""),
    (
        "sequence(order then no visit within 3 days then visit within 3 days)",
        "then visit within 3 days",
        "cannot hold",
        "longer within",
    ),
    (
        "sequence(order then no visit within 3 days then no register within 5 days "
        "then visit within 4 days)",
        "then visit within 4 days",
        "cannot hold",
        "",
    ),
    (
        "sequence(order then no visit within 5 days then no register within 3 days "
        "then visit within 4 days)",
        "then visit within 4 days",
        "cannot hold",
        "",
    ),
    (
        "sequence(order then no visit within 3 days in last 3 days)",
        "in last 3 days",
        "its window is too short",
        "lengthen",
    ),
    (
        "sequence(order then no visit within 3 days then visit within 4 days "
        "then no visit within 2 days in last 5 days)",
        "in last 5 days",
        "its window is too short",
        "",
    ),
    ("sequence(order then no visit within 5 days today)", "today", "its window is too short", ""),
    (
        "sequence(order then no visit within 40 weeks in last 2 calendar quarters)",
        "in last 2 calendar quarters",
        "its window is too short",
        "",
    ),
    ("sequence(order then no visit within 5 days since now - 4 days)", "since", "too short", ""),
]


@pytest.mark.parametrize(
    ("text", "part", "message", "hint"),
    [*NAMES, *KINDS, *OPERATORS, *TIMES, *EVENTS, *SEQUENCES],
)
def test_refused(text: str, part: str, message: str, hint: str) -> None:
    issue = refusal(text)
    offending = text[issue.offset : issue.offset + issue.length]
    assert message in issue.message
    assert hint in issue.hint
    assert part in offending
    assert (issue.line, issue.column) == (1, issue.offset + 1)


@pytest.mark.parametrize(
    "text",
    [
        "sequence(order then no visit within 3 days then visit within 73 hours)",
        "sequence(order then no visit within 3 days in last 73 hours)",
        "sequence(order then no visit within 1 day today)",
        "sequence(order then no visit within 52 weeks in last 1 calendar year)",
        "sequence(order then no visit within 5 days since now - 5 days)",
        "sequence(order then no visit within 5 days since date '2026-01-01')",
        "sequence(order then no visit within 5 days before now - 5 days)",
        "count(order since now) = 0",
        "count(order from now - 1 day to now + 1 day) = 0",
        "count(order from date '2026-03-01' to now - 1000 days) = 0",
        "count(order between 8 days and 1 week ago) = 0",
        "count(any where channel = 'x') = 0",
        "count(content where page = 'x' and asset is missing) = 0",
        "count(order where paid > now - 1 day and not gift) = 0",
        "count(order, content, order in last 3 calendar weeks) = 0",
        "avg(order.pieces) = 2.5 and min(order.paid) < max(order.day)",
        "band('lead') != 'hot' and band('lead') < 'warm'",
    ],
)
def test_near_to_the_refused(text: str) -> None:
    bind(parse(text), model(), text=text)


def test_position_in_a_text_of_several_lines() -> None:
    issue = refusal("vip and\n  ('行业' = city or\n   cty = 'x')")
    assert (issue.line, issue.column, issue.offset, issue.length) == (3, 4, 29, 3)


def test_without_a_text_the_message_still_names_the_fault() -> None:
    expr = tree.Compare(tree.Name("cty"), "=", tree.Text("x"))
    with pytest.raises(ExpressionInvalid) as refused:
        bind(expr, model())
    (issue,) = refused.value.issues
    assert "'cty'" in issue.message and issue.line == issue.column == issue.length == 0


def test_a_long_fragment_is_cut_in_the_message() -> None:
    issue = refusal(f"age = '{'x' * 200}'")
    assert len(issue.message) < 120 and issue.length == 202


@pytest.mark.parametrize("text", ["'x'", "true"])
def test_a_literal_is_no_value_to_group_by(text: str) -> None:
    with pytest.raises(ExpressionInvalid, match="same for every profile"):
        bind_value(parse_value(text), model(), text=text)
