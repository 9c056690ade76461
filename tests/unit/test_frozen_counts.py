"""Counts of those who were frozen: in groups, at the nodes of an expression, at another instant.

The naive twin takes names instead of rows: the members of each condition, listed one by one, and
those of the frozen audience.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.database import Database
from engine.errors import InputInvalid, NotFound
from tests.event_batches import event_rows
from tests.live_databases import LiveDatabase
from tests.unit.test_frozen import kill, names

MODEL = """\
time_zone: UTC
identifiers:
  member: {per_profile: 1}
attributes:
  city: {type: category, history: true}
  is_member: {type: bool}
  size: {type: int}
  area: {type: category, is: "first_value(visit.area)"}
events:
  visit: {properties: {area: category}}
scores:
  lead:
    rules: [{when: "size >= 3", points: 10}, {when: "city = 'a'", points: 30}]
    bands: {low: 10, high: 40}
tiers:
  stage: {stages: [{name: big, when: "size >= 10"}, {name: small, when: "size >= 4"}]}
segments:
  large: "size >= 10"
"""

CONDITIONS = (
    "city = 'a'",
    "not city = 'a'",
    "segment('large') and not (is_member or city in ('b', 'c'))",
    "size < 7 or count(visit) > 0",
    "tier('stage') = 'small'",
    "false",
)
GROUPS = {
    "city": ("city", ("a", "b", "c")),
    "is_member": ("is_member", ("true", "false")),
    "area": ("area", ("n", "s")),
    "tier('stage')": ("tier('stage')", ("big", "small")),
    "band('lead')": ("band('lead')", ("low", "high")),
}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveDatabase]:
    path = tmp_path / "store"
    with Database.create(path, threads=1) as database:
        database.apply_model({"model.yaml": MODEL})
    live = LiveDatabase(path)
    drawn = random.Random(3)
    live.send(*(_person(drawn, number) for number in range(120)))
    _visits(live, range(0, 120, 3))
    live.database.frozen.freeze("old", "size >= 5 or city = 'b'")
    # Who is in it stays; what they have moves on.
    live.send(*(_person(drawn, number) for number in range(20, 160)))
    kill(live, "m1", "m2", "m30", "m31", "m32", "m33", "m90")
    yield live
    live.database.close()


def _visits(live: LiveDatabase, numbers: range) -> None:
    model = live.database.model
    assert model is not None
    visits = [{"time": 1_700_000_000_000_000 + n, "area": "ns"[n % 2]} for n in numbers]
    batch = live.batch(*({"member": f"m{number}"} for number in numbers))
    rows = event_rows("visit", visits, model)
    live.database.wait_visible(live.database.ingest(replace(batch, events=(rows,))).offset)


def _person(drawn: random.Random, number: int) -> dict[str, object]:
    person: dict[str, object] = {"member": f"m{number}", "size": drawn.randrange(20)}
    if drawn.random() < 0.8:
        person["city"] = drawn.choice("abc")
    if drawn.random() < 0.8:
        person["is_member"] = drawn.random() < 0.5
    return person


def among(live: LiveDatabase, condition: str) -> int:
    """How many of those frozen a condition holds for, by names."""
    return len(set(live.members(condition)) & set(names(live, "old")))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_and_its_nodes_hold_for_so_many_of_those_frozen(
    live: LiveDatabase, condition: str
) -> None:
    frozen, database = live.database.frozen, live.database
    found = frozen.count_among("old", condition, nodes=True)
    assert found.count == among(live, condition)
    assert found.expression == database.count(condition).expression
    assert found.gone == frozen.get("old").gone > 0
    whole = database.count(condition, nodes=True)
    assert found.nodes and whole.nodes
    assert [(n.text, n.depth) for n in found.nodes] == [(n.text, n.depth) for n in whole.nodes]
    for node in found.nodes:
        if node.text not in ("and", "or", "not"):
            assert node.count == among(live, node.text), node.text
    assert frozen.count_among("old", condition).count == found.count
    assert found.nodes[0].count == found.count
    # Nobody was left out of the counts of all.
    assert [n.count for n in whole.nodes] == [
        n.count for n in database.count(condition, nodes=True).nodes or ()
    ]


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("condition", [None, *CONDITIONS])
def test_groups_are_those_of_now(live: LiveDatabase, group: str, condition: str | None) -> None:
    frozen = live.database.frozen
    found = frozen.count_among("old", condition, group_by=group)
    asked = "true" if condition is None else condition
    by, values = GROUPS[group]
    expected: dict[str | None, int] = {
        value: among(live, f"({asked}) and {by} = {value if by == 'is_member' else repr(value)}")
        for value in values
    }
    expected[None] = among(live, f"({asked}) and {by} is missing")
    assert found.groups == {value: count for value, count in expected.items() if count}
    assert condition or len(found.groups or {}) == len(expected), "somebody has each"
    assert found.count == sum(expected.values()) == among(live, asked)
    if condition is None:
        kept = frozen.get("old")
        assert (found.expression, found.gone) == (kept.frozen.expression, kept.gone)
        assert found.as_of_us > kept.frozen.as_of_us, "the groups are those of now"


def test_another_instant_is_that_of_the_expression_and_the_groups(live: LiveDatabase) -> None:
    frozen = live.database.frozen
    before = frozen.get("old").frozen.as_of_us
    then = frozen.count_among("old", group_by="city", as_of_us=before)
    now = frozen.count_among("old", group_by="city")
    assert then.as_of_us == before and then.groups != now.groups
    assert sum((then.groups or {}).values()) == sum((now.groups or {}).values())
    assert now.read_as_of_today == () == then.read_as_of_today
    moved = frozen.count_among("old", "size >= 3", as_of_us=before)
    assert moved.read_as_of_today == ("size",)
    city = frozen.count_among("old", "city = 'a'", as_of_us=before)
    assert city.count == (then.groups or {})["a"]


def test_what_cannot_be_said_of_a_frozen_audience(live: LiveDatabase) -> None:
    frozen = live.database.frozen
    with pytest.raises(InputInvalid, match="who was in it, and not why"):
        frozen.count_among("old", nodes=True)
    with pytest.raises(NotFound, match="Did you mean old"):
        frozen.count_among("odl", "true")
    with pytest.raises(NotFound, match="no attribute cty"):
        frozen.count_among("old", group_by="cty")
