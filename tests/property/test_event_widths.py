"""Events in columns of every width, asked by every function over every form of window: block = row
= reference, and a ledger that says that all of them were met (`tests.event_ledger`)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from engine.audience import Audience
from engine.database import Database
from engine.model.definitions import Model
from engine.rules.bind import Binder
from engine.rules.parse import parse
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_events import EventTypes, ReferenceEvent
from engine.store.catalog import property_field
from tests.event_crowds import event_store
from tests.event_ledger import VALUED, EventLedger

SECOND_US, DAY_US = 1_000_000, 86_400_000_000
NOW_US = 20_000 * DAY_US + 11 * 3_600 * SECOND_US
MODEL = """\
time_zone: Europe/Berlin
identifiers: {member: }
events:
  order:
    properties:
      amount: {type: decimal, scale: 3}
      pieces: int
      sku: category
      load: float
      gift: bool
      note: text
      day: date
      paid: time
  refund: {properties: {amount: {type: decimal, scale: 1}, note: text}}
"""
ROWS = (0, 1, 63, 64, 4_096, 65_535, 65_536, 70_000)
WORLDS = 24
ASKED = 80
# Codes beyond these need four bytes.
MANY_CODES = 66_000
# About so much are values of a column apart: each in another width.
SPREADS = (1, 2, 200, 60_000, 2**31, 2**46, 10**17)
# From the instant asked back to the edges of windows.
EDGES_US = (0, SECOND_US, DAY_US, 2 * DAY_US, 7 * DAY_US, 31 * DAY_US, 400 * DAY_US)
# The same of times: most so that windows have events within and others without.
SPREADS_US = (
    *(1, 200, 60_000, 2**31, 2**50, 2**50),
    *(3 * DAY_US, 3 * DAY_US, 20 * DAY_US, 200 * DAY_US, 800 * DAY_US, 800 * DAY_US),
)
WINDOWS = (
    "", "in last 1 second", "in last 1 day", "in last 2 days", "in last 1 week",
    "between 7 days and 1 day ago", "between 400 days and 2 days ago",
    "since now - 1 day", "since date '2024-09-01'", "before now - 1 second",
    "before date '2024-10-03'", "from now - 7 days to now - 1 second",
    "from date '2024-09-04' to date '2024-10-04'", "today", "yesterday",
    *(f"this {unit}" for unit in ("day", "week", "month", "quarter", "year")),
    *(f"in last {n} calendar {unit}s" for n, unit in
      ((1, "day"), (2, "week"), (2, "month"), (1, "quarter"), (2, "year"))),
    *(f"{n} calendar {unit}s ago" for n, unit in
      ((1, "day"), (1, "week"), (1, "month"), (2, "quarter"), (1, "year"))),
)  # fmt: skip


Events = dict[int, list[ReferenceEvent]]


def happened(chance: random.Random, number: int) -> Events:
    """The events of a few profiles in world `number`, which says how far apart times and values
    are, for each type by itself."""
    found: Events = {row: [] for row in ROWS}
    for place, (name, values) in enumerate(VALUES.items()):
        apart_us = SPREADS_US[(number + 5 * place) % len(SPREADS_US)]
        spread = SPREADS[(number + 3 * place) % len(SPREADS)]
        edge_us, gaps = chance.choice(EDGES_US), chance.choice((0, 0, 0.3))
        step_us = chance.choice((1, SECOND_US)) if DAY_US <= apart_us < 2**50 else 1
        for _ in range(chance.choice((1, 30, 60, 60, 60))):
            beside_us = chance.randrange(-apart_us // 2, apart_us // 2 + 1) // step_us * step_us
            drawn = {key: make(chance, spread) for key, make in values.items()}
            held = {key: one for key, one in drawn.items() if chance.random() >= gaps}
            event = ReferenceEvent(name, NOW_US - edge_us + beside_us, held)
            found[chance.choice(ROWS)].append(event)
    return found


def _decimal(scale: int) -> Callable[[random.Random, int], Decimal]:
    return lambda chance, spread: Decimal(chance.randrange(spread)).scaleb(-scale)


def _word(chance: random.Random, spread: int) -> str:
    return f"w{chance.randrange(min(spread, MANY_CODES))}"


VALUES: dict[str, dict[str, Callable[[random.Random, int], Any]]] = {
    "order": {
        "amount": _decimal(3),
        "pieces": lambda chance, spread: chance.randrange(spread) - spread // 2,
        "sku": _word,
        "load": lambda chance, spread: float(chance.randrange(min(spread, 10**9))) / 8,
        "gift": lambda chance, spread: chance.random() < 0.5 or spread == 1,
        "note": _word,
        "day": lambda chance, spread: date(2024, 1, 1) + timedelta(chance.randrange(spread) % 999),
        "paid": lambda chance, spread: (
            datetime(2024, 1, 1, tzinfo=UTC)
            + timedelta(microseconds=chance.randrange(min(spread, 10**15)))
        ),
    },
    "refund": {"amount": _decimal(1), "note": _word},
}


def questions(chance: random.Random, events: Events, model: Model) -> Iterator[str]:
    """Conditions on one aggregate without end: each function of each type of property, of one type
    of event and of both, and each window, as often as any other."""
    declared = model.events["order"].properties
    kinds = [(function, "", "") for function in ("count", "days", "first", "last")]
    for function, takes in VALUED.items():
        for event, names in (("order", declared), ("any", VALUES["refund"])):
            kinds += [(function, event, name) for name in names if declared[name].type in takes]
    windows = list(WINDOWS)
    chance.shuffle(kinds)
    chance.shuffle(windows)
    for kind, window in zip(cycle(kinds), cycle(windows), strict=False):
        yield question(chance, events, model, kind, window)


def question(
    chance: random.Random, events: Events, model: Model, kind: tuple[str, str, str], window: str
) -> str:
    """A condition on one aggregate; literals are values that there are."""
    function, event, name = kind
    if not name:
        asked = f"{function}({chance.choice(('order', 'refund', 'any'))} {window})"
        if function in ("first", "last"):
            return f"{asked} {chance.choice(('<', '>='))} now - {chance.choice((1, 7))} days"
        return f"{asked} {chance.choice(('>=', '='))} {chance.randrange(4)}"
    asked = f"{function}({event}.{name} {window})"
    if function == "distinct":
        return f"{asked} {chance.choice(('>=', '='))} {chance.randrange(4)}"
    values = [
        one.properties[name]
        for some in events.values()
        for one in some
        if one.properties.get(name) is not None
    ]
    if not values or chance.random() < 0.1:
        return f"{asked} is {chance.choice(('present', 'missing'))}"
    type_ = model.events["order"].properties[name].type
    return f"{asked} {compared(chance, type_, chance.choice(values))}"


def compared(chance: random.Random, type_: str, value: Any) -> str:
    """A comparison with a value."""
    match type_:
        case "bool":
            return f"= {str(value).lower()}"
        case "text":
            return f"{chance.choice(('contains', 'ends with'))} '{value[-1]}'"
        case "category":
            return f"{chance.choice(('=', '!='))} '{value}'"
        case "date":
            return f"{chance.choice(('=', '<', '>='))} date '{value.isoformat()}'"
        case "time":
            return f"{chance.choice(('=', '<', '>='))} time '{value.isoformat()}'"
        case _:
            return f"{chance.choice(('=', '!=', '<', '>='))} {value:f}"


def test_every_width_and_every_window_is_read(seed: int, tmp_path: Path) -> None:
    model = Database.check_model({"m.yaml": MODEL})
    types = EventTypes(
        {name: {key: one.type for key, one in event.properties.items()}
         for name, event in model.events.items()},
        {},
    )  # fmt: skip
    context = ReferenceContext({}, ZoneInfo("Europe/Berlin"), NOW_US, events=types)
    binder, ledger = Binder(model), EventLedger()
    for number in range(WORLDS):
        chance = random.Random(f"{seed} {number}")
        events = happened(chance, number)
        profiles: dict[int, dict[str, Any]] = {row: {} for row in ROWS}
        path = tmp_path / f"store {number}"
        with (
            event_store(path, model, profiles, events, chance, strings(chance)) as store,
            store.snapshot() as snapshot,
        ):
            texts = list(islice(questions(chance, events, model), ASKED))
            audience = Audience(snapshot, binder, as_of_us=NOW_US)
            for text in texts:
                audience.add(text)
                ledger.add(binder.bind(parse(text)), snapshot, model, NOW_US, events)
            by_row, by_block = audience.test_rows(ROWS), audience.counts()
        for text, of_row, of_block in zip(texts, by_row, by_block, strict=True):
            parsed = parse(text)
            expected = [evaluate(parsed, {}, context, events=events[row]) for row in ROWS]
            assert of_row == expected, (number, text)
            assert of_block.count == sum(expected), (number, text)
    assert ledger.empty() == []


def strings(chance: random.Random) -> dict[str, list[str]]:
    """What the dictionary of a category begins with: far apart are the codes of what comes after
    and of the first, which comes again."""
    count = chance.choice((0, 300, MANY_CODES))
    return {property_field("sku", "category", 0): ["w0", *(f"spare {n}" for n in range(count))]}
