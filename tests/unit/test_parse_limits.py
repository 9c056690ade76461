"""The limits of one expression: at the border, beyond it, and far beyond it."""

from __future__ import annotations

import pytest

from engine.errors import ExpressionInvalid, Issue
from engine.limits import DEFAULT, ExpressionLimits
from engine.rules import tree
from engine.rules.canonical import format_expression
from engine.rules.parse import parse
from engine.rules.structured import from_structured, to_structured

DEPTH = DEFAULT.depth


def issue_of(text: str, limits: ExpressionLimits = DEFAULT) -> Issue:
    """The one issue of a text that must be refused."""
    with pytest.raises(ExpressionInvalid) as raised:
        parse(text, limits=limits)
    (issue,) = raised.value.issues
    return issue


# Each nests once per level around an innermost text that nests no more.
NESTED = {
    "brackets": ("(", "a", ")", 1),
    "not": ("not ", "a", "", 1),
    "not in brackets": ("not (", "a", ")", 2),
    "alternating chains": ("b or c and (", "a", ")", 1),
    "after between": ("x between 1 and 2 and (", "a", ")", 1),
}


@pytest.mark.parametrize("kind", NESTED)
def test_depth_at_and_beyond_the_limit(kind: str) -> None:
    opening, inner, closing, cost = NESTED[kind]
    most = DEPTH // cost
    parse(opening * most + inner + closing * most)
    issue = issue_of(opening * (most + 1) + inner + closing * (most + 1))
    assert f"more than {DEPTH} deep" in issue.message
    # The place is the token that goes too deep.
    assert most * len(opening) <= issue.offset < (most + 1) * len(opening)


@pytest.mark.parametrize("levels", [30_000, 100_000])
@pytest.mark.parametrize("kind", NESTED)
def test_far_too_deep_is_the_same_clean_error(kind: str, levels: int) -> None:
    opening, inner, closing, cost = NESTED[kind]
    issue = issue_of(opening * levels + inner + closing * levels, ExpressionLimits(1 << 24))
    assert f"more than {DEPTH} deep" in issue.message
    assert issue.offset < (DEPTH // cost + 1) * len(opening)


@pytest.mark.parametrize("opening", ["(", "not ", "count(a where (", "a in (", "sequence("])
def test_unfinished_nesting_is_refused(opening: str) -> None:
    issue_of(opening * 10_000)


def test_a_not_ends_with_its_operand() -> None:
    text = " and ".join(f"not a{i}" for i in range(DEPTH + 1))
    parse(text)
    parse(text.replace("and", "or"))
    parse(" and ".join("(b or not not a)" for _ in range(DEPTH + 1)))
    parse(" and ".join("not a between 1 and 2" for _ in range(DEPTH + 1)))
    parse(" and ".join("a is not missing and b not in (1)" for _ in range(DEPTH + 1)))
    steps = " then b where not c within 1 day" * (DEPTH + 1)
    parse(f"sequence(a where not c{steps})")


def test_a_not_lasts_to_the_end_of_its_operand() -> None:
    nots = "not " * DEPTH
    parse(f"{nots}a between 1 and 2")
    assert "deep" in issue_of(f"{nots}a between 1 and count(b)").message
    assert "deep" in issue_of(f"{nots}a in (1)").message


def test_trees_at_the_limit_compare_hash_and_print() -> None:
    levels = DEPTH - 1
    text = "count(a where " + "b or c and (" * levels + "d or e" + ")" * levels + ") > 1"
    one, two = parse(text), parse(text)
    assert one == two
    assert hash(one) == hash(two)
    assert "Name" in repr(one)
    assert from_structured(to_structured(one)) == one
    assert format_expression(one) == text


@pytest.mark.parametrize(("word", "length"), [("or", DEFAULT.nodes), ("and", 1_000)])
def test_chains_are_flat(word: str, length: int) -> None:
    text = f" {word} ".join(f"a{i} = {i}" for i in range(length))
    expr = parse(text)
    assert isinstance(expr, tree.Or if word == "or" else tree.And)
    assert len(expr.items) == length
    assert expr == parse(text)
    assert format_expression(expr) == text
    assert hash(expr) == hash(from_structured(to_structured(expr)))


NODES = {
    "or": ("a", " or b"),
    "not": ("a", " or not b"),
    "sum": ("a = 1", " + 1"),
    "difference": ("a = 1", " - 1"),
    "aggregates": ("a = 1", " or count(b) = 1"),
    "where": ("a = 1", " or count(b where c) = 1"),
    "steps": ("sequence(a then b within 1 day", " then b within 1 day"),
}


@pytest.mark.parametrize("kind", NODES)
def test_nodes_beyond_the_limit(kind: str) -> None:
    begin, more = NODES[kind]
    limits = ExpressionLimits(nodes=20)
    texts = [begin + more * n + ")" * begin.count("(") for n in range(1, 30)]
    read = [text for text in texts if _is_read(text, limits)]
    assert read == texts[: len(read)] and 5 <= len(read) < 20
    issue = issue_of(texts[len(read)], limits)
    assert "more than 20 conditions" in issue.message
    assert issue.offset >= len(read[-1]) - 1


def _is_read(text: str, limits: ExpressionLimits) -> bool:
    try:
        parse(text, limits=limits)
    except ExpressionInvalid:
        return False
    return True


def test_nodes_are_counted_once() -> None:
    limits = ExpressionLimits(nodes=7)
    # Four conditions, one `not`, one aggregate, one term more.
    text = "(a or b between 1 and 2) and not c = 1 + d and count(e) = -1"
    parse(text, limits=limits)
    assert "more than 6" in issue_of(text, ExpressionLimits(nodes=6)).message


@pytest.mark.parametrize(
    ("opening", "most"), [("a in (", DEFAULT.in_literals), ("a not in (", 9), ("a has all (", 9)]
)
def test_literals_at_and_beyond_the_limit(opening: str, most: int) -> None:
    literals = ", ".join(map(str, range(most)))
    limits = ExpressionLimits(in_literals=most)
    parse(f"{opening}{literals}) and {opening}{literals})", limits=limits)
    issue = issue_of(f"{opening}{literals}, 0)", limits)
    assert f"at most {most:,} literals" in issue.message
    assert "list('name')" in issue.hint
    assert issue.offset == len(opening) + len(literals)


def test_size_at_and_beyond_the_limit() -> None:
    frame = len("a = ''")
    for letter, size in (("x", 1), ("行", 3), ("𝛂", 4)):
        most = (DEFAULT.text_bytes - frame) // size
        parse(f"a = '{letter * most}'")
        issue = issue_of(f"a = '{letter * (most + 4)}'")
        assert "1,048,576" in issue.message
        assert (issue.line, issue.column) == (1, 1)


def test_size_is_checked_in_canonical_form_too() -> None:
    limits = ExpressionLimits(text_bytes=1_000)
    text = "a in (" + ",".join(["1e37"] * 40) + ")"
    assert len(text) < 250
    issue = issue_of(text, limits)
    assert "canonical form" in issue.message
    assert (issue.line, issue.column) == (1, 1)
    # What is read can be written, and read again.
    parse(format_expression(parse(text.replace("37", "9"), limits=limits)), limits=limits)


@pytest.mark.parametrize(
    "text", ["(", "'", '"', "-", "1", "a ", "not ", "a or ", "''", "1e", "\n", "，", "a in (1) or "]
)
def test_a_megabyte_of_anything_is_answered(text: str) -> None:
    # An odd number of quotes leaves the last one open.
    times = (DEFAULT.text_bytes - 10) // len(text.encode()) - 1 | 1
    issue_of(text * times)
