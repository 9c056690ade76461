"""Conditions on events before any event is looked at: what is decided, and how it is laid out."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from engine.columns.strings import Strings
from engine.core.day_starts import known_day_starts
from engine.core.leaf_plan import Lookup
from engine.core.operations import CodesLeaf, IntInLeaf, IntRangeLeaf, LinearLeaf, PresentLeaf
from engine.core.where_nodes import WhereNodes
from engine.core.where_plan import WhereNode, plan_where
from engine.limits import DATE_DAYS
from engine.live.schema import change_fields
from engine.model.load import load_model
from engine.rules.bind import bind
from engine.rules.bound import BoundCompare, BoundExpr, aggregates_of
from engine.rules.calendar import first_instant_us
from engine.rules.parse import parse
from engine.store.catalog import property_field
from engine.store.snapshot import Snapshot
from engine.store.store import Store
from tests.sample_stores import MAP_BYTES

UTC = ZoneInfo("UTC")
MODEL, _ = load_model(
    {
        "model.yaml": """
identifiers: {member: {}}
events:
  order: {properties: {channel: category, amount: {type: decimal, scale: 2}, count: int}}
  visit: {properties: {channel: category, amount: {type: decimal, scale: 3}}}
  call: {properties: {minutes: int}}
"""
    }
)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    path: Path = tmp_path_factory.mktemp("where") / "store"
    with Store.create(path, map_size=MAP_BYTES) as store:
        with store.write() as writer:
            change_fields(writer, MODEL)
            channel = writer.fields[property_field("channel", "category", 0)]
            writer.intern(channel.id, Strings.from_list(["app", "web", "shop", "air"]))
        with store.snapshot() as found:
            yield found


def condition(where: str, selector: str = "any") -> BoundExpr | None:
    bound = bind(parse(f"count({selector} where {where}) > 0"), MODEL)
    assert isinstance(bound, BoundCompare)
    return aggregates_of(bound)[0].events.where


def plan(
    snapshot: Snapshot, where: str, *types: str, lookups: dict[int, Lookup] | None = None
) -> list[tuple[WhereNode, ...] | None]:
    selected = condition(where, ", ".join(types))
    found = plan_where(snapshot, types, selected, 0, UTC, model=MODEL, lookups=lookups)
    return [found[event] for event in types]


def number(snapshot: Snapshot, name: str, type_: str, scale: int = 0) -> int:
    return int(snapshot.fields[property_field(name, type_, scale)].id)


@pytest.mark.parametrize(
    ("where", "order", "call"),
    [
        ("channel = 'never seen'", None, None),
        ("not channel = 'never seen'", (), ()),
        ("channel = 'never seen' and amount > 1", None, None),
        ("not channel = 'never seen' or amount > 1", (), ()),
        ("amount < 0 - 1e30", None, None),
        ("amount is missing and not amount is missing or true", (), ()),
    ],
)
def test_what_is_decided_without_events(
    snapshot: Snapshot, where: str, order: tuple[()] | None, call: tuple[()] | None
) -> None:
    assert plan(snapshot, where, "order", "call") == [order, call]


def test_no_condition_is_every_event(snapshot: Snapshot) -> None:
    assert plan_where(snapshot, ("order", "call"), None, 0, UTC) == {"order": (), "call": ()}


def test_a_type_without_the_property_has_none(snapshot: Snapshot) -> None:
    channel = number(snapshot, "channel", "category")
    present = WhereNode("leaf", PresentLeaf(channel))
    assert plan(snapshot, "channel is present", "order", "call") == [(present,), None]
    missing = (present, WhereNode("not"))
    assert plan(snapshot, "channel is missing", "order", "call") == [missing, ()]


def test_decimals_are_those_of_each_type(snapshot: Snapshot) -> None:
    ways = {}
    for event, scale in (("order", 2), ("visit", 3)):
        amount = number(snapshot, "amount", "decimal", scale)
        least = 15 * 10 ** (scale - 1)
        ways[event] = WhereNode("leaf", IntRangeLeaf(amount, least, 2**63 - 1))
    assert plan(snapshot, "amount >= 1.5", "order", "visit") == [(w,) for w in ways.values()]
    # Without the model, an event may have either.
    found = plan_where(snapshot, ("order",), condition("amount >= 1.5"), 0, UTC)["order"]
    assert found == (ways["order"], ways["visit"], WhereNode("or"))


def test_codes_that_follow_each_other_are_a_range(snapshot: Snapshot) -> None:
    channel = number(snapshot, "channel", "category")
    (nodes,) = plan(snapshot, "channel in ('web', 'shop', 'no')", "order")
    assert nodes == (WhereNode("leaf", IntRangeLeaf(channel, 2, 3)),)
    (nodes,) = plan(snapshot, "channel contains 'a'", "order")
    assert nodes is not None and isinstance(nodes[0].leaf, CodesLeaf)


def test_dictionaries_that_were_looked_at_are_known(snapshot: Snapshot) -> None:
    lookups: dict[int, Lookup] = {}
    plan(snapshot, "channel = 'web'", "order", lookups=lookups)
    assert lookups[number(snapshot, "channel", "category")].count == 4


@pytest.mark.parametrize(("count", "searched"), [(16, False), (17, True)])
def test_few_runs_of_numbers_are_ranges(snapshot: Snapshot, count: int, searched: bool) -> None:
    numbers = [value for run in range(count) for value in (10 * run, 10 * run + 1)]
    (nodes,) = plan(snapshot, f"count in ({', '.join(map(str, numbers))})", "order")
    assert nodes is not None
    assert any(isinstance(node.leaf, IntInLeaf) for node in nodes) == searched
    assert len(nodes) == (1 if searched else 2 * count - 1)


def test_two_properties_are_one_sum(snapshot: Snapshot) -> None:
    (nodes,) = plan(snapshot, "2 * amount > count", "order")
    assert nodes is not None and isinstance(nodes[0].leaf, LinearLeaf)


def depth_of(nodes: tuple[WhereNode, ...]) -> int:
    depth = most = 0
    for node in nodes:
        depth += {"leaf": 1, "not": 0}.get(node.kind, -1)
        most = max(most, depth)
    return most


def test_deep_brackets_need_few_masks(snapshot: Snapshot) -> None:
    chance = random.Random(5)

    def nested(levels: int) -> str:
        if not levels:
            return f"count > {chance.randrange(1000)}"
        joined = chance.choice(["and", "or"])
        parts = [f"count < {chance.randrange(1000)}", f"not ({nested(levels - 1)})"]
        chance.shuffle(parts)
        return f" {joined} ".join(parts)

    (nodes,) = plan(snapshot, nested(30), "order")
    assert nodes is not None and len(nodes) > 60
    assert depth_of(nodes) == 2
    assert WhereNodes(nodes).node_count == len(nodes)


def test_nodes_out_of_order_are_refused() -> None:
    leaf = WhereNode("leaf", PresentLeaf(1))
    for nodes in [(WhereNode("not"),), (leaf, leaf), (leaf, WhereNode("and"))]:
        with pytest.raises(AssertionError):
            WhereNodes(nodes)


@pytest.mark.parametrize("name", ["Asia/Shanghai", "Europe/Berlin"])
def test_all_days_follow_from_those_of_the_table(name: str) -> None:
    """As where_leaves.h reads it: clocks never changed before it, and repeat after it."""
    zone = ZoneInfo(name)
    first, packed = known_day_starts(zone)
    starts = np.frombuffer(packed, "<i8")
    last = first + len(starts) - 1
    cycle, day_us = 146_097, 86_400_000_000
    chance = random.Random(name)
    borders = [*DATE_DAYS, first - 1, first, last, last + 1]
    for day in borders + [chance.randint(*DATE_DAYS) for _ in range(50)]:
        cycles = max(0, -(-(day - last) // cycle))
        known = max(day - cycles * cycle, first)
        start = int(starts[known - first]) + (day - known) * day_us
        assert start == first_instant_us(day, zone), day
