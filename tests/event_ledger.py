"""What random questions over stored events have read, and what they must have read.

As `tests.ledger` for attributes: a cell for each width that a column of a chunk may have, by role
and kind, for chunks and their gaps, for each function over each type it takes, and for each form of
window, where some events lie inside and some outside of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from engine.events import head
from engine.model.definitions import Model
from engine.rules import bound, tree
from engine.rules.bound_events import BoundAggregate
from engine.rules.reference_events import ReferenceEvent
from engine.rules.window_bounds import window_bounds
from engine.store.catalog import event_field, property_field
from engine.store.snapshot import Snapshot

__all__ = ["REQUIRED", "VALUED", "EventLedger"]

NUMBERS = ("int", "decimal")
ORDERED = (*NUMBERS, "float", "date", "time")
TYPES = (*ORDERED, "category", "bool", "text")
# The functions that read a property, with the types that they take.
VALUED: Mapping[str, tuple[str, ...]] = {
    "sum": NUMBERS,
    "avg": NUMBERS,
    "min": ORDERED,
    "max": ORDERED,
    "distinct": TYPES,
    "first_value": TYPES,
    "last_value": TYPES,
}
WHOLE = ("count", "days", "first", "last")
UNITS = get_args(tree.CalendarUnit)
WIDTHS = (0, 1, 2, 4, 6, 8)

REQUIRED = frozenset(
    {
        *(f"times of width {width}" for width in WIDTHS),
        *(f"ints of width {width}" for width in WIDTHS),
        *(f"codes of width {width}" for width in (0, 1, 2, 4)),
        *("floats of width 8", "texts of width 4", "rows of width 2"),
        *(f"{kind} {held}" for kind in ("ints", "codes", "floats", "texts") for held in
          ("on every event", "with gaps")),
        *("times with a step", "ints with a step"),
        *("sealed chunk", "tail"),
        *(f"{function} of {type_}" for function, types in VALUED.items() for type_ in types),
        *(f"{function} of mixed scales" for function in VALUED),
        *(f"{function} of events" for function in WHOLE),
        *(f"window {kind}" for kind in
          ("none", "in_last", "between_ago", "since", "before", "from_to", "today", "yesterday")),
        *(f"window {kind} {unit}" for kind in ("in_last_calendar", "calendar_ago", "this")
          for unit in UNITS),
    }
)  # fmt: skip

_KINDS = {head.INTS: "ints", head.CODES: "codes", head.FLOATS: "floats", head.TEXTS: "texts"}


class EventLedger:
    """Counts the cells that questions fill."""

    def __init__(self) -> None:
        self.cells: Counter[str] = Counter()

    def empty(self, least: int = 2) -> list[str]:
        """Required cells that fewer than `least` questions have met."""
        return sorted(cell for cell in REQUIRED if self.cells[cell] < least)

    def add(
        self,
        expression: bound.BoundExpr,
        snapshot: Snapshot,
        model: Model,
        now_us: int,
        events: Mapping[int, Sequence[ReferenceEvent]],
    ) -> None:
        """Counts what one question meets."""
        found: set[str] = set()
        for part in bound.predicates_of(expression):
            for aggregate in bound.aggregates_of(part):
                found |= set(_constructs(aggregate, model))
                found |= set(_stored(aggregate, snapshot, model))
                found |= set(_window(aggregate, model, now_us, events))
        self.cells.update(found)


def _constructs(aggregate: BoundAggregate, model: Model) -> Iterator[str]:
    read = aggregate.property
    if read is None:
        yield f"{aggregate.function} of events"
        return
    yield f"{aggregate.function} of {read.type}"
    declared = (model.events[name].properties.get(read.name) for name in aggregate.events.types)
    if len({one.scale for one in declared if one is not None}) > 1:
        yield f"{aggregate.function} of mixed scales"


def _stored(aggregate: BoundAggregate, snapshot: Snapshot, model: Model) -> Iterator[str]:
    for name in aggregate.events.types:
        field = snapshot.fields[event_field(name)].id
        number = _number(aggregate, name, snapshot, model)
        for block in range(snapshot.block_count):
            for part in snapshot.payloads(field, block):
                yield from _part(bytes(part), number)


def _number(aggregate: BoundAggregate, event: str, snapshot: Snapshot, model: Model) -> int | None:
    read = aggregate.property
    declared = None if read is None else model.events[event].properties.get(read.name)
    if declared is None:
        return None
    return snapshot.fields[property_field(declared.name, declared.type, declared.scale)].id


def _part(part: bytes, number: int | None) -> Iterator[str]:
    chunk = head.read_head(part)
    yield "tail" if chunk.flags & head.TAIL else "sealed chunk"
    for column in head.read_columns(part, chunk):
        if column.role == head.ROW:
            yield f"rows of width {column.width}"
        elif column.role == head.TIME:
            yield f"times of width {column.width}"
            yield "times with a step" if column.step > 1 else "times one by one"
        elif column.role == head.PROPERTY and column.property == number:
            kind = _KINDS[column.kind]
            yield f"{kind} of width {column.width}"
            yield f"{kind} with a step" if column.step > 1 else f"{kind} one by one"
            held = column.present_count == chunk.event_count
            yield f"{kind} {'on every event' if held else 'with gaps'}"


def _window(
    aggregate: BoundAggregate,
    model: Model,
    now_us: int,
    events: Mapping[int, Sequence[ReferenceEvent]],
) -> Iterator[str]:
    """The form of a window that has some of the events and not others."""
    from_us, to_us = window_bounds(aggregate.window, now_us, model.time_zone)
    types = aggregate.events.types
    inside = {
        from_us <= one.time_us < to_us for some in events.values() for one in some
        if one.type in types
    }  # fmt: skip
    if len(inside) < 2:
        return
    window = aggregate.window
    if window is None:
        yield "window none"
    elif window.unit is None:
        yield f"window {window.kind}"
    else:
        yield f"window {window.kind} {window.unit}"
