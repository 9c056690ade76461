"""Scores of random models, read in every way: block = row = reference, and their values too."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.audience import Audience
from engine.rules.bind import Binder
from engine.rules.parse import parse, parse_value
from engine.rules.reference import ReferenceContext, evaluate, evaluate_value
from tests.asked_audiences import agree
from tests.event_crowds import event_store
from tests.property.event_expressions import EVENT_TYPES
from tests.property.expressions import ZONES
from tests.property.test_event_columns import ASKED_ROWS, TYPES, Crowd, crowds, stored_model
from tests.scored_models import ScoredModel

ASKED = 12


@settings(max_examples=settings.default.max_examples)
@given(crowd=crowds(), zone=st.sampled_from(ZONES), seed=st.integers(0, 2**32))
def test_every_reading_is_the_same(crowd: Crowd, zone: str, seed: int) -> None:
    now_us, profiles, events = crowd
    chance = random.Random(seed)
    scored = ScoredModel(stored_model(zone), chance)
    context = ReferenceContext(
        TYPES,
        ZoneInfo(zone),
        now_us,
        segments=scored.segments,
        events=EVENT_TYPES,
        scores=scored.references,
    )
    values = {
        name: [
            evaluate_value(
                parse_value(f"score('{name}')"), profiles[row], context, events=events[row]
            )
            for row in profiles
        ]
        for name in scored.score_names
    }
    asked = [parse(scored.asked(values)) for _ in range(ASKED)]
    with (
        tempfile.TemporaryDirectory() as folder,
        event_store(Path(folder) / "store", scored.model, profiles, events, chance) as store,
        store.snapshot() as snapshot,
    ):
        audience = Audience(snapshot, Binder(scored.model), as_of_us=now_us)
        for expr in asked:
            audience.add(expr)
        expected = [
            {
                row
                for row in profiles
                if evaluate(expr, profiles[row], context, uid=bytes(16), events=events[row])
            }
            for expr in asked
        ]
        agree(audience, [(expr, scored.model.scores) for expr in asked], expected, ASKED_ROWS)
