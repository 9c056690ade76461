"""Aggregates, windows and sequences against answers worked out by hand.

Each is asked of the reference and of the bound tree, which work out windows each in its own way.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.rules.bind import bind
from engine.rules.parse import parse
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_events import EventTypes, ReferenceEvent
from tests.property.bound_evaluator import BoundEvaluation
from tests.unit.bind_model import ATTRIBUTES, model

TYPES = {name: attribute.type for name, attribute in ATTRIBUTES.items()}
MODEL = model()
EVENTS = EventTypes(
    {
        name: {key: prop.type for key, prop in event.properties.items()}
        for name, event in MODEL.events.items()
    },
    MODEL.event_groups,
)
# A Thursday, noon in Shanghai.
NOW = "2026-11-19T04:00:00"


def at_us(moment: str) -> int:
    """Microseconds of an instant in UTC."""
    since = datetime.fromisoformat(moment).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1)


def event(moment: str, kind: str = "visit", /, **properties: Any) -> ReferenceEvent:
    """An event at an instant in UTC."""
    return ReferenceEvent(kind, at_us(moment), properties)


def holds(
    text: str, *events: ReferenceEvent, now: str = NOW, zone: str = "Asia/Shanghai", **profile: Any
) -> bool:
    """The answer of the reference, after making sure that the bound tree gives the same."""
    now_us = at_us(now)
    context = ReferenceContext(TYPES, ZoneInfo(zone), now_us, events=EVENTS)
    expr = parse(text)
    answer = evaluate(expr, profile, context, events=events)
    bound = bind(expr, model(zone), text=text)
    found = BoundEvaluation(profile, ZoneInfo(zone), now_us, events=events).holds(bound)
    assert found is answer, "the bound tree says otherwise"
    return answer


# The last microsecond out and the first one in, or the other way round, for the noon above.
BORDERS = [
    ("in last 1 day", "2026-11-18T04:00:00", "2026-11-18T04:00:00.000001"),
    ("in last 1 second", "2026-11-19T03:59:59", "2026-11-19T03:59:59.000001"),
    ("in last 1 week", "2026-11-19T04:00:00.000001", "2026-11-19T04:00:00"),
    ("between 2 days and 1 day ago", "2026-11-17T04:00:00", "2026-11-17T04:00:00.000001"),
    ("between 2 days and 1 day ago", "2026-11-18T04:00:00.000001", "2026-11-18T04:00:00"),
    ("since date '2026-11-10'", "2026-11-09T15:59:59.999999", "2026-11-09T16:00:00"),
    ("since now - 1 hour", "2026-11-19T02:59:59.999999", "2026-11-19T03:00:00"),
    ("since date '2026-11-10'", "2026-11-19T04:00:00.000001", "2026-11-19T04:00:00"),
    ("before date '2026-11-10'", "2026-11-09T16:00:00", "2026-11-09T15:59:59.999999"),
    ("before now", "2026-11-19T04:00:00", "2026-11-19T03:59:59.999999"),
    ("before now + 1 day", "2026-11-19T04:00:00.000001", "2026-11-19T04:00:00"),
    (
        "from time '2026-11-01T00:00:00Z' to now - 1 day",
        "2026-10-31T23:59:59.999999",
        "2026-11-01T00:00:00",
    ),
    (
        "from time '2026-11-01T00:00:00Z' to now - 1 day",
        "2026-11-18T04:00:00",
        "2026-11-18T03:59:59.999999",
    ),
    ("today", "2026-11-18T15:59:59.999999", "2026-11-18T16:00:00"),
    ("yesterday", "2026-11-17T15:59:59.999999", "2026-11-17T16:00:00"),
    ("yesterday", "2026-11-18T16:00:00", "2026-11-18T15:59:59.999999"),
    ("this day", "2026-11-18T15:59:59.999999", "2026-11-18T16:00:00"),
    ("this week", "2026-11-15T15:59:59.999999", "2026-11-15T16:00:00"),
    ("this month", "2026-10-31T15:59:59.999999", "2026-10-31T16:00:00"),
    ("this quarter", "2026-09-30T15:59:59.999999", "2026-09-30T16:00:00"),
    ("this year", "2025-12-31T15:59:59.999999", "2025-12-31T16:00:00"),
    ("in last 1 calendar day", "2026-11-18T15:59:59.999999", "2026-11-18T16:00:00"),
    ("in last 2 calendar weeks", "2026-11-08T15:59:59.999999", "2026-11-08T16:00:00"),
    ("in last 3 calendar months", "2026-08-31T15:59:59.999999", "2026-08-31T16:00:00"),
    ("in last 2 calendar quarters", "2026-06-30T15:59:59.999999", "2026-06-30T16:00:00"),
    ("1 calendar week ago", "2026-11-08T15:59:59.999999", "2026-11-08T16:00:00"),
    ("1 calendar week ago", "2026-11-15T16:00:00", "2026-11-15T15:59:59.999999"),
    ("1 calendar month ago", "2026-10-31T16:00:00", "2026-10-31T15:59:59.999999"),
    ("2 calendar quarters ago", "2026-03-31T15:59:59.999999", "2026-03-31T16:00:00"),
    ("2 calendar quarters ago", "2026-06-30T16:00:00", "2026-06-30T15:59:59.999999"),
    ("1 calendar year ago", "2024-12-31T15:59:59.999999", "2024-12-31T16:00:00"),
]


@pytest.mark.parametrize(("window", "out", "within"), BORDERS)
def test_borders_of_windows(window: str, out: str, within: str) -> None:
    """To the microsecond."""
    assert holds(f"count(visit {window}) = 1", event(out), event(within))
    assert holds(f"count(visit {window}) = 1", event(within))


# In Berlin clocks go back on 2026-10-25 at 01:00Z and forward on 2026-03-29 at 01:00Z.
DAYS_IN_BERLIN = [
    ("today", "2026-10-25T22:30:00", "2026-10-24T21:59:59.999999", "2026-10-24T22:00:00"),
    ("yesterday", "2026-10-26T12:00:00", "2026-10-25T23:00:00", "2026-10-25T22:59:59.999999"),
    ("yesterday", "2026-10-26T12:00:00", "2026-10-24T21:59:59.999999", "2026-10-24T22:00:00"),
    ("in last 1 day", "2026-10-26T12:00:00", "2026-10-25T12:00:00", "2026-10-25T12:00:00.000001"),
    ("today", "2026-03-29T12:00:00", "2026-03-28T22:59:59.999999", "2026-03-28T23:00:00"),
    ("this month", "2026-03-31T12:00:00", "2026-02-28T22:59:59.999999", "2026-02-28T23:00:00"),
    ("this month", "2026-03-31T22:00:00", "2026-03-31T21:59:59.999999", "2026-03-31T22:00:00"),
    ("1 calendar month ago", "2026-04-01T12:00:00", "2026-03-31T22:00:00", "2026-03-31T21:59:59"),
]


@pytest.mark.parametrize(("window", "now", "out", "within"), DAYS_IN_BERLIN)
def test_days_on_which_clocks_change(window: str, now: str, out: str, within: str) -> None:
    for seen, expected in ((out, 0), (within, 1)):
        expression = f"count(visit {window}) = {expected}"
        assert holds(expression, event(seen), now=now, zone="Europe/Berlin")


ORDERS = (
    event("2026-11-01T10:00:00", "order", amount=Decimal("0.10"), sku="b", pieces=3, gift=True),
    event("2026-11-01T10:00:00", "order", amount=Decimal("0.20"), sku="a", pieces=1, gift=False),
    event("2026-11-02T17:00:00", "order", amount=Decimal("1.00"), sku="c", load=2.5),
    event("2026-11-05T17:00:00", "order", sku="b", day=date(2026, 11, 4), note="zwei Teile"),
    event("2026-11-20T00:00:00", "order", amount=Decimal("99.00"), sku="z"),  # later than now
)

AGGREGATES = [
    "count(order) = 4 and days(order) = 3 and count(visit) = 0 and days(visit) = 0",
    "sum(order.amount) = 1.3 and sum(visit.amount) = 0 and distinct(visit.page) = 0",
    "avg(order.amount) > 0.4333 and 3 * avg(order.amount) = 1.3",
    "avg(visit.amount) is missing and not avg(visit.amount) = 0",
    "min(order.amount) = 0.1 and max(order.amount) = 1 and max(order.load) = 2.5",
    "distinct(order.sku) = 3 and distinct(order.pieces) = 2",
    "first_value(order.sku) = 'a' and last_value(order.sku) = 'b'",
    "first_value(order.pieces) = 1 and last_value(order.pieces) = 3",
    "first_value(order.gift) = false and last_value(order.gift)= true",
    "last_value(order.note) contains 'Teil' and last_value(order.day) = date '2026-11-04'",
    "first(order) = time '2026-11-01T10:00:00Z' and last(order) < now - 13 days",
    "first(visit) is missing and first(order) is present",
    "last(order) - first(order) between 4 days and 5 days",
    "count(order where sku = 'b') = 2 and count(order where gift) = 1",
    "count(order where not gift) = 3 and count(order where gift = false) = 1",
    "sum(order.amount where sku in ('a', 'c')) = 1.2 and count(order where amount > 0.1) = 2",
    "sum(order.amount in last 17 days) = 1 and count(order where pieces is missing) = 2",
    "count(any) = 4 and count(content) = 0 and count(order, visit) = 4",
    "count(order where amount >= 0.2) = 2 and sum(order.pieces) - count(order) = 0",
    "max(order.day) < last(order)",
    "count(order) > 0.5 * age",
]


@pytest.mark.parametrize("text", AGGREGATES)
def test_aggregates(text: str) -> None:
    assert holds(text, *ORDERS, age=7)
    assert holds(text, *reversed(ORDERS), age=7)


def test_a_property_is_missing_on_events_without_it() -> None:
    """`page` is declared for visits alone."""
    events = (event("2026-11-01T00:00:00", "order", sku="a"), event(NOW, page="x"), event(NOW))
    assert holds("count(any where page is missing) = 2", *events)
    assert holds("count(any where page = 'x') = 1 and count(any where page != 'x') = 0", *events)
    assert holds("distinct(any.page) = 1 and count(order, visit where sku = 'a') = 1", *events)


def follows(text: str, *minutes: tuple[int, str], now: int = 10_000) -> bool:
    """Whether a sequence holds for events given by minutes."""
    start = datetime(2026, 11, 1)
    moments = [(start + timedelta(minutes=minute), kind) for minute, kind in minutes]
    events = [event(moment.isoformat(), kind) for moment, kind in moments]
    return holds(text, *events, now=(start + timedelta(minutes=now)).isoformat())


HOUR = "sequence(visit then order within 1 hour)"
THREE = "sequence(visit then download within 1 hour then order within 1 hour)"
SILENT = "sequence(visit then no order within 1 hour)"
LATE = "sequence(visit then no download within 1 hour then order within 2 hours)"
TWICE = "sequence(visit then no download within 1 hour then no register within 2 hours)"

SEQUENCES = [
    (HOUR, True, (0, "visit"), (60, "order")),
    (HOUR, False, (0, "visit"), (61, "order")),
    (HOUR, False, (0, "visit"), (0, "order")),
    (HOUR, False, (0, "order"), (1, "visit")),
    (HOUR, True, (0, "visit"), (100, "visit"), (130, "order")),
    # Any earlier step serves: the first visit is too far away, the second is not.
    (THREE, True, (0, "visit"), (50, "visit"), (100, "download"), (160, "order")),
    (THREE, False, (0, "visit"), (61, "download"), (70, "order")),
    # An order after the later download counts, though the earlier one is too long ago.
    (THREE, True, (0, "visit"), (10, "download"), (50, "download"), (100, "order")),
    (SILENT, True, (0, "visit")),
    (SILENT, True, (0, "visit"), (61, "order")),
    (SILENT, False, (0, "visit"), (60, "order")),
    (SILENT, True, (0, "order"), (0, "visit")),
    # What is silent after the second visit is enough.
    (SILENT, True, (0, "visit"), (60, "order"), (60, "visit")),
    (LATE, True, (0, "visit"), (61, "order")),
    (LATE, False, (0, "visit"), (60, "order")),
    (LATE, True, (0, "visit"), (120, "order")),
    (LATE, False, (0, "visit"), (121, "order")),
    (LATE, False, (0, "visit"), (30, "download"), (90, "order")),
    (TWICE, True, (0, "visit"), (61, "download"), (121, "register")),
    (TWICE, False, (0, "visit"), (120, "register")),
]


@pytest.mark.parametrize("case", SEQUENCES)
def test_sequences(case: Any) -> None:
    text, expected, *minutes = case
    assert follows(text, *minutes) is expected


def test_silence_counts_once_its_time_is_over() -> None:
    assert follows(SILENT, (0, "visit"), now=60)
    assert not follows(SILENT, (0, "visit"), now=59)


def test_the_window_of_a_sequence_restricts_its_first_step() -> None:
    text = "sequence(visit then order within 1 day in last 1 hour)"
    assert not follows(text, (0, "visit"), (100, "order"), now=110)
    assert follows(text, (60, "visit"), (100, "order"), now=110)


def test_a_step_later_than_now_does_not_count() -> None:
    assert not follows(HOUR, (0, "visit"), (30, "order"), now=29)
    assert follows(HOUR, (0, "visit"), (30, "order"), now=30)
