"""Aggregates and sequences checked: selectors, properties, conditions, windows, types.

They have no evaluator so far; what is settled here is that they mean something.
"""

from __future__ import annotations

from engine.model.definitions import AttributeType
from engine.rules import tree
from engine.rules.names import EventScope, ModelScope
from engine.rules.types import KIND_WORDS
from engine.rules.units import duration_us
from engine.rules.windows import check_window, longest_age_us

__all__ = ["bind_aggregate", "check_sequence", "check_step"]

# Which property types an aggregate takes, where not all of them.
_TAKES: dict[str, frozenset[AttributeType]] = {
    "sum": frozenset({"int", "decimal"}),
    "avg": frozenset({"int", "decimal"}),
    "min": frozenset({"int", "decimal", "float", "date", "time"}),
    "max": frozenset({"int", "decimal", "float", "date", "time"}),
}
_COUNTING = frozenset({"count", "days", "distinct"})
_INSTANTS = frozenset({"first", "last"})


def bind_aggregate(aggregate: tree.Aggregate, scope: ModelScope) -> AttributeType:
    """The type of an aggregate's value; raises ExpressionInvalid where it makes no sense."""
    check_window(aggregate.window, scope)
    if aggregate.step is not None:
        check_step(aggregate.step, scope)
        return "time" if aggregate.function in _INSTANTS else "int"
    assert aggregate.property is not None, "an aggregate has a step or a property"
    found = _property_type(aggregate, aggregate.property, scope)
    if aggregate.function in _COUNTING:
        return "int"
    # An average of ints need not be whole.
    return "decimal" if aggregate.function == "avg" else found


def check_step(step: tree.Step, scope: ModelScope) -> None:
    """Raises ExpressionInvalid unless the events exist and the condition fits them."""
    _check_where(step.where, EventScope(scope, scope.events(step.selector)))


def check_sequence(sequence: tree.Sequence, scope: ModelScope) -> None:
    """Raises ExpressionInvalid for a sequence with wrong names, or one that cannot hold."""
    check_step(sequence.first, scope)
    for link in sequence.links:
        check_step(link.step, scope)
    check_window(sequence.window, scope)
    _check_possible(sequence, scope)


def _property_type(
    aggregate: tree.Aggregate, property_: tree.Property, scope: ModelScope
) -> AttributeType:
    events = EventScope(scope, scope.events(property_.events))
    found = events.property(property_.property, property_)
    _check_where(aggregate.where, events)
    function = aggregate.function
    takes = _TAKES.get(function)
    if takes is None or found.type in takes:
        return found.type
    word = KIND_WORDS[found.type]
    message = f"{function} does not take '{property_.property}', which is {word}"
    if found.type == "float":
        hint = f"declare '{property_.property}' as a decimal: sums of floats are not exact"
    elif function in ("sum", "avg"):
        hint = f"{function} takes int and decimal"
    else:
        hint = f"{function} takes int, decimal, float, date and time"
    raise scope.faults.at(property_, message, hint)


def _check_where(where: tree.Expr | None, scope: EventScope) -> None:
    if where is not None:
        scope.around.condition(where, scope)


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
