"""The flips of a predicate that reads what events come to, or scores, exactly.

While nobody writes, an aggregate changes only when an event comes to count (one that is dated
ahead, at its own time) or passes an edge of the window (`engine.live.window_edges`). In between it
stays the same, so

1. without `now` in it the predicate flips at no other instants than these;
2. with `now` (`last(order) < now - 30 days`), each stretch between two of them is a linear form of
   its own (`engine.live.linear_forms`), whose instants count where they lie within the stretch.

What holds is worked out for each row and instant from the row's events, never carried on from what
held before. Scores are given by whoever asks, and their flips are not found here
(`engine.live.score_flips`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.day_turns import starts_of
from engine.core.number_plan import attribute_field
from engine.live.aggregate_values import AggregateValues
from engine.live.event_source import EventSource
from engine.live.flips import NEVER, ListedFlips, Passing, listed_within
from engine.live.float_tests import FloatTest, Stored
from engine.live.linear_forms import SAFE, LinearTest
from engine.live.rows_read import NumberSource, RowsRead
from engine.model.definitions import Attribute, Model
from engine.rules import bound
from engine.rules.bound_events import BoundAggregate, BoundEvents
from engine.store.snapshot import Snapshot

__all__ = ["EventFlips", "EventSources"]

# Scores are in thousandths of a point.
SCORE_SCALE = 3

_Totals = tuple[NDArray[Any], NDArray[np.bool_]]


class EventSources:
    """The sources of events of some definitions, each there once."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._known: dict[tuple[BoundEvents, Attribute | None], EventSource] = {}

    def values(self, aggregate: BoundAggregate) -> AggregateValues:
        """An aggregate over its source."""
        source = self.of(aggregate.events, aggregate.property)
        return AggregateValues(self._model, aggregate, source)

    def of(self, events: BoundEvents, read: Attribute | None = None) -> EventSource:
        """Some events with a property, or as such."""
        if (events, read) not in self._known:
            self._known[events, read] = EventSource(self._model, events, read)
        return self._known[events, read]


class EventFlips(ListedFlips):
    """One predicate that reads aggregates or scores; see FlipLeaf."""

    def __init__(self, predicate: bound.BoundExpr, sources: EventSources, model: Model) -> None:
        self._predicate = predicate
        self._zone = model.time_zone
        self._aggregates: Mapping[BoundAggregate, AggregateValues] = {
            aggregate: sources.values(aggregate) for aggregate in bound.aggregates_of(predicate)
        }
        self._linear: LinearTest | None = None
        self._float: FloatTest | None = None
        self._moves = False
        if isinstance(predicate, bound.BoundFloatCompare | bound.BoundFloatIn):
            self._float = FloatTest(predicate)
        if isinstance(predicate, bound.BoundCompare | bound.BoundIn):
            self._terms = [term.source for term in predicate.form.terms]
            self._linear = LinearTest(predicate, [10 ** self._scale(one) for one in self._terms])
            self._moves = bool(predicate.form.now_factor)
            assert not (self._moves and bound.scores_of(predicate)), "points are no durations"

    def _scale(self, source: bound.Source) -> int:
        if isinstance(source, bound.AggregateSource):
            return self._aggregates[source.aggregate].scale
        if isinstance(source, bound.ScoreSource):
            return SCORE_SCALE
        return 0 if isinstance(source, bound.BucketSource) else source.attribute.scale

    @property
    def passing(self) -> Passing | None:
        """See FlipFinder."""
        if self._moves:
            return None
        values = self._aggregates.values()
        if not all(one.source.is_still for one in values):
            return None
        edges = ((t, edge) for v in values for t in v.source.types for edge in v.passed_edges)
        return Passing(frozenset(edges), all(one.source.takes_all for one in values))

    def fields(self, snapshot: Snapshot) -> frozenset[int]:
        """See FlipLeaf."""
        attributes = bound.attributes_of(self._predicate)
        found = (attribute_field(snapshot, attribute) for attribute in attributes)
        return frozenset(field for field in found if field is not None).union(
            *(values.fields(snapshot) for values in self._aggregates.values())
        )

    def listed(
        self, read: RowsRead, after_us: int, through_us: int
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """See ListedFlips."""
        candidates = (values.flips(read) for values in self._aggregates.values())
        passed = listed_within(candidates, after_us, through_us)
        if not self._moves:
            return passed
        in_between = self._in_between(read, *passed, after_us, through_us)
        return (
            np.concatenate([passed[0], in_between[0]]),
            np.concatenate([passed[1], in_between[1]]),
        )

    def _in_between(
        self,
        read: RowsRead,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        after_us: int,
        through_us: int,
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """What time does within the stretches that begin at `after_us` and at each instant."""
        assert self._linear is not None
        everybody = np.arange(len(read.rows))
        places = np.concatenate([everybody, places])
        instants = np.concatenate([np.full(len(everybody), after_us, np.int64), instants])
        order = np.lexsort((instants, places))
        places, starts = places[order], instants[order]
        ends = np.append(starts[1:], NEVER)
        ends[np.append(places[1:] != places[:-1], True)] = NEVER
        ends = np.minimum(ends, through_us + 1)
        found_places, found = [places[:0]], [starts[:0]]
        for at in self._linear.instants(*self._totals(read, places, starts)):
            hit = np.flatnonzero((at > starts) & (at < ends))
            found_places.append(places[hit])
            found.append(at[hit])
        return np.concatenate(found_places), np.concatenate(found)

    # ---------------------------------------------------------------------- what holds

    def holds(
        self,
        read: RowsRead,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        scores: Mapping[str, NDArray[Any]] | None = None,
    ) -> NDArray[np.bool_]:
        """See FlipLeaf."""
        if self._linear is not None:
            totals, present = self._totals(read, places, instants, scores)
            return present & self._linear.passes(totals, instants)
        if self._float is not None:
            return self._float.holds(
                len(places), lambda source: self._stored(source, read, places, instants, scores)
            )
        if isinstance(self._predicate, bound.BoundCategoryPair):
            left, of_left = self._strings(self._predicate.left, read, places, instants)
            right, of_right = self._strings(self._predicate.right, read, places, instants)
            equal: NDArray[np.bool_] = (left == right).astype(np.bool_)
            present = of_left & of_right
            return present & ~equal if self._predicate.negated else present & equal
        (aggregate,) = self._aggregates
        values, present = self._aggregates[aggregate].at(read, places, instants)
        match self._predicate:
            case bound.BoundPresence():
                return present
            case bound.BoundBool(wanted=wanted):
                present[values != (2 if wanted else 1)] = False
                return present
            case bound.BoundCategory(test=test, negated=negated):
                return _tested(test, negated, values, present)
            case bound.BoundText(how=how, needle=needle, negated=negated):
                test = bound.StringTest(how, frozenset({needle}))
                return _tested(test, negated, values, present)
            case _:
                raise AssertionError(f"{type(self._predicate).__name__} has no finder of flips")

    def bounds(
        self,
        read: RowsRead,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        lows: Mapping[str, NDArray[Any]],
        highs: Mapping[str, NDArray[Any]],
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether it may hold, and whether it may not, where each score lies between two numbers
        and nothing else changes; one of them where that is decided."""
        if self._linear is None:
            holds = self.holds(read, places, instants, lows)
            decided = np.ones(len(places), np.bool_)
            for name, low in lows.items():
                decided &= low == highs[name]
        else:
            least, most = dict(lows), dict(highs)
            for source, factor in zip(self._terms, self._linear.factors, strict=True):
                if isinstance(source, bound.ScoreSource) and factor < 0:
                    least[source.name], most[source.name] = highs[source.name], lows[source.name]
            low, present = self._totals(read, places, instants, least)
            high, _ = self._totals(read, places, instants, most)
            holds = present & self._linear.passes(low, instants)
            decided = ~present | self._linear.is_same_within(low, high)
        return holds | ~decided, ~holds | ~decided

    def _totals(
        self,
        read: RowsRead,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        scores: Mapping[str, NDArray[Any]] | None = None,
    ) -> _Totals:
        """N of the linear form, int64 or objects, and where it is there."""
        assert self._linear is not None
        present = np.ones(len(places), np.bool_)
        total: NDArray[Any] = np.zeros(len(places), np.int64)
        reach = 0
        for source, factor in zip(self._terms, self._linear.factors, strict=True):
            values, there, size = self._term(source, factor, read, places, instants, scores)
            present = present & there
            reach += size
            if reach >= SAFE or values.dtype == object:
                total, values = total.astype(object), values.astype(object)
            total = total + factor * values
        return self._linear.totals(total, reach), present

    def _term(
        self,
        source: bound.Source,
        factor: int,
        read: RowsRead,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        scores: Mapping[str, NDArray[Any]] | None,
    ) -> tuple[NDArray[Any], NDArray[np.bool_], int]:
        """What one term is made of, 0 where missing; where it is there; a bound of its size."""
        values, there, _ = self._stored(source, read, places, instants, scores)
        if values.dtype == object:
            return values, there, SAFE
        largest = max(-int(values.min(initial=0)), int(values.max(initial=0)))
        return values, there, abs(factor) * largest

    def _stored(
        self,
        source: bound.Source,
        read: RowsRead,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        scores: Mapping[str, NDArray[Any]] | None,
    ) -> Stored:
        """The values of a source as they are stored, 0 where missing."""
        if isinstance(source, bound.ScoreSource):
            assert scores is not None, "whoever asks knows the scores"
            return scores[source.name], np.ones(len(places), np.bool_), 10**SCORE_SCALE
        if isinstance(source, bound.BucketSource):
            return read.buckets(source.salt)[places], np.ones(len(places), np.bool_), 1
        if isinstance(source, bound.AttributeSource) and source.attribute.type == "float":
            doubles, present = read.floats(source.attribute)
            return doubles[places], present[places], 1
        if not isinstance(source, bound.AggregateSource):
            assert isinstance(source, NumberSource)
            of_rows, present, _ = read.sums([source], [1])
            return of_rows[places], present[places], 10**source.attribute.scale
        aggregate = self._aggregates[source.aggregate]
        values, there = aggregate.at(read, places, instants)
        if source.day_start:
            starts = np.zeros(len(values), np.int64)
            starts[there] = starts_of(values[there], self._zone)
            values = starts
        return values, there, 10**aggregate.scale

    def _strings(
        self,
        side: bound.Read,
        read: RowsRead,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The strings of a category, and where they are there."""
        if isinstance(side, Attribute):
            strings, present = read.strings(side)
            return strings[places], present[places]
        values, present = self._aggregates[side].at(read, places, instants)
        # Where nobody has an event there is no string to give the array its type.
        return values.astype(object), present


def _tested(
    test: bound.StringTest, negated: bool, values: NDArray[Any], present: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which strings pass a test; negated: are there, and do not."""
    found = np.zeros(len(values), np.bool_)
    known: dict[str, bool] = {}
    for place in np.flatnonzero(present).tolist():
        value = values[place]
        if value not in known:
            known[value] = test.passes(value)
        found[place] = known[value] != negated
    return found
