"""Scores as columns of a plan: what their rules read, in thousandths of a point.

1. A `when` is a node of the plan; an `each` the column of how many events there are, or, where
   points halve, of what they are worth at the instant asked.
2. A rule that can give nothing, because nobody has had such an event, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.core import operations as ops
from engine.core.event_plan import EventPlanner
from engine.rules.bound_scores import BoundEachRule, BoundScore, BoundWhenRule
from engine.rules.half_life import worth_by_hour

__all__ = ["plan_score"]


def plan_score(score: BoundScore, nodes: Sequence[int], events: EventPlanner) -> int:
    """The field of a score; `nodes` are those of its conditions, in their order. Raises NotYet."""
    asked = iter(nodes)
    rules: list[ops.ScoreWhen | ops.ScoreEach] = []
    for rule in score.rules:
        if isinstance(rule, BoundWhenRule):
            node = next(asked)
            if rule.points:
                rules.append(ops.ScoreWhen(node, rule.points))
            continue
        each = _each(rule, events)
        if each is not None:
            rules.append(each)
    return events.place(ops.ScoreColumn(tuple(rules), score.floor, score.ceiling))


def _each(rule: BoundEachRule, events: EventPlanner) -> ops.ScoreEach | None:
    from_us, to_us = events.bounds(rule.window)
    sources = events.sources(rule.events)
    if not sources or from_us >= to_us or not rule.points or rule.at_most == 0:
        return None
    if rule.half_life_us is None:
        most = rule.at_most
        few = most is not None and abs(rule.points) * ops.FEW_MOST >= most
        counted = ops.EventColumn("few" if few else "count", sources, from_us, to_us)
        return ops.ScoreEach(-1 - events.place(counted), rule.points, most)
    worth = np.array(worth_by_hour(rule.points, rule.half_life_us), "<i8").tobytes()
    faded = ops.EventColumn("worth", sources, from_us, to_us, worth=worth, now_us=events.now_us)
    return ops.ScoreEach(-1 - events.place(faded), 1, rule.at_most)
