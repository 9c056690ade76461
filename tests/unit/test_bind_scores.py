"""Scores bound: rules in thousandths, chains and circles, and who sees through them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from engine.errors import ExpressionInvalid
from engine.limits import EXPANDED_LEVELS
from engine.model.definitions import Model
from engine.model.load import load_model
from engine.model.positions import Positions
from engine.rules.bind import Binder, bind_value
from engine.rules.bound import (
    BoundCompare,
    BoundConstant,
    BoundExpr,
    BoundList,
    BoundSegment,
    Linear,
    LinearTerm,
    ScoreSource,
    aggregates_of,
    predicates_of,
    scores_of,
)
from engine.rules.bound_scores import BoundEachRule, BoundScore, BoundWhenRule
from engine.rules.check import check_expressions
from engine.rules.meaning import meaning_of
from engine.rules.parse import parse, parse_value
from engine.rules.time_dependence import moves_anywhere, why_unkept

HEAD = """
time_zone: Asia/Shanghai
identifiers: {member: {per_profile: 1}}
attributes:
  city: {type: category}
  age: {type: int}
  joined: {type: time}
  worth: {type: decimal, scale: 3, is: "2 * score('lead')"}
events:
  visit: {properties: {page: category}}
  order: {properties: {amount: {type: decimal, scale: 2}}}
"""

SCORES = """
segments:
  warm: "score('lead') >= 40"
  listed: "list('x')"
scores:
  lead:
    rules:
      - {when: "city in ('a')", points: 20}
      - {each: "visit where page = 'p' in last 30 days", points: 5.125, at_most: 25}
      - {each: "order", points: -30, half_life: 36 hours}
      - {when: "segment('listed')", points: -0.5}
    floor: -10
    ceiling: 200
  chained: {rules: [{when: "segment('warm') and worth > 3", points: 1}]}
  still: {rules: [{when: "age > 3", points: 1}]}
  moving: {rules: [{when: "joined > now - 3 days", points: 1}]}
"""


def model(text: str = SCORES) -> Model:
    return load_model({"m.yaml": HEAD + text})[0]


BINDER = Binder(model())


def bound(text: str) -> BoundExpr:
    return BINDER.bind(parse(text), text)


def score_in(text: str) -> BoundScore:
    (found,) = scores_of(bound(text))
    return found


def test_rules_and_ends_are_in_thousandths() -> None:
    lead = score_in("score('lead') > 1")
    first, second, third, fourth = lead.rules
    assert isinstance(first, BoundWhenRule) and first.points == 20_000
    assert isinstance(second, BoundEachRule) and second.window is not None
    assert (second.points, second.at_most, second.half_life_us) == (5_125, 25_000, None)
    assert second.events.types == ("visit",) and second.events.where is not None
    assert isinstance(third, BoundEachRule) and third.window is None
    assert (third.points, third.at_most, third.half_life_us) == (-30_000, None, 36 * 3_600 * 10**6)
    assert isinstance(fourth, BoundWhenRule) and fourth.points == -500
    assert isinstance(fourth.condition, BoundSegment)
    assert (lead.floor, lead.ceiling) == (-10_000, 200_000)
    assert lead.conditions == (first.condition, fourth.condition)
    assert lead.counted == (second, third)
    assert score_in("score('still') > 1").floor is None


def test_a_score_is_bound_once_whoever_mentions_it() -> None:
    chained = score_in("score('chained') = 1")
    inside = {s for p in predicates_of(chained.conditions[0]) for s in scores_of(p)}
    assert inside == {score_in("score('lead') > 1")} == {BINDER.score("lead")}


def test_a_score_is_a_number_and_is_never_missing() -> None:
    form = Linear((LinearTerm(Fraction(2), ScoreSource("lead", BINDER.score("lead"))),))
    assert bind_value(parse_value("2 * score('lead')"), model()) == form
    assert BINDER.operand(parse_value("worth")).form == form  # type: ignore[union-attr]
    expr = parse("score('lead') is present")
    assert BINDER.bind(expr) == BoundConstant(True, expr)


def test_walkers_see_through_a_score() -> None:
    found = list(predicates_of(bound("score('chained') > 0 or age > 1")))
    assert any(isinstance(one, BoundList) for one in found)
    assert sum(isinstance(one, BoundCompare) for one in found) == 4
    assert all(not aggregates_of(one) for one in found)


@pytest.mark.parametrize(
    ("text", "moves"),
    [
        ("score('still') > 0", False),
        ("score('lead') > 0", True),
        ("score('moving') > 0", True),
        ("segment('warm')", True),
        ("worth > 1", True),
    ],
)
def test_what_moves_can_be_kept(text: str, moves: bool) -> None:
    assert moves_anywhere(bound(text)) is moves
    assert why_unkept(bound(text)) == ""


def meaning(text: str, scores: str = SCORES, zone: str = "UTC") -> bytes:
    return meaning_of(Binder(model(scores)).bind(parse(text)), zone)


def test_meaning_is_that_of_the_rules() -> None:
    same = SCORES.replace("lead", "leads").replace("city in ('a')", "city = 'a'")
    whole = HEAD.replace("'lead'", "'leads'") + same
    renamed = Binder(load_model({"m.yaml": whole})[0])
    expected = meaning("score('chained') > 1")
    assert meaning_of(renamed.bind(parse("score('chained') > 1")), "UTC") == expected
    for one, other in [
        ("points: 20}", "points: 21}"),
        ("city in ('a')", "city in ('b')"),
        ("30 days", "31 days"),
        ("at_most: 25", "at_most: 26"),
        ("36 hours", "37 hours"),
        ("floor: -10", "floor: -11"),
        ("'order'", "'visit'"),
    ]:
        changed = (
            SCORES.replace(one, other) if one in SCORES else SCORES.replace('"order"', '"visit"')
        )
        assert meaning("score('chained') > 1", changed) != expected
    assert meaning("score('lead') > 1") != meaning("score('still') > 1")
    assert meaning("score('lead') > 1") != meaning("score('lead') > 1", zone="Asia/Tokyo")


def test_a_chain_of_scores_may_not_grow_without_bound() -> None:
    links = "".join(
        f"  s{at}: {{rules: [{{when: \"score('s{at - 1}') > 0\", points: 1}}]}}\n"
        for at in range(1, EXPANDED_LEVELS + 50)
    )
    first = '{rules: [{when: "age > 1", points: 1}]}'
    text = f"scores:\n  lead: {first}\n  s0: {first}\n{links}"
    binder = Binder(model_unchecked(text))
    # A level for the condition, and one for the score around it.
    deepest = EXPANDED_LEVELS // 2 - 2
    bound = binder.bind(parse(f"score('s{deepest}') > 0"))
    assert len(list(predicates_of(bound))) == deepest + 2
    with pytest.raises(ExpressionInvalid, match="levels with its segments and scores"):
        binder.bind(parse(f"score('s{deepest + 1}') > 0"))


def model_unchecked(text: str) -> Model:
    """The model of a text with faults in its expressions."""
    return load_model({"m.yaml": HEAD + text})[0]


def test_a_circle_through_scores_segments_and_attributes_is_refused() -> None:
    text = (
        "scores:\n"
        "  lead: {rules: [{when: \"segment('deep')\", points: 1}]}\n"
        "segments:\n"
        '  deep: "worth > 1"\n'
    )
    binder = Binder(model_unchecked(text))
    circle = "score 'lead' -> segment 'deep' -> attribute 'worth' -> score 'lead'"
    for _ in range(2):
        with pytest.raises(ExpressionInvalid, match=circle):
            binder.bind(parse("score('lead') > 1"))
    found = check_expressions(model_unchecked(text), Positions())
    assert any("a circle of references" in issue.message for issue in found)


def issues(rules: Any, extra: str = "") -> list[str]:
    text = f"scores:\n  lead:\n    rules: {rules}\n{extra}"
    return [i.message for i in check_expressions(model_unchecked(text), Positions())]


def test_sums_beyond_64_bits_are_refused() -> None:
    million = "{each: visit, points: 1000000}"
    assert issues(f"[{million}]") == []
    assert issues(f"[{million}, {{each: order, points: 73741}}]") == []
    wide = [f"[{million}, {{each: order, points: 73742}}]", f"[{million}, {million}]"]
    for rules in wide:
        assert issues(rules) == ["this score could leave 64 bits of thousandths"]
    assert issues(f"[{million}, {{each: visit, points: 1000000, at_most: 1000000}}]") == []


def test_too_long_a_half_life_is_refused() -> None:
    assert issues("[{each: visit, points: 30, half_life: 2700 days}]") == []
    assert issues("[{each: visit, points: 30, half_life: 3000 days}]") == [
        "points are worth something for at most 1,048,576 hours"
    ]


def test_faults_in_a_rule_are_told_where_it_stands() -> None:
    binder = Binder(model_unchecked('scores: {lead: {rules: [{when: "cty > 1", points: 1}]}}\n'))
    with pytest.raises(ExpressionInvalid, match=r"scores.lead.rules\[0\].when"):
        binder.bind(parse("score('lead') > 1"))
