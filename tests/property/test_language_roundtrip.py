"""The tree, its canonical text and its structured form say the same, whatever the tree."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ExpressionInvalid
from engine.rules import tree
from engine.rules.canonical import format_expression, format_step, format_value
from engine.rules.lexis import tokens
from engine.rules.misread import Misread
from engine.rules.parse import parse, parse_step, parse_value
from engine.rules.structured import from_structured, to_structured
from tests.strategies_expressions import expressions, steps_with_windows, values


@given(expressions())
def test_canonical_text_is_a_fixed_point(expr: tree.Expr) -> None:
    text = format_expression(expr)
    again = parse(text)
    assert again == expr
    assert format_expression(again) == text


@given(values)
def test_a_value_alone_is_read_back(value: tree.Value) -> None:
    assert parse_value(format_value(value)) == value


@given(steps_with_windows)
def test_a_step_alone_is_read_back(step: tuple[tree.Step, tree.Window | None]) -> None:
    assert parse_step(format_step(*step)) == step


@given(expressions())
def test_structured_form_is_read_back(expr: tree.Expr) -> None:
    form = json.loads(json.dumps(to_structured(expr)))
    again = from_structured(form)
    assert again == expr
    assert to_structured(again) == form


@given(expressions(), st.data())
def test_case_and_blanks_of_tokens_do_not_matter(expr: tree.Expr, data: st.DataObject) -> None:
    text = format_expression(expr)
    blanks = st.sampled_from([" ", "  ", "\n", "\t", "\u3000", " -- note '\n"])
    pieces = []
    for token in tokens(text):
        written = text[token.start_pos : token.end_pos]
        keyword = token.type not in ("NAME", "STRING", "NUMBER")
        pieces.append(written.upper() if keyword else written)
    spaced = data.draw(blanks).join(pieces)
    assert parse(spaced) == expr


@given(expressions(), st.data())
def test_broken_texts_are_refused_with_a_place(expr: tree.Expr, data: st.DataObject) -> None:
    text = format_expression(expr)
    spans = [(token.start_pos, token.end_pos) for token in tokens(text)]
    for _ in range(5):
        kept = data.draw(st.lists(st.sampled_from(spans), max_size=len(spans)))
        _refused_or_read(" ".join(text[start:end] for start, end in kept))
        start, end = data.draw(st.sampled_from(spans))
        _refused_or_read(text[:start] + text[end:])
        _refused_or_read(text[: data.draw(st.integers(0, len(text)))])


@given(st.text() | st.text(alphabet="ab1. ()'\"-=,!<>~（”\n\ud800", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    _refused_or_read(text)


def _refused_or_read(text: str) -> None:
    try:
        expr = parse(text)
    except ExpressionInvalid as error:
        (issue,) = error.issues
        assert issue.message
        assert 0 <= issue.offset <= issue.offset + issue.length <= len(text)
        lines = text[: issue.offset].split("\n")
        assert (issue.line, issue.column) == (len(lines), len(lines[-1]) + 1)
    else:
        assert parse(format_expression(expr)) == expr


@given(st.text())
def test_tokens_cover_the_text_in_order(text: str) -> None:
    end = 0
    try:
        for token in tokens(text):
            assert token.start_pos is not None and token.end_pos is not None
            assert end <= token.start_pos < token.end_pos
            end = token.end_pos
    except Misread as fault:
        assert end <= fault.start < fault.end <= len(text)
