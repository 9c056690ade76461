"""Sequences in expressions, read in every way: block = row = reference.

Events lie half seconds apart and links are seconds long, so that nearly every border is met, many
events at one instant. They are asked for as text, alone, joined with each other, negated, and
behind what leaves few rows to look at; at instants before, among and after the events.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.audience import Audience
from engine.errors import ExpressionInvalid
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.canonical import format_expression
from engine.rules.parse import parse
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_events import ReferenceEvent
from tests.asked_audiences import agree
from tests.event_crowds import event_store
from tests.property.event_expressions import (
    EVENT_TYPES,
    dense_events,
    event_among,
    short_sequence,
    steps,
)
from tests.property.test_event_columns import ASKED_ROWS, ROWS, TYPES, stored_model
from tests.unit.bind_model import ATTRIBUTES

SECOND_US = 1_000_000
NOW_US = 1_760_000_000 * SECOND_US
HALVES = [NOW_US - SECOND_US // 2 * back for back in range(13)]
ASKED_US = [NOW_US + shift for shift in (-7 * SECOND_US, -3 * SECOND_US, -1, 0, 1, 2 * SECOND_US)]

seconds = st.builds(tree.Duration, st.sampled_from([1, 1, 2, 3, 100]), st.just("second"))
windows = st.one_of(
    st.none(),
    seconds.map(lambda length: tree.Window("in_last", length=length)),
    st.just(tree.Window("between_ago", start=tree.Duration(4, "second"),
                        end=tree.Duration(1, "second"))),
    st.just(tree.Window("before", to=tree.Instant(tree.Now(), -1, tree.Duration(2, "second")))),
    st.sampled_from([tree.Window("today"), tree.Window("yesterday")]),
)  # fmt: skip
sequences = st.builds(
    tree.Sequence,
    steps(),
    st.lists(st.builds(tree.Link, steps(), seconds, st.booleans()), min_size=1, max_size=4).map(
        tuple
    ),
    windows,
)


def texts_of(asked: Sequence[tree.Sequence], chance: random.Random) -> list[str]:
    """The sequences as texts, and what they are joined to."""
    alone = [format_expression(one) for one in asked]
    alone += [format_expression(short_sequence(chance)) for _ in range(12)]
    joined = []
    for _ in range(8):
        one, other = chance.choice(alone), chance.choice(alone)
        joined += [
            f"{one} {chance.choice(['and', 'or'])} not {other}",
            f"count(visit) {chance.choice(['>= 1', '= 0'])} and {one}",
            f"age >= 0 and ({one} or {other})",
        ]
    return [*alone, *joined]


@settings(max_examples=settings.default.max_examples // 2)
@given(
    drawn=st.lists(st.lists(event_among(HALVES), max_size=8), min_size=2, max_size=5),
    asked=st.lists(sequences, max_size=8),
    as_of_us=st.sampled_from(ASKED_US),
    seed=st.integers(0, 2**32),
)
def test_every_reading_is_the_same(
    drawn: list[list[ReferenceEvent]],
    asked: list[tree.Sequence],
    as_of_us: int,
    seed: int,
) -> None:
    chance = random.Random(seed)
    profiles = {row: {"age": row % 3} for row in ROWS if chance.random() < 0.9 or row == 0}
    events = {row: happened(drawn, chance) for row in ROWS if chance.random() < 0.9}
    declared = stored_model("Asia/Shanghai")
    # Of some types the earlier events are dropped, and their bytes are there still.
    borders = {
        name: chance.choice(HALVES) + chance.choice((-1, 0, 1))
        for name in declared.events
        if chance.random() < 0.3
    }
    dropping = {
        name: replace(event, dropped_us=borders.get(name, event.dropped_us))
        for name, event in declared.events.items()
    }
    declared = replace(declared, events=dropping)
    context = ReferenceContext(
        TYPES,
        ZoneInfo("Asia/Shanghai"),
        as_of_us,
        events=EVENT_TYPES,
        kept_from_us=borders,
    )
    assert set(ATTRIBUTES) == set(TYPES)
    with (
        tempfile.TemporaryDirectory() as folder,
        event_store(Path(folder) / "store", declared, profiles, events, chance) as store,
        store.snapshot() as snapshot,
    ):
        audience = Audience(snapshot, Binder(declared), as_of_us=as_of_us)
        texts = []
        for text in texts_of(asked, chance):
            try:
                audience.add(text)
                texts.append(text)
            except ExpressionInvalid as error:
                assert "cannot hold" in str(error) or "window" in str(error), text
        agree(audience, texts, expected(texts, profiles, events, context), ASKED_ROWS)


def happened(drawn: list[list[ReferenceEvent]], chance: random.Random) -> list[ReferenceEvent]:
    if chance.random() < 0.5:
        return chance.choice(drawn)
    return [
        ReferenceEvent(event.type, HALVES[-1] + event.time_us) for event in dense_events(chance)
    ]


def expected(
    texts: list[str],
    profiles: Mapping[int, Mapping[str, int]],
    events: Mapping[int, Sequence[ReferenceEvent]],
    context: ReferenceContext,
) -> list[set[int]]:
    """The rows of each text, by the reference."""
    return [
        {
            row
            for row in profiles
            if evaluate(parse(text), profiles[row], context, events=events.get(row, ()))
        }
        for text in texts
    ]
