"""Events that a profile does not have, made to pass a condition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from engine.explaining.changes import Added, Change, Put
from engine.explaining.new_values import example, fresh, of_number
from engine.explaining.one_profile import OneEvent, OneProfile, PlainValue
from engine.explaining.reaching import grid_of
from engine.explaining.reading import Reading
from engine.limits import TIME_US
from engine.model.definitions import EventType, Model
from engine.rules import bound
from engine.rules.bound_events import BoundAggregate, BoundEvents
from engine.rules.calendar import DAY_US, local_day

__all__ = ["EventMaker", "FindWays"]

FindWays = Callable[[bound.BoundExpr, Reading], Iterable[tuple[Change, ...]]]

# More events than these are not tried out.
MOST_EVENTS = 1000
_MOST_DAYS = 366


class EventMaker:
    """Makes events of one model. `ways` finds what makes a condition true of an empty event."""

    def __init__(self, model: Model, ways: FindWays) -> None:
        self._model = model
        self._ways = ways

    def one(
        self, events: BoundEvents, at_us: int, given: Mapping[str, PlainValue], reading: Reading
    ) -> OneEvent | None:
        """An event that passes, with these properties where the condition lets it; None where none
        is found."""
        for name in events.types:
            declared = self._model.events.get(name)
            if declared is None or not given.keys() <= declared.properties.keys():
                continue
            empty = Reading(
                OneProfile(reading.profile.uid, reading.profile.zone, dict(given)), at_us
            )
            if events.where is None:
                return OneEvent(name, at_us, dict(given))
            for changes in self._ways(events.where, empty):
                properties = dict(given)
                if all(_put(change, properties, declared) for change in changes):
                    return OneEvent(name, at_us, properties)
        return None

    def some(
        self,
        aggregate: BoundAggregate,
        values: Sequence[PlainValue | None],
        reading: Reading,
        *,
        at: Sequence[int] | None = None,
        by: PlainValue | None = None,
    ) -> Iterator[Added]:
        """An event for each value of the property that an aggregate reads, at these instants, or
        all of them now."""
        read = aggregate.property
        made = []
        for place, value in enumerate(values):
            given = {} if read is None or value is None else {read.name: value}
            at_us = reading.now_us if at is None else at[place]
            event = self.one(aggregate.events, at_us, given, reading)
            if event is None or not TIME_US[0] <= at_us <= TIME_US[1]:
                return
            made.append(event)
        if made:
            name = None if read is None else read.name
            yield Added(tuple(made), aggregate.events.types, name, by)

    def to_reach(
        self, source: bound.AggregateSource, number: float | Fraction, reading: Reading
    ) -> Iterator[Added]:
        """Events after which an aggregate may come to a number in its unit; to be tried."""
        aggregate, read = source.aggregate, source.aggregate.property
        current = reading.aggregate(aggregate)
        match aggregate.function:
            case "count" | "days" | "distinct":
                yield from self._more(aggregate, int(number) - int(current), reading)
            case "first" | "last":
                now_us = reading.now_us
                yield from self.some(aggregate, [None], reading, at=[max(int(number), now_us)])
            case "sum":
                assert read is not None
                by = of_number(read, Fraction(number) - Fraction(current))
                if by is not None and number > current:
                    yield from self.some(aggregate, [by], reading, by=by)
            case "avg":
                assert read is not None
                line, first, end = reading.stretch(aggregate)
                total = Fraction(line.value("sum", first, end))
                needed = Fraction(number) * (end - first + 1) - total
                grid = grid_of(source) if read.type == "decimal" else Fraction(1)
                for steps in (needed // grid, -(-needed // grid)):
                    value = of_number(read, steps * grid)
                    if value is not None:
                        yield from self.some(aggregate, [value], reading)
            case _:
                assert read is not None
                numbers = [number]
                if source.day_start:
                    day = local_day(int(number), reading.profile.zone)
                    numbers = [day, day + 1, day - 1]
                for one in numbers:
                    value = of_number(read, one)
                    if value is not None:
                        yield from self.some(aggregate, [value], reading)

    def _more(self, aggregate: BoundAggregate, count: int, reading: Reading) -> Iterator[Added]:
        if not 0 < count <= MOST_EVENTS:
            return
        read = aggregate.property
        if aggregate.function == "distinct":
            assert read is not None
            line = reading.line(aggregate.events, read)
            yield from self.some(aggregate, fresh(read, set(line.values), count), reading)
        elif aggregate.function == "count":
            made = next(self.some(aggregate, [None], reading), None)
            if made is not None:
                yield Added(made.events * count, made.types)
        elif count <= _MOST_DAYS:
            for first in (0, 1):
                at = [reading.now_us + (first + day) * DAY_US for day in range(count)]
                yield from self.some(aggregate, [None] * count, reading, at=at)

    def presence(self, aggregate: BoundAggregate, reading: Reading) -> Iterator[Added]:
        """An event that gives an aggregate a value."""
        read = aggregate.property
        yield from self.some(aggregate, [None if read is None else example(read)], reading)


def _put(change: Change, properties: dict[str, PlainValue], declared: EventType) -> bool:
    """Lays a change over the properties of an event; whether it is one that an event can have."""
    if not isinstance(change, Put) or change.attribute not in declared.properties:
        return False
    properties.pop(change.attribute, None)
    if change.value is not None:
        properties[change.attribute] = change.value
    return True
