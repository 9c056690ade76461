"""Computed attributes: block = row = reference, and each says what is written in its place.

Every aggregate of a random expression becomes an attribute that it computes, of the type that it
has; some of these attributes are computed from others.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.audience import Audience
from engine.errors import ExpressionInvalid
from engine.model.definitions import Attribute, AttributeType, Model
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.canonical import format_value
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.types import Quantity
from tests.asked_audiences import agree
from tests.event_crowds import event_store
from tests.property.event_expressions import EVENT_TYPES, event_expressions
from tests.property.test_event_columns import ASKED_ROWS, TYPES, Crowd, crowds, stored_model


class Naming:
    """Names for aggregates: what each computes, and of which type it is."""

    def __init__(self, declared: Model, chance: random.Random) -> None:
        self.computed: dict[str, tree.Value] = {}
        self.types: dict[str, AttributeType] = {}
        self._binder = Binder(declared)
        self._chance = chance

    def named(self, part: Any) -> Any:
        """The part with names for its aggregates. Raises ExpressionInvalid."""
        if isinstance(part, tree.Aggregate):
            return self._name(part)
        if isinstance(part, tuple):
            return tuple(self.named(one) for one in part)
        if not is_dataclass(part) or isinstance(part, tree.Sequence):
            return part
        return replace(part, **{f.name: self.named(getattr(part, f.name)) for f in fields(part)})  # type: ignore[type-var]

    def _name(self, aggregate: tree.Aggregate) -> tree.Name:
        operand = self._binder.operand(aggregate)
        type_: Any = operand.kind
        if isinstance(operand, Quantity) and type_ == "number":
            type_ = "decimal"
        name = self._declare(type_, aggregate)
        if self._chance.random() < 0.3:
            name = self._declare(type_, tree.Name(name))
        return tree.Name(name)

    def _declare(self, type_: AttributeType, value: tree.Value) -> str:
        name = f"c{len(self.types)}"
        self.computed[name], self.types[name] = value, type_
        return name

    def model(self, declared: Model) -> Model:
        made = {
            name: Attribute(name, type_, computed=format_value(self.computed[name]))
            for name, type_ in self.types.items()
        }
        return replace(declared, attributes={**declared.attributes, **made})


@settings(max_examples=settings.default.max_examples // 2)
@given(
    crowd=crowds(),
    asked=st.lists(event_expressions(), min_size=4, max_size=16),
    seed=st.integers(0, 2**32),
)
def test_every_reading_is_the_same(crowd: Crowd, asked: list[tree.Expr], seed: int) -> None:
    now_us, profiles, events = crowd
    chance = random.Random(seed)
    zone = "Europe/Berlin"
    plain = stored_model(zone)
    naming = Naming(plain, chance)
    binder = Binder(plain)
    pairs = []
    for expr in asked:
        try:
            binder.bind(expr)
            pairs.append((naming.named(expr), expr))
        except ExpressionInvalid:
            continue
    declared = naming.model(plain)
    types = {**TYPES, **naming.types}
    context = ReferenceContext(
        types, ZoneInfo(zone), now_us, events=EVENT_TYPES, computed=naming.computed
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        event_store(Path(folder) / "store", declared, profiles, events, chance) as store,
        store.snapshot() as snapshot,
    ):
        audience = Audience(snapshot, Binder(declared), as_of_us=now_us)
        texts, rows_of = [], []
        for named, written in pairs:
            # As a tree: some sums that are drawn have no text.
            audience.add(named)
            texts.append(repr(named))
            rows_of.append(
                {r for r in profiles if evaluate(named, profiles[r], context, events=events[r])}
            )
            assert rows_of[-1] == {
                r for r in profiles if evaluate(written, profiles[r], context, events=events[r])
            }
        if texts:
            agree(audience, texts, rows_of, ASKED_ROWS)
