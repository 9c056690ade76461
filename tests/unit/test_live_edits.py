"""Edits of the model on a database that has profiles and goes on taking batches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ModelInvalid
from engine.live.change import Cause
from engine.model_edits import DefinitionChange
from tests.live_databases import SEGMENTS, LiveDatabase, model_files
from tests.loads import ERASE

LARGE_BOTH = {**SEGMENTS, "large": "size >= 20"}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveDatabase]:
    """Ten members m0 to m9 of size 0, 10, ... 90; even ones live in 京, and m3 has tag vip."""
    made = LiveDatabase(tmp_path / "store")
    with made.database:
        made.send(
            *({"member": f"m{n}", "size": 10 * n, "city": "京" if n % 2 == 0 else "沪"}
              for n in range(10)),
            {"member": "m3", "tag": ["vip"]},
        )  # fmt: skip
        yield made


def change(name: str, old: int, new: int, joiners: int, leavers: int, **more: Any) -> Any:
    """A DefinitionChange of a kept segment."""
    given = {"kept": True, **more}
    return DefinitionChange(
        f"segments.{name}", old_size=old, new_size=new, joiners=joiners, leavers=leavers, **given
    )


def members(*numbers: int) -> list[str]:
    return [f"m{n}" for n in numbers]


def test_a_changed_definition_and_what_it_is_part_of(live: LiveDatabase) -> None:
    before = live.database.data_version
    applied = live.database.apply_model(model_files(LARGE_BOTH))
    assert (applied.version, applied.changed, applied.changed_keys) == (
        2,
        True,
        ("segments.large",),
    )
    assert applied.changes == (change("large", 5, 8, 3, 0), change("both", 2, 4, 2, 0))
    assert sorted(live.entries(before)) == [
        ("m2", "+both", 2, Cause.EDIT),
        ("m2", "+large", 2, Cause.EDIT),
        ("m3", "+large", 2, Cause.EDIT),
        ("m4", "+both", 2, Cause.EDIT),
        ("m4", "+large", 2, Cause.EDIT),
    ]
    found = live.agree()
    assert found["large"] == members(*range(2, 10)) and found["both"] == members(2, 4, 6, 8)


def test_joiners_and_leavers_at_once(live: LiveDatabase) -> None:
    before = live.database.data_version
    edited = {**SEGMENTS, "large": "size < 20 or size > 70", "fan": "likes = 'y'"}
    applied = live.database.apply_model(model_files(edited))
    assert applied.changes == (
        change("large", 5, 4, 2, 3),
        change("both", 2, 2, 1, 1),
        change("fan", 1, 0, 0, 1),
    )
    assert live.moves(before) == [
        "m0+both", "m0+large", "m1+large", "m3-fan", "m5-large", "m6-both", "m6-large", "m7-large",
    ]  # fmt: skip
    live.agree()


def test_definitions_have_versions(live: LiveDatabase) -> None:
    live.database.apply_model(model_files(LARGE_BOTH))
    same = {**LARGE_BOTH, "northern": "(city in ('津', '京'))"}
    applied = live.database.apply_model(model_files(same))
    assert (applied.version, applied.changed, applied.changes) == (3, True, ())
    sent = live.send({"member": "m1", "city": "京", "size": 20, "tag": ["vip"]})
    versions = {what: version for _, what, version, _ in live.entries(sent.offset - 1)}
    assert versions == {"+northern": 1, "+large": 2, "+both": 2, "+fan": 1}
    live.database.apply_model(model_files({**same, "fan": "tag = 'none'"}))
    assert {(what, version) for _, what, version, _ in live.entries(sent.offset)} == {("-fan", 4)}
    live.agree()


def test_new_and_removed_segments(live: LiveDatabase) -> None:
    before = live.database.data_version
    edited = {"northern": SEGMENTS["northern"], "small": "size < 20", "nobody": "size < 0"}
    applied = live.database.apply_model(model_files(edited))
    assert applied.added == ("segments.small", "segments.nobody")
    assert applied.removed == ("segments.large", "segments.both", "segments.fan")
    assert applied.changes == (
        change("small", 0, 2, 2, 0),
        change("nobody", 0, 0, 0, 0),
        change("large", 5, 0, 0, 5, kept=False),
        change("both", 2, 0, 0, 2, kept=False),
        change("fan", 1, 0, 0, 1, kept=False),
    )
    entries = live.entries(before)
    assert {what: version for _, what, version, _ in entries} == {
        "-large": 1, "-both": 1, "-fan": 1, "+small": 2,
    }  # fmt: skip
    assert {cause for *_, cause in entries} == {Cause.EDIT} and len(entries) == 10
    assert live.agree() == {
        "northern": members(0, 2, 4, 6, 8), "small": members(0, 1), "nobody": [],
    }  # fmt: skip


def test_a_segment_that_comes_back_begins_anew(live: LiveDatabase) -> None:
    without = {name: text for name, text in SEGMENTS.items() if name != "fan"}
    live.database.apply_model(model_files(without))
    live.send({"member": "m3", "tag": []}, {"member": "m4", "likes": ["x"]})
    before = live.database.data_version
    live.database.apply_model(model_files())
    assert live.entries(before) == [(m, "+fan", 3, Cause.EDIT) for m in members(3, 4)]
    live.agree()


def test_the_same_model_again_changes_nothing(live: LiveDatabase) -> None:
    before = live.database.data_version
    applied = live.database.apply_model(model_files())
    assert (applied.version, applied.changed, applied.changes) == (1, False, ())
    assert live.database.data_version == before and live.entries(before) == []


def test_planning_changes_nothing(live: LiveDatabase) -> None:
    live.wait_told()
    edited = model_files({**SEGMENTS, "large": "size < 20 or size > 70", "more": "size > 0"})
    live.database.checkpoint()
    before = live.database.stats(), live.agree()
    plan = live.database.plan_model(edited)
    assert (live.database.stats(), live.agree()) == before
    assert live.database.model_version == 1
    applied = live.database.apply_model(edited)
    assert plan.changes == applied.changes
    assert (plan.added, plan.changed_keys) == (applied.added, applied.changed_keys)
    assert applied.changes[-1] == change("more", 0, 9, 9, 0)


def test_a_model_with_faults_changes_nothing(live: LiveDatabase) -> None:
    before = live.database.data_version
    for text in ("sise > 3", "segment('large"):
        with pytest.raises(ModelInvalid):
            live.database.apply_model(model_files({**SEGMENTS, "large": text}))
    assert live.database.data_version == before and live.database.model_version == 1
    live.sizes(("m0", 50))
    assert live.agree()["large"] == members(0, 5, 6, 7, 8, 9)


def test_segments_that_move_with_time_are_kept(live: LiveDatabase) -> None:
    before = live.database.data_version
    edited = {**SEGMENTS, "late": "seen < now - 7 days", "later": "segment('late')"}
    applied = live.database.apply_model(model_files(edited))
    assert live.database.unkept_segments() == {}
    assert [(one.definition, one.kept) for one in applied.changes] == [
        ("segments.late", True), ("segments.later", True),
    ]  # fmt: skip
    sent = live.send({"member": "m1", "seen": 0}, {"member": "m2", "seen": 0})
    assert live.moves(before) == ["m1+late", "m1+later", "m2+late", "m2+later"]
    assert live.members("segment('late')") == live.members("segment('later')") == ["m1", "m2"]
    assert live.database.count("segment('late')").count == 2
    assert live.agree().keys() == edited.keys()

    # One that stood still moves from then on; the other way round, it stays as it is.
    turned = {"large": "seen < now", "late": "seen < time '2000-01-01T00:00:00Z'"}
    live.database.apply_model(model_files({**edited, **turned}))
    moves = live.moves(sent.offset)
    assert moves == sorted(
        [f"m{n}-large" for n in range(5, 10)] + ["m6-both", "m8-both"]
        + ["m1+large", "m2+large", "m2+both"]
    )  # fmt: skip
    live.agree()


def test_attributes_come_and_go(live: LiveDatabase) -> None:
    head = model_files()["model.yaml"].partition("segments:")[0]
    more = head.replace("  likes:", "  level: {type: int}\n  likes:") + "segments:\n"
    live.database.apply_model(model_files({**SEGMENTS, "high": "level > 2"}, more))
    live.send({"member": "m1", "level": 3}, {"member": "m2", "level": 2})
    assert live.agree()["high"] == ["m1"]
    with pytest.raises(ModelInvalid, match=r"attributes\.level: the key is gone"):
        live.database.apply_model(model_files(SEGMENTS, head + "segments:\n"))
    live.send({"member": "m1", "level": 1}, {"member": "m2", "level": 4})
    assert live.agree()["high"] == ["m2"]
    live.send({"member": "m1", "level": ERASE}, {"member": "m2", "level": ERASE})
    live.database.apply_model(model_files(SEGMENTS, head + "segments:\n"))
    live.send({"member": "m1", "size": 99})
    assert live.agree()["large"] == members(1, 5, 6, 7, 8, 9)


def test_an_edit_among_batches(live: LiveDatabase) -> None:
    """Batches under way before, during and after edits are judged by the model of their turn."""
    stop = threading.Event()
    sent = []

    def ingest() -> None:
        for n in range(100_000):
            if stop.is_set():
                return
            batch = live.batch({"member": f"m{n % 50}", "size": (n * 37) % 100, "city": "京"})
            sent.append(live.database.submit(batch))
            sent[max(0, n - 20)].result()

    thread = threading.Thread(target=ingest)
    thread.start()
    try:
        for n in range(6):
            live.database.apply_model(model_files(LARGE_BOTH if n % 2 == 0 else SEGMENTS))
    finally:
        stop.set()
        thread.join()
    live.database.wait_visible(max(future.result().offset for future in sent))
    assert live.database.model_version == 7
    live.agree()
    causes = {run.cause for run in live.runs()}
    assert causes == {Cause.EDIT, Cause.UPDATE}
