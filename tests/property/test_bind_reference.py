"""Binding keeps the meaning: the bound tree and the reference agree on every profile."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.reference import ReferenceContext, evaluate
from tests.property.bound_evaluator import BoundEvaluation
from tests.property.expressions import NOWS_US, PROFILES, SEGMENT_NAMES, ZONES, expressions
from tests.unit.bind_model import ATTRIBUTES, model

TYPES = {name: attribute.type for name, attribute in ATTRIBUTES.items()}
UIDS = [bytes(16), bytes(range(16)), b"\xff" * 16]
LISTS = {"here": {UIDS[0], UIDS[1]}, "there": {UIDS[1]}}


@settings(max_examples=settings.default.max_examples * 5)
@given(
    expr=expressions(),
    definitions=st.tuples(*(expressions(segments=False) for _ in SEGMENT_NAMES)),
    profiles=st.lists(PROFILES, min_size=1, max_size=8),
    zone=st.sampled_from(ZONES),
    now_us=st.sampled_from(NOWS_US),
    uid=st.sampled_from(UIDS),
)
def test_bound_tree_and_reference_agree(
    expr: tree.Expr,
    definitions: tuple[tree.Expr, ...],
    profiles: list[dict[str, Any]],
    zone: str,
    now_us: int,
    uid: bytes,
) -> None:
    segments = dict(zip(SEGMENT_NAMES, definitions, strict=True))
    bound = Binder(model(zone), segments).bind(expr)
    context = ReferenceContext(TYPES, ZoneInfo(zone), now_us, LISTS, segments)
    for profile in profiles:
        expected = evaluate(expr, profile, context, uid=uid)
        found = BoundEvaluation(profile, ZoneInfo(zone), now_us, uid, LISTS).holds(bound)
        assert found == expected, (bound, profile)
