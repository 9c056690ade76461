"""Texts that are refused: where the fault is, and what the message says."""

from __future__ import annotations

import pytest

from engine.errors import ExpressionInvalid, Issue
from engine.rules.parse import parse, parse_step, parse_value


def issue_of(text: str) -> Issue:
    """The one issue of a text that must be refused."""
    with pytest.raises(ExpressionInvalid) as raised:
        parse(text)
    (issue,) = raised.value.issues
    return issue


# The text, what stands at the fault ('' at the end), words of the message, words of the hint.
REFUSED = [
    # Signs and words of other languages.
    ("a == 1", "==", "expected a comparison", "write `=`"),
    ("a && b", "&&", "`and`, `or` or the end", "write `and`"),
    ("a | b", "|", "", "write `or`"),
    ("!a", "!", "expected a condition", "write `not`"),
    ("a => 1", "=>", "", "write `>=`"),
    ("a / 2 = 1", "/", "", "no division"),
    ("a = 1;", ";", "", "without a mark"),
    ("a in [1]", "[", "expected `(`", "use `(`"),
    ("`a` = 1", "`", "expected a condition", "double quotes"),
    ("a is null", "null", "`missing`", "is missing"),
    ("a like 'x%'", "like", "", "contains"),
    ("a = 1 # x", "#", "", "--"),
    # Slips of the keyboard.
    ("a containss 'x'", "containss", "expected a comparison", "did you mean `contains`?"),
    ("a = 1 adn b", "adn", "", "did you mean `and`?"),
    ("cout(a) > 1", "cout", "expected a condition", "did you mean `count`?"),
    ("a = frist(b)", "frist", "expected a value", "did you mean `first`?"),
    ("a in last('x')", "in last", "", "a window stands inside"),
    ("status('x')", "status", "", "there is no function `status`"),
    ("a is misssing", "misssing", "", "did you mean `missing`?"),
    ("a = 3 dayz", "dayz", "", "did you mean `day`?"),
    ("count(a in lst 3 days) = 1", "in", "a window", ""),
    ("count(a sinse now) = 1", "sinse", "a window", "did you mean `since`?"),
    # Quotes.
    ('a in ("x")', '"x"', "a literal", "single quotes: 'x'"),
    ('segment("x")', '"x"', "text in single quotes", "single quotes: 'x'"),
    ("segment(x)", "x", "text in single quotes", "single quotes: 'x'"),
    ("a contains x", "x", "text in single quotes", "single quotes: 'x'"),
    ("count('a') > 1", "'a'", "the name of an event", "a name stands bare"),
    ("a = 'x", "'", "never closed", "end it with '"),
    ("a = 'x''y and b", "'", "never closed", ""),
    ('"a = 1', '"', "never closed", 'end it with "'),
    ('"" = 1', '""', "cannot be empty", ""),
    # Full width, and characters that are nothing here.
    ("a in （1)", "（", "not part of the language", "use the half-width `(`"),
    ("a in (1）", "）", "not part of the language", "use the half-width `)`"),
    ("a in (1，2)", "，", "", "use the half-width `,`"),
    ("a = “x”", "“", "", "use the half-width `'`"),
    ("a = ‘x’", "‘", "", "use the half-width `'`"),
    ("a；", "；", "", "leave it out"),
    ("a ≥ 1", "≥", "", "`>=`"),
    ("a = １", "１", "not a digit", "0 to 9"),
    ("\ufeffa", "\ufeff", "U+FEFF", "delete it"),
    ("a\u200b", "\u200b", "U+200B", "delete it"),
    ("a = '\ud800'", "'\ud800'", "surrogate", ""),
    ("\ud800", "\ud800", "U+D800", ""),
    ("x² = 1", "x²", "needs quotes", 'write it as "x²"'),
    ("e\u0301 = 1", "\u0301", "U+0301", "double quotes"),
    # Names that are reserved, and brackets.
    ("any = 3", "any", "expected a condition", 'double quotes: "any"'),
    ("count(no) = 3", "no", "the name of an event", 'double quotes: "no"'),
    ("a)", ")", "", "one `)` too many"),
    ("(a", "", "ends too early", "close the bracket"),
    ("a in (1", "", "`)` or `,`", "close the bracket"),
    ("a in ()", ")", "a literal", ""),
    ("a in (b)", "b", "a literal", ""),
    ("a in 1", "1", "expected `(`", ""),
    ("a in (1,)", ")", "a literal", ""),
    # Values where conditions belong, and the other way round.
    ("count(a)", "count(a)", "this is a value", "compare it"),
    ("(a + 1) > 3", "a + 1", "this is a value", "not values"),
    ("a = 'x' or 'y'", "'y'", "this is a value", "x in (1, 2)"),
    ("(a) = 1", "=", "`and`, `or` or the end", ""),
    ("a.b > 3", ".", "", "sum(order.amount)"),
    ("1 < a < 5", "<", "`and`, `or` or the end", "between"),
    ("a b", "b", "expected a comparison", ""),
    ("a not b", "b", "`in`", ""),
    ("a = not b", "not", "expected a value", ""),
    # Numbers and their signs.
    ("a = 12abc", "12abc", "a number is written", "put a blank"),
    ("a = 30days", "30days", "a number is written", "put a blank"),
    ("a = 1__0", "1__0", "a number is written", ""),
    ("a = 1_", "1_", "a number is written", ""),
    ("a = 1e", "1e", "a number is written", ""),
    ("a = 1.2.3", ".3", "", ""),
    ("a = " + "1" * 39, "1" * 39, "at most 38 digits", ""),
    ("a = 1e38", "1e38", "at most 38 digits", ""),
    ("a = 1e-39", "1e-39", "at most 38 digits", ""),
    ("a = 1e99999999999999999999", "1e99999999999999999999", "at most 38 digits", ""),
    ("a = +5", "+", "expected a value", "without `+`"),
    ("a = - b", "b", "expected a number", ""),
    ("a - -5 = 1", "-", "expected a value", "only where a value begins"),
    ("2 * -3 = a", "-", "", "only where a value begins"),
    ("a * 2 = 3", "*", "", "the number stands first"),
    # Dates, times, durations.
    ("a = date 'x'", "'x'", "is not a date", ""),
    ("a = date '2026-02-29'", "'2026-02-29'", "there is no day 2026-02-29", ""),
    ("a = date '0000-01-01'", "'0000-01-01'", "there is no day", ""),
    ("a = date '2026-1-1'", "'2026-1-1'", "is not a date", ""),
    ("a = time '2026-01-01'", "'2026-01-01'", "is not a time", ""),
    ("a = time '2026-01-01T24:00'", "'2026-01-01T24:00'", "no time of day 24:00:00", ""),
    ("a = time '2026-01-01T23:60'", "'2026-01-01T23:60'", "no time of day 23:60:00", ""),
    ("a = time '2026-01-01T23:59:60'", "'2026-01-01T23:59:60'", "no time of day 23:59:60", ""),
    ("a = time '2026-01-01T00:00+08:60'", "'2026-01-01T00:00+08:60'", "does not exist", ""),
    ("a = time '2026-01-01T00:00+24:00'", "'2026-01-01T00:00+24:00'", "less than a day", ""),
    ("a > now - 1.5 days", "1.5 days", "a whole number", ""),
    ("a > now - 0 days", "0 days", "at least 1", ""),
    ("a > now - 365_251 days", "365_251 days", "at most 1,000 years", ""),
    ("a > now - 1e37 weeks", "1e37 weeks", "at most 1,000 years", ""),
    ("a > now - 3 months", "months", "", "3 calendar months"),
    ("a = -3 days", "days", "", "a duration has no minus"),
    ("a in (3 days)", "days", "", "does not stand in a list"),
    # Events and windows.
    ("count() = 1", ")", "the name of an event, or `any`", ""),
    ("count(a, any) = 1", "any", "expected a name", ""),
    ("sum(a) = 1", ")", "`.` and a property", ""),
    ("sum(a, b.c) = 1", ",", "`.` and a property", ""),
    ("count(a.b) = 1", ".", "", ""),
    ("count(a) in last 3 days = 1", "count(a)", "", "inside its brackets"),
    ("count(a in last 3) = 1", ")", "a unit", ""),
    ("count(a in last 3 calendar) = 1", ")", "a calendar unit", ""),
    ("count(a in last 3 calendar hours) = 1", "hours", "a calendar unit", ""),
    ("count(a 1.5 calendar days ago) = 1", "1.5 calendar days", "whole", ""),
    ("count(a in last 1001 calendar years) = 1", "1001 calendar years", "1,000 years", ""),
    ("count(a this days) = 1", "days", "a calendar unit", "did you mean `day`?"),
    ("count(a since 2026) = 1", "2026", "an instant", ""),
    ("count(a since now - 3) = 1", ")", "a unit", ""),
    ("count(a from now) = 1", ")", "`to`", ""),
    ("count(a in last 3 days where b) = 1", "where", "expected `)`", ""),
    ("count(a where b between 3 days and 1 day ago) = 1", "ago", "", "stands in brackets"),
    ("count(a where count(b where c) > 1) > 1", "where", "another `where`", "properties"),
    ("sequence(a)", ")", "`then`", ""),
    ("sequence(a then b)", ")", "`within`", ""),
    ("a not has all (1)", "has", "", "write `not tag has all (...)`"),
    ("consent('a', 'b', 'c')", ",", "expected `)`", ""),
    # The end.
    ("", "", "the expression is empty; expected a condition", ""),
    ("a = ", "", "ends too early; expected a value", ""),
    ("not", "", "ends too early; expected a condition", ""),
    ("count(a", "", "a window such as", "close the bracket"),
]


@pytest.mark.parametrize(("text", "at", "message", "hint"), REFUSED, ids=[r[0] for r in REFUSED])
def test_refused(text: str, at: str, message: str, hint: str) -> None:
    issue = issue_of(text)
    assert message in issue.message
    assert hint in issue.hint
    place = text[issue.offset : issue.offset + issue.length]
    if "never closed" in message:
        assert (issue.length, place) == (1, at)
        assert issue.offset == text.index(at)
    elif at:
        assert place == at
    else:
        assert (issue.offset, issue.length) == (len(text.rstrip()), 0)


def test_place_counts_lines_and_columns_from_1() -> None:
    issue = issue_of("a = 1 and\n\n  行业 == 2")
    assert (issue.line, issue.column, issue.offset, issue.length) == (3, 6, 16, 2)
    assert str(issue).startswith("line 3, column 6: `==` cannot stand here")


def test_place_after_a_first_empty_line() -> None:
    issue = issue_of("\n= 1")
    assert (issue.line, issue.column, issue.offset) == (2, 1, 1)


def test_an_empty_text_has_a_place() -> None:
    issue = issue_of("")
    assert (issue.line, issue.column) == (1, 1)


def test_the_first_fault_is_told() -> None:
    assert issue_of("a = = 'x").offset == 4
    assert issue_of("a = 'x' （ = =").offset == 8
    assert issue_of("a = date 'x' and “").offset == 9


def test_a_long_offender_is_shortened() -> None:
    issue = issue_of("a " + "b" * 10_000)
    assert len(issue.message) < 250
    assert issue.length == 10_000


@pytest.mark.parametrize("text", ["a = 1", "a b", "", "a and b", "count(a", "not a"])
def test_values_alone_are_only_values(text: str) -> None:
    with pytest.raises(ExpressionInvalid):
        parse_value(text)


@pytest.mark.parametrize("text", ["a = 1", "a.b", "'a'", "", "a where", "a in last 3", "a then b"])
def test_steps_alone_are_only_steps(text: str) -> None:
    with pytest.raises(ExpressionInvalid):
        parse_step(text)
