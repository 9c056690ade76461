"""What an explanation says would help does: carried out, the reference says so, too."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.explaining.changes import Added, Listed, Put, Wait, Way
from engine.explaining.courses import course_of
from engine.explaining.reading import Reading
from engine.explaining.ways import Ways
from engine.rules import tree
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_events import ReferenceEvent
from tests.explained import as_one_profile
from tests.property.event_expressions import events_at
from tests.property.questions import (
    UID,
    Question,
    attribute_questions,
    event_questions,
    sequence_questions,
    some_events,
)
from tests.unit.bind_model import model


def truth_after(
    way: Way,
    expr: tree.Expr,
    profile: Mapping[str, Any],
    events: Sequence[ReferenceEvent],
    context: ReferenceContext,
    shift_us: int = 0,
) -> bool:
    """What the reference says once a way was gone, its events so much later."""
    changed, happened = dict(profile), list(events)
    lists, now_us = dict(context.lists), context.now_us + shift_us
    for change in way.changes:
        match change:
            case Put(attribute=name, value=value):
                changed[name] = value
            case Added(events=added):
                for event in added:
                    at_us = event.time_us + shift_us
                    happened.append(ReferenceEvent(event.type, at_us, event.properties))
                    now_us = max(now_us, at_us)
            case Listed(name=name, is_in=is_in):
                lists[name] = {UID} if is_in else set()
            case Wait(until_us=until_us):
                now_us = max(now_us, until_us)
    moved = replace(context, now_us=now_us, lists=lists)
    return evaluate(expr, changed, moved, uid=UID, events=happened)


def judge(question: Question, events: Sequence[ReferenceEvent]) -> int:
    """Goes every way that is told, and returns how many there were."""
    expr, profile, context = question.expr, question.profile, question.context
    item = question.bound()
    lists = [name for name, owners in context.lists.items() if UID in owners]
    held = as_one_profile(profile, question.zone, events, lists, UID)
    reading = Reading(held, context.now_us)
    wanted = not reading.holds(item)
    ways = Ways(model(question.zone)).find(item, wanted, reading)
    for way in ways:
        assert truth_after(way, expr, profile, events, context) == wanted, way.changes
        if way.before_us is not None:
            first, past = way.before_us - 1 - context.now_us, way.before_us - context.now_us
            assert truth_after(way, expr, profile, events, context, first) == wanted, way
            assert truth_after(way, expr, profile, events, context, past) != wanted, way
    return len(ways)


@settings(max_examples=settings.default.max_examples * 5)
@given(question=attribute_questions())
def test_changes_of_attributes_help(question: Question) -> None:
    judge(question, ())


@settings(max_examples=settings.default.max_examples * 5)
@given(question=event_questions(), data=st.data())
def test_events_that_are_added_help(question: Question, data: st.DataObject) -> None:
    for events in data.draw(some_events(question.now_us)):
        judge(question, events)


@given(seed=st.integers(0, 2**32))
def test_steps_that_are_added_help(seed: int) -> None:
    """Most sequences can be gone to their end."""
    told, asked = 0, 0
    for question, events in sequence_questions(random.Random(seed), 50):
        told, asked = told + (judge(question, events) > 0), asked + 1
    assert told * 2 > asked


@settings(max_examples=settings.default.max_examples * 3)
@given(question=event_questions(), data=st.data())
def test_time_turns_a_condition_when_it_is_said_to(question: Question, data: st.DataObject) -> None:
    """At each turn, right before it, and at instants in between."""
    profile, now_us = question.profile, question.now_us
    events = data.draw(events_at(now_us))
    reading = Reading(as_one_profile(profile, question.zone, events), now_us)
    course = course_of(question.bound(), reading)
    steps = data.draw(st.lists(st.integers(1, 40 * 86_400_000_000), max_size=8))
    probes = {now_us + step for step in steps}
    probes.update(at + beside for at in course.turns for beside in (-1, 0))
    for at in sorted(probes):
        if at < now_us or (course.known_until_us is not None and at >= course.known_until_us):
            continue
        turned = sum(turn <= at for turn in course.turns) % 2 == 1
        context = replace(question.context, now_us=at)
        expected = evaluate(question.expr, profile, context, events=events)
        assert (course.truth != turned) == expected, (at, course)
