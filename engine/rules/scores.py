"""Scores bound: the rules of a model's score with names, units and types settled.

1. Points, `at_most`, floor and ceiling become whole thousandths.
2. A `when` is bound as any expression is, an `each` as the step of an aggregate.
3. How far from 0 the sum can get is known then, for no profile has EVENTS_MOST events: what may
   leave 64 bits is refused, so that whoever adds never has to look.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from engine.errors import ExpressionInvalid, Issue
from engine.limits import HALF_LIFE_HOURS, SCORE_EVENTS, SCORE_REACH
from engine.model.plain import Score, ScoreRule
from engine.model.positions import key_text
from engine.rules import tree
from engine.rules.aggregates import bind_step
from engine.rules.bound import BoundExpr
from engine.rules.bound_scores import BoundEachRule, BoundScore, BoundScoreRule, BoundWhenRule
from engine.rules.half_life import hours_of_worth
from engine.rules.names import ModelScope
from engine.rules.parse import parse_step
from engine.rules.windows import check_window

__all__ = ["bind_score", "rule_reach", "rule_where"]


def bind_score(
    name: str,
    score: Score,
    condition: Callable[[int], BoundExpr],
    scope: Callable[[str, str], ModelScope],
) -> BoundScore:
    """A score, bound; raises ExpressionInvalid.

    `condition(i)` is what rule i asks with its `when`, bound; `scope(text, where)` that of a step.
    """
    rules: list[BoundScoreRule] = []
    for at, rule in enumerate(score["rules"]):
        points = _thousandths(rule["points"])
        if "when" in rule:
            rules.append(BoundWhenRule(condition(at), points))
        else:
            rules.append(_each(rule, points, scope(rule["each"], rule_where(name, at, "each"))))
    ends = (score.get("floor"), score.get("ceiling"))
    floor, ceiling = (None if end is None else _thousandths(end) for end in ends)
    bound = BoundScore(name, tuple(rules), floor, ceiling)
    _check_reach(bound)
    return bound


def rule_where(name: str, at: int, key: str) -> str:
    """The key of a rule's text, as errors name it."""
    return key_text(("scores", name, "rules", at, key))


def rule_reach(rule: BoundScoreRule) -> int:
    """How far from 0 a rule can get, in thousandths."""
    if isinstance(rule, BoundWhenRule):
        return abs(rule.points)
    reach = abs(rule.points) * SCORE_EVENTS
    return reach if rule.at_most is None else min(reach, rule.at_most)


def _each(rule: ScoreRule, points: int, scope: ModelScope) -> BoundEachRule:
    step, window = parse_step(rule["each"])
    check_window(window, scope)
    at_most = rule.get("at_most")
    return BoundEachRule(
        bind_step(tree.Step(step.selector, step.where), scope),
        window,
        points,
        None if at_most is None else _thousandths(at_most),
        rule.get("half_life_us"),
    )


def _check_reach(score: BoundScore) -> None:
    where = key_text(("scores", score.name))
    for rule in score.counted:
        half_life_us = rule.half_life_us
        if half_life_us and hours_of_worth(rule.points, half_life_us) > HALF_LIFE_HOURS:
            message = f"points are worth something for at most {HALF_LIFE_HOURS:,} hours"
            hint = "give a shorter half_life"
            raise ExpressionInvalid(Issue(message, where=where, hint=hint))
    ends = [abs(end) for end in (score.floor, score.ceiling) if end is not None]
    if max(sum(rule_reach(rule) for rule in score.rules), *ends, 0) > SCORE_REACH:
        message = "this score could leave 64 bits of thousandths"
        hint = "give fewer points, or at_most"
        raise ExpressionInvalid(Issue(message, where=where, hint=hint))


def _thousandths(points: Decimal) -> int:
    found = points.scaleb(3)
    assert found == found.to_integral_value(), "points have at most three digits after the point"
    return int(found)
