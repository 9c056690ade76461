"""The fourth reading: an explanation and the reference evaluator agree, node by node."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.explaining.reading import Reading
from engine.rules import bound, tree
from engine.rules.reference import evaluate
from tests.explained import as_one_profile
from tests.property.questions import (
    UID,
    Question,
    attribute_questions,
    event_questions,
    sequence_questions,
    some_events,
)


def nodes_of(item: bound.BoundExpr) -> Iterator[tuple[tree.Expr, bound.BoundExpr]]:
    """Every node of a tree with what it is bound to, through segments."""
    waiting = [item]
    while waiting:
        one = waiting.pop()
        if one.node is not None:
            yield one.node, one
        waiting.extend(bound.parts_of(one))


@settings(max_examples=settings.default.max_examples * 5)
@given(question=attribute_questions())
def test_every_node_is_as_true_as_the_reference_says(question: Question) -> None:
    profile, context = question.profile, question.context
    held = as_one_profile(profile, question.zone, lists=["here"], uid=UID)
    reading = Reading(held, question.now_us)
    for node, item in nodes_of(question.bound()):
        assert reading.holds(item) == evaluate(node, profile, context, uid=UID), (node, item)


@settings(max_examples=settings.default.max_examples * 5)
@given(question=event_questions(), data=st.data())
def test_conditions_on_events_are_as_true_as_the_reference_says(
    question: Question, data: st.DataObject
) -> None:
    item, profile = question.bound(), question.profile
    for events in data.draw(some_events(question.now_us)):
        expected = evaluate(question.expr, profile, question.context, events=events)
        reading = Reading(as_one_profile(profile, question.zone, events), question.now_us)
        assert reading.holds(item) == expected, (item, profile, events)


@given(seed=st.integers(0, 2**32))
def test_sequences_are_as_true_as_the_reference_says(seed: int) -> None:
    """Hundreds of short ones for each seed."""
    for question, events in sequence_questions(random.Random(seed), 200):
        reading = Reading(as_one_profile({}, "UTC", events), question.now_us)
        expected = evaluate(question.expr, {}, question.context, events=events)
        assert reading.holds(question.bound()) == expected, (question, events)
