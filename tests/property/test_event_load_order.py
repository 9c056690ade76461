"""Loads of events equal their events laid one by one over dictionaries, however they are cut.

The same updates are loaded twice, cut into batches and folds in two ways: both stores must hold
the same bytes, and what a plain dictionary of events holds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.live import load_folding
from engine.live.bulk_load import BulkLoad
from engine.store.store import Store
from tests.event_batches import EVENT_MODEL
from tests.event_stores import brought, event_batch, event_bytes, stored_events
from tests.loads import SOURCE, batch_of, new_store

# Of two blocks, so that members and events of both are brought in any order.
_MEMBERS = ["m0", "m1", "m65535", "m65536", "new1", "new2"]
_EVENT = st.fixed_dictionaries(
    {
        "time": st.integers(0, 3),
        "id": st.sampled_from([None, None, "", "1", "2", "3"]),
        "channel": st.sampled_from([None, "web", "app"]),
        "amount": st.sampled_from([None, 0, 5]),
    },
    optional={"note": st.sampled_from(["", "x"])},
)
_GONE = st.fixed_dictionaries({"id": st.sampled_from(["1", "2", "3"]), "gone": st.just(True)})
_UPDATE = st.fixed_dictionaries(
    {"member": st.sampled_from(_MEMBERS)},
    optional={"order": st.one_of(_EVENT, _EVENT, _EVENT, _GONE), "ping": _GONE},
)
_LOADS = st.lists(st.lists(_UPDATE, max_size=12), min_size=1, max_size=3)

Updates = Sequence[dict[str, Any]]
# (row, number of the event) -> the event; events without an id have numbers of their own.
World = dict[tuple[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def filled() -> Any:
    """The folder of a store with the members of two blocks, to be copied."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        with new_store(path, EVENT_MODEL) as store, BulkLoad(store, EVENT_MODEL, SOURCE) as load:
            load.add(batch_of([{"member": f"m{number}"} for number in range(65_537)]))
            load.finish()
        yield path


def _apply(world: World, updates: Updates) -> tuple[int, int, int, int]:
    """What a load does to the orders: added, replaced, unchanged, removed."""
    before = dict(world)
    spoken: dict[tuple[str, Any], None] = {}
    for update in updates:
        if "order" in update:
            event = update["order"]
            key = (update["member"], event["id"] or ("none", len(world), len(spoken)))
            spoken[key] = None
            if event.get("gone"):
                world.pop(key, None)
            else:
                cells = {k: v for k, v in event.items() if k not in ("id", "time")}
                there = {k: v for k, v in cells.items() if v is not None}
                world[key] = {"time": event["time"], "cells": there}
    added = sum(key in world and key not in before for key in spoken)
    replaced = sum(key in world and key in before and world[key] != before[key] for key in spoken)
    unchanged = sum(key in world and world.get(key) == before.get(key) for key in spoken)
    removed = sum(key not in world and key in before for key in spoken)
    return added, replaced, unchanged, removed


def _cut(updates: Updates, step: int) -> list[Updates]:
    return [updates[start : start + step] for start in range(0, len(updates), step)]


@pytest.mark.parametrize("staged_bytes", [0, 60, 1 << 20])
def test_loads_of_events_equal_one_by_one(
    filled: Path, monkeypatch: pytest.MonkeyPatch, staged_bytes: int
) -> None:
    def limit(size: int) -> None:
        monkeypatch.setattr(load_folding, "LOAD_STAGED_BYTES", size)
        monkeypatch.setattr(load_folding, "LOAD_ORDERED_BYTES", size)
        monkeypatch.setattr(load_folding, "LOAD_KEPT_BYTES", size - 1)

    @given(_LOADS, st.integers(1, 5))
    def check(loads: list[Updates], step: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            limit(staged_bytes)
            cut = _load_all(filled, Path(folder) / "cut", loads, step)
            limit(1 << 30)
            assert _load_all(filled, Path(folder) / "whole", loads, 1000) == cut

    check()


def _load_all(filled: Path, path: Path, loads: Sequence[Updates], step: int) -> Any:
    """Loads into a copy; checks every state, and gives the last one as bytes."""
    path.mkdir()
    for file in filled.iterdir():
        if file.is_file():
            (path / file.name).write_bytes(file.read_bytes())
    world: World = {}
    with Store.open(path) as store:
        rows = {f"m{number}": number for number in range(65_537)}
        for updates in loads:
            with BulkLoad(store, EVENT_MODEL, SOURCE) as load:
                for some in _cut(updates, step):
                    load.add(event_batch(some))
                outcome = load.finish()
            for update in updates:
                rows.setdefault(update["member"], len(rows))
            assert brought(outcome) == _apply(world, updates)
            expected = [
                (rows[member], event["time"], event["cells"])
                for (member, _), event in world.items()
            ]
            assert _plain(stored_events(store, "order")) == _plain(expected)
        assert store.verify().faults == ()
        return event_bytes(store, "order"), event_bytes(store, "ping")


def _plain(events: Sequence[tuple[int, int, dict[str, Any]]]) -> list[Any]:
    return sorted(((row, time, sorted(cells.items())) for row, time, cells in events), key=repr)
