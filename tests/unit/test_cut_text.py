"""Texts cut at their literals: where patterns cut them, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.core.cut_text import cut_text, joined
from engine.rules.filled_conditions import is_plain, written
from engine.rules.patterns import _LITERAL

CUT = [
    ("age >= 18", "age >= \0", ["18"]),
    ("tag='a' and not tag= 'b c'", "tag=\0 and not tag= \0", ["'a'", "'b c'"]),
    ("rev between 0.50 and 7", "rev between \0 and \0", ["0.50", "7"]),
    ("q1 = 5 and a.5 < 3", "q1 = \0 and a.5 < \0", ["5", "3"]),
    ("städte in ('köln','京')", "städte in (\0,\0)", ["'köln'", "'京'"]),
    ("a = ''", "a = \0", ["''"]),
    ("a = " + "9" * 18, "a = \0", ["9" * 18]),
    ("", "", []),
]


@pytest.mark.parametrize(("text", "form", "literals"), CUT)
def test_a_text_is_cut_at_its_literals(text: str, form: str, literals: list[str]) -> None:
    assert cut_text(text) == (form, literals)


LEFT = [
    "a = 'It''s'",
    "a = '''s'",
    "a = 'open",
    "a = '\"'",
    "a = 'a--b'",
    "a = 'a\0b'",
    "a = '\ud800'",
    "ä\udfff = 1",
    'a = 1 and "b" = 2',
    "a = 1 -- so",
    "a\0 = 1",
    "a = 01",
    "a = 1.",
    "a = 1.5.2",
    "a = 1_0",
    "a = 1e3",
    "a = 5and b",
    "a = 5ä",
    "ä5 = 1",
    "a = " + "9" * 19,
    "a = 1" + " " * 4096,
]


@pytest.mark.parametrize("text", LEFT)
def test_a_text_with_anything_unusual_is_left(text: str) -> None:
    assert cut_text(text) is None


PIECES = st.sampled_from(
    [
        "a",
        "Z_",
        "é",
        "1",
        "0",
        "20",
        "0.0",
        "1.50",
        ".",
        "5.25",
        "'",
        "''",
        "'x'",
        " ",
        "-",
        "=",
        "e",
        '"',
        "\0",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join))
@example("1.2.3")
def test_what_is_cut_is_cut_where_patterns_are(text: str) -> None:
    cut = cut_text(text)
    if cut is not None:
        parts = _LITERAL.split(text)
        assert cut == ("\0".join(parts[0::2]), parts[1::2])
        assert all(map(is_plain, cut[1]))
        assert joined(tuple(parts[0::2]), cut[1]) == "".join(
            written(part) if place % 2 else part for place, part in enumerate(parts)
        )
