"""The one canonical way to write an expression."""

from __future__ import annotations

import pytest

from engine.rules.canonical import format_expression, format_step, format_value
from engine.rules.parse import parse, parse_step, parse_value

CANONICAL = {
    # Brackets stand only where the tree needs them.
    "((a))": "a",
    "(a and b) and (c)": "a and b and c",
    "(a or b) or c": "a or b or c",
    "(a and b) or c": "a and b or c",
    "a and (b or c)": "a and (b or c)",
    "not (a)": "not a",
    "not (not (a))": "not not a",
    "not (a and b)": "not (a and b)",
    "not(a=1)": "not a = 1",
    "(not a) and (b = 1)": "not a and b = 1",
    # A boolean at the very end, before a window that begins with `between`.
    "count(a where (b) between 3 days and 1 day ago) = 1": None,
    "count(a where (b and c) between 3 days and 1 day ago) = 1": (
        "count(a where b and (c) between 3 days and 1 day ago) = 1"
    ),
    "count(a where (b and (c or d)) between 3 days and 1 day ago) = 1": (
        "count(a where b and (c or d) between 3 days and 1 day ago) = 1"
    ),
    "count(a where (not b) between 3 days and 1 day ago) = 1": (
        "count(a where not (b) between 3 days and 1 day ago) = 1"
    ),
    "count(a where not (b or c) between 3 days and 1 day ago) = 1": None,
    "count(a where (true) between 3 days and 1 day ago) = 1": None,
    "sum(a.b where (c) between 3 days and 1 day ago) = 1": None,
    "count(a where (b = 1) between 3 days and 1 day ago) = 1": (
        "count(a where b = 1 between 3 days and 1 day ago) = 1"
    ),
    "count(a where (b) in last 3 days) = 1": "count(a where b in last 3 days) = 1",
    "sequence(a then b where c within 1 day between 3 days and 1 day ago)": None,
    # Keywords, blanks, comments, signs.
    "A AND nOT b -- c": "A and not b",
    "a<>1 OR a  IS NOT MISSING": "a != 1 or a is present",
    "a is not present": "a is missing",
    "a IN('x','y')": "a in ('x', 'y')",
    "a not IN(1)": "a not in (1)",
    "a Not Starts With 'x'": "a not starts with 'x'",
    "tag HAS ALL('x',date'2026-01-01')": "tag has all ('x', date '2026-01-01')",
    # Names are quoted only where they must be.
    '"a" = "行业"': "a = 行业",
    '"count" = 1 and count("date") = 1': "count = 1 and count(date) = 1",
    '"Any" = "a b"': None,
    '"1a" = "a""b"': None,
    '"x²" = "e\u0301"': None,
    # Literals.
    "a in (1_000, 1e3, 1.50, -0, .5, 5., -1e-3)": "a in (1000, 1000, 1.5, 0, 0.5, 5, -0.001)",
    "a = 'it''s'": None,
    "a = TRUE": "a = true",
    "a > now - 1 Days": "a > now - 1 day",
    "a > now - 2e0 week": "a > now - 2 weeks",
    "a=time '2026-01-01 08:00+08'": "a = time '2026-01-01T08:00:00+08:00'",
    "a=time '2026-01-01T00:00:00.1200000z'": "a = time '2026-01-01T00:00:00.12Z'",
    "a=time '2026-01-01T00:00:00.0000009'": "a = time '2026-01-01T00:00:00'",
    "a=time '2026-01-01T00:00:00-03:30:15'": "a = time '2026-01-01T00:00:00-03:30:15'",
    "a=time '0001-01-01T00:00'": "a = time '0001-01-01T00:00:00'",
    # Sums.
    "-2*a+1<3-b": "-2 * a + 1 < 3 - b",
    "0 * a = 1": "0 * a = 1",
    # Windows.
    "count(a in last 1 calendar months)=1": "count(a in last 1 calendar month) = 1",
    "count(a 2 calendar month ago)=1": "count(a 2 calendar months ago) = 1",
    "count(a from now+1 day to date'2026-01-01')=1": (
        "count(a from now + 1 day to date '2026-01-01') = 1"
    ),
    "Consent('a','b')": "consent('a', 'b')",
}


@pytest.mark.parametrize("text", CANONICAL)
def test_canonical_text(text: str) -> None:
    expected = CANONICAL[text] or text
    expr = parse(text)
    assert format_expression(expr) == expected
    assert parse(expected) == expr


def test_parts_have_canonical_texts_of_their_own() -> None:
    expr = parse("a and (b or not c = 1)")
    assert [format_expression(item) for item in expr.items] == [  # type: ignore[union-attr]
        "a",
        "b or not c = 1",
    ]
    assert format_value(parse_value("SUM(a.b)-1")) == "sum(a.b) - 1"
    step = "a, b where (c) between 3 days and 1 day ago"
    assert format_step(*parse_step(step)) == step
