"""What an explanation says would help does: carried out, the reference says so, too."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.errors import ExpressionInvalid
from engine.explaining.changes import Added, Listed, Put, Wait, Way
from engine.explaining.courses import course_of
from engine.explaining.reading import Reading
from engine.explaining.ways import Ways
from engine.rules import tree
from engine.rules.bind import bind
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_events import ReferenceEvent
from tests.explained import as_one_profile
from tests.property.event_expressions import (
    EVENT_TYPES,
    dense_events,
    event_expressions,
    events_at,
    short_sequence,
)
from tests.property.expressions import NOWS_US, PROFILES, SEGMENT_NAMES, ZONES, expressions
from tests.unit.bind_model import ATTRIBUTES, model

TYPES = {name: attribute.type for name, attribute in ATTRIBUTES.items()}
UID = bytes(range(16))
SEGMENTS = st.fixed_dictionaries({name: expressions(segments=False) for name in SEGMENT_NAMES})


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


def judge(
    expr: tree.Expr,
    profile: Mapping[str, Any],
    events: Sequence[ReferenceEvent],
    context: ReferenceContext,
    zone: str,
) -> int:
    """Goes every way that is told, and returns how many there were."""
    item = bind(expr, model(zone), segments=context.segments)
    lists = [name for name, owners in context.lists.items() if UID in owners]
    reading = Reading(as_one_profile(profile, zone, events, lists, UID), context.now_us)
    wanted = not reading.holds(item)
    ways = Ways(model(zone)).find(item, wanted, reading)
    for way in ways:
        assert truth_after(way, expr, profile, events, context) == wanted, way.changes
        if way.before_us is not None:
            first, past = way.before_us - 1 - context.now_us, way.before_us - context.now_us
            assert truth_after(way, expr, profile, events, context, first) == wanted, way
            assert truth_after(way, expr, profile, events, context, past) != wanted, way
    return len(ways)


@settings(max_examples=settings.default.max_examples * 5)
@given(
    expr=expressions(),
    segments=SEGMENTS,
    profile=PROFILES,
    zone=st.sampled_from(ZONES),
    now_us=st.sampled_from(NOWS_US),
)
def test_changes_of_attributes_help(
    expr: tree.Expr,
    segments: dict[str, tree.Expr],
    profile: dict[str, Any],
    zone: str,
    now_us: int,
) -> None:
    lists = {"here": {UID}, "there": set[bytes]()}
    context = ReferenceContext(TYPES, ZoneInfo(zone), now_us, lists, segments, EVENT_TYPES)
    judge(expr, profile, (), context, zone)


@settings(max_examples=settings.default.max_examples * 5)
@given(
    expr=event_expressions(),
    profile=PROFILES,
    zone=st.sampled_from(ZONES),
    now_us=st.sampled_from(NOWS_US),
    data=st.data(),
)
def test_events_that_are_added_help(
    expr: tree.Expr, profile: dict[str, Any], zone: str, now_us: int, data: st.DataObject
) -> None:
    context = ReferenceContext(TYPES, ZoneInfo(zone), now_us, events=EVENT_TYPES)
    try:
        for events in data.draw(st.lists(events_at(now_us), min_size=1, max_size=4)):
            judge(expr, profile, events, context, zone)
    except ExpressionInvalid:
        assume(False)


@given(seed=st.integers(0, 2**32))
def test_steps_that_are_added_help(seed: int) -> None:
    """Most sequences can be gone to their end."""
    chance, told, asked = random.Random(seed), 0, 0
    for _ in range(50):
        expr, events = short_sequence(chance), dense_events(chance)
        context = ReferenceContext(
            TYPES, ZoneInfo("UTC"), chance.randrange(4, 14) * 500_000, events=EVENT_TYPES
        )
        try:
            found = judge(expr, {}, events, context, "UTC")
        except ExpressionInvalid:
            continue
        told, asked = told + (found > 0), asked + 1
    assert told * 2 > asked


@settings(max_examples=settings.default.max_examples * 3)
@given(
    expr=event_expressions(),
    profile=PROFILES,
    zone=st.sampled_from(ZONES),
    now_us=st.sampled_from(NOWS_US),
    data=st.data(),
)
def test_time_turns_a_condition_when_it_is_said_to(
    expr: tree.Expr, profile: dict[str, Any], zone: str, now_us: int, data: st.DataObject
) -> None:
    """At each turn, right before it, and at instants in between."""
    try:
        item = bind(expr, model(zone))
    except ExpressionInvalid:
        assume(False)
    context = ReferenceContext(TYPES, ZoneInfo(zone), now_us, events=EVENT_TYPES)
    events = data.draw(events_at(now_us))
    reading = Reading(as_one_profile(profile, zone, events), now_us)
    course = course_of(item, reading)
    steps = data.draw(st.lists(st.integers(1, 40 * 86_400_000_000), max_size=8))
    probes = {now_us + step for step in steps}
    probes.update(at + beside for at in course.turns for beside in (-1, 0))
    for at in sorted(probes):
        if at < now_us or (course.known_until_us is not None and at >= course.known_until_us):
            continue
        turned = sum(turn <= at for turn in course.turns) % 2 == 1
        expected = evaluate(expr, profile, replace(context, now_us=at), events=events)
        assert (course.truth != turned) == expected, (at, course)
