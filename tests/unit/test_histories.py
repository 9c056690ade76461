"""Attributes with history: every change is kept, and an instant of the past reads what was then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.database import Database
from engine.measures import Top
from tests.live_databases import only_the_log
from tests.loads import ERASE
from tests.moving_worlds import DAY_US, START_US, MovingDatabase

HEAD = """\
time_zone: UTC
identifiers:
  member: {{per_profile: 1}}
attributes:
  stage: {{type: category{0}}}
  size: {{type: int{0}}}
  spent: {{type: decimal, scale: 2{0}}}
  rate: {{type: float{0}}}
  open: {{type: bool{0}}}
  day: {{type: date{0}}}
  seen: {{type: time{0}}}
  remark: {{type: text{0}}}
  level: {{type: int}}
  twice: {{type: int, is: "2 * size"}}
sources:
  crm: {{identify: {{member: member}}, attributes: {{size: size, stage: stage}}}}
"""
SEGMENTS = """\
segments:
  large: "size >= 50"
  through: "segment('large') and stage = 'x'"
scores:
  lead: {rules: [{when: "size >= 50", points: 7}], bands: {low: 0, high: 5}}
"""


def files(history: str = ", history: true") -> dict[str, str]:
    return {"model.yaml": HEAD.format(history) + SEGMENTS}


class World(MovingDatabase):
    """A database of such a model."""

    def __init__(self, path: Path, history: str = ", history: true") -> None:
        self.path, self.now_us = path, START_US
        self.database = Database.create(path, threads=1, now=lambda: self.now_us)
        self.database.apply_model(files(history))

    def at(self, at_us: int, expression: str) -> list[str]:
        with self.database.members(expression, as_of_us=at_us) as members:
            return [one for some in members.identifiers("member") for one in some]

    def step(self, **cells: Any) -> int:
        """Sends member a's cells a day later; the instant."""
        self.now_us += DAY_US
        self.send({"member": "a", **cells})
        return self.now_us


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    opened = World(tmp_path / "store")
    yield opened
    opened.close()


CHANGES = [
    ("size", 1, 2, "size = 1", "size = 2"),
    ("stage", "x", "y", "stage = 'x'", "stage != 'x'"),
    ("spent", 150, 225, "spent < 2", "spent > 2"),
    ("rate", 0.5, 1.5, "rate = 0.5", "rate > 1.0"),
    ("open", True, False, "open", "open = false"),
    ("day", 20000, 20001, "day <= date '2024-10-04'", "day > date '2024-10-04'"),
    ("seen", 5, 10**15, "seen < time '1980-01-01T00:00:00Z'", "seen > time '1980-01-01T00:00:00Z'"),
    ("remark", "one", "two", "remark contains 'n'", "remark starts with 't'"),
]


@pytest.mark.parametrize(("name", "one", "two", "is_one", "is_two"), CHANGES)
def test_each_type_is_what_it_was(
    world: World, name: str, one: Any, two: Any, is_one: str, is_two: str
) -> None:
    world.send({"member": "a"})
    created = world.now_us
    first, second, gone = (world.step(**{name: cell}) for cell in (one, two, ERASE))
    last = world.step(**{name: one})
    for at_us, holds in (
        (created, [False, False, False]),
        (first - 1, [False, False, False]),
        (first, [True, False, True]),
        (second - 1, [True, False, True]),
        (second, [False, True, True]),
        (gone, [False, False, False]),
        (last, [True, False, True]),
        (last + 30 * DAY_US, [True, False, True]),
    ):
        asked = (is_one, is_two, f"{name} is present")
        assert [world.at(at_us, text) == ["a"] for text in asked] == holds, at_us
        assert world.at(at_us, f"not {name} is present") == ([] if holds[2] else ["a"])
    assert world.database.count(is_one).count == 1


def test_what_comes_late_lies_in_between_and_what_comes_twice_counts_once(world: World) -> None:
    t1 = world.step(size=1)
    world.step(size=3)
    world.send({"member": "a", "size": 2, "time": t1 + 5})
    assert world.at(t1 + 4, "size = 1") == world.at(t1 + 5, "size = 2") == ["a"]
    world.send({"member": "a", "size": 9, "time": t1 + 5})
    assert world.at(t1 + 5, "size = 9") == ["a"]
    assert world.at(world.now_us, "size = 3") == ["a"]
    assert world.database.count("size = 3").count == 1
    count = world.database.stats()["hidden_events"]
    world.step(size=3)
    world.send({"member": "a", "size": 9, "time": t1 + 5})
    assert world.database.stats()["hidden_events"] == count
    # What was no change is no border for what comes late either.
    world.send({"member": "a", "size": 4, "time": world.now_us - 5})
    assert world.at(world.now_us, "size = 4") == ["a"]
    assert world.database.count("size = 4").count == 1


def test_a_record_says_the_same_however_it_is_cut(tmp_path: Path) -> None:
    cells = [{"size": 1}, {"size": 2, "time": START_US - 5}, {"size": 3}, {"size": 1}]
    one, many = World(tmp_path / "one"), World(tmp_path / "many")
    for world in (one, many):
        world.send({"member": "a", "size": 1, "time": START_US - 9})
    one.send(*({"member": "a", **cell} for cell in cells))
    for cell in cells:
        many.send({"member": "a", **cell})
    for at_us in range(START_US - 10, START_US + 2):
        for size in (1, 2, 3):
            text = f"size = {size}"
            assert one.at(at_us, text) == many.at(at_us, text), (at_us, size)
    one.close()
    many.close()


def test_whatever_reads_an_attribute_reads_what_it_was(world: World) -> None:
    t1 = world.step(size=60, stage="x")
    world.step(size=10, stage="y", level=4)
    for text in (
        "segment('large')",
        "segment('through')",
        "score('lead') = 7",
        "band('lead') = 'high'",
        "twice = 120",
        "size - 10 = 50 and stage in ('x')",
        "not size < 50",
    ):
        assert world.at(t1, text) == ["a"], text
        assert world.at(world.now_us, text) == [], text
        assert world.database.count(text).count == 0, text
    database = world.database
    for at_us, stage, size in ((t1, "x", 60), (t1 - 1, None, 0), (None, "y", 10)):
        assert database.count("true", group_by="stage", as_of_us=at_us).groups == {stage: 1}
        total = database.measures.summarize("size", "true", as_of_us=at_us)
        assert total.total.sum == size
        by_stage = database.measures.summarize("size", "true", group_by="stage", as_of_us=at_us)
        assert by_stage.groups is not None and list(by_stage.groups) == [stage]
    frequent = database.measures.distribution("stage", "true", Top(5), as_of_us=t1)
    assert frequent.values is not None and [one.value for one in frequent.values] == ["x"]
    assert database.count("size = 60 and level = 4", as_of_us=t1).read_as_of_today == ("level",)


def test_a_profile_is_explained_as_it_was(world: World) -> None:
    t1 = world.step(size=60, stage="x")
    world.step(size=ERASE, stage="y")
    explain = world.database.explanations.explain
    for at_us, holds in ((t1 - 1, False), (t1, True), (world.now_us, False), (None, False)):
        found = explain(("member", "a"), "size >= 50 and stage = 'x'", as_of_us=at_us)
        assert found is not None and found.truth == holds
        assert found.read_as_of_today == ()


def test_histories_are_hidden(world: World) -> None:
    world.step(size=60)
    database = world.database
    assert database.stats()["events"] == 0 and database.stats()["hidden_events"] == 1
    assert database.verify().faults == ()
    assert not database.unkept_segments()


def test_a_history_begins_with_what_is_there(tmp_path: Path) -> None:
    world = World(tmp_path / "store", "")
    t1 = world.step(size=60, stage="x", remark="one", open=True)
    world.send({"member": "b", "size": 70, "time": t1 - 4})
    assert world.at(t1 - 10, "size >= 50") == ["a", "b"]
    world.now_us += DAY_US
    edit = world.now_us
    world.database.apply_model(files())
    text = "size = 60 and stage = 'x' and remark contains 'n' and open"
    assert world.at(edit - 1, "size is present") == []
    assert world.at(edit, text) == ["a"] and world.at(edit, "size = 70") == ["b"]
    world.send({"member": "a", "size": 5, "time": t1}, {"member": "b", "size": 1})
    assert world.at(edit, text) == ["a"] and world.at(t1, "size = 5") == ["a"]
    assert world.database.count(text).count == 1
    assert world.at(edit, "size = 1") == ["b"]  # said at the same instant, and later
    world.reopen()
    assert world.at(edit, text) == ["a"] and world.database.verify().faults == ()
    world.database.apply_model(files(""))
    assert world.database.stats()["hidden_events"] == 0
    assert world.at(t1 - 10, text) == ["a"]
    world.close()


def test_another_type_begins_another_history(world: World) -> None:
    t1 = world.step(rate=1.5)
    world.step(rate=ERASE)
    whole = HEAD.format(", history: true").replace("rate: {type: float", "rate: {type: int")
    world.database.apply_model({"model.yaml": whole})
    assert world.database.stats()["hidden_events"] == 0
    assert world.at(t1, "rate is present") == []
    world.database.apply_model({"model.yaml": HEAD.format(", history: true")})
    t2 = world.step(rate=2.5)
    assert world.at(t1, "rate is present") == [] and world.at(t2, "rate > 2.0") == ["a"]
    assert world.database.verify().faults == ()


def test_a_set_keeps_no_history(world: World) -> None:
    model = {
        "model.yaml": HEAD.format("").replace(
            "level: {type: int}", "level: {type: set, history: true}"
        )
    }
    with pytest.raises(Exception, match="a set keeps no history"):
        world.database.apply_model(model)


def test_a_killed_store_knows_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, copy = World(tmp_path / "store"), tmp_path / "copy"
    with monkeypatch.context() as patched:
        only_the_log(patched)
        first = world.step(size=1, remark="one", stage="x")
        world.step(size=2, remark="two")
        world.send({"member": "a", "size": 3, "time": first + 7}, {"member": "b", "size": 1})
        count = world.database.stats()["hidden_events"]
        with world.database._store._writing:
            copy.mkdir()
            (copy / "data.mdb").write_bytes((world.path / "data.mdb").read_bytes())
    again = MovingDatabase(copy, now_us=world.now_us)
    world.database, killed = again.database, world.database
    try:
        assert world.at(first, "size = 1 and remark contains 'n' and stage = 'x'") == ["a"]
        assert world.at(first + 7, "size = 3 and remark contains 'n'") == ["a"]
        assert world.at(world.now_us, "size = 2 and remark contains 'w'") == ["a"]
        assert again.database.stats()["hidden_events"] == count
        assert again.database.verify().faults == ()
    finally:
        killed.close()
        again.close()
