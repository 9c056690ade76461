"""Sequences as columns of a plan: who has events that follow each other.

1. Types and conditions of each step become sources of events; steps over the same events share
   one set of them.
2. A step that has to happen and whose events nobody has ever had decides the whole: nobody.
3. What is left is one column of the plan, a set of one element that a leaf reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core import operations as ops
from engine.rules.bound_events import BoundSequence

if TYPE_CHECKING:
    from engine.core.event_plan import EventPlanner

__all__ = ["plan_sequence"]


def plan_sequence(sequence: BoundSequence, events: EventPlanner) -> ops.LeafLogic:
    """The leaf of a sequence, or false. Raises NotYet."""
    from_us, to_us = events.bounds(sequence.window)
    places: dict[tuple[ops.EventSource, ...], int] = {}

    def place(sources: tuple[ops.EventSource, ...]) -> int:
        return places.setdefault(sources, len(places))

    first = events.sources(sequence.first, from_us=from_us)
    steps = [ops.SequenceStep(place(first))]
    possible = bool(first) and from_us < to_us
    for link in sequence.links:
        sources = events.sources(link.events, from_us=from_us)
        possible &= link.absent or bool(sources)
        steps.append(ops.SequenceStep(place(sources), link.within_us, link.absent))
    if not possible:
        return False
    column = ops.SequenceColumn(tuple(places), tuple(steps), from_us, to_us, events.now_us)
    return ops.SetLeaf(events.place(column), (0,))
