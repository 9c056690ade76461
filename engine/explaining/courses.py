"""When the passing of time turns a node, if no data changes.

While nobody writes, a condition on events turns only when an event passes an edge of a window, or
at the time of one that is dated ahead; one with `now` in it also where its form crosses zero in
between; a sequence also when a silence that it asks for is over. So each leaf is read at these
instants, and logic puts the courses of its parts together.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from engine.explaining.points_ahead import points_at
from engine.explaining.reading import Reading
from engine.limits import TIME_US
from engine.live.window_edges import WindowEdges
from engine.rules import bound, tree
from engine.rules.bound_events import BoundAggregate, BoundEvents, BoundSequence
from engine.rules.bound_scores import BoundEachRule, BoundScore
from engine.rules.half_life import HOUR_US, worth_by_hour
from engine.rules.time_dependence import moves_anywhere

__all__ = ["COURSE_INSTANTS", "Course", "course_of", "instants_of"]

# A leaf is read at so many instants ahead at most: what lies behind them is not told.
COURSE_INSTANTS = 128
_LOGIC = bound.BoundAnd | bound.BoundOr | bound.BoundNot | bound.BoundSegment


@dataclass(frozen=True, slots=True)
class Course:
    """`turns` are the instants, in order, at which the truth changes, from `truth` at the
    beginning; none is left out before `known_until_us` (None: none at all)."""

    truth: bool
    turns: tuple[int, ...] = ()
    known_until_us: int | None = None

    @property
    def next_turn(self) -> int | None:
        """The next instant at which the truth changes; None where there is none, or none known."""
        return self.turns[0] if self.turns else None

    @property
    def stays(self) -> bool:
        """Whether time alone never changes it."""
        return not self.turns and self.known_until_us is None


def course_of(item: bound.BoundExpr, reading: Reading) -> Course:
    """The course of a node, from the instant of a reading on, which keeps it."""
    known = reading.courses.get(id(item))
    if known is None:
        if isinstance(item, _LOGIC):
            found = _joined(item, [course_of(part, reading) for part in bound.parts_of(item)])
        else:
            found = _of_leaf(item, reading)
        known = reading.courses[id(item)] = item, found
    course: Course = known[1]
    return course


def _joined(item: bound.BoundExpr, parts: Sequence[Course]) -> Course:
    truths = [part.truth for part in parts]
    limits = [part.known_until_us for part in parts if part.known_until_us is not None]
    until = min(limits) if limits else None

    def truth() -> bool:
        match item:
            case bound.BoundAnd():
                return all(truths)
            case bound.BoundNot():
                return not truths[0]
            case bound.BoundSegment():
                return truths[0]
            case _:
                return any(truths)

    first = last = truth()
    turns = []
    steps = heapq.merge(*([(at, i) for at in part.turns] for i, part in enumerate(parts)))
    ahead: list[tuple[int, int]] = [*steps]
    for place, (at, number) in enumerate(ahead):
        if until is not None and at >= until:
            break
        truths[number] = not truths[number]
        together = place + 1 < len(ahead) and ahead[place + 1][0] == at
        if not together and truth() != last:
            last = not last
            turns.append(at)
    return Course(first, tuple(turns), until)


class _Leaf(NamedTuple):
    """What is known of a leaf for all profiles: what it reads, what its scores ask, whether it
    reads `now` itself, and whether which events pass changes, too. `alone`: the score that it
    compares with numbers, and nothing else."""

    item: bound.BoundExpr
    aggregates: tuple[BoundAggregate, ...]
    scores: tuple[BoundScore, ...]
    parts: tuple[bound.BoundExpr, ...]
    reads_now: bool
    unforeseeable: bool
    alone: BoundScore | None


def _leaf_of(item: bound.BoundExpr, reading: Reading) -> _Leaf:
    kept = reading.closures.kept
    key = "leaf", id(item)
    known: _Leaf | None = kept.get(key)
    if known is None:
        scores, aggregates = bound.scores_of(item), bound.aggregates_of(item)
        in_line = isinstance(item, bound.BoundCompare | bound.BoundIn)
        reads_now = in_line and bool(item.form.now_factor)  # type: ignore[union-attr]
        alone = in_line and not reads_now and len(scores) == 1 and not aggregates
        known = kept[key] = _Leaf(
            item,
            aggregates,
            scores,
            bound.parts_of(item),
            reads_now,
            _unforeseeable(item),
            scores[0] if alone else None,
        )
    return known


def _of_leaf(item: bound.BoundExpr, reading: Reading) -> Course:
    truth = reading.holds(item)
    leaf = _leaf_of(item, reading)
    if leaf.unforeseeable:
        return Course(truth, (), reading.now_us)
    if leaf.alone is not None:
        instants, points, until = _points_ahead(leaf.alone, leaf, reading)
        is_so = reading.closures.truth(item)
        truths = [is_so(reading.having(leaf.alone, one)) for one in points]
    else:
        instants, until = _ahead(leaf, reading)
        truths = [reading.at(at).holds(item) for at in instants]
    last, turns = truth, []
    for at, one in zip(instants, truths, strict=True):
        if one != last:
            last = one
            turns.append(at)
    return Course(truth, tuple(turns), until)


def _ahead(leaf: _Leaf, reading: Reading) -> tuple[list[int], int | None]:
    """The instants at which a leaf is read, and the first that is not known any more."""
    instants = instants_of(leaf.item, reading)
    until = instants[COURSE_INSTANTS] if len(instants) > COURSE_INSTANTS else None
    # What a score asks is followed no further than it is known itself.
    limits = [
        one.known_until_us
        for one in (course_of(part, reading) for part in leaf.parts)
        if one.known_until_us is not None
    ]
    until = min(limits if until is None else [*limits, until], default=None)
    known = instants[:COURSE_INSTANTS]
    return known if until is None else known[: bisect_left(known, until)], until


def _points_ahead(
    score: BoundScore, leaf: _Leaf, reading: Reading
) -> tuple[list[int], list[int], int | None]:
    """The same of a score, with its points then: whatever compares it alone asks at the same."""
    known = reading.points_ahead.get(score)
    if known is None:

        def turns(condition: bound.BoundExpr) -> tuple[bool, Sequence[int]]:
            course = course_of(condition, reading)
            return course.truth, course.turns

        instants, until = _ahead(leaf, reading)
        points = points_at(score, instants, reading, turns)
        known = reading.points_ahead[score] = instants, points, until
    return known


def instants_of(item: bound.BoundExpr, reading: Reading) -> list[int]:
    """The instants ahead at which a leaf may turn, in order."""
    leaf = _leaf_of(item, reading)
    is_moving = leaf.aggregates or leaf.scores or leaf.reads_now
    if not is_moving and not isinstance(item, BoundSequence):
        return []
    found = {at for at in _event_instants(leaf, reading) if reading.now_us < at <= TIME_US[1]}
    if leaf.reads_now:
        assert isinstance(item, bound.BoundCompare | bound.BoundIn)
        starts = [reading.now_us, *sorted(found)]
        for place, start in enumerate(starts[: COURSE_INSTANTS + 1]):
            end = starts[place + 1] if place + 1 < len(starts) else TIME_US[1] + 1
            there = reading if start == reading.now_us else reading.at(start)
            found.update(at for at in _crossings(item, there) if start < at < end)
    return sorted(found)


def _crossings(item: bound.BoundCompare | bound.BoundIn, reading: Reading) -> Iterator[int]:
    """Where a form with `now` passes zero, or a value of a list, as long as events say what they
    say at this instant."""
    total = reading.linear(item.form)
    if total is None:
        return
    factor = item.form.now_factor
    values = item.values if isinstance(item, bound.BoundIn) else (Fraction(0),)
    for value in values:
        # The value is met exactly at this instant, and left behind right after it.
        at = reading.now_us + (value - total) / factor
        floor = at.numerator // at.denominator
        yield floor
        yield floor + 1


def _event_instants(leaf: _Leaf, reading: Reading) -> Iterator[int]:
    item = leaf.item
    if isinstance(item, BoundSequence):
        yield from _window_instants(item.first, item.window, reading)
        waits = {link.within_us for link in item.links if link.absent}
        for step in (item.first, *(link.events for link in item.links)):
            for time_us in reading.line(step).times:
                yield time_us
                yield from (time_us + wait_us for wait_us in waits)
    for aggregate in leaf.aggregates:
        yield from _window_instants(aggregate.events, aggregate.window, reading, aggregate)
    for score in leaf.scores:
        for condition in score.conditions:
            yield from course_of(condition, reading).turns
        for rule in score.counted:
            yield from _window_instants(rule.events, rule.window, reading)
            if rule.half_life_us is not None:
                yield from _fading(rule, rule.half_life_us, reading)


def _fading(rule: BoundEachRule, half_life_us: int, reading: Reading) -> Iterator[int]:
    """The next whole hours of age of each event that is worth something still."""
    last = len(worth_by_hour(rule.points, half_life_us))
    for time_us in reading.line(rule.events).times:
        hour = max(reading.now_us - time_us, 0) // HOUR_US + 1
        for one in range(hour, min(last, hour + COURSE_INSTANTS) + 1):
            yield time_us + one * HOUR_US


def _window_instants(
    events: BoundEvents,
    window: tree.Window | None,
    reading: Reading,
    aggregate: BoundAggregate | None = None,
) -> Iterator[int]:
    times = reading.line(events, None if aggregate is None else aggregate.property).times
    if not times:
        return
    if window is None:
        yield from times
        return
    edges = WindowEdges(window, reading.profile.zone)
    for instants in edges.flips(np.array(times, np.int64)):
        yield from instants.tolist()


def _unforeseeable(item: bound.BoundExpr) -> bool:
    """Whether a condition inside reads `now`, so that which events pass changes, too."""
    if isinstance(item, BoundSequence):
        steps = [item.first, *(link.events for link in item.links)]
    else:
        steps = [aggregate.events for aggregate in bound.aggregates_of(item)]
        steps += [rule.events for score in bound.scores_of(item) for rule in score.counted]
    return any(step.where is not None and moves_anywhere(step.where) for step in steps)
