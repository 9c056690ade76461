"""Conditions on events: planned and run over chunks, they hold for the events of the reference.

Two types of event have the properties that the tests' profiles have as attributes. One lacks
some and has others with another number of decimals. Chunks are of few values each or of many, so
that their bounds decide or do not; the last is a tail in memory.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from engine.columns.strings import Strings
from engine.core import kernels
from engine.core.row_lines import RowLines
from engine.core.where_nodes import WhereNodes
from engine.core.where_plan import plan_where
from engine.errors import ExpressionInvalid
from engine.events.chains import Chains
from engine.events.chunks import Chunks
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Floats, Ints, Property, Texts
from engine.events.row_events import RowEvents
from engine.events.tail import Tail, TailVersion
from engine.live.schema import change_fields
from engine.model.definitions import EventProperty, EventType, Model
from engine.rules import tree
from engine.rules.bind import bind
from engine.rules.bound import BoundCompare, aggregates_of
from engine.rules.calendar import first_instant_us
from engine.rules.reference import ReferenceContext, evaluate
from engine.store.catalog import property_field
from engine.store.snapshot import Snapshot
from engine.store.store import Store
from tests.property.expressions import (
    DAYS,
    DECIMALS,
    EPOCH,
    FLOATS,
    INSTANTS,
    INTS,
    NOWS_US,
    WORDS,
    expressions,
)
from tests.sample_stores import MAP_BYTES
from tests.unit.bind_model import ATTRIBUTES, model

LEAST, MOST = -(2**63), 2**63 - 1
ZONES = ("Asia/Shanghai", "America/Sao_Paulo")
SETS = ("tag", "interests")
FULL = {
    name: EventProperty(name, one.type, one.scale)
    for name, one in ATTRIBUTES.items()
    if name not in SETS
}
EVENTS = {
    "full": FULL,
    # `rev` with three decimals in place of two.
    "part": {
        "city": FULL["city"],
        "age": FULL["age"],
        "rev": EventProperty("rev", "decimal", 3),
        "weight": FULL["weight"],
        "joined": FULL["joined"],
        "vip": FULL["vip"],
        "remark": FULL["remark"],
        "born": FULL["born"],
    },
    "bare": {},
}
TYPES = {name: one.type for name, one in FULL.items()}
VALUES: dict[str, Sequence[Any]] = {
    "city": WORDS[1:],
    "region": WORDS[1:-1],
    "age": INTS,
    "size": INTS,
    "rev": [Decimal(each) for each in DECIMALS[:-1]],
    "cost": [Decimal(each) for each in DECIMALS],
    "weight": FLOATS,
    "height": FLOATS,
    "joined": INSTANTS,
    "seen": INSTANTS,
    "born": DAYS,
    "due": DAYS,
    "vip": (True, False),
    "listed": (True, False),
    "remark": WORDS,
}
Happened = dict[str, Any]


def event_model(zone: str) -> Model:
    """The tests' model with events of these properties."""
    return replace(
        model(zone), events={name: EventType(name, found) for name, found in EVENTS.items()}
    )


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    """A store whose dictionaries have the words that occur, and no events."""
    path: Path = tmp_path_factory.mktemp("where") / "store"
    with Store.create(path, map_size=MAP_BYTES) as store:
        with store.write() as writer:
            change_fields(writer, event_model(ZONES[0]))
            for name in ("city", "region"):
                field = writer.fields[property_field(name, "category", 0)]
                # Not in one order in both, and one string that no event has.
                words = [*VALUES[name], "never"]
                words = words[::-1] if name == "region" else words
                writer.intern(field.id, Strings.from_list(words))
        with store.snapshot() as found:
            yield found


# -------------------------------------------------------------------------------- events


def some_events(chance: random.Random, event: str) -> list[Happened]:
    """Events with some of their properties, of few values or of many."""
    many = chance.choice([1, 2, 100])
    chosen = {name: chance.sample(VALUES[name], k=min(many, len(VALUES[name]))) for name in VALUES}
    share = chance.choice([0.0, 0.5, 0.9, 1.0])
    return [
        {name: chance.choice(chosen[name]) for name in EVENTS[event] if chance.random() < share}
        for _ in range(chance.choice([1, 3, 63, 64, 65, 130]))
    ]


def stored(value: Any, found: EventProperty) -> Any:
    """A value as columns have it."""
    match value:
        case datetime():
            return (value - EPOCH) // timedelta(microseconds=1)
        case date():
            return value.toordinal() - date(1970, 1, 1).toordinal()
        case Decimal():
            return int(value.scaleb(found.scale))
        case _:
            return value


def column(found: EventProperty, events: list[Happened], snapshot: Snapshot) -> Property:
    values = [event.get(found.name) for event in events]
    present = np.array([value is not None for value in values])
    match found.type:
        case "text":
            return Texts(Strings.from_list(values))
        case "bool":
            return Codes(np.array([0 if v is None else 1 + v for v in values], np.uint32))
        case "category":
            field = snapshot.fields[property_field(found.name, found.type, found.scale)]
            code = snapshot.dictionary(field.id).code
            return Codes(np.array([0 if v is None else code(v) for v in values], np.uint32))
        case "float":
            return Floats(np.array([0.0 if v is None else v for v in values]), present)
        case _:
            ints = [0 if v is None else stored(v, found) for v in values]
            return Ints(np.array(ints, np.int64), present)


def encoded(event: str, events: list[Happened], snapshot: Snapshot) -> Events:
    """The events in columns, in order of time."""
    properties = {
        snapshot.fields[property_field(one.name, one.type, one.scale)].id: column(
            one, events, snapshot
        )
        for one in EVENTS[event].values()
    }
    times = np.arange(len(events), dtype=np.int64)
    return Events(np.zeros(len(events), np.uint16), times, properties=properties)


def chunks_of(event: str, groups: list[list[Happened]], snapshot: Snapshot) -> Chunks:
    """A chunk of each group; the last is a tail."""
    parts: list[Any] = []
    for group in groups[:-1]:
        parts += encode_events(encoded(event, group, snapshot))
    tail = Tail()
    tail.add(encoded(event, groups[-1], snapshot))
    parts.append(tail.version())
    # What comes later has other values, and disturbs nobody.
    tail.add(encoded(event, groups[0], snapshot))
    return Chunks(parts)


def passing_one_by_one(chunks: Chunks, where: WhereNodes) -> list[int]:
    """The times of the events that pass, each asked by itself, by the chain of their row."""
    addresses = [
        part.address if isinstance(part, TailVersion) else np.frombuffer(part, np.uint8).ctypes.data
        for part in chunks.parts
    ]
    found = RowEvents()
    found.gather(
        [Chains(chunks)],
        np.zeros(1, np.uint32),
        np.array([0, 1], np.intp),
        np.zeros(1, np.uint32),
        np.array([0, len(addresses)], np.uint32),
        np.array(addresses, np.uint64),
    )
    laid = RowLines([(found, where, 0, 1)], 1).lay()
    assert laid is not None
    times: list[int] = laid[1].tolist()
    return times


# --------------------------------------------------------------------------- expressions


def of_events(part: Any) -> Any:
    """The same without what must not stand in a `where`: sets, lists, and calls."""
    match part:
        case tree.ListOf() | tree.HasAll():
            return tree.Truth(tree.Name("vip"))
        case tree.Call():
            return tree.Name("size")
        case tree.Compare() | tree.In() | tree.Match() | tree.Presence():
            if any(isinstance(each, tree.Name) and each.name in SETS for each in values_of(part)):
                return tree.Not(tree.Truth(tree.Name("listed")))
    if is_dataclass(part) and not isinstance(part, type):
        kept = [field.name for field in fields(part) if field.init]
        return replace(part, **{each: of_events(getattr(part, each)) for each in kept})
    return tuple(map(of_events, part)) if isinstance(part, tuple) else part


def values_of(part: tree.Expr) -> list[Any]:
    """What a predicate compares."""
    return [getattr(part, field.name) for field in fields(part)]


def name(of: str) -> tree.Name:
    return tree.Name(of)


def number(value: object) -> tree.Number:
    return tree.Number(Decimal(str(value)))


def sum_of(*terms: tuple[int, object, str]) -> tree.Sum:
    return tree.Sum(
        tuple(
            tree.Term(sign, None if factor is None else number(factor), name(of))
            for sign, factor, of in terms
        )
    )


def since(day: date, instant: datetime) -> tree.Expr:
    """`due - joined >=` what it is in the first of the zones, to the microsecond: seldom drawn."""
    start_us = first_instant_us((day - EPOCH.date()).days, ZoneInfo(ZONES[0]))
    us = start_us - stored(instant, FULL["joined"])
    seconds = tree.Term(1, tree.Number(Decimal(us).scaleb(-6)), tree.Duration(1, "second"))
    return tree.Compare(sum_of((1, None, "due"), (-1, None, "joined")), ">=", tree.Sum((seconds,)))


# What random conditions seldom come to.
SPECIAL: list[tree.Expr] = [
    *(since(day, INSTANTS[at]) for day in (DAYS[0], DAYS[3], DAYS[-1]) for at in (7, -3)),
    tree.Compare(sum_of((1, None, "weight"), (-1, None, "height")), ">=", number("0.1")),
    tree.Compare(sum_of((1, None, "weight"), (-1, 2, "rev")), "<", name("cost")),
    tree.Compare(sum_of((1, 10**37, "rev"), (-1, 10**37, "cost")), ">", name("size")),
    tree.In(sum_of((1, None, "age"), (-1, None, "size")), (number(0), number(1)), True),
    tree.In(name("age"), tuple(map(number, range(0, 90, 2)))),
    tree.In(name("age"), tuple(map(number, range(0, 90, 2))), True),
    tree.In(name("age"), tuple(map(number, range(-1, 4))), True),
    tree.Compare(sum_of((1, 10**37, "rev"), (1, None, "weight")), ">=", name("cost")),
    tree.Compare(name("weight"), "<", sum_of((1, 10**37, "rev"), (-1, 10**37, "cost"))),
    tree.In(sum_of((1, "0.1", "weight"), (1, None, "rev")), (number("0.1"), number("2.75"))),
    tree.Match(name("city"), "contains", "b", True),
    tree.Compare(name("city"), "!=", name("region")),
    tree.Compare(name("city"), "=", tree.Text("nobody has it")),
    tree.Presence(sum_of((1, None, "rev"), (1, None, "weight")), False),
]


def nested(levels: int) -> tree.Expr:
    """Brackets in brackets, deeper on the right."""
    where: tree.Expr = tree.Compare(name("age"), ">", number(1))
    for level in range(levels):
        where = tree.Not(
            tree.Or((tree.Presence(name("rev"), bool(level % 2)), where, tree.Truth(name("vip"))))
            if level % 3
            else tree.And((tree.Compare(name("age"), "<", number(level)), where))
        )
    return where


@st.composite
def wheres(draw: st.DrawFn) -> tree.Expr:
    """A condition; named, because the full description fills pages."""
    if draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(SPECIAL))
    where: tree.Expr = of_events(draw(expressions(segments=False)))
    return where


@settings(max_examples=settings.default.max_examples * 4)
@given(
    where=wheres(),
    zone=st.sampled_from(ZONES),
    now_us=st.sampled_from(NOWS_US),
    table=st.sampled_from(kernels.tables()),
    with_model=st.booleans(),
    seed=st.integers(0, 2**32),
)
@example(nested(60), ZONES[0], NOWS_US[0], "portable", True, 1)
def test_they_hold_for_the_same_events(
    snapshot: Snapshot,
    where: tree.Expr,
    zone: str,
    now_us: int,
    table: str,
    with_model: bool,
    seed: int,
) -> None:
    chance = random.Random(seed)
    names = tuple(EVENTS)
    declared = event_model(zone)
    selected = tree.Step(tree.Selector(names), where)
    count = tree.Compare(tree.Aggregate("count", step=selected), ">=", number(1))
    try:
        bound = bind(count, declared)
    except ExpressionInvalid:
        assume(False)
    assert isinstance(bound, BoundCompare)
    (aggregate,) = aggregates_of(bound)
    given_model = declared if with_model else None
    plan = plan_where(
        snapshot, names, aggregate.events.where, now_us, ZoneInfo(zone), model=given_model
    )
    context = ReferenceContext(TYPES, ZoneInfo(zone), now_us)
    for event in names:
        groups = [some_events(chance, event) for _ in range(3)]
        nodes = plan[event]
        picked = [[False] * len(group) for group in groups]
        if nodes is not None:
            chunks, where_nodes = chunks_of(event, groups, snapshot), WhereNodes(nodes)
            picked = [bits.tolist() for bits in where_nodes.pick(chunks, LEAST, MOST, table=table)]
            times = [place for bits in picked for place, is_one in enumerate(bits) if is_one]
            assert passing_one_by_one(chunks, where_nodes) == sorted(times)
        for group, bits in zip(groups, picked, strict=True):
            for happened, is_picked in zip(group, bits, strict=True):
                expected = evaluate(where, happened, context)
                assert is_picked == expected, (event, happened, nodes)
