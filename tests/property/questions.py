"""Random questions to the reference evaluator and to whoever has to agree with it.

A question is an expression over the tests' model with a profile, a zone and an instant. Events are
drawn beside it, since one expression is asked of many.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import assume
from hypothesis import strategies as st

from engine.errors import ExpressionInvalid
from engine.rules import tree
from engine.rules.bind import bind
from engine.rules.bound import BoundExpr
from engine.rules.reference import ReferenceContext
from engine.rules.reference_events import ReferenceEvent
from tests.property.event_expressions import (
    EVENT_TYPES,
    dense_events,
    event_expressions,
    events_at,
    short_sequence,
)
from tests.property.expressions import NOWS_US, PROFILES, SEGMENT_NAMES, ZONES, expressions
from tests.unit.bind_model import ATTRIBUTES, model

__all__ = [
    "UID",
    "Question",
    "attribute_questions",
    "event_questions",
    "reference",
    "sequence_questions",
    "some_events",
]

TYPES = {name: attribute.type for name, attribute in ATTRIBUTES.items()}
UID = bytes(range(16))


def reference(zone: str, now_us: int, **context: Any) -> ReferenceContext:
    """What the reference evaluator reads besides a profile of the tests' model."""
    return ReferenceContext(TYPES, ZoneInfo(zone), now_us, events=EVENT_TYPES, **context)


@dataclass(frozen=True)
class Question:
    """An expression, and what it is asked of."""

    expr: tree.Expr
    profile: Mapping[str, Any]
    zone: str
    now_us: int
    segments: Mapping[str, tree.Expr] = field(default_factory=dict)
    lists: Mapping[str, Set[bytes]] = field(default_factory=dict)

    @property
    def context(self) -> ReferenceContext:
        """The same for the reference evaluator."""
        return reference(self.zone, self.now_us, lists=self.lists, segments=self.segments)

    def bound(self) -> BoundExpr:
        """The expression, bound; raises ExpressionInvalid."""
        return bind(self.expr, model(self.zone), segments=self.segments)


@st.composite
def attribute_questions(draw: st.DrawFn) -> Question:
    """Of attributes, segments and lists; UID is in one of two."""
    return Question(
        draw(expressions()),
        draw(PROFILES),
        draw(st.sampled_from(ZONES)),
        draw(st.sampled_from(NOWS_US)),
        {name: draw(expressions(segments=False)) for name in SEGMENT_NAMES},
        {"here": {UID}, "there": set()},
    )


@st.composite
def event_questions(draw: st.DrawFn) -> Question:
    """Of events; only what binds."""
    zone, now_us = draw(st.sampled_from(ZONES)), draw(st.sampled_from(NOWS_US))
    question = Question(draw(event_expressions()), draw(PROFILES), zone, now_us)
    assume(_binds(question))
    return question


def some_events(now_us: int) -> st.SearchStrategy[list[list[ReferenceEvent]]]:
    """The events of a few profiles."""
    return st.lists(events_at(now_us), min_size=1, max_size=4)


def sequence_questions(
    chance: random.Random, many: int
) -> Iterator[tuple[Question, list[ReferenceEvent]]]:
    """Short sequences beside dense events, of so many those that bind: few turn on one event."""
    for _ in range(many):
        expr, events = short_sequence(chance), dense_events(chance)
        question = Question(expr, {}, "UTC", chance.randrange(4, 14) * 500_000)
        if _binds(question):
            yield question, events


def _binds(question: Question) -> bool:
    try:
        question.bound()
    except ExpressionInvalid:
        return False
    return True
