"""Who joins and leaves by an edit of the model, before and after it is done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.core.memberships import stored_masks
from engine.live.segment_edits import carried_versions, differences, farewells, plan_change
from engine.live.segments import StoredSegments
from engine.model.load import load_model
from engine.rules.bind import Binder
from engine.store.catalog import segment_field
from tests.stored_segments import KeptWorld, model_files, rows_of
from tests.worlds import MODEL, NOW_US, World

OLD = {
    "rich": "price > 50 or points >= 1000",
    "poor": "not segment('rich')",
    "same": "vip and active",
    "gone": "points > 0",
    "recent": "joined > now - 30 days",
    "was kept": "points > 5",
    "stands still": "joined > now",
}
NEW = {
    "rich": "price > 60 or points >= 1000",
    "poor": "not segment('rich')",
    "same": "active and vip -- as before",
    "recent": "joined > now - 60 days",
    "was kept": "points < 5 and not seniority > 3",
    "stands still": "points < 9",
    "fresh": "loyalty > 3",
    "empty": "loyalty is missing",
}
ROWS = 70_001


def segments_of(kept: KeptWorld, rules: dict[str, str]) -> StoredSegments:
    """A model that is not applied, with two attributes more."""
    more = (
        "purposes: {a: {}}\nattributes:\n"
        "  loyalty: {type: int}\n  seniority: {type: int, needs: a}\n"
    )
    base = MODEL.replace("attributes:\n", more)
    model, _ = load_model(model_files(rules, base))
    with kept.store.snapshot() as snapshot:
        return StoredSegments(model, Binder(model), snapshot.fields)


def test_plan_of_an_edit(tmp_path: Path) -> None:
    kept = KeptWorld(tmp_path / "store", World(seed=1, rows=ROWS), OLD)
    old, new = kept.segments, segments_of(kept, NEW)
    differ = {
        "rich": "changed",
        "poor": "changed",
        "recent": "changed",
        "was kept": "changed",
        "stands still": "changed",
        "fresh": "added",
        "empty": "added",
        "gone": "removed",
    }
    assert differences(old, new) == differ
    with kept.store.snapshot() as snapshot:
        edits = plan_change(old, new, snapshot, now_us=NOW_US)
        before = old.evaluate(snapshot, list(OLD), now_us=NOW_US)
        after = new.evaluate(snapshot, list(NEW), now_us=NOW_US)
        assert [edit.name for edit in edits] == list(differ)
        for edit in edits:
            was = set(rows_of(before[edit.name])) if edit.name in before else set()
            now = set(rows_of(after[edit.name])) if edit.name in after else set()
            assert edit.what == differ[edit.name]
            assert edit.joiners.tolist() == sorted(now - was), edit.name
            assert edit.leavers.tolist() == sorted(was - now), edit.name
            assert (edit.old_size, edit.new_size) == (len(was), len(now))
            assert bool(edit.not_kept) == (edit.name == "was kept")
        moved = {e.name for e in edits if len(e.joiners) + len(e.leavers)}
        assert moved == set(differ) - {"fresh"}
        sizes = {edit.name: edit.new_size for edit in edits}
        # The new attribute has no field so far: nobody has it.
        assert (sizes["fresh"], sizes["empty"], sizes["gone"]) == (0, ROWS, 0)
        gone = {t.definition: t.left.tolist() for t in farewells(old, new, snapshot)}
        assert gone == {
            "segments.gone": rows_of(before["gone"]),
            'segments."was kept"': rows_of(before["was kept"]),
        }
        first = plan_change(None, new, snapshot, now_us=NOW_US)
        assert {edit.what for edit in first} == {"added"}
        assert farewells(None, new, snapshot) == []


def test_versions_follow_meanings(tmp_path: Path) -> None:
    kept = KeptWorld(tmp_path / "store", World(seed=2, rows=65), OLD)
    first = carried_versions(None, kept.segments, 4)
    assert set(first.values()) == {4}
    with kept.store.snapshot() as snapshot:
        old = StoredSegments(
            kept.segments.model, Binder(kept.segments.model), snapshot.fields, first
        )
    later = carried_versions(old, segments_of(kept, NEW), 9)
    assert {name for name, version in later.items() if version == 4} == {"same"}
    assert set(later.values()) == {4, 9} and "gone" not in later


def test_a_changed_definition_is_refreshed_in_its_field(tmp_path: Path) -> None:
    """The members turn into the new ones by exactly the joiners and leavers of the plan."""
    kept = KeptWorld(tmp_path / "store", World(seed=1, rows=ROWS), OLD)
    new = segments_of(kept, NEW | {"fresh": "vip"})
    with kept.store.snapshot() as snapshot:
        planned = {e.name: e for e in plan_change(kept.segments, new, snapshot, now_us=NOW_US)}
        change = new.refresh(snapshot, ["rich", "poor", "same"])
    assert [t.definition for t in change.transitions] == ["segments.rich", "segments.poor"]
    for transition, name in zip(change.transitions, ("rich", "poor"), strict=True):
        assert (transition.entered == planned[name].joiners).all()
        assert (transition.left == planned[name].leavers).all()
        assert change.count_deltas[name] == planned[name].new_size - planned[name].old_size
    kept.put(change)
    with kept.store.snapshot() as snapshot:
        table = snapshot.addresses(snapshot.fields[segment_field("rich")].id)
        stored = stored_masks(table, snapshot.block_count)
        assert (stored == new.evaluate(snapshot, ["rich"])["rich"]).all()
        assert not new.refresh(snapshot, ["rich", "poor"]).memberships
    assert np.bitwise_count(stored).sum() == planned["rich"].new_size


@pytest.mark.parametrize(
    "rule",
    [
        "rate > 1.5", "rate < 1.5", "rate in (1.5, 2.5)", "rate not in (1.5)", "rate + loyalty > 0",
        "rate = loyalty", "loyalty in (1, 2)", "loyalty not in (1)", "loyalty != 3",
        "born < date '2020-01-01'", "born not in (date '2020-01-01')", "born is present",
        "village = 'x'", "village != 'x'", "village not in ('x')", "village contains 'x'",
        "village = city",
        "likes = 'x'", "memo contains 'x'", "listed", "not listed and listed",
    ],
)  # fmt: skip
def test_nobody_has_what_has_no_field_yet(tmp_path: Path, rule: str) -> None:
    kept = KeptWorld(tmp_path / "store", World(seed=1, rows=500), {})
    new = (
        "attributes:\n  loyalty: {type: int}\n  rate: {type: float}\n  born: {type: date}\n"
        "  village: {type: category}\n  likes: {type: set}\n  memo: {type: text}\n"
        "  listed: {type: bool}\n"
    )
    model, _ = load_model(model_files({"s": rule}, MODEL.replace("attributes:\n", new)))
    with kept.store.snapshot() as snapshot:
        segments = StoredSegments(model, Binder(model), snapshot.fields)
        (edit,) = plan_change(kept.segments, segments, snapshot, now_us=NOW_US)
    assert (edit.new_size, edit.joiners.tolist()) == (0, [])
