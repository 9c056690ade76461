"""Databases whose clock is set by hand, with segments over events that move with it."""

from __future__ import annotations

import random
from typing import Any

from tests.event_stores import event_batch
from tests.moving_worlds import DAY_US, PEOPLE, SOURCES, MovingDatabase

__all__ = [
    "DRAWN_SEGMENTS",
    "EVENT_SEGMENTS",
    "HOUR_US",
    "READS_AND_ORDERS",
    "EventDatabase",
    "event_updates",
]

HOUR_US = 3_600_000_000

# Of every function and every kind of window.
EVENT_SEGMENTS = {
    "readers": "count(read in last 3 days) >= 2 and stage = 'x'",
    "silent": "count(read where page = 'p' in last 7 days) = 0",
    "buyers": "count(order) >= 3",
    "some": "count(order in last 90 seconds) > 0",
    "spent": "sum(order.amount in last 2 days) > 50",
    "more": "sum(order.amount in last 1 week) > sum(order.amount between 2 weeks and 1 week ago)",
    "mean": "avg(order.amount in last 3 days) >= 10.55",
    "gone": "last(order) < now - 2 days",
    "gone_on": "last(order) <= now - 2 days",
    "born_with": "now - first(read) > 1 day and first(read) > seen",
    "moment": "last(read) = now - 1 day",
    "dear": "max(order.amount in last 2 days) >= 40 or min(order.amount) < 1",
    "pages": "distinct(read.page in last 2 days) >= 2",
    "days": "days(read in last 3 days) >= 2",
    "days_ever": "days(any) > 5",
    "today": "count(read today) > 0",
    "yesterday": "count(read yesterday) >= 1",
    "this_week": "count(any this week) >= 3",
    "month": "sum(order.pieces in last 2 calendar months) >= 7",
    "ago": "count(read 1 calendar week ago) > count(read this week)",
    "since": "count(read since now - 36 hours) >= 2",
    "before": "count(order before now - 1 day) = 1",
    "span": "count(read from date '2025-10-25' to now - 1 hour) in (1, 3, 5)",
    "fixed": "not count(read from date '2025-10-24' to date '2025-10-26') = 0",
    "newest": "last_value(read.page) = 'p'",
    "oldest": "first_value(order.paid in last 2 days) = true",
    "noted": "last_value(order.note in last 2 days) contains 'b'",
    "there": "last(order where pieces > 2 in last 1 day) is present",
    "due": "max(order.due in last 3 days) < now",
    "mixed": "2 * count(read in last 1 day) + sum(order.pieces in last 2 days) > size",
    "rated": "max(order.rate in last 2 days) + 0.1 > 0.3",
    "rate_minus": "2.5 - min(order.rate in last 3 days) > 2.3",
    "rate_sum": "max(order.rate in last 2 days) + max(order.amount in last 2 days) > 12",
    "rates": "last_value(order.rate in last 3 days) in (0.1, 2.5)",
    "rate_and": "0.5 * min(order.rate in last 2 days) < avg(order.amount) - size",
    "answered": "sequence(read then order within 2 days)",
    "unanswered": "sequence(read where page = 'p' then no order within 3 days)",
    "lapsed": "sequence(order then no order within 2 days in last 5 days)",
    "steady": "sequence(read then read within 1 day then read within 1 day in last 7 days)",
    "came_back": "sequence(read then no read within 12 hours then order within 3 days)",
    "silent_both": "sequence(any then no read within 1 day then no order within 9 hours this week)",
    "not_twice": "not sequence(read then order within 1 hour since date '2025-10-25')",
    "last_step": "sequence(order then read within 2 days then no any within 1 day before now)",
    "overdue": "count(order where due < now) > 0",
    "soon": "sum(order.amount where due > now and due - now < 30 hours in last 3 days) > 20",
    "either_due": "max(order.amount where not due >= now or paid = true in last 9 days) >= 40",
    "due_notes": "distinct(order.note where now - due = 36 hours or due >= now) >= 2",
    "any_due": "count(any where page = 'p' or due < now in last 5 days) >= 2",
    "overdue_kept": "sequence(order where due <= now then no read within 1 day in last 6 days)",
    "overdue_read": "sequence(read then no order where due < now within 2 days)",
    "rated_as": "max(order.rate in last 3 days) >= weight",
    "rate_apart": "weight + sum(order.pieces in last 2 days) > 0.5 * size",
    "fees": "sum(any.fee in last 2 days) > 5.25",
    "fee_mean": "avg(any.fee in last 3 days) >= 1.1",
    "fee_most": "max(any.fee in last 2 days) >= 4",
    "fee_least": "min(any.fee in last 3 days) = 0.1",
    "fee_newest": "last_value(any.fee in last 3 days) > first_value(any.fee in last 2 days)",
    "fee_kinds": "distinct(any.fee in last 3 days) >= 2",
    "fee_rated": "sum(any.fee in last 2 days) + 0.5 * weight >= 1.1",
    "same": "last_value(read.page in last 3 days) = stage",
    "other": "first_value(read.page in last 2 days) != last_value(read.page)",
    "any": "segment('readers') or not segment('silent')",
    "still": "size >= 5",
}

# What they come to depends on uids, which are drawn at random.
DRAWN_SEGMENTS = {
    "drawn": "count(read in last 3 days) > 0.0004 * bucket('draw')",
    "drawn_amount": "sum(order.amount) - 2 * bucket('a') < max(order.rate in last 2 days)",
}

READS_AND_ORDERS = """\
events:
  read: {{properties: {{page: category, fee: {{type: decimal, scale: 1}}}}}}
  order:
    properties:
      fee: {{type: decimal, scale: 3}}
      amount: {{type: decimal, scale: 2}}
      pieces: int
      paid: bool
      rate: float
      note: text
      due: date
"""
_ATTRIBUTES = """\
  seen: {{type: time}}
  size: {{type: int}}
  stage: {{type: category}}
  weight: {{type: float}}
"""
_HEAD = PEOPLE + _ATTRIBUTES + READS_AND_ORDERS + SOURCES


class EventDatabase(MovingDatabase):
    """A database of reads and orders whose clock is `now_us`."""

    segments = EVENT_SEGMENTS

    def apply(
        self, segments: dict[str, str], *, zone: str = "Europe/Berlin", rules: str = ""
    ) -> None:
        """Puts a model in force."""
        self.database.apply_model(self.files(segments, zone, rules))

    def files(self, segments: dict[str, str], zone: str, rules: str = "") -> dict[str, str]:
        """The files of a model with these segments."""
        lines = [f'  {name}: "{text}"\n' for name, text in segments.items()]
        return {"model.yaml": _HEAD.format(zone=zone) + ("".join(lines) or "  {}\n") + rules}

    def send(self, *updates: dict[str, Any]) -> None:
        """Ingests updates as one batch, and waits until they are visible."""
        assert self.database.model is not None
        ack = self.database.ingest(event_batch(updates, self.database.model), giver="shop")
        assert not ack.refused
        self.database.wait_visible(ack.offset)


def event_updates(
    chance: random.Random, now_us: int, people: int, size: int
) -> list[dict[str, Any]]:
    """Updates of random people: events now, late, ahead, brought again, corrected, taken away."""
    return [_update(chance, now_us, chance.randrange(people)) for _ in range(size)]


def _update(chance: random.Random, now_us: int, number: int) -> dict[str, Any]:
    def instant() -> int:
        near = now_us + chance.choice((-14, -7, -3, -2, -1, 0, 0, 0, 0, 1)) * DAY_US
        shifted = near + chance.choice((0, 0, 1, -1, -HOUR_US, -chance.randrange(DAY_US)))
        # No event is more than a day ahead.
        return min(shifted, now_us + DAY_US)

    def event(properties: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"time": instant()}
        # Few ids, so that many are met again.
        if chance.random() < 0.5:
            found["id"] = f"{number} {chance.randrange(6)}"
            if chance.random() < 0.2:
                return {**found, "gone": True}
        return found | {k: v for k, v in properties.items() if chance.random() < 0.8}

    update: dict[str, Any] = {"member": f"m{number}"}
    if chance.random() < 0.6:
        fee = chance.choice((1, 10, 11, -30, 10**17))
        update["read"] = event({"page": chance.choice("pqr"), "fee": fee})
    if chance.random() < 0.5:
        update["order"] = event(
            {
                "amount": chance.choice((1055, 99, 4000, -200, chance.randrange(6000))),
                "fee": chance.choice((100, 1000, 1100, 1101, -3000, 10**17)),
                "pieces": chance.randrange(5),
                "paid": chance.random() < 0.5,
                "rate": chance.choice((0.1, 0.2, 0.2 + 1e-16, 2.5, -1.0, 0.30000000000000004)),
                "note": chance.choice(("abc", "b", "x", "äb")),
                "due": now_us // DAY_US + chance.randrange(-2, 3),
            }
        )
    if chance.random() < 0.3:
        update |= {
            "seen": instant(),
            "size": chance.randrange(10),
            "stage": chance.choice("xyzpqr"),
            "weight": chance.choice((0.1, 0.2, 0.2 + 1e-16, 2.5, -1.0, 1e-3)),
        }
    return update
