"""What an attribute with `history: true` was at an instant: what the last change up to it brought.

Where another instant than the clock is asked, this takes the attribute's place when an expression
is bound, as what it is computed from does for a computed one; so no evaluator knows of histories.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.model.definitions import Attribute
from engine.model.hidden_events import history_event, history_value
from engine.rules.bound_events import BoundAggregate, BoundEvents

__all__ = ["as_it_was", "has_history"]


def has_history(attributes: Mapping[str, Attribute]) -> bool:
    """Whether any of the attributes of a model has a history."""
    return any(attribute.history for attribute in attributes.values())


def as_it_was(attribute: Attribute) -> BoundAggregate:
    """The value of an attribute with history at the instant asked."""
    value = history_value(attribute)
    events = BoundEvents((history_event(attribute).name,))
    read = Attribute(value.name, value.type, value.scale)
    return BoundAggregate("latest", events, attribute.type, read)
