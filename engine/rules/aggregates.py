"""Aggregates and sequences bound: selectors, properties, conditions, windows, types."""

from __future__ import annotations

from engine.model.definitions import Attribute, AttributeType, EventType
from engine.rules import tree
from engine.rules.bound_events import BoundAggregate, BoundEvents, BoundLink, BoundSequence
from engine.rules.names import EventScope, ModelScope
from engine.rules.types import KIND_WORDS
from engine.rules.units import duration_us
from engine.rules.windows import check_window, longest_age_us

__all__ = ["bind_aggregate", "bind_sequence", "bind_step"]

# Which property types an aggregate takes, where not all of them.
_TAKES: dict[str, frozenset[AttributeType]] = {
    "sum": frozenset({"int", "decimal"}),
    "avg": frozenset({"int", "decimal"}),
    "min": frozenset({"int", "decimal", "float", "date", "time"}),
    "max": frozenset({"int", "decimal", "float", "date", "time"}),
}
_COUNTING = frozenset({"count", "days", "distinct"})
_INSTANTS = frozenset({"first", "last"})


def bind_aggregate(aggregate: tree.Aggregate, scope: ModelScope) -> BoundAggregate:
    """What an aggregate computes; raises ExpressionInvalid where it makes no sense."""
    check_window(aggregate.window, scope)
    function, window = aggregate.function, aggregate.window
    if aggregate.step is not None:
        events = bind_step(aggregate.step, scope)
        return BoundAggregate(
            function, events, "time" if function in _INSTANTS else "int", window=window
        )
    assert aggregate.property is not None, "an aggregate has a step or a property"
    types = scope.events(aggregate.property.events)
    found = _property(function, aggregate.property, EventScope(scope, types))
    events = _events(types, aggregate.where, scope)
    type_ = found.type
    if function in _COUNTING:
        type_ = "int"
    elif function == "avg":
        # An average of ints need not be whole.
        type_ = "decimal"
    return BoundAggregate(function, events, type_, found, window)


def bind_step(step: tree.Step, scope: ModelScope) -> BoundEvents:
    """The events of a step; raises ExpressionInvalid unless they exist and the condition fits."""
    return _events(scope.events(step.selector), step.where, scope)


def bind_sequence(sequence: tree.Sequence, scope: ModelScope) -> BoundSequence:
    """Raises ExpressionInvalid for a sequence with wrong names, or one that cannot hold."""
    first = bind_step(sequence.first, scope)
    links = tuple(
        BoundLink(bind_step(link.step, scope), duration_us(link.within), link.absent)
        for link in sequence.links
    )
    check_window(sequence.window, scope)
    _check_possible(sequence, scope)
    return BoundSequence(first, links, sequence.window, sequence)


def _property(function: str, node: tree.Property, events: EventScope) -> Attribute:
    """The property that an aggregate is computed from, of a type that it takes."""
    found = events.property(node.property, node)
    takes = _TAKES.get(function)
    if takes is None or found.type in takes:
        return found
    word = KIND_WORDS[found.type]
    message = f"{function} does not take '{node.property}', which is {word}"
    if found.type == "float":
        hint = f"declare '{node.property}' as a decimal: sums of floats are not exact"
    elif function in ("sum", "avg"):
        hint = f"{function} takes int and decimal"
    else:
        hint = f"{function} takes int, decimal, float, date and time"
    raise events.faults.at(node, message, hint)


def _events(
    types: tuple[EventType, ...], where: tree.Expr | None, scope: ModelScope
) -> BoundEvents:
    chosen = {event.name for event in types}
    names = tuple(name for name in scope.model.events if name in chosen)
    if where is None:
        return BoundEvents(names)
    return BoundEvents(names, scope.condition(where, EventScope(scope, types)))


def _check_possible(sequence: tree.Sequence, scope: ModelScope) -> None:
    """Refuses steps that come too late for their `within`, or for the window.

    `elapsed_us` is the least time from the first step to the last that happened, and
    `silent_us` how long after that step nothing may have come.
    """
    elapsed_us = silent_us = 0
    for link in sequence.links:
        within_us = duration_us(link.within)
        if link.absent:
            silent_us = max(silent_us, within_us)
            continue
        if within_us <= silent_us:
            message = (
                "this sequence cannot hold: the step must come after the time in which "
                "nothing came, and its own time is over by then"
            )
            raise scope.faults.at(link, message, "give this step a longer within")
        elapsed_us += silent_us + 1
        silent_us = 0
    longest_us = longest_age_us(sequence.window, scope)
    if longest_us is not None and elapsed_us + silent_us > longest_us:
        message = "this sequence cannot hold: its window is too short for its steps"
        assert sequence.window is not None, "only a window bounds the age of the first step"
        hint = "lengthen the window, which bounds the first step"
        raise scope.faults.at(sequence.window, message, hint)
