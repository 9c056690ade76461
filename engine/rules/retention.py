"""Events that are dropped by age: from which instant on those of a type are there.

An event type with `retention` keeps its events for so long. What is older is dropped a day at a
time: the *border* at an instant is the first instant of the day, in the model's zone, that was
under way one retention earlier, and exactly the events at the border and later are there. So the
border moves once a day at most, and only forward:

1. it is that of the instant asked, or of the clock where that is later, since what has been dropped
   is gone for questions about the past as well;
2. it never goes back behind where an earlier, shorter retention has left it (`dropped_us`).

Whoever reads events takes the later of a window's own first instant and the border, whether the
bytes of what is dropped are there still or not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from engine.limits import TIME_US
from engine.model.definitions import EventType, Model
from engine.model.hidden_events import event_type
from engine.rules import bound, tree
from engine.rules.bound_events import BoundAggregate, BoundSequence
from engine.rules.calendar import first_instant_us, local_day
from engine.rules.canonical import format_expression, format_value
from engine.rules.window_bounds import EARLIEST_US, window_bounds

__all__ = [
    "DROPPED",
    "border_us",
    "dropped_by",
    "has_retention",
    "kept_from_us",
    "leaves_us",
    "may_reach",
    "next_border_us",
    "notes",
    "pack_dropped",
    "retentions",
    "with_dropped",
]

# Name of the record that has what earlier models dropped of the events.
DROPPED = "retention/dropped"

_EPOCH = date(1970, 1, 1)


def border_us(instant_us: int, retention_us: int, zone: ZoneInfo) -> int:
    """From when on events are there at an instant, by their retention alone."""
    oldest_us = instant_us - retention_us
    if oldest_us < TIME_US[0] + 2 * 86_400_000_000:
        return EARLIEST_US
    return first_instant_us(_day_begun(oldest_us, zone), zone)


def leaves_us(day: int, retention_us: int, zone: ZoneInfo) -> int:
    """When the events of a day, by its first instant, are dropped."""
    return first_instant_us(day + 1, zone) + retention_us


def _day_begun(instant_us: int, zone: ZoneInfo) -> int:
    """The last day whose first instant is not after an instant; a clock that is set back over a
    midnight does not bring the day before again."""
    day = local_day(instant_us, zone) + 1
    while first_instant_us(day, zone) > instant_us:
        day -= 1
    return day


def kept_from_us(event: EventType, instant_us: int, zone: ZoneInfo) -> int:
    """From when on events of a type are there at an instant; EARLIEST_US where all are."""
    if event.retention_us is None:
        return event.dropped_us
    return max(event.dropped_us, border_us(instant_us, event.retention_us, zone))


def next_border_us(model: Model, instant_us: int) -> int | None:
    """The first instant after one at which the border of any type moves; None for none ever."""
    zone = model.time_zone
    found = [
        leaves_us(_day_begun(instant_us - event.retention_us, zone), event.retention_us, zone)
        for event in model.events.values()
        if event.retention_us is not None
        and instant_us - event.retention_us > TIME_US[0] + 2 * 86_400_000_000
    ]
    return min(found, default=None)


def has_retention(model: Model) -> bool:
    """Whether events of any type are dropped as time passes."""
    return any(event.retention_us is not None for event in model.events.values())


def may_reach(longest_us: int | None, model: Model, types: Iterable[str]) -> bool:
    """Whether a window with events of at most this age (None: of any) ever reaches back to before
    a border."""
    kept = [event_type(model, name).retention_us for name in types]
    shortest_us = min((one for one in kept if one is not None), default=None)
    return shortest_us is not None and (longest_us is None or longest_us > shortest_us)


# ------------------------------------------------------------------ edits of the model


def dropped_by(old: Model | None, new: Model, instant_us: int) -> dict[str, int]:
    """From when on the events of each type are there at an instant under the old model, of the
    types that the new one has, too: no edit brings back what is dropped."""
    if old is None:
        return {}
    borders = {
        name: kept_from_us(event, instant_us, old.time_zone)
        for name, event in old.events.items()
        if name in new.events
    }
    return {name: at_us for name, at_us in borders.items() if at_us > EARLIEST_US}


def with_dropped(model: Model, dropped: bytes | None) -> Model:
    """The model with what earlier models have dropped, as `pack_dropped` wrote it."""
    borders: Mapping[str, int] = {} if dropped is None else json.loads(dropped)
    if not any(name in borders for name in model.events):
        return model
    events = {
        name: replace(event, dropped_us=borders.get(name, EARLIEST_US))
        for name, event in model.events.items()
    }
    return replace(model, events=MappingProxyType(events))


def pack_dropped(borders: Mapping[str, int]) -> bytes:
    """What `with_dropped` reads."""
    return json.dumps(dict(sorted(borders.items())), ensure_ascii=False).encode()


# ------------------------------------------------------------------------- what is said


def retentions(expression: bound.BoundExpr, model: Model) -> tuple[tuple[str, int], ...]:
    """The types that an expression reads events of and that drop theirs, with how long they keep
    them; part of what the expression means."""
    names = dict.fromkeys(name for _, names, _ in _reads(expression) for name in names)
    kept = ((name, event_type(model, name).retention_us) for name in sorted(names))
    return tuple((name, kept_us) for name, kept_us in kept if kept_us is not None)


def notes(
    expression: bound.BoundExpr,
    model: Model,
    instant_us: int,
    clock_us: int,
    also: Iterable[BoundAggregate] = (),
) -> tuple[str, ...]:
    """What is to be said of the windows of an expression, and of further aggregates, that reach
    back to before events were dropped: one sentence for each type and each of those."""
    if all(
        event.retention_us is None and event.dropped_us == EARLIEST_US
        for event in model.events.values()
    ):
        return ()
    found: dict[str, None] = {}
    borders: dict[str, int] = {}
    further = ((_text(one), one.events.types, one.window) for one in also)
    for what, names, window in (*_reads(expression), *further):
        from_us, to_us = window_bounds(window, instant_us, model.time_zone)
        for name in names:
            if name not in borders:
                later_us = max(instant_us, clock_us)
                borders[name] = kept_from_us(event_type(model, name), later_us, model.time_zone)
            if from_us < min(borders[name], to_us):
                day = _EPOCH + timedelta(days=local_day(borders[name], model.time_zone))
                found[
                    f"events of `{name}` before {day.isoformat()} are dropped: "
                    f"{what} reads what is left"
                ] = None
    return tuple(found)


def _reads(
    expression: bound.BoundExpr,
) -> Iterator[tuple[str, tuple[str, ...], tree.Window | None]]:
    """Of each aggregate and sequence: it as text, the types it reads, and its window."""
    for predicate in bound.predicates_of(expression):
        if isinstance(predicate, BoundSequence):
            steps = (predicate.first, *(link.events for link in predicate.links))
            names = tuple(dict.fromkeys(name for step in steps for name in step.types))
            text = "sequence(...)" if predicate.node is None else format_expression(predicate.node)
            yield text, names, predicate.window
        for aggregate in bound.aggregates_of(predicate):
            if aggregate.function != "latest":  # histories are kept for ever
                yield _text(aggregate), aggregate.events.types, aggregate.window


def _text(aggregate: BoundAggregate) -> str:
    """An aggregate as it is written, with the names of its types for groups and `any`."""
    assert aggregate.function != "latest", "nobody writes it"
    events = aggregate.events
    where = None if events.where is None else events.where.node
    selector = tree.Selector(events.types)
    read = aggregate.property
    atom = tree.Aggregate(
        aggregate.function,
        step=tree.Step(selector, where) if read is None else None,
        property=None if read is None else tree.Property(selector, read.name),
        where=None if read is None else where,
        window=aggregate.window,
    )
    return format_value(atom)
