"""Segments bound in place: circles, faults inside them, and chains without bound."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.errors import ExpressionInvalid
from engine.limits import EXPANDED_LEVELS, EXPANDED_NODES
from engine.rules import tree
from engine.rules.bind import Binder, bind
from engine.rules.bound import BoundAnd, BoundNot, BoundSegment
from engine.rules.parse import parse
from tests.unit.bind_model import model


def test_a_circle_is_named_from_where_it_closes() -> None:
    text = "vip or segment('loop')"
    with pytest.raises(ExpressionInvalid) as refused:
        bind(parse(text), model(), text=text)
    (issue,) = refused.value.issues
    assert "loop -> round -> loop" in issue.message
    assert issue.where == "segments.round"
    assert (issue.offset, issue.length) == (4, len("segment('loop')"))


def test_a_segment_that_mentions_itself() -> None:
    with pytest.raises(ExpressionInvalid, match="circle: me -> me"):
        bind(parse("segment('me')"), model(), segments={"me": parse("not segment('me')")})


def test_a_fault_inside_a_segment_names_the_segment() -> None:
    for name, place in (("wrong", "line 1, column 1"), ("unclosed", "line 1")):
        with pytest.raises(ExpressionInvalid, match=rf"segments.{name}, {place}"):
            bind(parse(f"segment('{name}')"), model())


def test_a_fault_is_told_again_to_whoever_asks_again() -> None:
    binder = Binder(model())
    told = set()
    for text in ("segment('wrong')", "vip and segment('wrong')", "segment('outer')"):
        binder = Binder(model(), {"outer": parse("segment('wrong')")})
        for _ in range(2):
            with pytest.raises(ExpressionInvalid) as refused:
                binder.bind(parse(text), text)
            told.add(refused.value.issues)
    assert len(told) == 1


def test_a_definition_is_bound_once() -> None:
    binder = Binder(model())
    first = binder.bind(parse("segment('local')"))
    second = binder.bind(parse("vip and segment('local') and segment('adults')"))
    assert isinstance(first, BoundSegment) and isinstance(second, BoundAnd)
    again, adults = second.items[1:]
    assert isinstance(again, BoundSegment) and again.body is first.body
    assert isinstance(adults, BoundSegment) and isinstance(first.body, BoundAnd)
    inner = first.body.items[0]
    assert isinstance(inner, BoundSegment) and adults.body is inner.body


def chain(length: int) -> dict[str, tree.Expr]:
    """`s1` mentions `s0`, `s2` mentions `s1`, and so on; two levels each."""
    links = {f"s{at}": parse(f"not segment('s{at - 1}')") for at in range(1, length)}
    return {"s0": parse("vip"), **links}


def test_the_longest_chain_and_one_more() -> None:
    # s0 is one level, each further definition a `not` and a segment, the mention one more.
    longest = (EXPANDED_LEVELS - 2) // 2
    binder = Binder(model(), chain(longest + 2))
    bound = binder.bind(parse(f"segment('s{longest}')"))
    levels = sum(1 for _ in _downwards(bound))
    assert levels == 2 * longest + 2 == EXPANDED_LEVELS
    with pytest.raises(ExpressionInvalid, match="levels with its segments and scores written out"):
        binder.bind(parse(f"segment('s{longest + 1}')"))


def _downwards(bound: object) -> Iterator[object]:
    while True:
        yield bound
        if isinstance(bound, BoundSegment):
            bound = bound.body
        elif isinstance(bound, BoundNot):
            bound = bound.item
        else:
            return


def test_a_very_long_chain_is_refused_without_recursion() -> None:
    segments = chain(5_000)
    binder = Binder(model(), segments)
    for name in ("s4999", "s4998", "s2000"):
        with pytest.raises(ExpressionInvalid, match="shorten the chain"):
            binder.bind(parse(f"segment('{name}')"))


def test_definitions_that_double_are_refused() -> None:
    segments = {"s0": parse("vip")}
    for at in range(1, 40):
        segments[f"s{at}"] = parse(f"segment('s{at - 1}') or not segment('s{at - 1}')")
    binder = Binder(model(), segments)
    binder.bind(parse("segment('s10')"))
    with pytest.raises(ExpressionInvalid, match=f"at most {EXPANDED_NODES}"):
        binder.bind(parse("segment('s39')"))


def test_the_deepest_text_is_far_from_the_limit_of_levels() -> None:
    text = "vip"
    for _ in range(31):
        text = f"not (age > 1 or vip and {text})"
    text = f"age not between 1 and size or {text}"
    bind(parse(text), model(), text=text)
