"""What a score comes to at instants ahead, if no data changes.

A score that fades changes with every hour of every event, so it is asked at many instants. Rule by
rule that is a walk along the turns of a condition, or two bisections in the times of events: what
the score asks besides is not asked again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from engine.explaining.event_lines import NO_EVENTS
from engine.explaining.reading import Reading
from engine.rules import tree
from engine.rules.bound import BoundExpr
from engine.rules.bound_scores import BoundEachRule, BoundScore, BoundWhenRule
from engine.rules.half_life import HOUR_US, worth_by_hour
from engine.rules.window_bounds import EARLIEST_US, window_bounds

__all__ = ["Turns", "points_at"]

# The truth of a condition now, and the instants at which it changes, in order.
Turns = Callable[[BoundExpr], tuple[bool, Sequence[int]]]


def points_at(
    score: BoundScore, instants: Sequence[int], reading: Reading, turns: Turns
) -> list[int]:
    """The points of a score at instants, which ascend and none of which is before the reading's, in
    thousandths."""
    totals = [0] * len(instants)
    for rule in score.rules:
        if isinstance(rule, BoundWhenRule):
            _add_when(totals, rule, instants, *turns(rule.condition))
        else:
            _add_each(totals, rule, instants, reading)
    if score.floor is not None:
        totals = [max(total, score.floor) for total in totals]
    if score.ceiling is not None:
        totals = [min(total, score.ceiling) for total in totals]
    return totals


def _add_when(
    totals: list[int],
    rule: BoundWhenRule,
    instants: Sequence[int],
    is_so: bool,
    turns: Sequence[int],
) -> None:
    done = 0
    for place, at in enumerate(instants):
        while done < len(turns) and turns[done] <= at:
            done += 1
            is_so = not is_so
        if is_so:
            totals[place] += rule.points


def _add_each(
    totals: list[int], rule: BoundEachRule, instants: Sequence[int], reading: Reading
) -> None:
    line = reading.line(rule.events)
    if line is NO_EVENTS:
        return
    times, span = line.times, _span_of(rule.window, reading)
    worth = () if rule.half_life_us is None else worth_by_hour(rule.points, rule.half_life_us)
    hours, most = len(worth), rule.at_most
    for place, at in enumerate(instants):
        from_us, to_us = span(at)
        first = bisect_left(times, from_us)
        end = bisect_left(times, to_us, first)
        if first >= end:
            continue
        if rule.half_life_us is None:
            given = rule.points * (end - first)
        else:
            ages = [(at - time_us) // HOUR_US for time_us in times[first:end]]
            given = sum([worth[age] for age in ages if age < hours])
        if most is not None:
            given = min(max(given, -most), most)
        totals[place] += given


def _span_of(window: tree.Window | None, reading: Reading) -> Callable[[int], tuple[int, int]]:
    """What a window takes in at an instant."""
    if window is None:
        return lambda at: (EARLIEST_US, at + 1)
    zone = reading.profile.zone
    return lambda at: window_bounds(window, at, zone)
