"""Since when a fact holds, or has been over."""

from __future__ import annotations

from engine.explaining.reading import Reading
from engine.rules import bound
from engine.rules.bound_events import BoundAggregate

__all__ = ["fact_interval"]


def fact_interval(fact: bound.BoundExpr, reading: Reading) -> tuple[bool, int | None]:
    """Whether a fact, as `engine.rules.bound_facts` binds it, holds, and the instant, microseconds
    from 1970, at which it began or ended; None where it never began."""
    assert isinstance(fact, bound.BoundBool) and isinstance(fact.read, BoundAggregate)
    line, first, end = reading.stretch(fact.read)
    # Of one instant the last counts, which is on where one of them is.
    states = dict(zip(line.times[first:end], line.values[first:end], strict=True))
    on, since_us = False, None
    for time_us, state in states.items():
        if state != on:
            on, since_us = state, time_us
    return on, since_us
