"""Conditions on events, read in every way: block = row = reference.

Profiles stand at the borders of words and blocks, some of them not alive; their events lie in
several chunks that overlap, at the borders of windows, many at one instant. Events of some types
are dropped by age, and their bytes are there still.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.audience import Audience
from engine.errors import ExpressionInvalid, NotYet
from engine.live.log_clock import LogInstant
from engine.model.definitions import EventProperty, Model
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.calendar import first_instant_us, local_day
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_events import ReferenceEvent
from engine.rules.window_bounds import EARLIEST_US
from engine.store.attached import Attached
from tests.asked_audiences import agree
from tests.event_crowds import event_store
from tests.property.event_expressions import EVENT_TYPES, event_expressions, events_at
from tests.property.expressions import NOWS_US, PROFILES, ZONES
from tests.unit.bind_model import ATTRIBUTES, model

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
TYPES = {name: attribute.type for name, attribute in ATTRIBUTES.items()}
# At the borders of words and blocks; one block between has nobody.
ROWS = (0, 1, 63, 64, 127, 4_096, 65_534, 65_535, 65_536, 65_537, 131_071, 196_608, 196_700)
# These, and some of which nothing is known.
ASKED_ROWS = sorted({*ROWS, 2, 65_000, 300_000})


def stored_model(zone: str) -> Model:
    """The tests' model with decimals as the drawn values have them."""
    bound = model(zone)
    order = bound.events["order"]
    amount = EventProperty("amount", "decimal", 3)
    order = replace(order, properties={**order.properties, "amount": amount})
    return replace(bound, events={**bound.events, "order": order}, segments={})


Crowd = tuple[int, dict[int, dict[str, Any]], dict[int, list[ReferenceEvent]]]


@st.composite
def crowds(draw: st.DrawFn) -> Crowd:
    """An instant, profiles by row, and events by row."""
    now_us = draw(st.sampled_from(NOWS_US))
    rows = draw(st.lists(st.sampled_from(ROWS), min_size=1, max_size=len(ROWS), unique=True))
    few = draw(st.lists(PROFILES, min_size=1, max_size=3))
    profiles = {row: few[i % len(few)] for i, row in enumerate(rows) if i == 0 or i % 5}
    return now_us, profiles, {row: draw(events_at(now_us)) for row in rows}


@st.composite
def aged(draw: st.DrawFn) -> tuple[Crowd, dict[str, int | None], dict[str, int], int]:
    """A crowd, and of some types of event how long they are kept, and before what they were
    dropped already: at the times of events, just before and just behind. At last how long after
    the instant asked the clock of the log is."""
    crowd = now_us, _, events = draw(crowds())
    times = sorted({event.time_us for happened in events.values() for event in happened})
    kept: dict[str, int | None] = {}
    dropped: dict[str, int] = {}
    for name in EVENT_TYPES.properties:
        if draw(st.booleans()):
            lengths = [HOUR_US, 26 * HOUR_US, 3 * DAY_US, 30 * DAY_US, 400 * DAY_US]
            lengths += [now_us - time_us for time_us in times[:3] if time_us < now_us]
            kept[name] = draw(st.sampled_from(lengths)) + draw(st.sampled_from((0, 0, 1)))
        if times and draw(st.integers(0, 3)) == 0:
            dropped[name] = draw(st.sampled_from(times)) + draw(st.sampled_from((-1, 0, 1)))
    return crowd, kept, dropped, draw(st.sampled_from((0, 0, 1, HOUR_US, 40 * HOUR_US)))


@settings(max_examples=settings.default.max_examples // 2)
@given(
    crowd_of_age=aged(),
    zone=st.sampled_from([*ZONES, "Europe/Berlin"]),
    asked=st.lists(event_expressions(), min_size=4, max_size=16),
    seed=st.integers(0, 2**32),
)
def test_every_reading_is_the_same(
    crowd_of_age: tuple[Crowd, dict[str, int | None], dict[str, int], int],
    zone: str,
    asked: list[tree.Expr],
    seed: int,
) -> None:
    (now_us, profiles, events), kept, dropped, ahead_us = crowd_of_age
    chance = random.Random(seed)
    declared = stored_model(zone)
    declared = replace(
        declared,
        events={
            name: replace(
                event,
                retention_us=kept.get(name),
                dropped_us=dropped.get(name, event.dropped_us),
            )
            for name, event in declared.events.items()
        },
    )
    # The later of the clock of the log and that outside.
    clock_us = now_us + ahead_us
    log_us, outside_us = chance.choice(((clock_us, now_us), (now_us, clock_us)))
    borders = {
        name: max(dropped.get(name, EARLIEST_US), _border_us(clock_us, kept.get(name), zone))
        for name in declared.events
    }
    context = ReferenceContext(
        TYPES, ZoneInfo(zone), now_us, events=EVENT_TYPES, kept_from_us=borders
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        event_store(Path(folder) / "store", declared, profiles, events, chance) as store,
        store.snapshot() as snapshot,
    ):
        snapshot.version.attached = Attached(clock=LogInstant(0, log_us, log_us))
        # Logic over them, where rows are left to lists and to what others decided.
        asked = [*asked, *joined(asked, chance)]
        audience = Audience(snapshot, Binder(declared), as_of_us=now_us, now=lambda: outside_us)
        planned = []
        for expr in asked:
            try:
                audience.add(expr)
                planned.append(expr)
            except (ExpressionInvalid, NotYet):
                continue
        if not planned:
            return
        expected = [
            {row for row in profiles if evaluate(expr, profiles[row], context, events=events[row])}
            for expr in planned
        ]
        agree(audience, planned, expected, ASKED_ROWS)


def _border_us(clock_us: int, kept_us: int | None, zone: str) -> int:
    """The beginning of the day that was under way so long before, by looking for it."""
    if kept_us is None:
        return EARLIEST_US
    day = local_day(clock_us - kept_us, ZoneInfo(zone)) + 1
    starts = [first_instant_us(day - back, ZoneInfo(zone)) for back in range(4)]
    return max(start for start in starts if start <= clock_us - kept_us)


def joined(asked: list[tree.Expr], chance: random.Random) -> list[tree.Expr]:
    """Some of the expressions with each other."""
    found: list[tree.Expr] = []
    for _ in range(4):
        some = tuple(chance.sample(asked, min(len(asked), chance.randint(2, 3))))
        kind = chance.choice([tree.And, tree.Or])
        found.append(kind(some) if len(some) > 1 else tree.Not(some[0]))
        found.append(tree.Not(found[-1]))
    return found
