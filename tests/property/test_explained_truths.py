"""The fourth reading: an explanation and the reference evaluator agree, node by node."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.errors import ExpressionInvalid
from engine.explaining.reading import Reading
from engine.rules import bound, tree
from engine.rules.bind import bind
from engine.rules.reference import ReferenceContext, evaluate
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


def nodes_of(item: bound.BoundExpr) -> Iterator[tuple[tree.Expr, bound.BoundExpr]]:
    """Every node of a tree with what it is bound to, through segments."""
    waiting = [item]
    while waiting:
        one = waiting.pop()
        if one.node is not None:
            yield one.node, one
        waiting.extend(bound.parts_of(one))


@settings(max_examples=settings.default.max_examples * 5)
@given(
    expr=expressions(),
    segments=SEGMENTS,
    profile=PROFILES,
    zone=st.sampled_from(ZONES),
    now_us=st.sampled_from(NOWS_US),
)
def test_every_node_is_as_true_as_the_reference_says(
    expr: tree.Expr,
    segments: dict[str, tree.Expr],
    profile: dict[str, Any],
    zone: str,
    now_us: int,
) -> None:
    lists = {"here": {UID}, "there": set[bytes]()}
    context = ReferenceContext(TYPES, ZoneInfo(zone), now_us, lists, segments)
    reading = Reading(as_one_profile(profile, zone, lists=["here"], uid=UID), now_us)
    for node, item in nodes_of(bind(expr, model(zone), segments=segments)):
        assert reading.holds(item) == evaluate(node, profile, context, uid=UID), (node, item)


@settings(max_examples=settings.default.max_examples * 5)
@given(
    expr=event_expressions(),
    profile=PROFILES,
    zone=st.sampled_from(ZONES),
    now_us=st.sampled_from(NOWS_US),
    data=st.data(),
)
def test_conditions_on_events_are_as_true_as_the_reference_says(
    expr: tree.Expr, profile: dict[str, Any], zone: str, now_us: int, data: st.DataObject
) -> None:
    try:
        item = bind(expr, model(zone))
    except ExpressionInvalid:
        assume(False)
    context = ReferenceContext(TYPES, ZoneInfo(zone), now_us, events=EVENT_TYPES)
    for events in data.draw(st.lists(events_at(now_us), min_size=1, max_size=4)):
        expected = evaluate(expr, profile, context, events=events)
        reading = Reading(as_one_profile(profile, zone, events), now_us)
        assert reading.holds(item) == expected, (item, profile, events)


@given(seed=st.integers(0, 2**32))
def test_sequences_are_as_true_as_the_reference_says(seed: int) -> None:
    """Hundreds of short ones for each seed: few turn on one event."""
    chance = random.Random(seed)
    for _ in range(200):
        expr, events = short_sequence(chance), dense_events(chance)
        now_us = chance.randrange(4, 14) * 500_000
        try:
            item = bind(expr, model())
        except ExpressionInvalid:
            continue
        context = ReferenceContext(TYPES, ZoneInfo("UTC"), now_us, events=EVENT_TYPES)
        reading = Reading(as_one_profile({}, "UTC", events), now_us)
        expected = evaluate(expr, {}, context, events=events)
        assert reading.holds(item) == expected, (expr, events, now_us)
