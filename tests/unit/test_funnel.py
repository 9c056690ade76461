"""Funnels: each step of a sequence is the sequence that ends with it."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

import pytest

from engine.rules import tree
from engine.rules.bind import bind
from engine.rules.canonical import format_expression
from engine.rules.funnel import funnel_steps
from engine.rules.parse import parse
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_events import ReferenceEvent
from tests.property.bound_evaluator import BoundEvaluation
from tests.unit.bind_model import model
from tests.unit.test_reference_events import EVENTS, NOW, TYPES, at_us

ZONE = ZoneInfo("Asia/Shanghai")
MINUTE_US = 60_000_000
NOW_US = at_us(NOW)

FUNNELS = {
    "sequence(visit then order within 1 hour)": [
        ("visit", "count(visit) >= 1"),
        ("then order within 1 hour", "sequence(visit then order within 1 hour)"),
    ],
    "sequence(visit where page = 'a' then no order within 2 days then any within 3 days "
    "in last 30 days)": [
        (
            "visit where page = 'a' in last 30 days",
            "count(visit where page = 'a' in last 30 days) >= 1",
        ),
        (
            "then no order within 2 days",
            "sequence(visit where page = 'a' then no order within 2 days in last 30 days)",
        ),
        (
            "then any within 3 days",
            "sequence(visit where page = 'a' then no order within 2 days then any within 3 days "
            "in last 30 days)",
        ),
    ],
}


def steps_of(text: str) -> list[tuple[str, tree.Expr]]:
    sequence = parse(text)
    assert isinstance(sequence, tree.Sequence)
    return [(step.text, step.reached) for step in funnel_steps(sequence)]


@pytest.mark.parametrize("text", FUNNELS)
def test_steps_are_sequences_of_those_up_to_them(text: str) -> None:
    found = steps_of(text)
    assert [(step, format_expression(reached)) for step, reached in found] == FUNNELS[text]
    for _, reached in found:
        assert parse(format_expression(reached)) == reached
        bind(reached, model())


def test_who_reached_a_step_reached_those_before(seed: int) -> None:
    """By the reference and by the bound tree, over random events; and every step loses somebody."""
    picks = random.Random(seed)
    texts = [
        "sequence(visit then order within 1 hour then download within 30 minutes)",
        "sequence(visit then no order within 1 hour then download within 2 hours)",
        "sequence(visit then order within 1 hour then no visit within 20 minutes in last 3 hours)",
    ]
    context = ReferenceContext(TYPES, ZONE, NOW_US, events=EVENTS)
    for text in texts:
        steps = steps_of(text)
        lost = [0] * len(steps)
        for _ in range(800):
            events = [
                ReferenceEvent(
                    picks.choice(("visit", "order", "download")),
                    NOW_US - picks.randrange(300) * MINUTE_US,
                    {},
                )
                for _ in range(picks.randrange(9))
            ]
            reached = [evaluate(expression, {}, context, events=events) for _, expression in steps]
            for step, (_, expression) in zip(reached, steps, strict=True):
                bound = bind(expression, model())
                assert BoundEvaluation({}, ZONE, NOW_US, events=events).holds(bound) is step
            assert reached == sorted(reached, reverse=True), (text, events)
            assert reached[0] == any(
                event.type == "visit"
                and ("in last" not in text or event.time_us > NOW_US - 180 * MINUTE_US)
                for event in events
            )
            assert reached[-1] is evaluate(parse(text), {}, context, events=events)
            for place, (step, before) in enumerate(zip(reached, [True, *reached], strict=False)):
                lost[place] += before and not step
        assert all(lost), (text, lost)
