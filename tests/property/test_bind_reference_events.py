"""Binding keeps the meaning of what is said of events: bound tree and reference agree.

Windows, values and sequences are compared by themselves first, since a whole condition seldom
turns on one event.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.errors import ExpressionInvalid
from engine.rules import tree
from engine.rules.bind import bind
from engine.rules.bound import BoundCompare, BoundPresence, aggregates_of
from engine.rules.bound_events import BoundAggregate
from engine.rules.reference import _Evaluation, evaluate
from engine.rules.window_bounds import window_bounds
from tests.property.bound_evaluator import BoundEvaluation, in_units
from tests.property.event_expressions import aggregates, windows
from tests.property.expressions import NOWS_US, ZONES
from tests.property.questions import (
    Question,
    event_questions,
    reference,
    sequence_questions,
    some_events,
)
from tests.unit.bind_model import model


@settings(max_examples=settings.default.max_examples * 3)
@given(
    window=windows,
    zone=st.sampled_from(ZONES),
    now_us=st.sampled_from(NOWS_US),
    beside_us=st.integers(-3, 3),
)
def test_windows_take_in_the_same_instants(
    window: tree.Window | None, zone: str, now_us: int, beside_us: int
) -> None:
    """At the borders that are worked out in two ways, and beside them."""
    now_us += beside_us
    start_us, end_us = window_bounds(window, now_us, ZoneInfo(zone))
    one = _Evaluation({}, reference(zone, now_us), bytes(16))
    for border_us in (max(start_us, NOWS_US[0] - 10**15), end_us, now_us):
        for time_us in range(border_us - 2, border_us + 3):
            assert one.is_inside(time_us, window) == (start_us <= time_us < end_us), time_us


@settings(max_examples=settings.default.max_examples * 3)
@given(
    aggregate=aggregates,
    zone=st.sampled_from(ZONES),
    now_us=st.sampled_from(NOWS_US),
    data=st.data(),
)
def test_aggregates_have_the_same_value(
    aggregate: tree.Aggregate, zone: str, now_us: int, data: st.DataObject
) -> None:
    try:
        bound = bind(tree.Presence(aggregate, True), model(zone))
    except ExpressionInvalid:
        assume(False)
    read = bound.read if isinstance(bound, BoundPresence) else None
    if read is None:
        # Never missing: a number.
        compared = bind(tree.Compare(aggregate, "=", tree.Number(Decimal(0))), model(zone))
        assert isinstance(compared, BoundCompare)
        (read,) = aggregates_of(compared)
    assert isinstance(read, BoundAggregate)
    for events in data.draw(some_events(now_us)):
        expected = _Evaluation({}, reference(zone, now_us), bytes(16), tuple(events))
        found = BoundEvaluation({}, ZoneInfo(zone), now_us, events=events)
        value = found.aggregate(read)
        if read.type in ("int", "decimal", "time"):
            value = in_units(read.type, value)
        assert plain(expected.value(aggregate)) == value, (read, events)


def plain(value: Any) -> Any:
    """An instant of the reference in microseconds; any other value as it is."""
    return getattr(value, "us", value)


@given(seed=st.integers(0, 2**32))
def test_sequences_hold_for_the_same_events(seed: int) -> None:
    """Hundreds of short ones for each seed."""
    for question, events in sequence_questions(random.Random(seed), 200):
        expected = evaluate(question.expr, {}, question.context, events=events)
        found = BoundEvaluation({}, ZoneInfo("UTC"), question.now_us, events=events)
        assert found.holds(question.bound()) == expected, (question, events)


@settings(max_examples=settings.default.max_examples * 2)
@given(question=event_questions(), data=st.data())
def test_bound_tree_and_reference_agree_on_events(question: Question, data: st.DataObject) -> None:
    bound, profile, now_us = question.bound(), question.profile, question.now_us
    for events in data.draw(some_events(now_us)):
        expected = evaluate(question.expr, profile, question.context, events=events)
        found = BoundEvaluation(profile, ZoneInfo(question.zone), now_us, events=events)
        assert found.holds(bound) == expected, (bound, profile, events)
