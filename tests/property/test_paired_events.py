"""How many events and what they come to, asked together: what the reference says.

Values are small, or about as large as a lane of 32 bits holds beside a count, or beyond; negative
ones and missing ones among them.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.audience import Audience
from engine.core import evaluate as blocks
from engine.core.paired_plan import paired
from engine.rules.bind import Binder
from engine.rules.parse import parse
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_events import ReferenceEvent
from tests.event_crowds import event_store
from tests.property.event_expressions import EVENT_TYPES
from tests.property.expressions import NOWS_US
from tests.property.test_event_columns import ROWS, TYPES, stored_model

HOUR_US = 3_600_000_000
# Sums of few of them are at the border of what is left beside 0 to 4 bits of a count, and of 32.
SIZES = [0, 1, 7, *(2**bits + beside for bits in (27, 28, 29, 30, 31, 32) for beside in (-1, 0))]
PIECES = st.sampled_from(SIZES)
SIGNED = st.one_of(PIECES, PIECES.map(lambda size: -size), st.just(2**62))


@st.composite
def crowds(draw: st.DrawFn) -> tuple[int, dict[int, list[ReferenceEvent]]]:
    """An instant, and by row orders of up to three hours ago, some of them without pieces."""
    now_us = draw(st.sampled_from(NOWS_US))
    pieces = draw(st.sampled_from([st.sampled_from([0, 1, 7]), PIECES, PIECES, SIGNED]))
    values = st.one_of(pieces, pieces, pieces, st.none()) if draw(st.booleans()) else pieces
    events = {}
    for row in draw(st.lists(st.sampled_from(ROWS), min_size=1, unique=True)):
        happened = draw(st.lists(st.tuples(values, st.integers(0, 2)), max_size=6))
        events[row] = [
            ReferenceEvent(
                "order", now_us - hours * HOUR_US, {} if value is None else {"pieces": value}
            )
            for value, hours in happened * draw(st.sampled_from([1, 1, 1, 3]))
        ]
    return now_us, events


@st.composite
def questions(draw: st.DrawFn) -> str:
    """A count of `least` or more and a sum within some ends, in either order, perhaps with more."""
    window = draw(st.sampled_from(["", " in last 2 hours", " since now - 1 hour"]))
    where = draw(st.sampled_from(["", " where pieces > 1"]))
    least = draw(st.sampled_from([1, 1, 2, 3, 4, 7, 8, 15, 16]))
    op = draw(st.sampled_from([">", ">=", "<", "<=", "="]))
    size = draw(
        st.one_of(st.sampled_from(SIZES), st.sampled_from(SIZES).map(lambda size: 2 * size))
    )
    counted = f"count(order{where}{window}) >= {least}"
    summed = f"sum(order.pieces{where}{window}) {op} {size}"
    parts = [counted, summed] if draw(st.booleans()) else [summed, counted]
    return " and ".join([*parts, *draw(st.sampled_from([[], [], ["age > 1"]]))])


@settings(max_examples=settings.default.max_examples // 2, deadline=None)
@given(
    crowd=crowds(), asked=st.lists(questions(), min_size=3, max_size=6), seed=st.integers(0, 2**32)
)
def test_pairs_say_what_the_reference_says(
    crowd: tuple[int, dict[int, list[ReferenceEvent]]], asked: Sequence[str], seed: int
) -> None:
    now_us, events = crowd
    chance = random.Random(seed)
    declared = stored_model("UTC")
    profiles = {row: {"age": row % 3} for row in events if row % 5}
    context = ReferenceContext(TYPES, ZoneInfo("UTC"), now_us, events=EVENT_TYPES)
    with (
        tempfile.TemporaryDirectory() as folder,
        event_store(Path(folder) / "store", declared, profiles, events, chance) as store,
        store.snapshot() as snapshot,
    ):
        if not profiles:
            return
        for text in asked:
            audience = Audience(snapshot, Binder(declared), as_of_us=now_us, now=lambda: now_us)
            audience.add(text)
            (root,) = (question.root for question in audience._questions)
            masks, (count,) = blocks.many_masks(audience._counting([root]), [root])
            bits = np.unpackbits(masks[0].view(np.uint8).reshape(-1), bitorder="little")
            expected = {
                row
                for row in profiles
                if evaluate(parse(text), profiles[row], context, events=events[row])
            }
            assert set(np.flatnonzero(bits).tolist()) == expected, text
            (alone,) = audience.counts()
            (by_node,) = audience.counts(nodes=True)
            assert count == alone.count == by_node.count == len(expected), text


def test_what_is_paired_and_what_is_not(tmp_path: Path) -> None:
    now_us = NOWS_US[0]
    events = {1: [ReferenceEvent("order", now_us, {"pieces": 3})]}
    declared = stored_model("UTC")
    pair = "count(order) >= 2 and sum(order.pieces) > 5"
    kept = [
        "count(order) >= 2 and sum(order.pieces in last 2 hours) > 5",
        "count(order where pieces > 2) >= 2 and sum(order.pieces) > 5",
        "count(order) >= 16 and sum(order.pieces) > 5",
        "count(order) <= 2 and sum(order.pieces) > 5",
        "count(order) >= 2 or sum(order.pieces) > 5",
        "count(order) >= 2 and sum(order.pieces) != 5",
        "count(order, visit) >= 2 and sum(order.pieces) > 5",
        "count(order) >= 2 and not sum(order.pieces) > 5",
    ]
    with (
        event_store(tmp_path / "store", declared, {1: {}}, events, random.Random(1)) as store,
        store.snapshot() as snapshot,
    ):
        for text in [pair, *kept]:
            audience = Audience(snapshot, Binder(declared), as_of_us=now_us, now=lambda: now_us)
            audience.add(text)
            roots = [question.root for question in audience._questions]
            plan = audience._planner.plan
            made = paired(plan, roots)
            assert (len(made.columns) > len(plan.columns)) == (text == pair), text
            assert len(made.nodes) == len(plan.nodes)
        # What somebody else reads stays as it is.
        audience = Audience(snapshot, Binder(declared), as_of_us=now_us, now=lambda: now_us)
        audience.add(pair)
        audience.add("count(order) >= 2")
        roots = [question.root for question in audience._questions]
        assert paired(audience._planner.plan, roots).nodes == audience._planner.plan.nodes
