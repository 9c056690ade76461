"""Bulk loads of batches with event times, and with values added and removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.live import load_folding
from engine.live.batch import LoadOutcome
from engine.live.bulk_load import BulkLoad
from engine.store.catalog import FieldKind, time_field
from engine.store.store import Store
from tests.loads import ERASE, MODEL, SOURCE, new_store, profile
from tests.updates import update_batch


@pytest.fixture(params=[0, 1 << 20], ids=["folded at once", "folded at the end"])
def store(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    monkeypatch.setattr(load_folding, "LOAD_STAGED_BYTES", request.param)
    monkeypatch.setattr(load_folding, "LOAD_ORDERED_BYTES", request.param)
    monkeypatch.setattr(load_folding, "LOAD_KEPT_BYTES", request.param - 1)
    with new_store(tmp_path / "store") as store:
        with store.write() as writer:
            for name in ("size", "remark"):
                if time_field(name) not in writer.fields:
                    writer.add_field(time_field(name), FieldKind.INTS)
        yield store


def _load(store: Store, *batches: list[dict[str, Any]]) -> LoadOutcome:
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        for updates in batches:
            assert bulk.add(update_batch(updates)).refused == []
        return bulk.finish()


def _shown(store: Store) -> dict[str, Any]:
    record = profile(store, "member", "m1")
    assert record is not None
    return dict(record.attributes)


def _cell(value: int, time: int | None) -> dict[str, Any]:
    return {"member": "m1", "size": value, "remark": f"r{value}", "time": time}


def test_late_cells_are_passed_over_within_a_load_and_across_loads(store: Store) -> None:
    _load(store, [_cell(1, 30), _cell(2, 20)], [_cell(3, 10)])
    assert _shown(store) == {"size": 1, "remark": "r1"}
    outcome = _load(store, [_cell(4, 29)])
    assert (outcome.profiles_changed, outcome.blocks_written) == (0, 0)
    assert _load(store, [_cell(5, 30)]).profiles_changed == 1
    assert _shown(store) == {"size": 5, "remark": "r5"}


def test_a_cell_without_a_time_is_taken_and_opens_the_way_for_earlier_ones(store: Store) -> None:
    _load(store, [_cell(1, 30)])
    _load(store, [_cell(2, None)])
    assert _shown(store) == {"size": 2, "remark": "r2"}
    _load(store, [_cell(3, 10)])
    assert _shown(store) == {"size": 3, "remark": "r3"}
    _load(store, [_cell(4, None), _cell(5, 5), _cell(6, 4)], [_cell(7, None), _cell(8, 1)])
    assert _shown(store) == {"size": 8, "remark": "r8"}


def test_an_erasure_has_a_time_too(store: Store) -> None:
    erasing = {"member": "m1", "size": ERASE, "remark": ERASE, "time": 20}
    _load(store, [_cell(1, 10)], [erasing], [_cell(2, 15)])
    assert _shown(store) == {}
    _load(store, [_cell(3, 19)])
    assert _shown(store) == {}
    _load(store, [_cell(4, 20)])
    assert _shown(store) == {"size": 4, "remark": "r4"}


def test_an_event_time_alone_changes_no_profile(store: Store) -> None:
    _load(store, [_cell(1, 10)])
    outcome = _load(store, [_cell(1, 20)])
    assert outcome.profiles_changed == 0 and outcome.blocks_written == 2
    _load(store, [_cell(2, 15)])
    assert _shown(store) == {"size": 1, "remark": "r1"}


def test_values_are_added_and_removed_for_their_giver_alone(store: Store) -> None:
    def tags(*updates: dict[str, Any]) -> Any:
        _load(store, [{"member": "m1", **update} for update in updates])
        return _shown(store).get("tag", [])

    assert tags({"tag": ["a", "b"]}, {"+tag": ["b", "c"], "by": "ann"}) == ["a", "b", "c"]
    assert tags({"-tag": ["b", "c"]}) == ["a", "b", "c"]
    assert tags({"-tag": ["b"], "by": "ann"}) == ["a", "c"]
    assert tags({"+tag": ["d"], "-tag": ["a", "d"], "tag": ["e", "d"]}) == ["c", "d", "e"]
    assert tags({"-tag": ["c"], "by": "ann"}, {"tag": ERASE}) == []
