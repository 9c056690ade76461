"""Values over events of random profiles: measured as the reference finds them, one by one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.audience import Audience
from engine.errors import ExpressionInvalid, NotYet
from engine.measures import Measures, Top
from engine.model.definitions import Model
from engine.rules.bind import Binder
from engine.rules.parse import parse_value
from engine.rules.reference import ReferenceContext, evaluate_value
from engine.rules.reference_events import ReferenceEvent
from engine.store.store import Store
from tests.event_crowds import event_store
from tests.measured import judge_bins, total_of
from tests.property.event_expressions import EVENT_TYPES, FEES
from tests.property.expressions import DAYS, DECIMALS, FLOATS, INSTANTS, INTS, NOWS_US, WORDS, ZONES
from tests.property.test_event_columns import ROWS, TYPES, stored_model

VALUES: dict[str, Sequence[Any]] = {
    "amount": [Decimal(one) for one in DECIMALS[:-1]],
    "sku": WORDS,
    "channel": WORDS,
    "day": DAYS,
    "load": FLOATS,
    "gift": (False, True),
    "pieces": INTS,
    "note": WORDS,
    "paid": INSTANTS,
    "page": WORDS,
    "asset": WORDS,
}
ATTRIBUTE_VALUES: dict[str, Sequence[Any]] = {
    "city": (*WORDS, None),
    "age": (*INTS, None),
    "rev": (Decimal("0.25"), Decimal(-3), None),
    "joined": (*INSTANTS, None),
    "seen": (*INSTANTS, None),
    "due": (*DAYS, None),
}
AGES_US = [
    timedelta(**{unit: many}) // timedelta(microseconds=1) + beside
    for unit, many in (("seconds", 0), ("hours", 1), ("hours", 3), ("days", 1), ("days", 2),
                       ("days", 31), ("days", 366))
    for beside in (-1, 0, 1)
]  # fmt: skip
VALUES_ASKED = 15
ALLOWED = ("more than 38", "different", "neither the sum")
WHERES = (
    *("", "", " where amount >= 0.3", " where sku in ('a', 'b')", " where (gift)"),
    *(" where (not gift)", " where pieces < 3 and amount is present", " where channel = 'ab'"),
    " where note contains 'a'",
)
WINDOWS = (
    *("", "", "", " in last 2 days", " in last 3 hours", " this week", " before now - 1 hour"),
    *(" in last 3 calendar months", " between 3 days and 1 day ago", " since date '2018-11-01'"),
)


def aggregate(
    picks: random.Random,
    *functions: str,
    among: Sequence[str] = ("amount", "pieces", "load", "day", "paid"),
) -> str:
    """An aggregate over events of orders or visits, or over a property of orders."""
    function = picks.choice(functions)
    window = picks.choice(WINDOWS)
    if function in ("count", "days", "first", "last"):
        events = picks.choice(("order", "visit", "content", "any"))
        where = picks.choice(WHERES) if events == "order" else ""
        return f"{function}({events}{where}{window})"
    read = {
        "sum": ("amount", "pieces"),
        "avg": ("amount", "pieces"),
        "distinct": ("amount", "sku", "note", "gift", "load"),
    }.get(function, among)
    if picks.random() < 0.25:
        where = picks.choice(("", "", " where fee <= 10"))
        return f"{function}({picks.choice(('any', 'content'))}.fee{where}{window})"
    return f"{function}(order.{picks.choice(read)}{picks.choice(WHERES)}{window})"


def some_value(picks: random.Random) -> str:
    """The text of a value over events."""
    ends = ("min", "max", "first_value", "last_value")
    match picks.randrange(8):
        case 0:
            return aggregate(picks, "count", "days", "distinct", "sum", "first", "last", *ends)
        case 1:
            ended = f"{picks.choice(ends[2:])}(order.{picks.choice(('sku', 'channel', 'gift'))}"
            return f"{ended}{picks.choice(WHERES)}{picks.choice(WINDOWS)})"
        case 2:
            return f"now - {aggregate(picks, 'first', 'last')}"
        case 3:
            return f"{aggregate(picks, 'last')} - {picks.choice(('joined', 'seen', 'due'))}"
        case 4:
            return aggregate(picks, "avg")
        case 5:
            return summed(picks, ("avg", "sum", "count"))
        case 6:
            return summed(picks, ("sum", "count", "days", "min", "max"))
        case _:
            return f"0.5 * {aggregate(picks, 'sum')} - 200 * {aggregate(picks, 'count')}"


def summed(picks: random.Random, functions: Sequence[str]) -> str:
    """A sum of two or three aggregates, or of one and an attribute."""
    factors = ("", "", "2 * ", "0.001 * ", "1e18 * ")
    text = f"{picks.choice(factors)}{aggregate(picks, functions[0])}"
    for _ in range(picks.randint(1, 2)):
        more = aggregate(picks, *functions, among=("amount", "pieces", "load"))
        other = picks.choice((more, more, "age", "rev", "3"))
        text += f" {picks.choice('+-')} {picks.choice(factors)}{other}"
    return text


def some_events(picks: random.Random, now_us: int) -> list[ReferenceEvent]:
    """The events of one profile, some at one instant, some after now."""
    ages = [picks.choice(AGES_US) for _ in range(picks.randint(1, 4))]
    found = []
    for _ in range(picks.choice((0, 1, 3, 12))):
        kind = picks.choice(("order", "order", "order", "visit", "download", "register"))
        names = [name for name in EVENT_TYPES.properties[kind] if picks.random() < 0.7]
        values = {name: picks.choice(VALUES[name]) for name in names if name in VALUES}
        if kind == "visit":
            values.pop("amount", None)  # declared as an int there
        if kind in FEES and picks.random() < 0.6:
            values["fee"] = Decimal(picks.choice(FEES[kind]))
        found.append(ReferenceEvent(kind, now_us - picks.choice(ages), values))
    return found


@pytest.mark.parametrize("number", range(5))
def test_measures_are_those_of_the_reference(number: int, seed: int, tmp_path: Path) -> None:
    picks = random.Random(f"{seed} {number}")
    now_us = picks.choice(NOWS_US)
    zone = picks.choice(ZONES)
    few = [{name: picks.choice(made) for name, made in ATTRIBUTE_VALUES.items()} for _ in range(4)]
    profiles = {row: picks.choice(few) for row in ROWS if row % 5 or number == 0}
    events = {row: some_events(picks, now_us) for row in ROWS}
    declared = stored_model(zone)
    context = ReferenceContext(TYPES, ZoneInfo(zone), now_us, events=EVENT_TYPES)
    judged = 0
    with event_store(tmp_path / "store", declared, profiles, events, picks) as store:
        measures = Measures(
            store.snapshot,
            lambda snapshot, as_of_us, control: Audience(
                snapshot, Binder(declared), as_of_us=as_of_us, control=control
            ),
            lambda snapshot: Binder(declared),
        )
        for _ in range(VALUES_ASKED):
            text = some_value(picks)
            found = [
                evaluate_value(parse_value(text), profile, context, events=events[row])
                for row, profile in sorted(profiles.items())
            ]
            values = [one + 0.0 if isinstance(one, float) else one for one in found]
            try:
                judge(measures, now_us, text, values, profiles, picks)
                if "_value(order." not in text:
                    judge_order(
                        store,
                        declared,
                        now_us,
                        text,
                        dict(zip(sorted(profiles), values, strict=True)),
                    )
                judged += 1
            except (ExpressionInvalid, NotYet) as error:
                told = str(error)
                assert "window" in told or any(one in told for one in ALLOWED), told
    assert judged > VALUES_ASKED // 3


def judge_order(
    store: Store, declared: Model, now_us: int, text: str, values: dict[int, Any]
) -> None:
    """Asserts who comes first by a value, both ways, and that those without it come last."""
    valued = [row for row, value in values.items() if value is not None]
    for descending in (False, True):
        with store.snapshot() as snapshot:
            audience = Audience(snapshot, Binder(declared), as_of_us=now_us)
            audience.add("true")
            members = audience.members()
            members.choose(None, order_by=text, descending=descending)
            ordered = sorted(valued, key=lambda row: values[row], reverse=descending)
            others = [row for row in values if values[row] is None]
            assert members.rows.tolist() == ordered + others, (text, descending)
            members.choose(3, order_by=text, descending=descending)
            assert members.rows.tolist() == (ordered + others)[:3], (text, descending)


def judge(
    measures: Measures,
    now_us: int,
    text: str,
    values: list[Any],
    profiles: dict[int, dict[str, Any]],
    chance: random.Random,
) -> None:
    """Asserts what is measured of one value. Raises what it raises for one that makes no sense."""
    there = [one for one in values if one is not None]
    if (
        text.endswith(")")
        and text.startswith(("first_value", "last_value"))
        and any(f"_value(order.{name}" in text for name in ("sku", "channel", "gift"))
    ):
        found = measures.distribution(text, cut=Top(100), as_of_us=now_us)
        names = [str(one).lower() if isinstance(one, bool) else one for one in there]
        counts = sorted(((names.count(one), one) for one in set(names)), key=lambda one: one[1])
        expected = sorted(counts, key=lambda one: -one[0])
        assert [(one.count, one.value) for one in found.values] == expected, text
        assert (found.answer.count, found.present) == (len(values), len(there)), text
        return
    summary = measures.summarize(text, as_of_us=now_us)
    assert summary.total == total_of(values, summary.value.kind), text
    grouped = measures.summarize(text, group_by="city", as_of_us=now_us)
    cities = [profile.get("city") for _, profile in sorted(profiles.items())]
    assert grouped.groups == {
        city: total_of(
            [one for one, other in zip(values, cities, strict=True) if other == city],
            summary.value.kind,
        )
        for city in set(cities)
    }, text
    judge_bins(measures, now_us, text, "true", values, chance, text)
