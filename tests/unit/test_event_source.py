"""Values of a property that types of events declare with different numbers of decimals."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.live.event_source import EventSource
from engine.live.held_events import HeldEvents
from engine.model.definitions import Attribute
from engine.rules.bound_events import BoundEvents
from tests.moving_events import EventDatabase
from tests.moving_worlds import START_US

MODEL = """\
time_zone: UTC
identifiers:
  member: {per_profile: 1}
events:
  fine: {properties: {amount: {type: decimal, scale: 3}}}
  coarse: {properties: {amount: {type: decimal, scale: 1}}}
  other: {properties: {page: category}}
"""


class _Mixed(EventDatabase):
    def apply(self, segments: dict[str, str], *, zone: str = "", rules: str = "") -> None:
        self.database.apply_model({"model.yaml": MODEL})


def test_values_come_in_the_unit_of_the_finest(tmp_path: Path) -> None:
    live = _Mixed(tmp_path / "store", {})
    large = 10**18 - 1
    try:
        model = live.database.model
        assert model is not None
        source = EventSource(
            model, BoundEvents(("fine", "coarse", "other")), Attribute("amount", "decimal", 3)
        )

        def values() -> list[int]:
            with live.database._store.snapshot() as snapshot:
                found = source.timelines(HeldEvents(snapshot, np.zeros(1, np.uint32)))
                return [int(value) for value in found.values]

        live.send(
            {"member": "a", "fine": {"time": START_US, "amount": 1250}},
            {"member": "a", "coarse": {"time": START_US - 1, "amount": -13}},
            {"member": "a", "coarse": {"time": START_US, "amount": 12}},
            {"member": "a", "other": {"time": START_US - 2, "page": "p"}},
        )
        assert values() == [-1300, 1200, 1250]
        live.send({"member": "a", "coarse": {"time": START_US, "amount": large}})
        assert values() == [-1300, 1200, 1250, 100 * large], "more than 64 bits hold"
    finally:
        live.close()
