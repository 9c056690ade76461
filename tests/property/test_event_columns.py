"""Conditions on events, read in every way: block = row = reference.

Profiles stand at the borders of words and blocks, some of them not alive; their events lie in
several chunks that overlap, at the borders of windows, many at one instant.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.audience import Audience
from engine.core import evaluate as blocks
from engine.errors import ExpressionInvalid, NotYet
from engine.model.definitions import EventProperty, Model
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_events import ReferenceEvent
from tests.event_crowds import event_store
from tests.property.event_expressions import EVENT_TYPES, event_expressions, events_at
from tests.property.expressions import NOWS_US, PROFILES, ZONES
from tests.unit.bind_model import ATTRIBUTES, model

TYPES = {name: attribute.type for name, attribute in ATTRIBUTES.items()}
# At the borders of words and blocks; one block between has nobody.
ROWS = (0, 1, 63, 64, 127, 4_096, 65_534, 65_535, 65_536, 65_537, 131_071, 196_608, 196_700)


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


@settings(max_examples=settings.default.max_examples // 2)
@given(
    crowd=crowds(),
    zone=st.sampled_from([*ZONES, "Europe/Berlin"]),
    asked=st.lists(event_expressions(), min_size=4, max_size=16),
    seed=st.integers(0, 2**32),
)
def test_every_reading_is_the_same(
    crowd: Crowd,
    zone: str,
    asked: list[tree.Expr],
    seed: int,
) -> None:
    now_us, profiles, events = crowd
    chance = random.Random(seed)
    declared = stored_model(zone)
    context = ReferenceContext(TYPES, ZoneInfo(zone), now_us, events=EVENT_TYPES)
    with (
        tempfile.TemporaryDirectory() as folder,
        event_store(Path(folder) / "store", declared, profiles, events, chance) as store,
        store.snapshot() as snapshot,
    ):
        # Logic over them, where rows are left to lists and to what others decided.
        asked = [*asked, *joined(asked, chance)]
        audience = Audience(snapshot, Binder(declared), as_of_us=now_us)
        planned = []
        for expr in asked:
            try:
                audience.add(expr)
                planned.append(expr)
            except (ExpressionInvalid, NotYet):
                continue
        if not planned:
            return
        roots = [question.root for question in audience._questions]
        masks, counts = blocks.many_masks(audience._program(roots), roots)
        by_node = audience.counts(nodes=True)
        rows = sorted({*ROWS, 2, 65_000, 300_000})
        by_row = audience.test_rows(rows)
        for expr, mask, count, result, row_truths in zip(
            planned, masks, counts, by_node, by_row, strict=True
        ):
            bits = np.unpackbits(mask.view(np.uint8).reshape(-1), bitorder="little")
            expected = {
                row
                for row in profiles
                if evaluate(expr, profiles[row], context, events=events[row])
            }
            assert set(np.flatnonzero(bits).tolist()) == expected, expr
            assert count == result.count == len(expected), expr
            assert {row for row, held in zip(rows, row_truths, strict=True) if held} == expected, (
                expr
            )


def joined(asked: list[tree.Expr], chance: random.Random) -> list[tree.Expr]:
    """Some of the expressions with each other."""
    found: list[tree.Expr] = []
    for _ in range(4):
        some = tuple(chance.sample(asked, min(len(asked), chance.randint(2, 3))))
        kind = chance.choice([tree.And, tree.Or])
        found.append(kind(some) if len(some) > 1 else tree.Not(some[0]))
        found.append(tree.Not(found[-1]))
    return found
