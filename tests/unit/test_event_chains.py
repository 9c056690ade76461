"""Chains of events that are kept from state to state, against what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.database import Database
from engine.live.event_chains import EventChains
from engine.store.catalog import event_field
from tests.event_stores import event_batch, stored_events

MODEL = {
    "model.yaml": """\
time_zone: UTC
identifiers: {member: {per_profile: 1}}
events:
  order: {}
  visit: {}
"""
}
NOON = 1_793_534_400_000_000
MEMBERS = 3


def _send(database: Database, *updates: Mapping[str, Any]) -> None:
    model = database.model
    assert model is not None
    database.wait_visible(database.ingest(event_batch(updates, model), giver="shop").offset)


def _event(type_: str, member: int, second: int, **values: Any) -> dict[str, Any]:
    return {"member": f"m{member}", type_: {"time": NOON + 1_000_000 * second, **values}}


def _check(database: Database, chains: EventChains) -> None:
    """Chains gather what is stored, the same twice, and other types beside it."""
    rows = np.arange(MEMBERS, dtype=np.uint32)
    with database._store.snapshot() as snapshot:
        for name in ("order", "visit", "order"):
            expected = sorted((row, time) for row, time, _ in stored_events(database._store, name))
            field = snapshot.fields[event_field(name)].id
            for wanted in (rows, rows[1:2]):
                found = chains.gather(snapshot, field, wanted)
                assert not found.left
                places, times = found.events.places(), found.events.times()
                gathered = zip(wanted[places].tolist(), times.tolist(), strict=True)
                assert list(gathered) == [one for one in expected if one[0] in wanted]


def test_chains_follow_what_is_stored(tmp_path: Path) -> None:
    chains = EventChains()
    with Database.create(tmp_path / "s", threads=1) as database:
        database.apply_model(MODEL)
        _send(database, *({"member": f"m{n}"} for n in range(MEMBERS)))
        _check(database, chains)
        _send(database, _event("order", 0, 5, id="a"), _event("order", 2, 1))
        _check(database, chains)
        _send(database, _event("visit", 1, 3), _event("order", 0, 2))
        _check(database, chains)
        # One that stood before others says another time, and then goes.
        _send(database, _event("order", 0, 9, id="a"))
        _check(database, chains)
        database.checkpoint()
        _check(database, chains)
        _send(database, _event("order", 0, 9, id="a", gone=True), _event("order", 1, 7))
        _check(database, chains)
        database.checkpoint()
        _check(database, chains)
        _send(database, _event("order", 1, 4))
        _check(database, chains)
