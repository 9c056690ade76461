"""Since when a fact holds, from the events that it is kept as."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from engine.explaining.fact_intervals import fact_interval
from engine.explaining.one_profile import OneEvent, OneProfile
from engine.explaining.reading import Reading
from engine.model.hidden_events import ON, fact_event
from engine.rules.bound_facts import fact_holds

FACT = fact_event("tag:x")


@pytest.mark.parametrize(
    ("states", "now_us", "expected"),
    [
        ([], 9, (False, None)),
        ([(3, True)], 9, (True, 3)),
        ([(3, True)], 2, (False, None)),
        ([(3, True), (5, True)], 9, (True, 3)),
        ([(3, True), (5, False)], 9, (False, 5)),
        ([(3, True), (5, False)], 4, (True, 3)),
        ([(3, True), (5, False), (7, False)], 9, (False, 5)),
        ([(3, True), (5, False), (8, True)], 9, (True, 8)),
        ([(1, False)], 9, (False, None)),
        ([(3, True), (5, True), (5, False)], 9, (True, 3)),
    ],
)
def test_the_interval(
    states: list[tuple[int, bool]], now_us: int, expected: tuple[bool, int | None]
) -> None:
    events = [OneEvent(FACT.name, at_us, {ON.name: on}) for at_us, on in states]
    one = OneProfile(bytes(16), ZoneInfo("UTC"), {}, {FACT.name: events})
    fact = fact_holds(FACT)
    reading = Reading(one, now_us)
    assert fact_interval(fact, reading) == expected
    assert reading.holds(fact) == expected[0]
