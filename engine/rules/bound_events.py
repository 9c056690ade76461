"""What bound trees say of events: which count, what is computed from them, in which order.

An aggregate reads the events of some types that pass a condition and lie in a window, and makes
one value of them. In a condition an Attribute stands for a property of the event: present in
events whose type has it and that brought it. What a window comes to depends on the instant
asked (`engine.rules.window_bounds`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engine.model.definitions import Attribute, AttributeType
from engine.rules import tree

if TYPE_CHECKING:
    from engine.rules.bound import BoundExpr

__all__ = ["BoundAggregate", "BoundEvents", "BoundLink", "BoundSequence"]


@dataclass(frozen=True, slots=True)
class BoundEvents:
    """Events of `types` (names, each once, in model order) that satisfy `where`."""

    types: tuple[str, ...]
    where: BoundExpr | None = None


@dataclass(frozen=True, slots=True)
class BoundAggregate:
    """One value of a profile, computed from events.

    `property` is what it is computed from: only events that have it count. None for `count`,
    `days`, `first` and `last`, which take every event. `type` is that of the value, whose
    decimals are those of the property; an average, of type decimal, has any number of them.
    `latest` is what the last event has, and missing where that has nothing: of histories, in
    which no two events of a profile have one time.
    """

    function: tree.AggregateFunction | Literal["latest"]
    events: BoundEvents
    type: AttributeType
    property: Attribute | None = None
    window: tree.Window | None = None


@dataclass(frozen=True, slots=True)
class BoundLink:
    """What follows in a sequence, or, where `absent`, must not, for `within_us`."""

    events: BoundEvents
    within_us: int
    absent: bool = False


@dataclass(frozen=True, slots=True)
class BoundSequence:
    """`sequence(first then ... [window])`; the window restricts the first step."""

    first: BoundEvents
    links: tuple[BoundLink, ...]
    window: tree.Window | None
    node: tree.Expr | None
