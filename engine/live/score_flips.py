"""A score at many instants, and when its own events change it.

What a score comes to for a row at an instant is the sum of its rules then, between floor and
ceiling, in whole thousandths. A `when` is a step of the plan that asks (`engine.live.moving_plan`)
and has finders of its own; so what there is to find here is when the events of `each` rules come,
go and fade. All comparisons with one score share one finder.

An event with a half-life changes something each hour for months, so of these instants no more are
looked for at a time than a block is looked through for: those of the hours to come. For a longer
time it is asked when events come and go (`edges`), and between which bounds the score lies on the
way (`bounds`): what fades goes towards 0 and never back (`engine.live.fading_stretches`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.live.event_flips import EventSources
from engine.live.faded_values import EachValues, Listed
from engine.live.flips import NEVER, BlockFlips, Passing, first_ahead
from engine.live.rows_read import RowsRead
from engine.model.definitions import Model
from engine.rules.bound_scores import BoundScore, BoundWhenRule
from engine.rules.half_life import HOUR_US
from engine.store.snapshot import Snapshot

__all__ = ["ScoreFlips"]


class ScoreFlips:
    """One score; see FlipFinder."""

    def __init__(self, score: BoundScore, sources: EventSources, model: Model) -> None:
        self._score = score
        self._each = [EachValues(model, rule, sources.of(rule.events)) for rule in score.counted]
        self._points = [rule.points for rule in score.rules if isinstance(rule, BoundWhenRule)]

    @property
    def name(self) -> str:
        """What it is called."""
        return self._score.name

    @property
    def fading_us(self) -> int:
        """For how long an event changes something each hour; 0 where none does."""
        return max((each.fading_us for each in self._each), default=0)

    @property
    def passing(self) -> Passing | None:
        """See FlipFinder."""
        if self.fading_us:
            return None
        values = self._each
        if not all(one.source.is_still for one in values):
            return None
        edges = ((t, edge) for v in values for t in v.source.types for edge in v.passed_edges)
        return Passing(frozenset(edges), all(one.source.takes_all for one in values))

    def fields(self, snapshot: Snapshot) -> frozenset[int]:
        """See FlipFinder."""
        return frozenset[int]().union(*(each.fields(snapshot) for each in self._each))

    # ---------------------------------------------------------------------- instants

    def between(
        self, read: RowsRead, after_us: int, through_us: int, most_ahead: int = 0
    ) -> BlockFlips:
        """See FlipFinder."""
        horizon = through_us
        if most_ahead:
            horizon = NEVER - 1
            if self.fading_us:
                due = sum(len(each.next_fading(read, through_us)[0]) for each in self._each)
                hours = max(4 * most_ahead // max(due, 1), 1)
                horizon = min(max(through_us, after_us) + hours * HOUR_US, NEVER - 1)
        listed = [*self._edges(read, after_us, horizon)]
        listed += [each.fading(read, after_us, horizon) for each in self._each if each.fading_us]
        places, instants = _joined(listed)
        rows, near = read.rows[places], instants <= through_us
        ahead_rows, ahead, known = first_ahead(rows[~near], instants[~near], most_ahead)
        return BlockFlips(rows[near], instants[near], ahead_rows, ahead, min(known, horizon))

    def next_of(self, read: RowsRead, after_us: int) -> NDArray[np.int64]:
        """See FlipFinder."""
        soonest = np.full(len(read.rows), NEVER, np.int64)
        listed = [*self._edges(read, after_us, NEVER - 1)]
        listed += [each.next_fading(read, after_us) for each in self._each if each.fading_us]
        np.minimum.at(soonest, *_joined(listed))
        return soonest

    def edges(self, read: RowsRead, after_us: int, through_us: int) -> BlockFlips:
        """When its events come and go, as `between` has it; they fade in between."""
        places, instants = _joined([*self._edges(read, after_us, through_us)])
        nobody = first_ahead(read.rows[:0], instants[:0], 0)
        return BlockFlips(read.rows[places], instants, *nobody)

    def fades(self, read: RowsRead, after_us: int, through_us: int) -> NDArray[np.bool_]:
        """Of which rows events come to be worth something else after one instant and up to
        another."""
        found = np.zeros(len(read.rows), np.bool_)
        for each in self._each:
            if each.fading_us:
                places, instants = each.next_fading(read, after_us)
                found[places[instants <= through_us]] = True
        return found

    def fading_within(
        self,
        read: RowsRead,
        places: NDArray[np.intp],
        after_us: NDArray[np.int64],
        through_us: NDArray[np.int64],
    ) -> Listed:
        """When events of the row at each place come to be worth something else, after one instant
        and up to another, both beside it: places and instants."""
        fading = (each for each in self._each if each.fading_us)
        return _joined([each.fading_within(read, places, after_us, through_us) for each in fading])

    def _edges(self, read: RowsRead, after_us: int, through_us: int) -> Iterator[Listed]:
        for each in self._each:
            places, instants = each.edges(read)
            for at in instants:
                hit = np.flatnonzero((at > after_us) & (at <= through_us))
                yield places[hit], at[hit]

    # ------------------------------------------------------------------------ values

    def values(
        self,
        read: RowsRead,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        conditions: Sequence[NDArray[np.bool_]],
    ) -> NDArray[np.int64]:
        """The thousandths of the row at each place at the instant beside it; `conditions` say
        whether each `when` holds then, in the order of the rules."""
        total = np.zeros(len(places), np.int64)
        for points, holds in zip(self._points, conditions, strict=True):
            total += points * holds
        for each in self._each:
            total += each.at(read, places, instants)
        return self._within_limits(total)

    def bounds(
        self,
        read: RowsRead,
        places: NDArray[np.intp],
        from_us: NDArray[np.int64],
        through_us: NDArray[np.int64],
        conditions: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The least and the most that the score may be on the way from each instant to the one
        beside it, where no event comes or goes; of each `when`, whether it may hold on the way and
        whether it may not."""
        low, high = np.zeros(len(places), np.int64), np.zeros(len(places), np.int64)
        for points, (may, may_not) in zip(self._points, conditions, strict=True):
            always = ~may_not
            low += points * (always if points > 0 else may)
            high += points * (may if points > 0 else always)
        for each in self._each:
            least, most = each.bounds(read, places, from_us, through_us)
            low += least
            high += most
        return self._within_limits(low), self._within_limits(high)

    def _within_limits(self, total: NDArray[np.int64]) -> NDArray[np.int64]:
        if self._score.floor is not None:
            total = np.maximum(total, self._score.floor)
        if self._score.ceiling is not None:
            total = np.minimum(total, self._score.ceiling)
        return total


def _joined(listed: Sequence[Listed]) -> Listed:
    places = [np.zeros(0, np.intp), *(places for places, _ in listed)]
    instants = [np.zeros(0, np.int64), *(instants for _, instants in listed)]
    return np.concatenate(places), np.concatenate(instants)
