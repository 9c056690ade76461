"""Texts of a known shape: the same trees and the same faults as from the parser alone."""

from __future__ import annotations

import pytest

from engine.errors import ExpressionInvalid
from engine.limits import DEFAULT, ExpressionLimits
from engine.rules import known_texts, parse, shapes, tree
from engine.rules.bound import BoundConstant
from engine.rules.known_texts import KnownText, KnownTexts
from engine.rules.shapes import Shapes

# Pairs of one shape: the second is built by the recipe of the first.
PAIRS = [
    ("a = 1", "b >= 2_000"),
    ("tag = 'x' and not tag = 'y'", "tag = 'It''s'  and not tag = 'ü'"),
    ("a in ('x', 'y') or b not in (1, -2)", "c in ('', 'q') or d not in (7, -0)"),
    ("a between 1 and 2 and (b or not c)", "aa between 10 and 20 and (bb or not cc)"),
    ("x is missing", "y is present"),
    ("x is not missing", "yy is not present"),
    ("2 * a - b + 3 > now", "4 * c - d + 5.5 > now"),
    ("count(v where p = 'p' in last 3 days) >= 2", "days(e where q = 'r' in last 9 weeks) > 4"),
    ("joined > date '2024-01-01'", "seen < date '2023-12-31'"),
    ("age > 3 days", "held > 2 weeks"),
    ("segment('a') and list('b')", "segment('c') and list('d')"),
    ("name starts with 'a'", "title ends with 'zz'"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Shapes:
    """No shape is known when a test begins."""
    made = Shapes()
    monkeypatch.setattr(parse, "_SHAPES", made)
    return made


def by_the_parser(text: str) -> tree.Expr:
    """Limits that are not the default ones have no recipes."""
    return parse.parse(text, limits=ExpressionLimits(nodes=DEFAULT.nodes - 1))


def spans(node: object) -> list[object]:
    """Every span in a tree, in order: `==` of trees does not look at them."""
    found: list[object] = []
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            waiting.extend(item)
        elif hasattr(item, "__dataclass_fields__"):
            found.append(getattr(item, "span", None))
            waiting.extend(getattr(item, name) for name in item.__dataclass_fields__)
    return found


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_second_of_a_shape_has_the_parsers_tree(
    first: str, second: str, fresh: Shapes, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = by_the_parser(second)
    assert parse.parse(first) == by_the_parser(first)
    with monkeypatch.context() as no_parser:
        no_parser.setattr(parse, "_parser", None)
        built = parse.parse(second)
    assert built == expected and spans(built) == spans(expected)


FAULTS = [
    ("a > date '2024-01-01'", "a > date '2024-02-30'"),
    ("a > 3 days", "a > 3.5 days"),
    ("a = 1 and b", "a = 1 and 'b'"),
    ("a = 1", "a = 1x"),
    ("a = 1 and b = 2", "a = 1 and b = = 2"),
    ("a > date '2024-01-01' and b = 1", "a > date '2024-13-01' and b = 'half"),
]


@pytest.mark.parametrize(("first", "second"), FAULTS)
def test_faults_are_those_of_the_parser(first: str, second: str) -> None:
    with pytest.raises(ExpressionInvalid) as expected:
        by_the_parser(second)
    parse.parse(first)
    for _ in range(2):
        with pytest.raises(ExpressionInvalid) as found:
            parse.parse(second)
        assert found.value.issues == expected.value.issues


def test_recipes_are_let_go(fresh: Shapes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shapes used last are kept, as many as there is room for."""
    monkeypatch.setattr(shapes, "_ALL_TOKENS", 100)
    texts = ["a in (" + ", ".join(["1"] * count) + ")" for count in range(1, 30)]
    for text in texts:
        assert parse.parse(text) == parse.parse(texts[0]) or text != texts[0]
        kept = list(fresh._recipes)
        assert fresh._token_count == sum(len(shape) for shape in kept) <= 100
    assert fresh._recipes and len(fresh._recipes) < len(texts)


def test_long_texts_have_no_recipe(fresh: Shapes) -> None:
    text = "a in (" + ", ".join(["1"] * shapes.LONGEST) + ")"
    assert parse.parse(text) == parse.parse(text)
    assert not fresh._recipes


def test_known_texts_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those asked for longest ago first; asking keeps one."""
    monkeypatch.setattr(known_texts, "_ALL_CHARACTERS", 30)
    known = KnownTexts()
    read = KnownText(BoundConstant(True, None), "", {}, (), tree.Segment("x"))
    for text in ("a" * 10, "b" * 10, "c" * 10):
        known.put(text, read)
        known.put(text, read)
    assert known.get("a" * 10) is read
    known.put("d" * 10, read)
    assert [known.get(letter * 10) is read for letter in "abcd"] == [True, False, True, True]
    known.put("e" * 5_000, read)
    assert known.get("e" * 5_000) is None
