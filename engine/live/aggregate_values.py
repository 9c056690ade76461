"""What an aggregate comes to for many rows, each at an instant of its own."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.live.event_source import EventSource
from engine.live.event_timelines import Timelines, elements, some_at_a_time
from engine.live.rows_read import RowsRead
from engine.live.window_edges import MovingEdge, UnitEdge, WindowEdges
from engine.model.definitions import Model
from engine.rules.bound_events import BoundAggregate
from engine.rules.retention import may_reach
from engine.store.snapshot import Snapshot

__all__ = ["AggregateValues"]

# Rows at instants, of which it is looked whether somebody has asked of the same before, or of the
# same window.
_FEW = 256


class AggregateValues:
    """One aggregate. `source` is where its events are read."""

    def __init__(self, model: Model, aggregate: BoundAggregate, source: EventSource) -> None:
        self.scale = 0 if aggregate.property is None else aggregate.property.scale
        if aggregate.function in ("count", "days", "distinct", "first", "last"):
            self.scale = 0
        self._aggregate = aggregate
        self._function = aggregate.function
        self._source = source
        self._edges = WindowEdges(aggregate.window, model.time_zone)
        self._reaches = may_reach(self._edges.longest_us, model, aggregate.events.types)

    @property
    def source(self) -> EventSource:
        """Where its events are read."""
        return self._source

    @property
    def passed_edges(self) -> list[MovingEdge | UnitEdge]:
        """The edges of its window that events pass (engine.live.event_cursors)."""
        return self._edges.passed

    def fields(self, snapshot: Snapshot) -> frozenset[int]:
        """The fields that have the events."""
        return self._source.fields(snapshot)

    def flips(self, read: RowsRead) -> tuple[NDArray[np.intp], list[NDArray[np.int64]]]:
        """When events come to count and cease to: places of their rows, and instants."""
        lines = read.timelines(self._source)
        # Windows of one kind over the same events are asked for by several finders.
        passed = tuple(self._edges.passed)
        found = read.once((self._source, passed), lambda: self._edges.flips(lines.times))
        return lines.places, found + lines.passing_flips(by_age=self._reaches)

    def at(
        self, read: RowsRead, places: NDArray[np.intp], instants: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The value of the row at each place at the instant beside it, as it is stored, and where
        there is one; an average is a Fraction of what is stored. Missing values are 0."""
        if len(places) <= _FEW:
            # Of few the calls are what takes time, and several leaves compare the same aggregate.
            asked = (self._aggregate, places.tobytes(), instants.tobytes())
            values, there = read.once(asked, lambda: self._at(read, places, instants))
            return values, there.copy()
        return self._at(read, places, instants)

    def _at(
        self, read: RowsRead, places: NDArray[np.intp], instants: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        if len(places) <= _FEW:
            spans = (self._edges, instants.tobytes())
            from_us, to_us = read.once(spans, lambda: self._edges.bounds(instants))
        else:
            from_us, to_us = self._edges.bounds(instants)
        folded = read.folded(self._source, self._function, places, from_us, to_us)
        if folded is not None:
            always = self._function in ("count", "sum")
            return folded[0], np.ones(len(places), np.bool_) if always else folded[1]
        lines = read.timelines(self._source)
        first, end = lines.taken_in(places, from_us, to_us)
        if lines.condition is None and (lines.leaving is None or not self._reaches):
            return self._of(lines, first, end)
        values, there = [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
        for some in some_at_a_time(end - first):
            passing = lines.passing(first[some], end[some], instants[some])
            of_stretches = self._of(passing, passing.starts[:-1], passing.starts[1:])
            values.append(of_stretches[0])
            there.append(of_stretches[1])
        return np.concatenate(values), np.concatenate(there)

    def _of(
        self, lines: Timelines, first: NDArray[np.intp], end: NDArray[np.intp]
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The value of each stretch of events, and where there is one."""
        some = end > first
        always = np.ones(len(first), np.bool_)
        match self._function:
            case "count":
                return (end - first).astype(np.int64), always
            case "sum":
                return lines.sums[end] - lines.sums[first], always
            case "distinct":
                return _different(lines.ranks, first, end), always
            case "days":
                return _different(lines.days, first, end), always
            case "first":
                return _picked(lines.times, first, some), some
            case "last":
                return _picked(lines.times, end - 1, some), some
        match self._function:
            case "avg":
                return _averages(lines, first, end, some), some
            case "first_value":
                return _picked(lines.values, first, some), some
            case "last_value":
                return _picked(lines.values, end - 1, some), some
            case "min":
                return _reduced(np.minimum, lines.values, first, end, some), some
            case _:
                assert self._function == "max", self._function
                return _reduced(np.maximum, lines.values, first, end, some), some


def _picked(
    values: NDArray[Any], places: NDArray[np.intp], some: NDArray[np.bool_]
) -> NDArray[Any]:
    found = np.zeros(len(places), values.dtype)
    found[some] = values[places[some]]
    return found


def _averages(
    lines: Timelines, first: NDArray[np.intp], end: NDArray[np.intp], some: NDArray[np.bool_]
) -> NDArray[Any]:
    found = np.full(len(first), 0, object)
    if some.any():
        totals = (lines.sums[end] - lines.sums[first])[some].tolist()
        counts = (end - first)[some].tolist()
        found[some] = [Fraction(t, count) for t, count in zip(totals, counts, strict=True)]
    return found


def _reduced(
    reduce: np.ufunc,
    values: NDArray[Any],
    first: NDArray[np.intp],
    end: NDArray[np.intp],
    some: NDArray[np.bool_],
) -> NDArray[Any]:
    found = np.zeros(len(first), values.dtype)
    if some.any():
        # Every other stretch is what lies between two that are asked for.
        borders = np.stack([first[some], end[some]], axis=1).ravel()
        padded = np.concatenate([values, values[:1]])
        found[some] = reduce.reduceat(padded, borders)[::2]
    return found


def _different(
    numbers: NDArray[np.int64], first: NDArray[np.intp], end: NDArray[np.intp]
) -> NDArray[np.int64]:
    """How many different numbers each stretch has."""
    found = np.zeros(len(first), np.int64)
    for some in some_at_a_time(end - first):
        asked, at = elements(first[some], end[some])
        held = numbers[at]
        order = np.lexsort((held, asked))
        asked, held = asked[order], held[order]
        fresh = np.ones(len(asked), np.bool_)
        fresh[1:] = (asked[1:] != asked[:-1]) | (held[1:] != held[:-1])
        found[some] = np.bincount(asked[fresh], minlength=some.stop - some.start)
    return found
